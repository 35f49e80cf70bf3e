"""`sw do`: tests of tasks, several tasks at a time, claims, and what is left to people."""

import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

import pytest

from specweave import registry, slash_line
from specweave.command import Annotations, AnyCommand, Command, Context, IncrementName, Progress, Request, Result
from specweave.errors import ConflictError, InvalidInputError, OperationError, SpecweaveError
from specweave.host import RealHost
from specweave.increments import claims, evidence, life_cycle, reports, store, tasks
from specweave.increments.store import Increment
from specweave.operations.sw.do import DoResult
from specweave.project import Project
from specweave.registry import Entry

ALLOW = "tasks: {test_commands: true}\n"
PYTHON = shlex.quote(sys.executable)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    (tmp_path / ".specweave").mkdir()
    (tmp_path / ".specweave" / "config.yaml").write_text(ALLOW)
    return Context(Project(tmp_path), RealHost())


def type_(context: Context, line: str) -> Result:
    call = slash_line.parse(line)
    result = call.command.run(call.request, context)
    assert isinstance(result, Result)
    json.loads(result.model_dump_json())
    assert result.text()
    return result


def do(context: Context, words: str = "0001") -> DoResult:
    result = type_(context, f"/sw:do {words}")
    assert isinstance(result, DoResult)
    return result


def ran(result: DoResult) -> list[tuple[str, bool | None]]:
    return [(run.task, run.passed) for run in result.ran]


def waiting(result: DoResult) -> list[tuple[str, str]]:
    return [(person.task, person.reason) for person in result.waiting]


def work(context: Context, *parts: str, spec: str = "") -> Increment:
    increment = store.create(context, "work")
    (increment.folder / "tasks.md").write_text("\n".join(parts))
    (increment.folder / "spec.md").write_text(f"# Work\n\n{spec}\n")
    return increment


def task(number: int, *fields: str) -> str:
    lines = "\n".join(fields)
    return f"### T-{number:03d}: Task {number}\n\n{lines}\n"


def script(context: Context, name: str, code: str) -> str:
    """A Test line that runs this Python."""
    (context.project.root / name).write_text(code)
    return f"**Test**: `{PYTHON} {name}`"


def report_of(increment: Increment, task_id: str) -> reports.ReportData:
    page = tasks.find(increment, task_id).evidence
    report = reports.of_page(increment, page or "")
    assert report is not None
    return report


def test_a_test_that_passes_is_the_evidence_of_its_task(context: Context) -> None:
    increment = work(
        context,
        task(1, "**Satisfies ACs**: AC-US1-01", script(context, "one.py", "print('all is well')")),
        spec="- [ ] **AC-US1-01**: it is well",
    )
    result = do(context)
    assert (ran(result), result.stopped, result.status) == ([("T-001", True)], "completed", "ready_for_review")
    report = report_of(increment, "T-001")
    assert (report.operation, report.passed, report.data["exit_status"]) == ("test", True, 0)
    assert "all is well" in report.data["output"]
    assert report.command == f"{PYTHON} one.py"
    assert "- [x] **AC-US1-01**" in (increment.folder / "spec.md").read_text()
    assert ran(do(context)) == []


def test_a_test_that_fails_hands_its_task_to_whoever_can_do_it(context: Context) -> None:
    increment = work(
        context,
        task(
            1,
            "**Satisfies ACs**: AC-US1-01, AC-US1-09",
            "**Status**: [ ] pending",
            script(context, "one.py", "raise SystemExit(3)"),
            "**Files Affected**: `src/one.py`, `src/two.py`",
            "",
            "**Test Plan**:",
            "",
            "- Given a bill",
            "- Then it adds up",
        ),
        task(2, script(context, "two.py", "")),
        spec="- [ ] **AC-US1-01**: bills add up",
    )
    result = do(context)
    assert (ran(result), result.stopped, result.passed) == ([("T-001", False)], "failed", False)
    [person] = result.waiting
    assert (person.task, person.reason, person.test) == ("T-001", "test-failed", f"{PYTHON} one.py")
    assert "it ended with exit status 3, see reports/001-test.md" in person.action
    assert person.criteria == {"AC-US1-01": "bills add up", "AC-US1-09": ""}
    assert person.files == ["src/one.py", "src/two.py"]
    assert "- Given a bill\n- Then it adds up" in person.text
    assert "Status" not in person.text
    assert "- AC-US1-01: bills add up" in result.text()
    assert report_of(increment, "T-001").exit_status == 3
    assert "exit status: 3" in (increment.folder / "reports" / "001-test.md").read_text()
    (context.project.root / "one.py").write_text("")
    assert ran(do(context)) == [("T-001", True), ("T-002", True)]


