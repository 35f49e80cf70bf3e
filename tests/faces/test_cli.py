import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import click
import pytest

from specweave.arguments import parameters
from specweave.cli import run
from specweave.cli.groups import root
from specweave.cli.output import progress
from specweave.command import Progress
from specweave.project import Project
from specweave.registry import ENTRIES, Entry

Shell = Callable[..., tuple[int, str, str]]

HEAVY = (
    "numpy", "jinja2", "git", "httpx", "httpx2", "ruamel", "uvloop", "uvicorn", "httptools", "msgspec", "rich",
    "markdown_it", "mcp", "mcp_types", "starlette", "pydantic", "onnxruntime", "sklearn", "asyncio", "anyio",
)  # fmt: skip


@pytest.fixture
def program(exercise: ModuleType) -> click.Group:
    return root([exercise.ENTRY])


@pytest.fixture
def shell(program: click.Group, project: Project, capfd: pytest.CaptureFixture[str]) -> Shell:
    """Runs a line in the project: exit status, stdout, stderr."""

    def call(*words: str) -> tuple[int, str, str]:
        status = run([*words, "--project", str(project.root)], program)
        return status, *capfd.readouterr()

    return call


def test_a_result_is_the_only_thing_on_stdout(shell: Shell) -> None:
    status, out, err = shell("ml", "deploy", "0043")
    assert (status, out) == (0, "**staging** 0043\n\nNext: look.\n")
    assert err.splitlines() == ["a stray print", "step 0", "step 1", "step 2"]


def test_a_folder_whose_name_is_no_text_is_shown_all_the_same(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = project.state / "increments" / "0001-\udcff"
    folder.mkdir(parents=True)
    (folder / "spec.md").write_text("", "utf-8")
    assert run(["sw", "status", "--json", "--project", str(project.root)]) == 0
    assert json.loads(capfd.readouterr().out)["increments"][0]["increment"] == "0001-?"
    assert run(["sw", "pause", "9", "--reason", "why", "--json", "--project", str(project.root)]) == 3
    assert json.loads(capfd.readouterr().out)["error"]["next_step"] == "name one of 0001-?"


def test_json_is_one_document_with_every_field(shell: Shell) -> None:
    status, out, _ = shell("ml", "deploy", "43", "--rates", "10,50", "--duration", "2m", "--version", "2", "--json")
    document = json.loads(out)
    assert status == 0
    assert document["request"]["rates"] == [10.0, 50.0]
    assert document["request"]["duration"] == 120.0
    assert document["passed"] is True


def test_a_negative_result_is_printed_and_gives_status_1(shell: Shell) -> None:
    status, out, _ = shell("ml", "deploy", "0043", "--outcome", "missed", "--json")
    assert status == 1
    assert json.loads(out)["passed"] is False


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (["ml", "deploy", "--outcome", "refused"], 4, "port-in-use"),
        (["ml", "deploy", "--outcome", "full"], 7, "disk-full"),
        (["ml", "deploy", "--outcome", "crashed"], 70, "internal-error"),
        (["ml", "deploy", "--outcome", "odd"], 2, "argument-invalid"),
        (["ml", "deploy", "--duration", "soon"], 2, "argument-invalid"),
        (["ml", "deploy", "--nope"], 2, "usage"),
        (["ml", "deploy", "0043", "0044"], 2, "usage"),
        (["ml", "deply"], 2, "command-unknown"),
        (["deploy"], 2, "command-unknown"),
        (["ml", "deploy", "--environment", "production"], 5, "approval-required"),
    ],
)
def test_every_failure_is_coded_and_has_its_status(shell: Shell, words: list[str], status: int, code: str) -> None:
    got, out, err = shell(*words, "--json")
    error = json.loads(out)["error"]
    assert (got, error["code"]) == (status, code)
    assert error["message"]
    assert error["next_step"]
    assert "Traceback" not in err


def test_an_error_for_people_goes_to_stderr_with_its_code_and_next_step(shell: Shell) -> None:
    status, out, err = shell("ml", "deploy", "--outcome", "refused")
    assert (status, out) == (4, "")
    assert err.splitlines()[-2:] == ["error: port 8000 is in use (port-in-use)", "next: stop what uses it"]


def test_a_bug_shows_its_traceback_only_with_debug(shell: Shell) -> None:
    assert "Traceback" not in shell("ml", "deploy", "--outcome", "crashed")[2]
    assert "ZeroDivisionError" in shell("ml", "deploy", "--outcome", "crashed", "--debug")[2]


