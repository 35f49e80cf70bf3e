"""How tasks stand by their evidence, and what spec.md and the state show of it."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from specweave.command import Context
from specweave.errors import InvalidInputError
from specweave.increments import criteria, evidence, life_cycle, store, tasks
from specweave.increments.store import Increment

STARTED = datetime(2026, 11, 20, 12, 2, tzinfo=UTC)
SPEC = "- [ ] **AC-01**: a\n- [ ] **AC-02**: b\n- [ ] **AC-03**: c\n- [x] **AC-04**: d\n- [x] **AC-05**: e\n"
TASKS = """\
### T-001: Price
**Satisfies ACs**: AC-01, AC-02
**Status**: [ ] pending
**Test**: true src/price.py

### T-002: Taxes
**Satisfies ACs**: AC-02
**Status**: [ ] pending
**Run**: /sw:sync 0001

### T-003: Tell people
**Satisfies ACs**: AC-03, AC-05
**Status**: [ ] pending
"""


@pytest.fixture
def increment(context: Context) -> Increment:
    made = store.create(context, "work")
    (made.folder / "spec.md").write_text(SPEC)
    (made.folder / "tasks.md").write_text(TASKS)
    (context.project.root / "src").mkdir()
    (context.project.root / "src/price.py").write_text("price = 1\n")
    return made


def record(context: Context, increment: Increment, task: str = "T-001", *, passed: bool = True) -> str:
    command = tasks.find(increment, task).run or tasks.find(increment, task).test or "by hand"
    report = evidence.record(
        context,
        increment,
        operation="test",
        command=command,
        passed=passed,
        started=STARTED,
        markdown="x",
        data={},
        task_id=task,
    )
    return report.path.relative_to(increment.folder).as_posix()


def standings(increment: Increment) -> dict[str, tuple[str, str]]:
    found = evidence.standings(increment, tasks.read(increment))
    return {task_id: (stand.standing, stand.why) for task_id, stand in found.items()}


def tick(increment: Increment, task: str, mark: str = "[x] completed") -> None:
    path = increment.folder / "tasks.md"
    before, found, after = path.read_text().partition(f"### {task}")
    path.write_text(before + found + after.replace("[ ] pending", mark, 1).replace("[x] completed", mark, 1))


def ticked(increment: Increment) -> set[str]:
    return {found.id for found in criteria.read(increment).criteria if found.marked}


def test_a_task_is_open_until_it_is_shown_and_says_what_failed(context: Context, increment: Increment) -> None:
    assert standings(increment) == {"T-001": ("open", ""), "T-002": ("open", ""), "T-003": ("open", "")}
    record(context, increment, passed=False)
    assert standings(increment)["T-001"] == ("failed", "reports/001-test.md failed")
    record(context, increment)
    assert standings(increment)["T-001"] == ("passed", "")
    assert evidence.standing(increment, tasks.find(increment, "T-001")) == "passed"


def test_a_report_and_the_state_carry_the_digests(context: Context, increment: Increment) -> None:
    page = record(context, increment)
    (task, *_) = tasks.read(increment)
    report = json.loads((increment.folder / page).with_suffix(".json").read_bytes())
    state = increment.metadata().tasks["T-001"]
    assert f"| about | 1 file, `{report['content_digest']}` |" in (increment.folder / page).read_text()
    assert f"| tasks | T-001 `{task.text_digest}` |" in (increment.folder / page).read_text()
    assert report["tasks"] == {"T-001": task.text_digest}
    assert list(report["content"]) == ["src/price.py"]
    assert (state.task_digest, state.content_digest) == (task.text_digest, report["content_digest"])


@pytest.mark.parametrize(
    ("path", "edit", "why"),
    [
        ("src/price.py", ("1", "2"), "src/price.py changed"),
        (".specweave/increments/0001-work/tasks.md", ("Price", "Cost"), "its text changed, or that of a criterion"),
        (".specweave/increments/0001-work/spec.md", ("**: a", "**: A"), "its text changed, or that of a criterion"),
    ],
)
def test_evidence_goes_stale_with_the_content_and_the_wording_and_comes_back_with_them(
    context: Context, increment: Increment, path: str, edit: tuple[str, str], why: str
) -> None:
    record(context, increment)
    file = context.project.root / path
    before = file.read_text()
    file.write_text(before.replace(*edit))
    assert standings(increment)["T-001"] == ("stale", why)
    assert not evidence.is_done(tasks.find(increment, "T-001"), "stale")
    file.write_text(before)
    assert standings(increment)["T-001"] == ("passed", "")


def test_evidence_that_is_gone_shows_nothing(context: Context, increment: Increment) -> None:
    page = record(context, increment)
    (increment.folder / page).with_suffix(".json").unlink()
    assert standings(increment)["T-001"] == ("stale", f"{page} is not there any more")


def test_evidence_from_before_digests_were_kept_counts(context: Context, increment: Increment) -> None:
    page = record(context, increment)
    path = (increment.folder / page).with_suffix(".json")
    report = {key: value for key, value in json.loads(path.read_bytes()).items() if "content" not in key}
    path.write_text(json.dumps({**report, "tasks": {}}))

    def forget(document: dict[str, dict[str, dict[str, str]]]) -> None:
        for key in ("task_digest", "content_digest"):
            del document["tasks"]["T-001"][key]

    store.update_metadata(increment, forget, context.host.now)
    (context.project.root / "src/price.py").write_text("price = 2\n")
    assert standings(increment)["T-001"] == ("passed", "")


def test_a_line_in_metadata_that_points_to_another_tasks_report_shows_nothing(
    context: Context, increment: Increment
) -> None:
    page = record(context, increment)

    def claim(document: dict[str, dict[str, dict[str, object]]]) -> None:
        document["tasks"]["T-002"] = {"status": "completed", "passed": True, "evidence": page}

    store.update_metadata(increment, claim, context.host.now)
    assert standings(increment)["T-002"] == ("stale", f"{page} is about other work")
    evidence.settle(context, increment)
    assert "AC-02" not in ticked(increment)


def test_a_line_in_metadata_says_neither_that_a_failure_passed_nor_that_it_is_of_today(
    context: Context, increment: Increment
) -> None:
    page = record(context, increment, passed=False)

    def claim(document: dict[str, dict[str, dict[str, object]]]) -> None:
        document["tasks"]["T-001"] = {"status": "completed", "passed": True, "evidence": page}

    store.update_metadata(increment, claim, context.host.now)
    assert standings(increment)["T-001"] == ("failed", f"{page} failed")
    page = record(context, increment)
    (context.project.root / "src/price.py").write_text("price = 2\n")
    store.update_metadata(increment, claim, context.host.now)
    assert standings(increment)["T-001"] == ("stale", "src/price.py changed")


def test_a_box_ticked_by_hand_is_a_claim_and_enough_only_where_nothing_could_show_it(increment: Increment) -> None:
    for task in ("T-001", "T-002", "T-003"):
        tick(increment, task)
    found = standings(increment)
    assert {standing for standing, _ in found.values()} == {"claimed"}
    done = [task.id for task in tasks.read(increment) if evidence.is_done(task, "claimed")]
    assert done == ["T-003"]


@pytest.mark.parametrize(("run", "done"), [("/ml:fly 1", True), ("/sw:status --fly", False), ("/sw:status", False)])
def test_a_command_that_is_not_built_leaves_the_word_to_people(
    increment_with: Callable[..., Increment], run: str, done: bool
) -> None:
    increment = increment_with(tasks=f"### T-001: A\n**Status**: [x] completed\n**Run**: {run}\n")
    (task,) = tasks.read(increment)
    assert evidence.is_done(task, "claimed") is done


def test_a_task_that_is_left_out_is_skipped_whatever_its_evidence(context: Context, increment: Increment) -> None:
    record(context, increment)
    tick(increment, "T-001", "[-] skipped")
    assert standings(increment)["T-001"][0] == "skipped"
    assert evidence.is_done(tasks.find(increment, "T-001"), "skipped")


def test_a_tick_that_was_taken_away_has_the_task_run_again(context: Context, increment: Increment) -> None:
    record(context, increment)
    tick(increment, "T-001", "[ ] pending")
    assert standings(increment)["T-001"] == ("open", "its tick was taken away")


def test_a_criterion_is_ticked_where_every_task_that_satisfies_it_is_shown(
    context: Context, increment: Increment
) -> None:
    record(context, increment)
    # AC-04 is satisfied by no task and AC-05 by one of people alone: their ticks are what somebody says.
    assert ticked(increment) == {"AC-01", "AC-04", "AC-05"}
    record(context, increment, "T-002")
    assert ticked(increment) == {"AC-01", "AC-02", "AC-04", "AC-05"}
    record(context, increment, passed=False)
    assert ticked(increment) == {"AC-04", "AC-05"}


def test_a_tick_by_hand_on_what_a_test_shows_is_taken_back(context: Context, increment: Increment) -> None:
    spec = increment.folder / "spec.md"
    spec.write_text(SPEC.replace("- [ ] **AC-02", "- [x] **AC-02"))
    record(context, increment)
    assert ticked(increment) == {"AC-01", "AC-04", "AC-05"}


def test_stale_evidence_unticks_when_it_is_settled_and_no_other_byte_changes(
    context: Context, increment: Increment
) -> None:
    record(context, increment)
    (context.project.root / "src/price.py").write_text("price = 2\n")
    assert evidence.settle(context, increment) == ("AC-01",)
    assert (increment.folder / "spec.md").read_text() == SPEC
    assert evidence.settle(context, increment) == ()


def test_the_last_task_that_is_shown_makes_it_ready_for_review(context: Context, increment: Increment) -> None:
    assert increment.metadata().status == "planned"
    record(context, increment)
    assert increment.metadata().status == "active"
    tick(increment, "T-003")
    record(context, increment, "T-002")
    assert increment.metadata().status == "ready_for_review"
    (context.project.root / "src/price.py").write_text("price = 2\n")
    evidence.settle(context, increment)
    assert increment.metadata().status == "active"
    record(context, increment)
    assert increment.metadata().status == "ready_for_review"
    history = json.loads((increment.folder / "metadata.json").read_bytes())["history"]
    moves = [(entry["from"], entry["to"]) for entry in history]
    assert moves == [
        ("planned", "active"),
        ("active", "ready_for_review"),
        ("ready_for_review", "active"),
        ("active", "ready_for_review"),
    ]


@pytest.mark.parametrize("state", ["paused", "completed", "abandoned"])
def test_evidence_does_not_wake_what_is_paused_or_closed(
    context: Context, increment: Increment, state: life_cycle.State
) -> None:
    life_cycle.move(context, increment, state)
    record(context, increment)
    assert increment.metadata().status == state
    assert "AC-01" in ticked(increment)


def test_an_increment_without_tasks_is_never_ready(context: Context, increment: Increment) -> None:
    (increment.folder / "tasks.md").write_text("# Tasks\n")
    evidence.settle(context, increment)
    assert increment.metadata().status == "planned"


def test_a_document_that_cannot_be_read_is_refused_before_anything_is_written(
    context: Context, increment: Increment
) -> None:
    (increment.folder / ".generated.json").write_text("{")
    with pytest.raises(InvalidInputError) as caught:
        record(context, increment)
    assert caught.value.code == "ledger-invalid"
    assert not (increment.folder / "reports").exists()
    assert increment.metadata().status == "planned"


DIE = """
import os, sys
from pathlib import Path
from specweave.command import Context
from specweave.host import RealHost
from specweave.increments import evidence, store
from specweave.project import Project
replace, left = Path.replace, int(sys.argv[2])
def replace_then_die(self, target):
    global left
    replace(self, target)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), 9)