PYTEST_FILE = """
import pytest

def test_ac_us1_01_adds_up(): pass
def test_ac_us1_02_has_a_date(): assert False, "no date"
@pytest.mark.skip(reason="later")
def test_later(): pass
def test_named_by_property(record_property): record_property("criterion", "AC-US1-01")
"""


def test_of_pytest_every_case_is_kept_with_the_criteria_that_it_names(context: Context) -> None:
    (context.project.root / "test_bill.py").write_text(PYTEST_FILE)
    increment = work(context, task(1, f"**Test**: {PYTHON} -m pytest -q -p no:cacheprovider test_bill.py"))
    result = do(context)
    assert result.ran[0].message == "1 of 3 tests failed"
    cases = {case["name"]: case for case in report_of(increment, "T-001").data["cases"]}
    assert cases["test_bill.test_ac_us1_02_has_a_date"] == {
        "name": "test_bill.test_ac_us1_02_has_a_date",
        "result": "failed",
        "message": "AssertionError: no date",
        "criteria": ["AC-US1-02"],
    }
    assert cases["test_bill.test_later"]["result"] == "skipped"
    assert cases["test_bill.test_named_by_property"]["criteria"] == ["AC-US1-01"]
    page = (increment.folder / "reports" / "001-test.md").read_text()
    assert "| `test_bill.test_ac_us1_02_has_a_date` | failed | AssertionError: no date |" in page
    assert not list(context.project.root.rglob("results.xml"))


def test_tests_that_were_all_skipped_show_nothing(context: Context) -> None:
    (context.project.root / "test_bill.py").write_text("import pytest\n@pytest.mark.skip\ndef test_it(): pass\n")
    work(context, task(1, f"**Test**: {PYTHON} -m pytest -q -p no:cacheprovider test_bill.py --junit-xml=mine.xml"))
    result = do(context)
    assert (ran(result), result.ran[0].message) == ([("T-001", False)], "no test was run: all were skipped")
    assert (context.project.root / "mine.xml").is_file()


def test_no_test_is_run_where_the_project_does_not_allow_it(context: Context) -> None:
    (context.project.state / "config.yaml").unlink()
    context = Context(Project(context.project.root), context.host)
    work(context, task(1, "**Test**: touch made"), task(2, "**Run**: /sw:inc 'Made'"))
    result = do(context)
    assert (ran(result), waiting(result)) == ([("T-002", True)], [("T-001", "tests-not-allowed")])
    assert "tasks.test_commands" in result.waiting[0].action
    assert "`touch made`" in result.waiting[0].action
    assert not (context.project.root / "made").exists()


@pytest.mark.parametrize(
    ("line", "reason", "said"),
    [
        ("true | false", "command-invalid", "| needs a shell"),
        ("true && false", "command-invalid", "&& needs a shell"),
        ("echo 'open", "command-invalid", "no closing quotation"),
        ("A=1 true", "command-invalid", "env NAME=value"),
        ("no-such-program-here --all", "cannot-start", "cannot start no-such-program-here"),
    ],
)
def test_a_line_that_cannot_be_run_is_a_failure_and_leaves_no_evidence(
    context: Context, line: str, reason: str, said: str
) -> None:
    increment = work(context, task(1, f"**Test**: {line}"))
    result = do(context)
    assert (ran(result), waiting(result)) == ([], [("T-001", reason)])
    assert said in result.waiting[0].action
    assert (result.stopped, result.passed) == ("failed", False)
    assert "Stopped: T-001 cannot be run.\nNext: Correct the **Test** line of T-001 in tasks.md" in result.text()
    assert not (increment.folder / "reports").exists()
    dry = do(context, "0001 --dry-run")
    assert (ran(dry), waiting(dry), dry.stopped) == ([], [("T-001", reason)], "dry-run")
    assert "Nothing can be run now." in dry.text()
    assert "runs them" not in dry.text()


