"""A service that runs as long as it is needed, with small programs in the place of the generated one."""

import hashlib
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import httpx
import pytest

from specweave.command import Context
from specweave.errors import NotFoundError, OperationError
from specweave.host import RealHost
from specweave.increments.store import Increment
from specweave.model_packages.store import Package
from specweave.operations.local_service import serve
from specweave.project import Project
from specweave_runtime.package import Executable, Manifest, Output, Parity, Signature, Source

ANSWERS_READY = """
import http.server, json, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, document = {ready}
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
port = int(sys.argv[sys.argv.index("--port") + 1])
print("listening on", port, flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
READY = ANSWERS_READY.format(ready="200, dict(os.environ, pid=os.getpid())")
NOT_READY = ANSWERS_READY.format(ready="503, {'reason': 'golden row 3 differs'}")
DEADLINE_S = 20.0


@pytest.fixture
def context(tmp_path: Path) -> Context:
    (tmp_path / ".specweave").mkdir()
    return Context(Project(tmp_path), RealHost())


@pytest.fixture
def package(tmp_path: Path) -> Package:
    manifest = Manifest(
        format=1, name="credit", version="0043-v1", created="2026-11-20T12:00:00Z", estimator=("LogisticRegression",),
        executable=Executable("onnx", "model.onnx"), source=Source("m.joblib", "0" * 64, "0043"), python="3.11.7",
        libraries={}, parity=Parity(1, 0, 0.0, 1e-5, "reference", (), 1.0, 1.0), files={},
    )  # fmt: skip
    return Package(tmp_path / "package", manifest, Signature((), Output("regression"), ()), "d" * 64)


def increment(context: Context, program: str) -> Increment:
    folder = context.project.state / "increments" / "0043-deploy-credit"
    runtime = folder / "runtime" / "specweave_runtime"
    runtime.mkdir(parents=True)
    (runtime / "__init__.py").touch()
    (runtime / "server.py").write_text(program)
    (folder / "api").mkdir()
    (folder / "api" / "main.py").touch()
    wheel = context.project.root / "tinypart-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tinypart.py", "")
        archive.writestr("tinypart-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinypart\nVersion: 1.0\n")
        archive.writestr(
            "tinypart-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tinypart-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / "api" / "requirements.txt").write_text(f"tinypart @ {wheel.as_uri()} --hash=sha256:{digest}\n")
    return Increment(context.project, folder)


def wait_until_gone(pid: int) -> None:
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
    raise AssertionError(f"process {pid} still runs")


def test_the_service_runs_in_the_block_and_not_after_it(
    context: Context, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", "of another service")
    monkeypatch.setenv("RATE_LIMIT", "1")
    with serve(context, increment(context, READY), package) as address:
        assert address.startswith("http://127.0.0.1:")
        environment = httpx.get(address, trust_env=False).json()
        assert environment["MODEL_PACKAGE"] == str(package.path)
        assert environment["MODEL_DIGEST"] == package.identity
        assert environment["API_KEY"] == environment["RATE_LIMIT"] == ""
    with pytest.raises(httpx.ConnectError):
        httpx.get(address, trust_env=False)
    wait_until_gone(environment["pid"])


def test_nothing_but_the_cache_is_left_behind(context: Context, package: Package) -> None:
    made = increment(context, READY)
    before = sorted(path for path in made.folder.rglob("*"))
    with serve(context, made, package):
        pass
    assert sorted(path for path in made.folder.rglob("*")) == before


def test_nothing_beside_the_api_stands_in_for_the_runtime(context: Context, package: Package) -> None:
    made = increment(context, READY)
    other = made.folder / "specweave_runtime"
    other.mkdir()
    (other / "__init__.py").write_text("raise SystemExit('not the runtime')")
    with serve(context, made, package) as address:
        assert httpx.get(address, trust_env=False).is_success


def test_an_interruption_ends_it(context: Context, package: Package) -> None:
    pids: list[int] = []

    def interrupted() -> None:
        with serve(context, increment(context, READY), package) as address:
            pids.append(httpx.get(address, trust_env=False).json()["pid"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    wait_until_gone(pids[0])


def test_it_does_not_outlive_a_tool_that_was_killed(context: Context, package: Package) -> None:
    made = increment(context, READY)
    log = context.project.root / "service.log"
    program = f"""
import sys, time
from pathlib import Path
from specweave.host import RealHost
server = {str(made.folder / "runtime" / "specweave_runtime" / "server.py")!r}
folder, log = Path({str(made.folder)!r}), Path({str(log)!r})
port = RealHost().free_port()
with RealHost().attached([sys.executable, server, "--port", str(port)], cwd=folder, log=log):
    print(port, flush=True)
    time.sleep({DEADLINE_S})
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as tool:
        assert tool.stdout is not None
        port = int(tool.stdout.readline())
        end = time.monotonic() + DEADLINE_S
        while "listening" not in log.read_text():
            assert time.monotonic() < end
        pid = httpx.get(f"http://127.0.0.1:{port}", trust_env=False).json()["pid"]
        tool.send_signal(signal.SIGKILL)
    wait_until_gone(pid)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (NOT_READY, "golden row 3 differs"),
        ("raise SystemExit('port is taken')", "port is taken"),
        ("import nothing_of_this_name", "ModuleNotFoundError"),
        ("import time; print('loading', flush=True); time.sleep(60)", "loading"),
    ],
)
def test_a_service_that_does_not_become_ready_is_ended_and_the_reason_told(
    context: Context, package: Package, program: str, reason: str
) -> None:
    with (
        pytest.raises(OperationError) as caught,
        serve(context, increment(context, program), package, ready_s=2.0),
    ):
        pass
    assert caught.value.code == "service-not-ready"
    assert reason in caught.value.message


def test_an_increment_without_an_api_is_told_how_to_make_one(context: Context, package: Package) -> None:
    folder = context.project.state / "increments" / "0043-deploy-credit"
    folder.mkdir(parents=True)
    with pytest.raises(NotFoundError) as caught, serve(context, Increment(context.project, folder), package):
        pass
    assert caught.value.code == "service-missing"
    assert "/ml:create-api 0043" in caught.value.next_step
