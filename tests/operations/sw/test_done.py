"""`/sw:done`: closed by evidence of the present content, or a list of what is missing."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from specweave import slash_line
from specweave.cli import run as cli
from specweave.command import Context
from specweave.errors import SpecweaveError
from specweave.host import RealHost
from specweave.increments import content, evidence, store, tasks
from specweave.increments.store import Increment
from specweave.operations.sw.done import DoneResult
from specweave.project import Project

SPEC = """\
### US-001: Prices (P1)

- [ ] **AC-US1-01**: The price is right
- [ ] **AC-US1-02**: Taxes are in it
- [x] **AC-US1-03**: People know
- [x] **AC-US1-04**: Nobody looks
"""
TASKS = """\
### T-001: Price
**Satisfies ACs**: AC-US1-01, AC-US1-02
**Status**: [ ] pending
**Test**: true src/price.py

### T-002: Taxes
**Satisfies ACs**: AC-US1-02
**Status**: [ ] pending
**Run**: /sw:status 0001

### T-003: Tell people
**Satisfies ACs**: AC-US1-03
**Status**: [x] completed

### T-004: Tidy up
**Status**: [ ] pending
"""
PROVEN_SPEC = "- [ ] **AC-01**: The price is right\n"
PROVEN_TASKS = "### T-001: Price\n**Satisfies ACs**: AC-01\n**Status**: [ ] pending\n**Test**: true src/price.py\n"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/price.py").write_text("price = 1\n")
    return Context(Project(tmp_path), RealHost())


def work(context: Context, spec: str = SPEC, listed: str = TASKS) -> Increment:
    increment = store.create(context, "work")
    (increment.folder / "spec.md").write_text(spec)
    (increment.folder / "tasks.md").write_text(listed)
    return increment


def record(context: Context, increment: Increment, task: str, *, passed: bool = True) -> None:
    found = tasks.find(increment, task)
    evidence.record(
        context,
        increment,
        operation="test",
        command=found.run or found.test or "",
        passed=passed,
        started=datetime.now(UTC),
        markdown="",
        data={},
        task_id=task,
    )


def done(context: Context, words: str = "0001") -> DoneResult:
    call = slash_line.parse(f"/sw:done {words}")
    result: DoneResult = call.command.run(call.request, context)
    assert "\n\nNext: " in result.text()
    return result


def gaps(result: DoneResult) -> list[tuple[str | None, str | None, str, str, str | None]]:
    return [(gap.criterion, gap.task, gap.state, gap.why, gap.command) for gap in result.missing]


def metadata(increment: Increment) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((increment.folder / "metadata.json").read_bytes())
    return found


def test_exactly_what_is_missing_is_listed_with_the_reason_and_what_would_show_it(context: Context) -> None:
    increment = work(context)
    record(context, increment, "T-001", passed=False)
    result = done(context)
    assert (result.passed, result.status) == (False, "active")
    assert gaps(result) == [
        ("AC-US1-01", "T-001", "failed", "reports/001-test.md failed", "/sw:do 0001 --task T-001"),
        ("AC-US1-02", "T-001", "failed", "reports/001-test.md failed", "/sw:do 0001 --task T-001"),
        ("AC-US1-02", "T-002", "none", "it was not run yet", "/sw:do 0001 --task T-002"),
        ("AC-US1-03", "T-003", "claimed", "its box is ticked, but nothing shows it", None),
        ("AC-US1-04", None, "claimed", "its box is ticked, but no task satisfies it", None),
        (None, "T-004", "none", "it was not run yet", None),
    ]
    record(context, increment, "T-001")
    record(context, increment, "T-002")
    (context.project.root / "src/price.py").write_text("price = 2\n")
    assert gaps(done(context))[:2] == [
        ("AC-US1-01", "T-001", "stale", "src/price.py changed", "/sw:do 0001 --task T-001"),
        ("AC-US1-02", "T-001", "stale", "src/price.py changed", "/sw:do 0001 --task T-001"),
    ]
    for gap in result.missing:
        assert gap.action
        if gap.command:
            slash_line.parse(gap.command)


def test_it_closes_when_every_criterion_is_shown_and_says_so_again(context: Context) -> None:
    increment = work(context, PROVEN_SPEC, PROVEN_TASKS)
    assert not done(context).passed
    record(context, increment, "T-001")
    assert increment.metadata().status == "ready_for_review"
    result = done(context)
    assert (result.passed, result.before, result.status, result.missing) == (True, "ready_for_review", "completed", [])
    closing = metadata(increment)["history"][-1]
    assert (closing["to"], closing["commit"], closing["dirty"]) == ("completed", None, False)
    assert closing["evidence"] == {"T-001": content.digest(increment, tasks.find(increment, "T-001"))}
    assert "unproven" not in metadata(increment)["history"][-1]
    assert result.revision == store.revision(increment)
    again = done(context)
    assert (again.passed, again.before, again.status) == (True, "completed", "completed")
    assert "already" in again.text()


@pytest.mark.parametrize("status", ["planned", "active", "ready_for_review", "in_progress", "blocked", "planning"])
def test_no_status_word_keeps_from_closing_what_is_shown(context: Context, status: str) -> None:
    increment = work(context, PROVEN_SPEC, PROVEN_TASKS)
    record(context, increment, "T-001")

    def put(document: dict[str, object]) -> None:
        document["status"] = status

    store.update_metadata(increment, put, context.host.now)
    assert done(context).passed
    assert increment.metadata().status == "completed"


def test_a_reason_closes_it_without_and_what_it_lacked_is_kept(context: Context) -> None:
    increment = work(context)
    record(context, increment, "T-001", passed=False)
    result = done(context, "0001 --reason 'the rest comes with 0002'")
    lacking = ["AC-US1-01 (failed)", "AC-US1-02 (failed)", "AC-US1-03 (claimed)", "AC-US1-04 (claimed)", "T-004 (none)"]
    assert (result.passed, result.status, result.unproven) == (True, "completed", lacking)
    entry = metadata(increment)["history"][-1]
    assert (entry["to"], entry["reason"], entry["unproven"]) == ("completed", "the rest comes with 0002", lacking)
    assert "AC-US1-01" in result.text()
    later = done(context)
    assert (later.passed, later.status) == (False, "completed")
    assert "/sw:reopen 0001" in later.text()


def test_a_reason_that_is_not_needed_is_kept_and_nothing_is_called_unproven(context: Context) -> None:
    increment = work(context, PROVEN_SPEC, PROVEN_TASKS)
    record(context, increment, "T-001")
    assert done(context, "1 --reason 'all is well'").unproven == []
    entry = metadata(increment)["history"][-1]
    assert (entry["reason"], "unproven" in entry) == ("all is well", False)


def test_a_completed_increment_whose_content_changed_says_what_no_longer_holds(context: Context) -> None:
    increment = work(context, PROVEN_SPEC, PROVEN_TASKS)
    record(context, increment, "T-001")
    done(context)
    (context.project.root / "src/price.py").write_text("price = 2\n")
    result = done(context)
    assert (result.passed, result.status) == (False, "completed")
    assert gaps(result) == [("AC-01", "T-001", "stale", "src/price.py changed", "/sw:do 0001 --task T-001")]
    # It was shown when it was closed, which is what its documents go on to say.
    assert (increment.folder / "spec.md").read_text() == PROVEN_SPEC.replace("[ ]", "[x]")
    assert increment.metadata().status == "completed"
    # A reason closes; it does not make good again what was closed.
    assert not done(context, "1 --reason x").passed


def test_a_skipped_task_shows_nothing(context: Context) -> None:
    work(context, PROVEN_SPEC, PROVEN_TASKS.replace("[ ] pending", "[-] skipped"))
    assert [(gap.criterion, gap.state, gap.why) for gap in done(context).missing] == [
        ("AC-01", "none", "it was left out")
    ]


def test_a_command_that_is_not_built_is_named(context: Context) -> None:
    work(context, PROVEN_SPEC, PROVEN_TASKS.replace("**Test**: true src/price.py", "**Run**: /ml:fly 1"))
    (gap,) = done(context).missing
    assert (gap.state, gap.command) == ("none", None)
    assert "/ml:fly is not built yet" in gap.action


def test_an_increment_that_demands_nothing_is_not_done_by_that(context: Context) -> None:
    work(context, "# Spec\n", "# Tasks\n")
    (gap,) = done(context).missing
    assert (gap.criterion, gap.task, gap.why) == (None, None, "it has neither criteria nor tasks")


def test_ticked_tasks_alone_close_nothing_where_no_criterion_says_what_must_hold(context: Context) -> None:
    increment = work(context, "# Spec\n\n1. Given a, when b, then c\n", "### T-001: A\n**Status**: [x] completed\n")
    result = done(context)
    assert [(gap.criterion, gap.task, gap.why) for gap in result.missing] == [(None, None, "it has no criteria")]
    assert increment.metadata().status == "ready_for_review"
    assert done(context, "1 --reason 'a chore'").unproven == ["criteria (none)"]


@pytest.mark.parametrize("name", ["AC-US1-02a", "AC-US1-A", "AC-US-01-001"])
def test_a_criterion_that_cannot_be_read_is_missing_evidence(context: Context, name: str) -> None:
    increment = work(context, f"{PROVEN_SPEC}- [ ] **{name}**: Nothing is lost\n", PROVEN_TASKS)
    record(context, increment, "T-001")
    (gap,) = done(context).missing
    assert (gap.criterion, gap.state) == (None, "none")
    assert gap.why == f"spec.md:2: '{name}' is no id of a criterion: write AC-US1-01 or AC-01"
    assert increment.metadata().status == "ready_for_review"


def test_a_task_of_people_that_satisfies_nothing_is_done_by_its_tick(context: Context) -> None:
    increment = work(context, PROVEN_SPEC, PROVEN_TASKS + "\n### T-002: Tell people\n**Status**: [x] completed\n")
    record(context, increment, "T-001")
    assert done(context).passed


def test_the_shell_says_it_by_its_exit_status(
    context: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    increment = work(context, PROVEN_SPEC, PROVEN_TASKS)
    monkeypatch.chdir(context.project.root)
    assert cli(["sw", "done"]) == 1
    assert "AC-01 by T-001: **none**" in capsys.readouterr().out
    record(context, increment, "T-001")
    assert cli(["sw", "done", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "completed"


def test_a_document_that_cannot_be_read_closes_nothing(context: Context) -> None:
    increment = work(context, PROVEN_SPEC, PROVEN_TASKS)
    (increment.folder / "spec.md").unlink()
    (increment.folder / "spec.md").symlink_to(context.project.root / "src/price.py")
    with pytest.raises(SpecweaveError) as caught:
        done(context, "1 --reason x")
    assert caught.value.code == "document-is-link"
    assert increment.metadata().status == "planned"


def test_a_reason_of_several_lines_is_kept_as_one(context: Context) -> None:
    increment = work(context)
    call = slash_line.parse("/sw:done 1")
    request = type(call.request).model_validate({"increment": "1", "reason": "taxes come later\n\n## not a heading"})
    result = call.command.run(request, context)
    assert result.reason == "taxes come later ## not a heading"
    history = json.loads((increment.folder / "metadata.json").read_text())["history"]
    assert history[-1]["reason"] == "taxes come later ## not a heading"