def test_a_program_of_the_project_is_found_from_its_root(context: Context) -> None:
    program = context.project.root / "check"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    work(context, task(1, "**Test**: ./check"))
    assert ran(do(context)) == [("T-001", True)]


def test_a_command_whose_test_cannot_be_started_is_not_done(context: Context) -> None:
    increment = work(
        context,
        task(1, "**Run**: /sw:inc 'Made'", "**Test**: no-such-program-here"),
        task(2, "**Run**: /sw:inc 'Never'", "**Test**: true | false"),
    )
    result = do(context)
    assert (ran(result), result.done, result.passed) == ([("T-001", False)], 0, False)
    assert evidence.standing(increment, tasks.find(increment, "T-001")) == "failed"
    assert waiting(do(context, "0001 --task T-002")) == [("T-002", "command-invalid")]
    assert [increment.id for increment in store.list_all(context.project)] == ["0001-work", "0002-made"]


def test_a_task_of_a_person_and_a_test_that_is_not_allowed_are_no_failures(context: Context) -> None:
    (context.project.state / "config.yaml").unlink()
    work(context, task(1), task(2, "**Test**: no-such-program-here"))
    result = do(Context(Project(context.project.root), context.host))
    assert (result.stopped, result.passed) == ("waiting", True)
    assert dict(waiting(result)) == {"T-001": "no-command", "T-002": "tests-not-allowed"}


@pytest.mark.parametrize(
    ("text", "said", "step"),
    [
        ("tasks: {test_comands: true}\n", "tasks.test_comands: this key is not known", "the key tasks.test_comands in"),
        ("tasks: {test_timeout_s: soon}\n", "tasks.test_timeout_s: Input should be", "the key tasks.test_timeout_s in"),
        ("tasks: [\n", "is not YAML", "correct .specweave/config.yaml"),
        ("- tasks\n", "config.yaml: Input should be", "write keys and values into .specweave/config.yaml"),
    ],
)
@pytest.mark.parametrize("command", ["do", "next", "status", "do --dry-run", "next 0001", "status 0001"])
def test_settings_that_cannot_be_read_are_an_error_and_no_failure_of_a_task(
    context: Context, command: str, text: str, said: str, step: str
) -> None:
    work(context, task(1, "**Test**: true"))
    (context.project.state / "config.yaml").write_text(text)
    with pytest.raises(InvalidInputError) as raised:
        type_(Context(Project(context.project.root), context.host), f"/sw:{command}")
    assert (raised.value.code, raised.value.exit_status) == ("config-invalid", 2)
    assert ".specweave/config.yaml" in raised.value.message
    assert said in raised.value.message
    assert "\n" not in raised.value.message
    assert step in raised.value.next_step


def test_no_shell_sees_the_words_of_a_test(context: Context) -> None:
    code = "import sys; sys.exit(sys.argv[1:] != ['$HOME', '*', '`id`', 'two words'])"
    (context.project.root / "words.py").write_text(code)
    work(context, task(1, f"**Test**: {PYTHON} words.py '$HOME' '*' '`id`' 'two words'"))
    assert ran(do(context)) == [("T-001", True)]


def test_a_test_that_takes_too_long_is_ended_and_fails(context: Context) -> None:
    (context.project.state / "config.yaml").write_text("tasks: {test_commands: true, test_timeout_s: 0.5}\n")
    work(context, task(1, script(context, "slow.py", "import time; time.sleep(600)")))
    result = do(context)
    assert ran(result) == [("T-001", False)]
    assert "took longer than 0.5 s" in result.ran[0].message


