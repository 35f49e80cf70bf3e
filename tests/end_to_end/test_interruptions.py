"""Ctrl-C and kill -9 in the middle of each command: nothing runs on, nothing is lost, the next run succeeds."""

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from tests.end_to_end.attempts import INCREMENT, SPECWEAVE, processes_of, succeed, tree, type_

pytestmark = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="processes are looked up in /proc")

LOAD_TEST = ("ml", "load-test", "0043", "--rps", "150", "--duration", "2s")
DEPLOY = ("ml", "deploy", "0043", "--environment", "staging")
ROLLBACK = ("ml", "rollback", "0043", "--environment", "staging")
NEW_MODEL = ("ml", "deploy-prepare", "0043", "--model", "models/credit-v2.joblib")
KILLS = {"ctrl-C": signal.SIGINT, "kill": signal.SIGKILL, "end": signal.SIGTERM}
STATUSES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}

# command → what it says on the way, at which it is interrupted
MOMENTS: dict[tuple[str, ...], tuple[str, ...]] = {
    NEW_MODEL: ("reading and converting", "trying onnx", "generating documents"),
    ("ml", "create-api", "0043", "--test"): ("running the service's own tests",),
    LOAD_TEST: ("starting the service", "150 RPS for 2 s"),
    DEPLOY: ("preparing the release", "starting release", "asking the golden rows"),
    ("sw", "do", "0043", "--task", "T-002"): ("running the service's own tests",),
}
CASES = [
    pytest.param(words, moment, number, id=f"{words[1]}-{moment.replace(' ', '-')}-{how}")
    for words, moments in MOMENTS.items()
    for moment in moments
    for how, number in KILLS.items()
    if how != "end" or moment == moments[0]
]


@pytest.mark.parametrize(("words", "moment", "number"), CASES)
def test_a_command_that_is_interrupted_can_be_repeated(
    project: Path, words: tuple[str, ...], moment: str, number: signal.Signals
) -> None:
    before = tree(project)
    status, document = interrupted(project, words, number, at=moment)
    if status in set(STATUSES.values()):
        assert status == STATUSES[number]
    assert number == signal.SIGKILL or document
    assert_nothing_runs(project)
    assert before.keys() <= tree(project).keys()
    assert_readable(project)
    succeed(project, *words)
    assert_readable(project)


def test_increments_that_are_made_and_killed_at_any_moment_are_whole_or_not_there(project: Path) -> None:
    moments = random.Random(7)  # noqa: S311 - moments, no secrets
    answered = []
    for turn in range(10):
        number = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[turn % 3]
        words = ("sw", "inc", f"thing {turn}")
        _, document = interrupted(project, words, number, after_s=moments.uniform(0.08, 0.4))
        if "increment" in document:
            answered.append(document["increment"])
    succeed(project, "sw", "inc", "the last thing")
    folders = [path for path in (project / ".specweave" / "increments").iterdir() if any(path.iterdir())]
    for folder in folders:
        assert {path.name for path in folder.iterdir()} >= {"metadata.json", "spec.md", "plan.md", "tasks.md"}
        assert json.loads((folder / "metadata.json").read_bytes())["id"] == folder.name
    names = {folder.name for folder in folders}
    assert names >= set(answered)
    assert not any(name.startswith(".new-") for name in names)
    listed = succeed(project, "sw", "status")["increments"]
    assert {increment["increment"] for increment in listed} == names


@pytest.mark.parametrize("how", ["ctrl-C", "kill"])
def test_files_that_are_being_generated_do_not_look_edited_after_a_kill(project: Path, how: str) -> None:
    moments = random.Random(8)  # noqa: S311 - moments, no secrets
    folder = project / ".specweave" / "increments" / INCREMENT
    whole = tree(folder)
    for command in ("create-api", "containerize"):
        for _ in range(3):
            for name in ("api/main.py", "api/Dockerfile", "api/models.py", "runtime/specweave_runtime/server.py"):
                (folder / name).unlink(missing_ok=True)
            interrupted(project, ("ml", command, "0043"), KILLS[how], after_s=moments.uniform(0.2, 0.9))
            assert_nothing_runs(project)
    changes = succeed(project, "ml", "create-api", "0043")["changes"]
    changes += succeed(project, "ml", "containerize", "0043")["changes"]
    assert {change["action"] for change in changes} <= {"create", "update", "unchanged"}
    now = tree(folder)
    generated = [name for name in whole if name.startswith(("api/", "runtime/"))]
    assert {name: now[name] for name in generated} == {name: whole[name] for name in generated}


