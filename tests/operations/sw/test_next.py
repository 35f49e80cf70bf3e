"""`sw next`: what to do now, and why."""

import json
from pathlib import Path

import pytest

from specweave import slash_line
from specweave.command import Context
from specweave.host import RealHost
from specweave.increments import claims, life_cycle, store
from specweave.increments.store import Increment
from specweave.operations.sw.next import NextResult
from specweave.project import Project


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Project(tmp_path), RealHost())


def next_(context: Context, words: str = "") -> NextResult:
    call = slash_line.parse(f"/sw:next {words}")
    result = call.command.run(call.request, context)
    assert isinstance(result, NextResult)
    json.loads(result.model_dump_json())
    assert "Next: " in result.text().split("\n\nAfter that:")[0].splitlines()[-1]
    return result


def do(context: Context, words: str) -> None:
    call = slash_line.parse(f"/sw:do {words}")
    call.command.run(call.request, context)


def work(context: Context, title: str, *parts: str) -> Increment:
    increment = store.create(context, title)
    (increment.folder / "tasks.md").write_text("\n".join(parts))
    return increment


def task(number: int, run: str | None = None, depends: str = "none", status: str = "[ ] pending") -> str:
    line = f"**Run**: {run}\n" if run else ""
    return f"### T-{number:03d}: Task {number}\n**Status**: {status}\n{line}**Dependencies**: {depends}\n\n"


def test_without_an_increment_it_says_how_to_begin(context: Context) -> None:
    result = next_(context)
    assert (result.steps, result.open) == ([], 0)
    assert "/sw:inc" in result.text()


def test_what_failed_comes_first_then_what_waits_to_be_closed_then_what_goes_on_then_what_is_new(
    context: Context,
) -> None:
    work(context, "new", task(1))
    goes_on = work(context, "goes on", task(1, "/sw:status 2"), task(2, depends="T-001"))
    closing = work(context, "closing", task(1, "/sw:status 3"))
    broken = work(context, "broken", task(1, "/sw:inc 0001-taken"))
    paused = work(context, "paused", task(1))
    unreadable = work(context, "unreadable", task(1))
    for increment in (goes_on, closing, broken):
        do(context, increment.number)
    life_cycle.move(context, paused, "paused")
    (unreadable.folder / "metadata.json").write_text("{")
    result = next_(context)
    unreadable_because = result.steps[3].why
    assert "metadata.json is not JSON" in unreadable_because
    assert [(step.increment, step.kind, step.task) for step in result.steps] == [
        ("0004-broken", "run", "T-001"),
        ("0003-closing", "review", None),
        ("0002-goes-on", "person", "T-002"),
        ("0006-unreadable", "repair", None),
        ("0001-new", "person", "T-001"),
    ]
    assert [step.why for step in result.steps] == [
        "its last run failed, see reports/001-inc.md",
        "every task is done",
        "what it waits for is done: T-001",
        unreadable_because,
        "it waits for nothing",
    ]
    assert result.steps[1].action == "Review it, then `/sw:done 0003`."
    assert (result.open, result.paused) == (5, ["0005-paused"])
    mend = "T-001 (Task 1) failed: the number 0001 is taken by 0001-new. Mend the cause first (report "
    remedy = "use 0007, or give only a title"
    assert result.steps[0].action == f"{mend}reports/001-inc.md): {remedy}, then `/sw:do 0004` runs it again."
    before, _, after = result.text().partition(f"\n\nNext: {result.steps[0].action}\n\nAfter that:\n\n")
    assert (before.splitlines()[-1][:14], after.splitlines()[0][:18]) == ("`0004-broken` ", "- `0003-closing`: ")
    assert [step.increment for step in next_(context, "--limit 2").steps] == ["0004-broken", "0003-closing"]


def test_of_one_increment_it_names_everything_that_can_be_done_now(context: Context) -> None:
    work(context, "work", task(1), task(2, "/sw:status"), task(3, depends="T-001"), task(4))
    work(context, "other", task(1))
    result = next_(context, "1")
    assert [(step.task, step.kind) for step in result.steps] == [
        ("T-002", "run"),
        ("T-001", "person"),
        ("T-004", "person"),
    ]
    assert result.open == 1


def test_what_others_work_on_is_passed_over_and_named(context: Context) -> None:
    first = work(context, "first", task(1))
    work(context, "second", task(1))
    claims.hand_out(context, first, "T-001", name="anna")
    result = next_(context, "--as bob")
    assert [step.increment for step in result.steps] == ["0002-second"]
    assert [(held.increment, held.task, held.holder) for held in result.held] == [("0001-first", "T-001", "anna")]
    assert "- T-001 of `0001-first` is held by anna" in result.text()
    assert [step.increment for step in next_(context, "--as anna").steps] == ["0001-first", "0002-second"]
    assert "wait for what they do" in next_(context, "1").text()
    with claims.claim(context, first, "T-001", name="anna"):
        assert [step.increment for step in next_(context, "--as anna").steps] == ["0002-second"]


def test_what_is_kept_for_who_asks_comes_first(context: Context) -> None:
    work(context, "first", task(1, "/sw:inc 0001-taken"))
    do(context, "1")
    second = work(context, "second", task(1), task(2), task(3, "/sw:status"))
    claims.hand_out(context, second, "T-002", name="ben")
    first = next_(context, "--as ben").steps[0]
    assert (first.increment, first.task, first.why) == ("0002-second", "T-002", "it is kept for ben")
    assert [step.task for step in next_(context, "2 --as ben").steps] == ["T-002", "T-003", "T-001"]
    assert next_(context, "--as anna").steps[0].increment == "0001-first"
    assert [step.task for step in next_(context, "2").steps] == ["T-003", "T-001"]


def test_enough_is_found_where_others_hold_what_comes_first(context: Context) -> None:
    for number in range(4):
        increment = work(context, f"work {number}", task(1))
        if number < 2:
            claims.hand_out(context, increment, "T-001", name="anna")
    result = next_(context, "--limit 2 --as bob")
    assert [step.increment for step in result.steps] == ["0003-work-2", "0004-work-3"]
    assert len(result.held) == 2


def test_a_paused_increment_is_resumed_and_of_a_closed_one_nothing_is_left(context: Context) -> None:
    increment = work(context, "work", task(1))
    life_cycle.move(context, increment, "paused")
    assert "Nothing is open; paused: `0001-work`." in next_(context).text()
    [step] = next_(context, "1").steps
    assert (step.kind, step.action) == ("resume", "`/sw:resume 0001` takes it up again.")
    life_cycle.move(context, increment, "abandoned")
    assert next_(context, "1").steps == []


def test_a_deployment_without_its_model_is_prepared_first(context: Context) -> None:
    store.create(context, "deploy-model", kind="deployment")
    [step] = next_(context).steps
    assert step.kind == "prepare"
    assert "/ml:deploy-prepare 0001" in step.action


def test_it_changes_nothing_but_its_cache(context: Context) -> None:
    increment = work(context, "work", task(1, "/sw:status"))
    before = {path: path.read_bytes() for path in context.project.state.rglob("*") if path.is_file()}
    next_(context)
    after = {path: path.read_bytes() for path in context.project.state.rglob("*") if path.is_file()}
    assert {path: content for path, content in after.items() if "cache" not in path.parts} == before
    assert increment.metadata().status == "planned"