def test_a_command_with_a_test_is_done_when_the_test_passes(context: Context) -> None:
    increment = work(context, task(1, "**Run**: /sw:inc 'Made'", script(context, "one.py", "raise SystemExit(1)")))
    result = do(context)
    assert ran(result) == [("T-001", False)]
    assert [report.operation for report in reports.reports(increment)] == ["test", "inc"]
    assert evidence.standing(increment, tasks.find(increment, "T-001")) == "failed"


def test_evidence_of_another_content_is_stale_and_its_task_runs_again(context: Context) -> None:
    test = script(context, "one.py", "")
    (context.project.root / "src").mkdir()
    (context.project.root / "src" / "bill.py").write_text("one")
    increment = work(context, task(1, test, "**Files Affected**: `src/*.py`"), task(2, test, "**Dependencies**: T-001"))
    assert ran(do(context)) == [("T-001", True), ("T-002", True)]
    (context.project.root / "src" / "bill.py").write_text("two")
    assert evidence.standing(increment, tasks.find(increment, "T-001")) == "stale"
    with pytest.raises(ConflictError) as caught:
        do(context, "0001 --task T-002")
    assert caught.value.message == "T-002 waits for T-001 (stale)"
    assert ran(do(context)) == [("T-001", True)]


def test_a_tick_by_hand_is_shown_as_a_claim_and_never_stands_for_a_test(context: Context) -> None:
    work(
        context,
        task(1, "**Status**: [x] completed", script(context, "one.py", "")),
        task(2, "**Status**: [x] completed"),
        task(3, "**Status**: [x] completed", "**Run**: /ml:fly 0001"),
    )
    result = do(context)
    assert ran(result) == [("T-001", True)]
    assert [one.task for one in result.claimed] == ["T-002", "T-003"]
    assert "Ticked by hand, without evidence: T-002, T-003." in result.text()
    assert (result.done, result.total, result.stopped) == (3, 3, "completed")


@pytest.mark.parametrize(
    ("state", "code", "way_on"),
    [
        ("paused", "increment-paused", "/sw:resume 0001"),
        ("completed", "increment-closed", "/sw:reopen 0001 --reason"),
        ("abandoned", "increment-closed", "/sw:reopen 0001 --reason"),
    ],
)
def test_an_increment_nobody_works_on_is_refused_with_the_way_on(
    context: Context, state: life_cycle.State, code: str, way_on: str
) -> None:
    increment = work(context, task(1, script(context, "one.py", "")))
    life_cycle.move(context, increment, state)
    with pytest.raises(ConflictError) as caught:
        do(context)
    assert caught.value.code == code
    assert way_on in caught.value.next_step
    assert not (increment.folder / "reports").exists()


class WatchRequest(Request):
    increment: IncrementName = None
    step: str = "one"


class WatchResult(Result):
    def text(self) -> str:
        return "Watched."


WATCHERS: dict[str, Callable[[WatchRequest, Context], bool]] = {}


def watch(request: WatchRequest, context: Context) -> WatchResult:
    return WatchResult(passed=WATCHERS["now"](request, context))


class WatchEntry(Entry):
    """A command that tells a test that it runs, and waits for what the test says."""

    def load(self) -> AnyCommand:
        return Command(
            group="ml",
            name="watch",
            request=WatchRequest,
            result=WatchResult,
            run=watch,
            annotations=Annotations(),
            examples=("",),
        )


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[WatchRequest, Context], bool]], None]:
    monkeypatch.setattr(registry, "ENTRIES", (*registry.ENTRIES, WatchEntry("ml", "watch", "Watch it")))
    return lambda watcher: monkeypatch.setitem(WATCHERS, "now", watcher)


def steps(*names: str, files: str = "") -> list[str]:
    affected = [f"**Files Affected**: {files}"] if files else []
    return [task(number, f"**Run**: /ml:watch --step {name}", *affected) for number, name in enumerate(names, 1)]


def test_independent_tasks_run_at_the_same_time(
    context: Context, watched: Callable[[Callable[[WatchRequest, Context], bool]], None]
) -> None:
    together = threading.Barrier(3, timeout=60)
    watched(lambda _request, _context: together.wait() >= 0)
    moments: list[Progress] = []
    work(context, *steps("one", "two", "three"))
    result = do(context.with_report(moments.append), "0001 --parallel 3")
    assert sorted(ran(result)) == [("T-001", True), ("T-002", True), ("T-003", True)]
    assert result.stopped == "completed"
    fractions = [moment.fraction for moment in moments]
    assert fractions == sorted(fraction for fraction in fractions if fraction is not None)


