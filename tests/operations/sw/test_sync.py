"""`sw sync` on increments that were left by killed processes, merges and people."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specweave import slash_line
from specweave.command import Context
from specweave.errors import InvalidInputError
from specweave.host import RealHost
from specweave.increments import evidence, tasks
from specweave.increments.store import Increment
from specweave.operations.sw.sync import SyncResult
from specweave.operations.validation.rules import findings
from specweave.project import Project

NOW = datetime(2026, 11, 20, 12, 3, tzinfo=UTC)
SPEC = """---
title: Rank   # the title
status: active
custom: [kept, as, is]
---
# Rank

<!-- a comment -->
- [ ] **AC-US1-01**: Given two offers, when I look, then the better one is first
- [ ] **AC-US1-02**: A person is content
"""
TASKS = """---
total_tasks: 3
completed: 0   # of them
---

### T-001: Sort
**Satisfies ACs**: AC-US1-01
**Status**: [ ] pending
**Run**: /sw:status
**Dependencies**: none

Words of  a person.\t

### T-002: Show
**Satisfies ACs**: AC-US1-01
**Status**: [ ] pending
**Run**: /sw:status 0007

### T-003: Ask
**Satisfies ACs**: AC-US1-02
**Status**: [ ] pending
"""
METADATA = {"schema": 1, "id": "0007-rank", "status": "active", "type": "feature", "mine": {"kept": True}, "tasks": {}}
DOCUMENTS = ("metadata.json", "spec.md", "tasks.md")


class FixedClock(RealHost):
    """The real machine at a fixed time."""

    def now(self) -> datetime:
        return NOW


def make(root: Path) -> Increment:
    folder = root / ".specweave" / "increments" / "0007-rank"
    folder.mkdir(parents=True)
    (folder / "spec.md").write_text(SPEC)
    (folder / "tasks.md").write_text(TASKS)
    (folder / "metadata.json").write_text(json.dumps(METADATA))
    return Increment(Project(root), folder)


@pytest.fixture
def increment(tmp_path: Path) -> Increment:
    return make(tmp_path)


def sync(increment: Increment, words: str = "0007") -> SyncResult:
    call = slash_line.parse(f"/sw:sync {words}")
    result = call.command.run(call.request, Context(increment.project, FixedClock()))
    assert isinstance(result, SyncResult)
    assert "Next: " in result.text()
    return result


def contents(increment: Increment) -> dict[str, bytes]:
    return {
        path.relative_to(increment.folder).as_posix(): path.read_bytes()
        for path in increment.folder.rglob("*")
        if path.is_file()
    }


def put(increment: Increment, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        (increment.folder / name).write_bytes(content)


def record(increment: Increment, task_id: str, *, passed: bool = True) -> None:
    evidence.record(
        Context(increment.project, FixedClock()),
        increment,
        operation="status",
        command="/sw:status",
        passed=passed,
        started=NOW,
        markdown="It ran.",
        data={},
        task_id=task_id,
    )


def edit(increment: Increment, name: str, old: str, new: str, count: int = -1) -> None:
    path = increment.folder / name
    path.write_bytes(path.read_bytes().replace(old.encode(), new.encode(), count))


def drift(increment: Increment) -> list[str]:
    return [found.problem.message for found in findings(increment) if found.rule.code == "state-drift"]


def test_nothing_has_drifted_where_nothing_happened(increment: Increment) -> None:
    before = contents(increment)
    assert sync(increment).repairs == []
    assert contents(increment) == before


@pytest.mark.parametrize("lost", [("tasks.md", "spec.md"), ("spec.md",), ("metadata.json", "tasks.md", "spec.md")])
@pytest.mark.parametrize("passed", [True, False])
def test_what_a_killed_run_did_not_write_is_written_as_it_would_have(
    increment: Increment, lost: tuple[str, ...], passed: bool
) -> None:
    before = contents(increment)
    record(increment, "T-001", passed=passed)
    record(increment, "T-002", passed=passed)
    whole = contents(increment)
    put(increment, {name: before[name] for name in lost})
    told = sync(increment)
    assert bool(told.repairs) == any(before[name] != whole[name] for name in lost)
    assert contents(increment) == whole
    assert sync(increment).repairs == []


def test_the_newest_report_decides_and_one_about_other_words_shows_nothing(increment: Increment) -> None:
    before = contents(increment)
    record(increment, "T-001")
    record(increment, "T-001", passed=False)
    put(increment, {name: before[name] for name in DOCUMENTS})
    sync(increment)
    state = increment.metadata().tasks["T-001"]
    assert (state.evidence, state.passed) == ("reports/002-status.md", False)
    put(increment, {name: before[name] for name in DOCUMENTS})
    edit(increment, "tasks.md", "Words of  a person.", "Other words.")
    sync(increment)
    assert "T-001" not in increment.metadata().tasks


def test_an_increment_without_metadata_gets_one_from_its_frontmatter(increment: Increment) -> None:
    (increment.folder / "metadata.json").unlink()
    told = sync(increment)
    assert [repair.target for repair in told.repairs] == ["metadata.json"]
    made = json.loads((increment.folder / "metadata.json").read_text())
    assert (made["id"], made["status"], made["title"]) == ("0007-rank", "active", "Rank")


def test_counts_and_status_in_frontmatter_follow_and_every_other_byte_stays(increment: Increment) -> None:
    edit(increment, "tasks.md", "total_tasks: 3", "total_tasks: 30")
    edit(increment, "spec.md", "status: active", 'status: "planned"')
    put(increment, {name: contents(increment)[name].replace(b"\n", b"\r\n") for name in ("tasks.md", "spec.md")})
    told = sync(increment)
    assert [repair.target for repair in told.repairs] == ["tasks.md:2", "spec.md:3"]
    assert (increment.folder / "tasks.md").read_bytes() == TASKS.replace("\n", "\r\n").encode()
    assert (increment.folder / "spec.md").read_bytes() == SPEC.replace("\n", "\r\n").encode()


def test_what_a_person_ticked_stays_and_is_told_as_a_claim(increment: Increment) -> None:
    edit(increment, "tasks.md", "[ ] pending", "[x] completed")
    edit(increment, "tasks.md", "completed: 0", "completed: 1")
    before = contents(increment)
    assert sync(increment).repairs == []
    assert contents(increment) == before
    codes = [found.rule.code for found in findings(increment)]
    assert (codes.count("evidence-missing"), codes.count("task-claimed")) == (2, 1)


def test_a_tick_that_a_person_took_away_stays_away(increment: Increment) -> None:
    record(increment, "T-001")
    edit(increment, "tasks.md", "[x] completed", "[ ] pending")
    edit(increment, "tasks.md", "completed: 2", "completed: 0")
    before = contents(increment)["tasks.md"]
    sync(increment)
    assert contents(increment)["tasks.md"] == before
    assert [task.status for task in tasks.read(increment)] == ["pending"] * 3


def test_a_state_that_nothing_shows_is_taken_back(increment: Increment) -> None:
    state = {"T-001": {"status": "completed", "passed": True, "note": "kept"}, "T-003": {"status": "completed"}}
    (increment.folder / "metadata.json").write_text(json.dumps({**METADATA, "tasks": state}))
    assert len(sync(increment).repairs) == 2
    stored = json.loads((increment.folder / "metadata.json").read_text())
    assert stored["tasks"] == {
        "T-001": {"status": "pending", "passed": False, "note": "kept"},
        "T-003": {"status": "pending"},
    }
    assert stored["mine"] == METADATA["mine"]


def test_the_box_of_a_criterion_follows_its_evidence(increment: Increment) -> None:
    edit(increment, "spec.md", "- [ ] **AC-US1-01**", "- [x] **AC-US1-01**")
    edit(increment, "spec.md", "- [ ] **AC-US1-02**", "- [x] **AC-US1-02**")
    told = sync(increment)
    # No command shows the second one: its box is a person's.
    assert [repair.target for repair in told.repairs] == ["spec.md:9"]
    assert (increment.folder / "spec.md").read_text() == SPEC.replace("[ ] **AC-US1-02**", "[x] **AC-US1-02**")


def test_files_that_a_killed_process_left_half_written_go_and_those_of_one_at_work_stay(increment: Increment) -> None:
    old, young = increment.folder / ".tasks.md.0123456789ab.tmp", increment.folder / ".spec.md.ba9876543210.tmp"
    mine = increment.folder / ".notes.tmp"
    cached = increment.project.state / "cache" / ".increments.jsonl.0123456789ab.tmp"
    cached.parent.mkdir(exist_ok=True)
    for path, age in ((old, 3600), (young, 5), (mine, 3600), (cached, 3600)):
        path.write_text("half")
        os.utime(path, (NOW.timestamp() - age, NOW.timestamp() - age))
    assert [repair.target for repair in sync(increment).repairs] == [old.name]
    assert [path.exists() for path in (old, young, mine, cached)] == [False, True, True, False]


def test_a_dry_run_tells_and_changes_nothing(increment: Increment) -> None:
    edit(increment, "tasks.md", "total_tasks: 3", "total_tasks: 1")
    before = contents(increment)
    told = sync(increment, "0007 --dry-run")
    assert (told.dry_run, len(told.repairs)) == (True, 1)
    assert "nothing was changed" in told.text()
    assert contents(increment) == before


@pytest.mark.parametrize("name", ["metadata.json", ".generated.json"])
def test_what_cannot_be_read_keeps_everything_as_it_is(increment: Increment, name: str) -> None:
    edit(increment, "tasks.md", "total_tasks: 3", "total_tasks: 1")
    record_before = contents(increment)
    put(increment, {name: b'{"half'})
    with pytest.raises(InvalidInputError):
        sync(increment)
    assert contents(increment) == {**record_before, name: b'{"half'}


Step = Callable[[Increment, Mapping[str, bytes]], None]


def _lose(name: str) -> Step:
    return lambda increment, before: put(increment, {name: before[name]})


def _run(task_id: str, *, passed: bool) -> Step:
    return lambda increment, _before: record(increment, task_id, passed=passed)


def _say(name: str, old: str, new: str) -> Step:
    return lambda increment, _before: edit(increment, name, old, new, 1)


def _without_reports(increment: Increment, _before: Mapping[str, bytes]) -> None:
    shutil.rmtree(increment.folder / "reports", ignore_errors=True)


STEPS: dict[str, Step] = {
    **{f"lose {name}": _lose(name) for name in DOCUMENTS},
    **{f"{task} passes": _run(task, passed=True) for task in ("T-001", "T-002", "T-003")},
    **{f"{task} fails": _run(task, passed=False) for task in ("T-001", "T-002", "T-003")},
    "tick": _say("tasks.md", "[ ] pending", "[x] completed"),
    "untick": _say("tasks.md", "[x] completed", "[ ] pending"),
    "tick a criterion": _say("spec.md", "- [ ]", "- [x]"),
    "untick a criterion": _say("spec.md", "- [x]", "- [ ]"),
    "reword": _say("tasks.md", "Words of  a person.", "Other  words."),
    "recount": _say("tasks.md", "total_tasks: 3", "total_tasks: 33"),
    "call it done": _say("metadata.json", '"active"', '"completed"'),
    "call it in review": _say("metadata.json", '"active"', '"ready_for_review"'),
    "forget reports": _without_reports,
    "forget evidence": _say("tasks.md", "**Evidence**: [", "**Evidence**: gone ["),
}
OWNED = ("**Status**", "**Evidence**", "total_tasks:", "completed:", "status:", "- [ ] **AC", "- [x] **AC")


def words(increment: Increment) -> dict[str, list[str]]:
    """What people wrote: every line that is not specweave's own."""
    return {
        name: [line for line in content.decode().split("\n") if not line.startswith(OWNED)]
        for name, content in contents(increment).items()
        if name.endswith(".md") and "/" not in name
    }


@settings(max_examples=40)
@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=7))
def test_after_anything_one_sync_is_enough_and_touches_no_words(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        increment = make(Path(folder).resolve())
        before = contents(increment)
        for step in steps:
            STEPS[step](increment, before)
        said = words(increment)
        told = sync(increment)
        once = contents(increment)
        assert words(increment) == said
        assert drift(increment) == []
        assert sync(increment).repairs == []
        assert contents(increment) == once
        assert all(repair.drift and repair.repair and repair.target for repair in told.repairs)