def test_an_unknown_command_suggests_the_nearest(shell: Shell) -> None:
    assert "did you mean `specweave ml deploy`?" in shell("ml", "deply")[2]
    assert "did you mean `specweave ml load-test`?" in shell("load-tst")[2]
    assert "did you mean `specweave ml load-test`?" in shell("/ml:load-test")[2]
    assert "did you mean" not in shell("ml", "dp")[2]


def test_approve_answers_the_question(shell: Shell) -> None:
    status, out, _ = shell("ml", "deploy", "--environment", "production", "--approve", "--json")
    assert status == 0
    assert json.loads(out)["approved"] is True


def test_without_a_terminal_the_error_says_what_a_person_types(shell: Shell) -> None:
    _, _, err = shell("ml", "deploy", "0043", "--environment", "production")
    assert "`specweave ml deploy 0043 --environment production --approve`" in err


def test_a_project_that_is_not_there_is_refused(program: click.Group, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["ml", "deploy", "--project", "/no/such/folder", "--json"], program) == 3
    assert json.loads(capfd.readouterr().out)["error"]["code"] == "project-not-found"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.slash)
def test_help_shows_an_example_and_every_option(entry: Entry, capfd: pytest.CaptureFixture[str]) -> None:
    assert run([entry.group, entry.name, "--help"]) == 0
    out = capfd.readouterr().out
    command = entry.load()
    assert f"specweave {entry.group} {entry.name} {command.examples[0]}".rstrip() in out
    for parameter in parameters(command.request):
        assert parameter.option in out


@pytest.mark.parametrize("words", [["--help"], ["sw", "--help"], ["ml", "--help"], ["mcp", "--help"], ["--version"]])
def test_help_and_version_end_well(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 0
    assert "specweave" in capfd.readouterr().out


def test_the_later_name_of_inc_is_taken(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["sw", "increment", "--help"]) == 0
    assert "specweave sw inc" in capfd.readouterr().out


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from specweave.cli import run; run(['--help']); run(['ml', '--help'])\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print('LOADED', loaded)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"


_SLEEPER = """
import importlib.util, sys, time
sys.argv[0] = "specweave"
spec = importlib.util.spec_from_file_location("exercise", {path!r})
exercise = importlib.util.module_from_spec(spec)
sys.modules["exercise"] = exercise
spec.loader.exec_module(exercise)
from dataclasses import replace
import click, specweave.cli as cli
from specweave.cli.groups import root
def wait(request, context):
    print("READY", file=sys.__stderr__, flush=True)
    time.sleep(60)
exercise.EXERCISE = replace(exercise.EXERCISE, run=wait)
cli.root = lambda: root([exercise.ENTRY])
cli.main()
"""


@pytest.mark.parametrize(
    ("number", "status", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_a_command_with_one_line(
    exercise: ModuleType, tmp_path: Path, number: signal.Signals, status: int, word: str
) -> None:
    script = _SLEEPER.format(path=exercise.__file__)
    process = subprocess.Popen(
        [sys.executable, "-c", script, "ml", "deploy", "0043"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    assert process.stderr.readline() == "READY\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err.strip()) == (status, "", word)


def test_on_a_terminal_the_question_is_asked_and_the_result_drawn(exercise: ModuleType, tmp_path: Path) -> None:
    assert _typed(exercise, tmp_path, b"y\n") == (0, True)
    assert _typed(exercise, tmp_path, b"n\n") == (5, False)


def _typed(exercise: ModuleType, folder: Path, answer: bytes) -> tuple[int, bool]:
    script = _SLEEPER.format(path=exercise.__file__).replace(
        "exercise.EXERCISE = replace(exercise.EXERCISE, run=wait)", "pass"
    )
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        words = ["ml", "deploy", "0043", "--environment", "production"]
        os.execv(sys.executable, [sys.executable, "-c", script, *words])  # noqa: S606 - replaces the fork of the test
    shown = b""
    answered = False
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1.0)[0]:
            continue
        try:
            chunk = os.read(terminal, 4096)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
        if b"[y/N]" in shown and not answered:
            os.write(terminal, answer)
            answered = True
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), b"Next: look." in shown


def test_progress_in_a_log_is_a_line_for_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as report:
        for done in range(101):
            report(Progress(f"{done} of 100 answered", done / 100))
        report(Progress("writing the report"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "0 of 100 answered"
    assert lines[-1] == "writing the report"
    assert len(lines) in range(10, 13)


def test_the_next_step_is_said_as_it_is_typed_in_a_shell(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ml", "create-api", "--project", str(project.root)]) == 3
    told = capsys.readouterr().err
    assert 'specweave sw inc "Deploy the model"' in told
    assert "/sw:inc" not in told
