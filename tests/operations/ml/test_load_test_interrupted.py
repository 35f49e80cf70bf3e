"""`ml load-test` that somebody or something ends before its time: what was measured is kept, and said to be a part."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil
import pytest
from tests.operations.load_testing.servers import Server, serve
from tests.operations.ml.credit_service import identity, service

from specweave.command import Context
from specweave.errors import OperationError
from specweave.increments.store import Increment

pytestmark = pytest.mark.measures

DEADLINE_S = 60.0
ENGINE = "specweave.operations.load_testing.engine"


@dataclass
class Command:
    """A load test under way in a process of its own, and all that it has said on standard error."""

    process: "subprocess.Popen[str]"
    said: list[str] = field(default_factory=list)
    descendants: set[psutil.Process] = field(default_factory=set)

    def engines(self) -> list[psutil.Process]:
        found = psutil.Process(self.process.pid).children(recursive=True)
        self.descendants.update(found)
        return [process for process in found if process.cmdline()[2:4] == ["-m", ENGINE]]

    def end(self) -> int:
        """Wait for it; its exit status. None of its processes outlives it."""
        status = self.process.wait(DEADLINE_S)
        _, alive = psutil.wait_procs(self.descendants, DEADLINE_S)
        assert not alive
        return status


@contextmanager
def under_way(context: Context, *words: str, until: str = "answered") -> Iterator[tuple[Command, Server]]:
    """A load test against a good service, once it has said `until` of a step that has requests behind it."""
    with serve(service(identity(context), service_s=0.005)) as server:
        url = f"http://127.0.0.1:{server.port}"
        argv = [sys.executable, "-m", "specweave", "ml", "load-test", "0001", "--url", url, *words]
        with subprocess.Popen(
            argv, cwd=context.project.root, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            command, ready = Command(process), threading.Event()

            def listen() -> None:
                assert process.stderr is not None
                for line in process.stderr:
                    command.said.append(line)
                    if until in line and " 0 of " not in line:
                        ready.set()
                ready.set()

            listener = threading.Thread(target=listen)
            listener.start()
            try:
                assert ready.wait(DEADLINE_S)
                assert process.poll() is None, "".join(command.said)
                yield command, server
            finally:
                process.kill()
                listener.join()


def report(increment: Increment) -> tuple[dict[str, object], str]:
    (path,) = (increment.folder / "reports").glob("*-load-test.json")
    return json.loads(path.read_text()), path.with_suffix(".md").read_text()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_is_interrupted_leaves_a_partial_report_that_has_not_passed(
    context: Context, increment: Increment, number: int, status: int
) -> None:
    with under_way(context, "--rps", "50,100", "--duration", "60s") as (command, _):
        assert command.engines()
        command.process.send_signal(number)
        assert command.end() == status
    word = "interrupted" if status == 130 else "terminated"
    page = ".specweave/increments/0001-deploy-credit/reports/001-load-test.md"
    assert command.said[-1] == f"{word}; what was measured until then is in {page}\n"
    assert sum(page in line for line in command.said) == 1
    document, text = report(increment)
    assert document["passed"] is False
    assert document["package"] is None, "a part is no evidence"
    assert "partial" in text.lower()
    (step,) = document["data"]["steps"]
    assert 0 < step["requests"] < 3_000
    assert step["correct"] > 0


def test_ctrl_c_in_the_terminal_reaches_all_processes_and_still_leaves_the_report(
    context: Context, increment: Increment
) -> None:
    with under_way(context, "--rps", "50", "--duration", "60s") as (command, _):
        engines = command.engines()
        for process in (*engines, psutil.Process(command.process.pid)):
            process.send_signal(signal.SIGINT)
        assert command.end() == 130
    assert report(increment)[0]["passed"] is False


def test_a_generator_that_is_killed_leaves_the_steps_that_were_finished(context: Context, increment: Increment) -> None:
    with under_way(context, "--rps", "50,60", "--duration", "1.5s", until="60 RPS") as (command, _):
        for engine in command.engines():
            engine.kill()
        assert command.end() == OperationError.exit_status
    assert any("load-generator-failed" in line for line in command.said)
    document, text = report(increment)
    assert document["passed"] is False
    assert "partial" in text.lower()
    assert document["data"]["steps"][0]["requests"] == 75


def test_a_tool_that_is_killed_leaves_no_process_and_no_half_of_a_report(
    context: Context, increment: Increment
) -> None:
    before = sorted(increment.folder.rglob("*"))
    with under_way(context, "--rps", "50", "--duration", "60s") as (command, server):
        assert command.engines()
        os.kill(command.process.pid, signal.SIGKILL)
        assert command.end() == -signal.SIGKILL
        sent = len(server.bodies)
    assert sent
    assert sorted(increment.folder.rglob("*")) == before