def other(files: str) -> str:
    return task(2, "**Run**: /ml:watch --step other", f"**Files Affected**: {files}")


def most_at_once(
    context: Context, watched: Callable[[Callable[[WatchRequest, Context], bool]], None], words: str
) -> int:
    """How many tasks ran at a time; each gives others the time that a thread needs to start."""
    lock, running, most = threading.Lock(), 0, 0
    another = threading.Event()

    def watcher(_request: WatchRequest, _context: Context) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running > 1:
                another.set()
        another.wait(0.2)
        with lock:
            running -= 1
        return True

    watched(watcher)
    assert do(context, words).stopped == "completed"
    return most


@pytest.mark.parametrize(
    ("parts", "words", "most"),
    [
        (steps("one", "two", files="`src/bill.py`"), "0001 --parallel 4", 1),
        ([*steps("one", files="`src/`"), other("src/*.py")], "0001 --parallel 4", 1),
        ([*steps("one", files="`src/a.py`"), other("src/b.py")], "0001 --parallel 4", 2),
        (steps("same", "same"), "0001 --parallel 4", 1),
        (steps("one", "two"), "0001", 1),
        (steps("one", "two", "three", "four"), "0001 --parallel 2", 2),
    ],
)  # fmt: skip
def test_tasks_whose_files_overlap_never_run_together(
    context: Context,
    watched: Callable[[Callable[[WatchRequest, Context], bool]], None],
    parts: list[str],
    words: str,
    most: int,
) -> None:
    work(context, *parts)
    assert most_at_once(context, watched, words) == most


def test_after_a_failure_what_runs_may_end_and_nothing_more_is_started(
    context: Context, watched: Callable[[Callable[[WatchRequest, Context], bool]], None]
) -> None:
    together, threads = threading.Barrier(2, timeout=60), {}

    def watcher(request: WatchRequest, _context: Context) -> bool:
        threads[request.step] = threading.current_thread()
        together.wait()
        if request.step == "two":
            threads["one"].join(60)  # so that the failure is known first
        return request.step != "one"

    watched(watcher)
    increment = work(context, *steps("one", "two", "three"))
    result = do(context, "0001 --parallel 2")
    assert sorted(ran(result)) == [("T-001", False), ("T-002", True)]
    assert result.stopped == "failed"
    assert "T-001 failed" in result.text()
    assert tasks.find(increment, "T-003").evidence is None


def test_a_run_that_is_cancelled_says_nothing_of_its_task(
    context: Context, watched: Callable[[Callable[[WatchRequest, Context], bool]], None]
) -> None:
    def watcher(_request: WatchRequest, _context: Context) -> bool:
        raise OperationError("cancelled", "the client has gone")

    watched(watcher)
    increment = work(context, *steps("one", "two"))
    for words in ("0001", "0001 --parallel 2"):
        with pytest.raises(OperationError):
            do(context, words)
    assert not (increment.folder / "reports").exists()
    assert claims.held(context, increment) == {}


def test_a_test_is_ended_when_whoever_asked_has_gone(context: Context) -> None:
    increment = work(context, task(1, script(context, "slow.py", "import time; time.sleep(600)")))

    def gone(progress: Progress) -> None:
        if "running" in progress.message:
            raise OperationError("cancelled", "the client has gone")

    with pytest.raises(OperationError):
        do(context.with_report(gone))
    assert not (increment.folder / "reports").exists()


