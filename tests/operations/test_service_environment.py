"""The cache of service environments, made by the real uv from a wheel that the test writes."""

import hashlib
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from specweave.command import Context, Progress
from specweave.errors import HostError, InvalidInputError, OperationError
from specweave.host import RealHost
from specweave.operations.service_environment import ensure, interpreter
from specweave.project import Project
from specweave_runtime.package import Executable, Manifest, Parity, Source


@pytest.fixture
def context(tmp_path: Path) -> Context:
    (tmp_path / ".specweave").mkdir()
    return Context(project=Project.find(tmp_path), host=RealHost())


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    wheel = tmp_path / "tinypart-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tinypart.py", "ANSWER = 42\n")
        archive.writestr("tinypart-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinypart\nVersion: 1.0\n")
        archive.writestr(
            "tinypart-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tinypart-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    path = tmp_path / "requirements.txt"
    path.write_text(f"tinypart @ {wheel.as_uri()} --hash=sha256:{digest}\n")
    return path


def made(context: Context) -> list[str]:
    return sorted(path.name for path in (context.project.state / "cache" / "environments").iterdir())


def test_an_environment_has_what_the_requirements_name_and_is_made_once(context: Context, requirements: Path) -> None:
    python = ensure(context, requirements)
    answer = subprocess.run(
        [python, "-I", "-c", "import tinypart; print(tinypart.ANSWER)"], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "42\n"
    before = python.parent.parent.stat().st_ino
    assert ensure(context, requirements) == python
    assert python.parent.parent.stat().st_ino == before


def test_other_requirements_get_another_environment(context: Context, requirements: Path) -> None:
    first = ensure(context, requirements)
    requirements.write_text(requirements.read_text() + "# changed\n")
    assert ensure(context, requirements) != first


def test_a_file_that_is_not_what_its_hash_says_is_refused_and_nothing_stays(
    context: Context, requirements: Path
) -> None:
    requirements.write_text(requirements.read_text().split("sha256:")[0] + "sha256:" + "0" * 64 + "\n")
    with pytest.raises(OperationError) as raised:
        ensure(context, requirements)
    assert raised.value.code == "environment-failed"
    assert "hash" in raised.value.message.lower()
    assert made(context) == []


def test_requirements_without_hashes_are_refused(context: Context, tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("numpy\n")
    with pytest.raises(InvalidInputError) as raised:
        ensure(context, path)
    assert raised.value.code == "requirements-not-locked"


def test_an_environment_whose_interpreter_went_away_is_made_again(context: Context, requirements: Path) -> None:
    python = ensure(context, requirements)
    python.unlink()
    assert ensure(context, requirements) == python
    assert subprocess.run([python, "-c", "import tinypart"], check=False).returncode == 0


def test_two_that_make_the_same_environment_at_once_both_get_it(context: Context, requirements: Path) -> None:
    answers: list[Path] = []
    threads = [threading.Thread(target=lambda: answers.append(ensure(context, requirements))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert made(context) == [answers[0].parent.parent.name]


def test_one_that_was_made_meanwhile_is_kept(context: Context, requirements: Path) -> None:
    others: list[int] = []

    def make_it_first(_progress: Progress) -> None:
        if not others:
            others.append(0)
            others[0] = ensure(Context(context.project, context.host), requirements).parent.parent.stat().st_ino

    python = ensure(replace(context, report=make_it_first), requirements)
    assert python.parent.parent.stat().st_ino == others[0]


_KILLED = """
import os, signal, sys
from pathlib import Path
from specweave.command import Context
from specweave.host import RealHost
from specweave.operations.service_environment import ensure
from specweave.project import Project

class Host(RealHost):
    def run(self, argv, **settings):
        if "pip" in argv:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run(argv, **settings)

ensure(Context(project=Project.find(Path(sys.argv[1])), host=Host()), Path(sys.argv[2]))
"""


def test_a_kill_in_the_middle_leaves_no_half_environment_in_the_way(context: Context, requirements: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", _KILLED, context.project.root, requirements], check=False)
    assert killed.returncode == -9
    python = ensure(context, requirements)
    assert subprocess.run([python, "-c", "import tinypart"], check=False).returncode == 0


def manifest(kind: str, python: str) -> Manifest:
    path = Path("model")
    executable = Executable(kind, str(path))  # type: ignore[arg-type] # parametrized
    parity = Parity(1, 0, 0.0, 0.0, "reference", (), 1.0, 1.0)
    source = Source("m", "0", "0001")
    return Manifest(1, "m", "0001-v1", "", (), executable, source, python, {}, parity, {})


@pytest.mark.parametrize("kind", ["onnx", "treelite"])
def test_a_converted_model_runs_on_the_python_of_the_tool(context: Context, kind: str) -> None:
    assert interpreter(context, manifest(kind, "3.2.1")) is None


def test_an_estimator_wants_the_python_that_trained_it(context: Context) -> None:
    present = ".".join(map(str, sys.version_info[:2]))
    assert interpreter(context, manifest("estimator", f"{present}.99")) is None
    with pytest.raises(HostError) as raised:
        interpreter(context, manifest("estimator", "3.2.1"))
    assert raised.value.code == "python-missing"
    assert "3.2" in raised.value.message