@pytest.mark.parametrize("how", ["ctrl-C", "kill"])
def test_a_rollback_that_is_interrupted_leaves_one_of_two_versions_and_can_be_repeated(project: Path, how: str) -> None:
    succeed(project, *DEPLOY)
    succeed(project, *NEW_MODEL)
    succeed(project, "ml", "load-test", "0043", "--rps", "250", "--duration", "1s")
    succeed(project, *DEPLOY)
    moments = random.Random(9)  # noqa: S311 - moments, no secrets
    for _ in range(3):
        interrupted(project, ROLLBACK, KILLS[how], after_s=moments.uniform(0.15, 0.5))
        view = succeed(project, "ml", "status", "0043", "--environment", "staging")["environments"][0]
        assert view["state"] == "running"
        assert view["version"] in {"0043-v1", "0043-v2"}
        rolled = succeed(project, *ROLLBACK)
        assert rolled["environment"]["version"] != view["version"]
    succeed(project, *DEPLOY, "--stop")
    assert_nothing_runs(project)


def test_a_task_that_was_killed_is_open_and_runs_again(project: Path) -> None:
    words = ("sw", "do", "0043", "--until", "T-005")
    interrupted(project, words, signal.SIGKILL, at="T-00")
    assert_nothing_runs(project)
    assert_readable(project)
    tasks = succeed(project, "sw", "status", "0043")["increments"][0]["tasks"]
    for task in tasks:
        if task["done"] and task["command"]:
            report = project / ".specweave" / "increments" / INCREMENT / task["evidence"]
            assert json.loads(report.with_suffix(".json").read_bytes())["passed"]
    answer = type_(project, "sw", "do", "0043", "--task", "T-002")
    assert answer.status == 0, answer


def interrupted(
    project: Path,
    words: Sequence[str],
    number: signal.Signals,
    *,
    at: str | None = None,
    after_s: float | None = None,
) -> tuple[int, dict[str, str]]:
    """Send a signal to a command when it says `at` or after a time; its status and the document on its stdout."""
    said = threading.Event()
    tool = subprocess.Popen(
        [SPECWEAVE, *words, "--json"],
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert tool.stderr is not None
    assert tool.stdout is not None
    lines: list[str] = []

    def listen() -> None:
        for line in tool.stderr or ():
            lines.append(line)
            if at and at in line:
                said.set()
        said.set()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    if at:
        assert said.wait(90)
        assert any(at in line for line in lines), lines
    else:
        with suppress(subprocess.TimeoutExpired):
            tool.wait(after_s)
    if tool.poll() is None:
        os.kill(tool.pid, number)
    output = tool.stdout.read()
    status = tool.wait(60)
    listener.join(10)
    tool.stdout.close()
    tool.stderr.close()
    text = "".join(lines)
    # A signal that arrives inside a finalizer, or before anything of the program is loaded, is shown by Python itself.
    own = "/plugin/specweave/" in text and "Exception ignored in: <function Repo.__del__" not in text
    assert "Traceback" not in text or not own, text
    return status, json.loads(output) if output else {}


def assert_nothing_runs(project: Path) -> None:
    """Only a supervisor may outlive the command that started it, with the workers of its service."""
    until(lambda: not strays(project), lambda: str(strays(project)))


def strays(project: Path) -> dict[int, str]:
    deployed = ("specweave_runtime.supervisor", "specweave_runtime.server api.main:app --listener")
    running = processes_of(project)
    return {pid: line for pid, line in running.items() if not any(name in line for name in deployed)}


def until(condition: Callable[[], bool], explanation: Callable[[], str], within_s: float = 30.0) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, explanation()
        time.sleep(0.05)


def assert_readable(project: Path) -> None:
    """Every document of the increment is whole."""
    folder = project / ".specweave" / "increments" / INCREMENT
    for path in folder.rglob("*.json"):
        json.loads(path.read_bytes())
    reports = folder / "reports"
    for path in reports.glob("*.json"):
        assert path.with_suffix(".md").is_file()
    assert not list(folder.rglob("*.tmp"))
    succeed(project, "sw", "status", "0043")
