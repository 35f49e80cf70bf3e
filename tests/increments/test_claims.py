"""Claims of tasks, held by real processes and threads."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from specweave.command import Context
from specweave.errors import ConflictError
from specweave.host import RealHost
from specweave.increments import claims, store
from specweave.increments.store import Increment
from specweave.project import Project

HOLDER = """
import sys
from pathlib import Path
from specweave.command import Context
from specweave.host import RealHost
from specweave.increments import claims, store
from specweave.project import Project
context = Context(Project(Path(sys.argv[1])), RealHost())
with claims.claim(context, store.find(context.project, "1"), "T-1", name="other"):
    print("held", flush=True)
    sys.stdin.read()
"""


class Clock(RealHost):
    """The real machine at a time that a test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 20, 12, 3, tzinfo=UTC)
        self.asked = threading.Semaphore(0)

    def now(self) -> datetime:
        self.asked.release()
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def context(tmp_path: Path, clock: Clock) -> Context:
    return Context(Project(tmp_path), clock)


@pytest.fixture
def increment(context: Context) -> Increment:
    return store.create(context, "work")


@contextmanager
def another_process(project: Path) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(project)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def refusal(context: Context, increment: Increment, task: str = "T-001", name: str = "me") -> ConflictError:
    with pytest.raises(ConflictError) as caught, claims.claim(context, increment, task, name=name):
        pass
    assert caught.value.code == "task-claimed"
    assert caught.value.next_step
    return caught.value


def test_a_task_is_held_once_and_free_again_afterwards(context: Context, increment: Increment) -> None:
    with claims.claim(context, increment, "T-001", name="anna") as mine:
        assert (mine.task, mine.name, mine.process) == ("T-001", "anna", os.getpid())
        assert mine.until - mine.since == timedelta(seconds=claims.LEASE_S)
        assert claims.held(context, increment) == {"T-001": mine}
        error = refusal(context, increment, "T-1", "anna")
        assert f"T-001 of 0001-work is being run by anna (process {os.getpid()}" in error.message
        assert "12:03 until 12:05 UTC" in error.message
        with claims.claim(context, increment, "T-002", name="bob"):
            assert list(claims.held(context, increment)) == ["T-001", "T-002"]
    assert claims.held(context, increment) == {}
    with claims.claim(context, increment, "T-001", name="bob"):
        pass


def test_two_threads_of_one_server_are_two_agents(context: Context, increment: Increment) -> None:
    refused: list[ConflictError] = []
    with claims.claim(context, increment, "T-001", name="anna"):
        thread = threading.Thread(target=lambda: refused.append(refusal(context, increment)))
        thread.start()
        thread.join()
    assert len(refused) == 1


def test_another_process_holds_a_task_until_it_ends_however_it_ends(tmp_path: Path) -> None:
    context = Context(Project(tmp_path), RealHost())
    increment = store.create(context, "work")
    with another_process(tmp_path) as process:
        assert (
            claims.held(context, increment)["T-001"].holder == f"other (process {process.pid} on {os.uname().nodename})"
        )
        assert refusal(context, increment).details["process"] == process.pid
        process.kill()
        process.wait()
        assert claims.held(context, increment) == {}
        with claims.claim(context, increment, "T-001", name="me"):
            assert claims.held(context, increment)["T-001"].name == "me"


def test_of_many_that_ask_at_once_one_gets_the_task(context: Context, increment: Increment) -> None:
    together, answers = threading.Barrier(4), []

    def ask() -> None:
        together.wait()
        try:
            with claims.claim(context, increment, "T-001", name="x"):
                answers.append("held")
                together.wait()
        except ConflictError as error:
            answers.append(error.code)
            together.wait()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["held", *["task-claimed"] * 3]


def test_a_claim_is_renewed_while_it_is_held(context: Context, clock: Clock, increment: Increment) -> None:
    with claims.claim(context, increment, "T-001", name="anna", lease_s=0.03) as first:
        clock.time += timedelta(hours=1)
        for _ in range(6):
            assert clock.asked.acquire(timeout=60)
        assert claims.held(context, increment)["T-001"].until > first.until + timedelta(minutes=59)


def test_what_another_machine_holds_counts_until_its_lease_ends(
    context: Context, clock: Clock, increment: Increment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(claims, "_machine", lambda: "elsewhere")
        # Killed in the middle: the record stays, and the lock is not seen from here.
        elsewhere.setattr(Path, "unlink", lambda *_arguments, **_options: None)
        with claims.claim(context, increment, "T-001", name="anna"):
            pass
    assert "on elsewhere)" in refusal(context, increment).message
    assert claims.held(context, increment)["T-001"].machine == "elsewhere"
    clock.time += timedelta(seconds=claims.LEASE_S)
    assert claims.held(context, increment) == {}
    with claims.claim(context, increment, "T-001", name="me"):
        pass


def test_a_task_that_was_handed_out_is_kept_for_that_name_for_an_hour(
    context: Context, clock: Clock, increment: Increment
) -> None:
    first = claims.hand_out(context, increment, "T-001", name="anna")
    assert first.holder == "anna"
    assert "kept for anna since 12:03 until 13:03 UTC" in refusal(context, increment).message
    with pytest.raises(ConflictError):
        claims.hand_out(context, increment, "T-001", name="bob")
    clock.time += timedelta(minutes=30)
    again = claims.hand_out(context, increment, "T-001", name="anna")
    assert (again.since, again.until) == (first.since, clock.time + timedelta(hours=1))
    clock.time += timedelta(minutes=59)
    assert list(claims.held(context, increment)) == ["T-001"]
    with claims.claim(context, increment, "T-001", name="anna"):
        pass
    assert claims.held(context, increment) == {}
    claims.hand_out(context, increment, "T-001", name="anna")
    clock.time += timedelta(hours=1)
    claims.hand_out(context, increment, "T-001", name="bob")
    claims.let_go(increment, "T-001")
    assert claims.held(context, increment) == {}


def test_letting_go_ends_no_run(context: Context, increment: Increment) -> None:
    with claims.claim(context, increment, "T-001", name="anna"):
        claims.let_go(increment, "T-001")
        assert list(claims.held(context, increment)) == ["T-001"]


def test_a_record_that_cannot_be_read_holds_nothing(context: Context, increment: Increment) -> None:
    claims.hand_out(context, increment, "T-001", name="anna")
    [record] = context.project.state.rglob("T-001.json")
    record.write_bytes(b'{"task": "T-001", "name"')
    assert claims.held(context, increment) == {}
    with claims.claim(context, increment, "T-001", name="me"):
        pass


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", *words],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def test_worktrees_share_their_claims_and_git_never_sees_them(tmp_path: Path, clock: Clock) -> None:
    top = tmp_path / "top"
    for name in ("one", "two"):
        (top / name).mkdir(parents=True)
    git(top, "init", "-q", "-b", "main")
    one, two = (store.create(Context(Project(top / name), clock), "work") for name in ("one", "two"))
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "Start")
    git(top, "worktree", "add", "-q", str(tmp_path / "second"), "-b", "second")
    elsewhere = Context(Project(tmp_path / "second" / "one"), clock)
    with claims.claim(Context(one.project, clock), one, "T-001", name="anna"):
        assert "anna" in refusal(elsewhere, store.find(elsewhere.project, "1")).message
        with claims.claim(Context(two.project, clock), two, "T-001", name="bob"):
            assert claims.held(Context(two.project, clock), two)["T-001"].name == "bob"
        status = subprocess.run(["git", "status", "--porcelain"], cwd=top, capture_output=True, check=True)
        assert status.stdout == b""