Path.replace = replace_then_die
context = Context(Project(Path(sys.argv[1])), RealHost())
increment = store.find(context.project, "1")
for task, line in (("T-001", "true src/price.py"), ("T-002", "/sw:sync 0001")):
    evidence.record(context, increment, operation="test", command=line, passed=True, started=context.host.now(),
                    markdown="x", data={}, task_id=task)
print("whole")
"""


@pytest.mark.parametrize("writes", range(1, 13))
def test_a_recording_killed_anywhere_lacks_nothing_that_settling_and_marking_do_not_bring_back(
    context: Context, increment: Increment, writes: int
) -> None:
    """The state is written first; what the documents lack of it is drift that is repaired, never lost evidence."""
    tick(increment, "T-003")
    run = subprocess.run(
        [sys.executable, "-c", DIE, context.project.root, str(writes)], check=False, capture_output=True, text=True
    )
    assert run.returncode == (-9 if run.stdout == "" else 0), run.stderr
    states = increment.metadata().tasks
    found = standings(increment)
    for task in ("T-001", "T-002"):
        recorded = task in states and states[task].evidence is not None
        assert found[task][0] == ("passed" if recorded else "open")
        assert not recorded or (increment.folder / str(states[task].evidence)).with_suffix(".json").is_file()
    evidence.settle(context, increment)
    passed = {task for task in ("T-001", "T-002") if found[task][0] == "passed"}
    assert increment.metadata().status == (
        "ready_for_review" if len(passed) == 2 else "active" if passed else "planned"
    )
    assert ("AC-01" in ticked(increment)) == ("T-001" in passed)
    assert ("AC-02" in ticked(increment)) == (len(passed) == 2)
    for task in ("T-001", "T-002"):
        record(context, increment, task)
    assert {standing for standing, _ in standings(increment).values()} == {"passed", "claimed"}


def test_what_was_shown_for_another_package_is_stale_and_its_criteria_are_not_ticked(
    context: Context, increment: Increment
) -> None:
    record(context, increment)
    evidence.reset(context, increment, ("T-001",))
    assert standings(increment)["T-001"] == ("stale", "it was about another model package")
    assert "AC-01" not in ticked(increment)
    assert "**Status**: [ ] pending" in (increment.folder / "tasks.md").read_text()
