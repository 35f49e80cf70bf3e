"""Arguments, streams and folders that programs seldom think of."""

import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.end_to_end.attempts import SPECWEAVE, duplicate, refuse, succeed

LOAD_TEST = ("ml", "load-test", "0043", "--rps", "250", "--duration", "1s")
DEPLOY = ("ml", "deploy", "0043", "--environment", "staging")


@pytest.fixture(scope="module")
def untouched(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project for what must change nothing: every test may add files, none may rely on another's."""
    return duplicate(prepared, tmp_path_factory.mktemp("untouched") / "project")


ARGUMENTS: dict[str, tuple[str, ...]] = {
    **{
        f"--rps {value}": (*LOAD_TEST[:3], f"--rps={value}")
        for value in ("0", "nan", "inf", "1e9", "-5", "abc", "", "10,,x")
    },
    **{
        f"--duration {value}": (*LOAD_TEST[:3], f"--duration={value}")
        for value in ("0", "-1s", "99999h", "nan", "x", "")
    },
    "too many requests": (*LOAD_TEST[:3], "--rps", "100000", "--duration", "24h"),
    "an unknown option": (*LOAD_TEST, "--speed", "3"),
    "an option without its value": (*LOAD_TEST[:3], "--rps"),
    "an extra word": (*LOAD_TEST, "extra"),
    "two addresses": (*LOAD_TEST, "--environment", "staging", "--url", "http://127.0.0.1:1"),
    "an increment twice": (*LOAD_TEST, "--increment", "0042"),
    "a URL that is none": (*LOAD_TEST, "--url", "not a url"),
    "a URL with a password": (*LOAD_TEST, "--url", "http://me:secret@127.0.0.1:1"),
    "a URL where nobody listens": (*LOAD_TEST, "--url", "http://127.0.0.1:1"),
    "a file as URL": (*LOAD_TEST, "--url", "file:///etc/passwd"),
    "an environment that is not there": (*DEPLOY[:3], "--environment", "moon"),
    "an environment as path": (*DEPLOY[:3], "--environment", "../../x"),
    "a version that is not there": (*DEPLOY, "--version", "0043-v9"),
    "a version as path": (*DEPLOY, "--version", "../../x"),
    "nothing to roll back to": ("ml", "rollback", "0043", "--environment", "staging"),
    "what is not deployed": (*LOAD_TEST, "--environment", "staging"),
    "an unknown framework": ("ml", "create-api", "0043", "--framework", "flask"),
    "a Python that is none": ("ml", "containerize", "0043", "--python-version", "2.7"),
    "a tag that is none": ("ml", "containerize", "0043", "--build", "--tag", "$(touch hacked)"),
    "an unknown task": ("sw", "do", "0043", "--task", "T-999"),
    "an unknown command": ("ml", "deploi", "0043"),
    "a folder that is not there": ("sw", "status", "--project", "/nowhere/at/all"),
}


@pytest.mark.parametrize("what", ARGUMENTS)
def test_arguments_that_cannot_be_used_are_refused(untouched: Path, what: str) -> None:
    error = refuse(untouched, *ARGUMENTS[what])
    assert "secret" not in json.dumps(error)
    assert not (untouched / "hacked").exists()


def test_gates_that_are_not_met_are_listed(untouched: Path) -> None:
    error = refuse(untouched, "ml", "deploy", "0043", "--environment", "production")
    assert error["code"] == "gates-unmet"
    assert {gate["gate"] for gate in error["details"]["gates"] if not gate["met"]} == {"staging", "approval"}


STREAMS = {
    "no stdin": "exec 0<&-",
    "no stderr": "exec 2>&-",
    "no stdin and no stderr": "exec 0<&- 2>&-",
    "a locale of ASCII": "export LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0",
    "an output of ASCII": "export PYTHONIOENCODING=ascii PYTHONUTF8=0",
    "a narrow screen": "export COLUMNS=20",
    "a screen of no width": "export COLUMNS=0",
    "an almost empty environment": 'for name in $(env | cut -d= -f1); do unset "$name" 2>/dev/null; done',
}


@pytest.mark.parametrize("words", ["ml deploy 0043 --environment production", "sw status 🚀"])
@pytest.mark.parametrize("stream", STREAMS)
def test_odd_streams_and_locales_change_no_answer(untouched: Path, stream: str, words: str) -> None:
    line = f"{STREAMS[stream]}; '{SPECWEAVE}' {words} --json"
    done = subprocess.run(["sh", "-c", line], cwd=untouched, capture_output=True, check=False)
    document = json.loads(done.stdout)
    expected = 3 if words.startswith("sw") else 5
    assert done.returncode == expected, document
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words", ["ml status 0043", "ml status 9999", "ml status 0043 --json", "ml status 9999 --json"]
)
@pytest.mark.parametrize("reader", ["| head -c 0", ">&-", "> /dev/full"])
def test_an_output_that_nobody_takes_gives_no_traceback(untouched: Path, words: str, reader: str) -> None:
    line = f"('{SPECWEAVE}' {words}; echo status=$? >&2) {reader}"
    done = subprocess.run(["sh", "-c", line], cwd=untouched, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    status = int(done.stderr.rpartition("status=")[2])
    assert status == 3 if "9999" in words else status in {0, 1, 7}


def test_a_folder_that_was_removed_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    line = f"rmdir '{folder}'; '{SPECWEAVE}' sw status --json"
    done = subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, check=False)
    assert json.loads(done.stdout)["error"]["code"] == "project-not-found"
    assert done.returncode == 3


def test_the_whole_way_in_a_folder_with_an_odd_name(prepared: Path, tmp_path: Path) -> None:
    project = duplicate(prepared, tmp_path / 'it\'s "my" 🚀 $HOME; project #1')
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        ports = first.getsockname()[1], second.getsockname()[1]
    settings = project / ".specweave" / "config.yaml"
    places = "".join(
        f"  {name}: {{port: {port}}}\n" for name, port in zip(("staging", "production"), ports, strict=True)
    )
    settings.write_text(f"slo: {{latency_p95_ms: 60000}}\nenvironments:\n{places}", "utf-8")
    (project / "models" / "my 🚀 model's.joblib").write_bytes((project / "models" / "credit-v2.joblib").read_bytes())
    succeed(project, "sw", "inc", "0070-train-other-model")
    made = succeed(
        project,
        *("ml", "deploy-prepare", "0070", "--model", "models/my 🚀 model's.joblib", "--data", "data/train.csv"),
        *("--name", "other-model"),
    )
    number = made["increment"][:4]
    assert succeed(project, "ml", "create-api", number, "--test")["failed_tests"] == 0
    assert succeed(project, "ml", "load-test", number, "--rps", "250", "--duration", "1s")["passed"]
    try:
        deployed = succeed(project, "ml", "deploy", number, "--environment", "staging")
        assert deployed["environment"]["state"] == "running"
    finally:
        stopped = succeed(project, "ml", "deploy", number, "--environment", "staging", "--stop")
    assert stopped["environment"]["state"] == "stopped"


def test_the_mcp_server_survives_what_is_no_message(untouched: Path) -> None:
    lines = b'nonsense\n[]\n{"jsonrpc": "2.0"}\n\xff\xfe\n' + b"[" * 10_000 + b"\n"
    done = subprocess.run([SPECWEAVE, "mcp"], cwd=untouched, input=lines, capture_output=True, check=False)
    assert done.returncode == 0
    assert b"Traceback" not in done.stdout
    for line in done.stdout.splitlines():
        answer: dict[str, Any] = json.loads(line)
        assert answer["jsonrpc"] == "2.0"