def test_two_at_once_never_run_the_same_task(
    context: Context, watched: Callable[[Callable[[WatchRequest, Context], bool]], None]
) -> None:
    started, go_on, seen = threading.Event(), threading.Event(), []

    def watcher(request: WatchRequest, _context: Context) -> bool:
        seen.append(request.step)
        if request.step == "one":
            started.set()
            assert go_on.wait(60)
        return True

    watched(watcher)
    work(context, *steps("one", "two"))
    first: list[DoResult] = []
    thread = threading.Thread(target=lambda: first.append(do(context, "0001 --task T-001 --as anna")))
    thread.start()
    assert started.wait(60)
    second = do(context)
    go_on.set()
    thread.join()
    assert (ran(second), waiting(second), second.stopped) == ([("T-002", True)], [("T-001", "claimed")], "waiting")
    assert "is being run by anna" in second.waiting[0].action
    assert ran(first[0]) == [("T-001", True)]
    assert sorted(seen) == ["one", "two"]
    assert ran(do(context)) == []


def test_what_another_did_meanwhile_is_not_done_again(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    increment = work(context, task(1, script(context, "one.py", "")))
    free = claims.claim

    @contextmanager
    def late(*arguments: object, **options: object) -> Iterator[object]:
        # Between the choice of a task and its claim, another process does it.
        with monkeypatch.context() as patch:
            patch.setattr(claims, "claim", free)
            do(context)
        with free(*arguments, **options) as claim:  # type: ignore[arg-type]
            yield claim

    monkeypatch.setattr(claims, "claim", late)
    result = do(context)
    assert (ran(result), result.done, result.stopped) == ([], 1, "completed")
    assert len(list(reports.reports(increment))) == 1


KILLED = """
import sys
from pathlib import Path
from specweave import slash_line
from specweave.command import Context
from specweave.host import RealHost
from specweave.project import Project
call = slash_line.parse("/sw:do 1 --as anna")
call.command.run(call.request, Context(Project(Path(sys.argv[1])), RealHost()))
"""


def test_what_a_killed_run_left_is_taken_over_at_once(context: Context) -> None:
    code = (
        "import sys, time\nif not open('second').read():\n    print(flush=True); open('ready', 'w'); time.sleep(600)\n"
    )
    (context.project.root / "second").write_text("")
    increment = work(context, task(1, script(context, "one.py", code)))
    with subprocess.Popen([sys.executable, "-c", KILLED, str(context.project.root)]) as process:
        while not (context.project.root / "ready").exists():
            assert process.poll() is None
        assert [claim.name for claim in claims.held(context, increment).values()] == ["anna"]
        process.kill()
    assert claims.held(context, increment) == {}
    (context.project.root / "second").write_text("now")
    assert ran(do(context)) == [("T-001", True)]


def test_the_next_task_is_kept_for_whoever_asks_by_name(context: Context) -> None:
    work(context, task(1), task(2), task(3))
    anna = do(context, "0001 --as anna")
    assert [(person.task, person.kept_for) for person in anna.waiting] == [
        ("T-001", "anna"),
        ("T-002", None),
        ("T-003", None),
    ]
    bob = do(context, "0001 --as bob")
    assert [(person.task, person.reason, person.kept_for) for person in bob.waiting] == [
        ("T-002", "no-command", "bob"),
        ("T-003", "no-command", None),
        ("T-001", "claimed", "anna"),
    ]
    assert "kept for anna" in bob.waiting[-1].action
    assert [person.kept_for for person in do(context, "0001 --as anna").waiting] == ["anna", None, "bob"]
    path = store.find(context.project, "1").folder / "tasks.md"
    path.write_text(path.read_text().replace("Task 1\n", "Task 1\n\n**Status**: [x] completed\n"))
    assert [(person.task, person.kept_for) for person in do(context, "0001 --as anna").waiting] == [
        ("T-003", "anna"),
        ("T-002", "bob"),
    ]
    assert list(claims.held(context, store.find(context.project, "1"))) == ["T-002", "T-003"]


def test_who_keeps_a_task_is_told_until_when_and_how_to_give_it_back(context: Context) -> None:
    increment = work(context, task(1), task(2))
    text = do(context, "0001 --as anna").text()
    until = claims.held(context, increment)["T-001"].until.astimezone(UTC)
    assert (
        f"T-001 is kept for anna until {until:%H:%M} UTC; `/sw:do 0001 --release T-001 --as anna` gives it back."
        in text
    )
    assert "gives it back" not in do(context, "0001 --dry-run").text()
    with pytest.raises(ConflictError) as caught:
        do(context, "0001 --release T-001")
    assert caught.value.next_step == "it is anna's to give back: /sw:do 0001 --release T-001 --as anna"


def test_a_task_that_is_kept_is_given_back_before_its_time(context: Context) -> None:
    increment = work(context, task(1), task(2))
    do(context, "0001 --as anna")
    for words, code in (
        ("--release T-1 --as bob", "task-claimed"),
        ("--release T-1", "task-claimed"),
        ("--release T-002 --as anna", "task-not-kept"),
        ("--release T-001 --as anna --task T-001", "arguments-conflict"),
        ("--release T-001 --as anna --dry-run", "arguments-conflict"),
        ("--release T-009 --as anna", "task-not-found"),
    ):
        with pytest.raises(SpecweaveError) as caught:
            do(context, f"0001 {words}")
        assert caught.value.code == code
    assert list(claims.held(context, increment)) == ["T-001"]
    before = store.revision(increment)
    result = do(context, "0001 --release T-1 --as anna")
    assert (result.stopped, result.released, result.ran, result.passed) == ("released", "T-001", [], True)
    assert "T-001 is kept for nobody any more" in result.text()
    assert claims.held(context, increment) == {}
    assert store.revision(increment) == before
    assert [(one.task, one.kept_for) for one in do(context, "0001 --as bob").waiting] == [
        ("T-001", "bob"),
        ("T-002", None),
    ]


def test_a_task_that_runs_is_not_given_back(context: Context) -> None:
    increment = work(context, task(1))
    with claims.claim(context, increment, "T-001", name="anna"), pytest.raises(ConflictError) as caught:
        do(context, "0001 --release T-001 --as anna")
    assert caught.value.code == "task-claimed"


def test_a_dry_run_of_tests_changes_nothing(context: Context) -> None:
    increment = work(context, task(1, "**Test**: touch made"), task(2, "**Dependencies**: T-001"))
    before = store.revision(increment)
    result = do(context, "0001 --dry-run --as anna")
    assert (ran(result), waiting(result)) == ([("T-001", None)], [("T-002", "no-command")])
    assert not (context.project.root / "made").exists()
    assert claims.held(context, increment) == {}
    assert store.revision(increment) == before


def test_the_files_of_the_increment_are_committed_where_that_is_asked_for(context: Context) -> None:
    root = context.project.root

    def git(*words: str) -> str:
        identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        return subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True, text=True).stdout

    git("init", "-q", "-b", "main")
    git("config", "user.name", "test")
    git("config", "user.email", "test@localhost")
    work(context, task(1, script(context, "one.py", "")))
    result = do(context, "0001 --commit")
    assert git("log", "--format=%s").strip() == "0001: ran T-001"
    assert result.commit == git("rev-parse", "HEAD").strip()
    assert "one.py" in git("status", "--porcelain")


def test_what_a_killed_run_of_a_test_left_is_removed_by_a_later_one(context: Context) -> None:
    cache = context.project.state / "cache"
    for name in ("testing-old", "testing-young", "another"):
        (cache / name).mkdir(parents=True)
    for name in ("testing-old", "another"):
        os.utime(cache / name, (0, 0))
    work(context, task(1, "**Test**: true"))
    assert ran(do(context)) == [("T-001", True)]
    assert {path.name for path in cache.iterdir() if path.is_dir()} >= {"testing-young", "another"}
    assert not (cache / "testing-old").exists()


@pytest.mark.parametrize("line", ["done 0001 --reason 'no time'", "abandon 0001 --reason x", "pause 0001 --reason x"])
def test_a_task_does_not_decide_about_its_increment(context: Context, line: str) -> None:
    spec = "- [ ] **AC-US1-01**: The price is right"
    increment = work(context, task(1, "**Satisfies ACs**: AC-US1-01", f"**Run**: /sw:{line}"), spec=spec)
    result = do(context)
    assert (ran(result), waiting(result)) == ([], [("T-001", "command-invalid")])
    assert "for people to decide" in result.waiting[0].action
    assert life_cycle.meaning(increment.metadata().status) not in {"completed", "abandoned", "paused"}
