"""`sw status` and `sw progress`: where the increments stand, through the door that every face uses."""

import errno
import json
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from specweave import slash_line
from specweave.command import Context
from specweave.errors import InvalidInputError, NotFoundError
from specweave.host import RealHost
from specweave.increments import claims, store
from specweave.increments.store import Increment
from specweave.project import Project

SPEC = """\
# Work

### US-001: Answer (P1)

- [ ] **AC-US1-01**: Given a row, when it is sent, then it is answered
- [ ] **AC-US1-02**: Given no row, when it is sent, then it is refused

### US-002: Report

- [ ] **AC-US2-01**: Given a day, when it ends, then it is reported
"""
TASKS = """\
### T-001: By a test that passes
**User Story**: US-001
**Satisfies ACs**: AC-US1-01
**Status**: [ ] pending
**Test**: `test -f one`

### T-002: By a test that fails
**Satisfies ACs**: AC-US1-02
**Status**: [ ] pending
**Test**: `test -f two`

### T-003: By a person
**Satisfies ACs**: AC-US1-01, AC-US1-02
**Status**: [x] completed

### T-004: Of the story alone
**User Story**: US-2
**Status**: [-] skipped

### T-005: Of nothing
**Status**: [ ] pending
**Dependencies**: T-002
"""


@pytest.fixture
def context(tmp_path: Path) -> Context:
    state = tmp_path / ".specweave"
    state.mkdir()
    (state / "config.yaml").write_text("tasks: {test_commands: true}\n")
    (tmp_path / "one").write_text("1\n")
    return Context(Project(tmp_path), RealHost())


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Increment]:
    """An increment of a state, whose tasks are so many, the first of them claimed."""

    def make(number: int, status: str, *, total: int = 2) -> Increment:
        folder = tmp_path / ".specweave" / "increments" / f"{number:04d}-part"
        folder.mkdir(parents=True)
        (folder / "metadata.json").write_text(json.dumps({"status": status, "title": f"Part {number}"}))
        tasks = [
            f"### T-{index:03d}: Task\n**Status**: [{'x' if index == 1 else ' '}]\n" for index in range(1, total + 1)
        ]
        (folder / "tasks.md").write_text("\n".join(tasks))
        return Increment(Project(tmp_path), folder)

    return make


@pytest.fixture
def work(context: Context) -> Increment:
    """An increment with a task of every standing but stale."""
    increment = store.create(context, "work")
    (increment.folder / "spec.md").write_text(SPEC)
    (increment.folder / "tasks.md").write_text(TASKS)
    ask(context, "/sw:do 1")
    return increment


def ask(context: Context, line: str) -> dict[str, Any]:
    call = slash_line.parse(line)
    result = call.command.run(call.request, context)
    assert result.text()
    found: dict[str, Any] = json.loads(result.model_dump_json())
    return found | {"text": result.text()}


def names(result: dict[str, Any]) -> list[str]:
    return [item["increment"][:4] for item in result["increments"]]


def test_the_work_in_progress_is_shown_first_and_all_is_counted(
    context: Context, make: Callable[..., Increment]
) -> None:
    for number, status in enumerate(["completed", "planned", "active", "paused", "abandoned", "in_progress"], 1):
        make(number, status)
    result = ask(context, "/sw:status")
    assert names(result) == ["0003", "0006", "0002", "0004", "0001", "0005"]
    assert result["states"] == {"active": 2, "planned": 1, "paused": 1, "completed": 1, "abandoned": 1}
    assert result["text"].startswith("6 increments: 2 active, 1 planned, 1 paused, 1 completed, 1 abandoned\n")
    assert "`0003-part` Part 3: 1 of 2 tasks done, 1 claimed without evidence" in result["text"]
    assert "`/sw:resume 0004`" in result["text"]


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("all", ["0002", "0003", "0004", "0001"]),
        ("open", ["0002", "0003", "0004"]),
        ("completed", ["0001"]),
        ("planned", ["0003", "0004"]),
        ("abandoned", []),
    ],
)
def test_a_state_picks_what_is_shown_and_not_what_is_counted(
    context: Context, make: Callable[..., Increment], state: str, shown: list[str]
) -> None:
    for number, status in enumerate(["completed", "active", "planned", "backlog"], 1):
        make(number, status)
    result = ask(context, f"/sw:status --state {state}")
    assert names(result) == shown
    assert result["states"] == {"completed": 1, "active": 1, "planned": 1, "backlog": 1}


def test_pages_follow_each_other_without_a_gap(context: Context, make: Callable[..., Increment]) -> None:
    for number in range(1, 12):
        make(number, ["active", "completed", "planned"][number % 3], total=1)

    def pages() -> Iterator[list[str]]:
        cursor = ""
        while True:
            result = ask(context, f"/sw:status --limit 4 {cursor}")
            assert sum(result["states"].values()) == 11
            yield names(result)
            if result["cursor"] is None:
                return
            assert f"`/sw:status --state all --limit 4 --cursor {result['cursor']}`" in result["text"]
            cursor = f"--cursor {result['cursor']}"

    found = list(pages())
    assert [len(page) for page in found] == [4, 4, 3]
    assert list(chain.from_iterable(found)) == names(ask(context, "/sw:status"))


@pytest.mark.parametrize("cursor", ["x", "0003-part", "9.9.0003", "''", "1.1.'\n'"])
def test_a_cursor_of_nowhere_is_refused_by_name(context: Context, cursor: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        ask(context, f"/sw:status --cursor {cursor}")
    assert refused.value.code == "cursor-invalid"


def test_a_completed_increment_whose_evidence_went_stale_is_said_and_comes_first(
    context: Context, make: Callable[..., Increment]
) -> None:
    make(1, "completed")
    increment = store.create(context, "0002-shown")
    (increment.folder / "spec.md").write_text(SPEC)
    (increment.folder / "tasks.md").write_text(TASKS.partition("### T-002")[0])
    ask(context, "/sw:do 2")
    store.update_metadata(increment, lambda document: document.update(status="completed"), context.host.now)
    assert (result := ask(context, "/sw:status"))["unproven"] == 0
    assert names(result) == ["0001", "0002"]
    (context.project.root / "one").write_text("2\n")
    result = ask(context, "/sw:status")
    assert result["unproven"] == 1
    assert names(result) == ["0002", "0001"]
    assert "2 completed (1 with failed or stale evidence)" in result["text"]
    assert "T-001 stale: one changed" in result["text"]


def test_an_increment_that_cannot_be_read_is_shown_with_what_is_wrong(
    context: Context, make: Callable[..., Increment]
) -> None:
    make(1, "active")
    (make(2, "active").folder / "metadata.json").write_text("{")
    (make(3, "active").folder / "tasks.md").write_text("### T-001: One\n**Dependencies**: T-007\n")
    result = ask(context, "/sw:status")
    shown = {item["increment"]: item for item in result["increments"]}
    assert names(result)[0] == "0002"
    assert shown["0002-part"]["status"] == "unreadable"
    assert "metadata.json is not JSON" in shown["0002-part"]["problems"][0]
    assert "T-001 depends on T-007" in shown["0003-part"]["problems"][0]


@pytest.mark.parametrize("document", ["spec.md", "tasks.md", "metadata.json"])
def test_a_document_that_may_not_be_read_hides_no_other_increment(
    context: Context, make: Callable[..., Increment], monkeypatch: pytest.MonkeyPatch, document: str
) -> None:
    make(1, "active")
    refused = make(2, "active").folder / document
    (refused.parent / "spec.md").write_text("# Part 2\n")
    opened = Path.open

    def open_(path: Path, *args: Any, **options: Any) -> Any:
        if path == refused:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "open", open_)
    result = ask(context, "/sw:status")
    shown = {item["increment"]: item for item in result["increments"]}
    assert sorted(names(result)) == ["0001", "0002"]
    assert shown["0002-part"]["status"] == "unreadable"
    assert f"Permission denied: {refused}" in shown["0002-part"]["problems"][0]
    assert "correct the permission" in shown["0002-part"]["next"]
    steps = {step["increment"]: step for step in ask(context, "/sw:next")["steps"]}
    assert steps["0002-part"]["kind"] == "repair"
    assert "0001-part" in steps


def test_where_nothing_is_the_first_increment_is_proposed(context: Context) -> None:
    assert "/sw:inc" in ask(context, "/sw:status")["text"]


def test_where_all_are_archived_it_says_so_and_lists_them_when_asked(
    context: Context, make: Callable[..., Increment]
) -> None:
    assert "No increment is archived." in ask(context, "/sw:status --state archived")["text"]
    for number in (1, 2):
        make(number, "completed")
        ask(context, f"/sw:archive {number}")
    for line in ("/sw:status", "/sw:next"):
        result = ask(context, line)
        assert result["archived"] == 2
        assert result["text"].startswith("No open increments; 2 archived.")
    listed = ask(context, "/sw:status --state archived --limit 1")
    assert (names(listed), listed["states"]) == (["0001"], {"completed": 2})
    assert "--state archived --limit 1 --cursor" in listed["text"]
    assert names(ask(context, f"/sw:status --state archived --cursor {listed['cursor']}")) == ["0002"]


def test_one_increment_is_shown_with_each_task_and_why_it_stands_so(context: Context, work: Increment) -> None:
    result = ask(context, "/sw:status 1")
    (shown,) = result["increments"]
    assert [(task["id"], task["standing"], task["done"], task["waits_for"]) for task in shown["tasks"]] == [
        ("T-001", "passed", True, []),
        ("T-002", "failed", False, []),
        ("T-003", "claimed", True, []),
        ("T-004", "skipped", True, []),
        ("T-005", "open", False, ["T-002"]),
    ]
    assert shown["tasks"][0]["evidence"] == "reports/001-test.md"
    assert "reports/002-test.md failed" in shown["tasks"][1]["why"]
    mend = "failed: it ended with exit status 1. Mend the cause first (report reports/002-test.md), then `/sw:do 0001`"
    assert mend in shown["next"]
    assert "| T-005 Of nothing | open, waits for T-002 | by a person |" in result["text"]


def test_no_title_and_no_command_breaks_the_table(context: Context, work: Increment) -> None:
    (work.folder / "tasks.md").write_text("### T-001: One | two\n**Test**: `grep 'a|b' one`\n")
    text = ask(context, "/sw:status 1")["text"]
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert html.count("<td>") == 4
    assert "T-001 One | two" in html


def test_who_holds_a_task_is_shown(context: Context, work: Increment) -> None:
    claims.hand_out(context, work, "T-002", name="anna")
    (shown,) = ask(context, "/sw:status 1")["increments"]
    assert [task["held_by"] for task in shown["tasks"]] == [None, "anna", None, None, None]
    assert "held by anna" in ask(context, "/sw:progress 1")["text"]


def test_progress_goes_from_stories_over_criteria_to_tasks(context: Context, work: Increment) -> None:
    result = ask(context, "/sw:progress")
    assert (result["percent"], result["done"], result["total"]) == (60, 3, 5)
    assert (result["criteria_passed"], result["criteria_total"]) == (1, 3)
    first, second = result["stories"]
    assert (first["id"], first["title"], first["percent"]) == ("US-001", "Answer (P1)", 66)
    assert [(one["id"], one["standing"], one["why"]) for one in first["criteria"]] == [
        ("AC-US1-01", "passed", ""),
        ("AC-US1-02", "failed", "T-002"),
    ]
    assert [task["id"] for task in first["criteria"][1]["tasks"]] == ["T-002", "T-003"]
    assert [(one["standing"], one["why"]) for one in second["criteria"]] == [("open", "no task satisfies it")]
    assert [task["id"] for task in second["tasks"]] == ["T-004"]
    assert [task["id"] for task in result["tasks"]] == ["T-005"]
    assert f"{'█' * 12}{'░' * 8} 60 %" in result["text"]


def test_a_criterion_is_shown_when_each_of_its_tasks_is(context: Context, work: Increment) -> None:
    tasks = work.folder / "tasks.md"
    tasks.write_text(tasks.read_text().replace("AC-US1-01, AC-US1-02", "AC-US1-02"))
    result = ask(context, "/sw:progress")
    assert result["stories"][0]["criteria"][0]["standing"] == "passed"
    assert result["criteria_passed"] == 1
    (context.project.root / "one").unlink()
    (criterion, _) = ask(context, "/sw:progress")["stories"][0]["criteria"]
    assert (criterion["standing"], criterion["why"]) == ("stale", "T-001")
    assert criterion["tasks"][0]["why"] == "one is gone"


def test_all_of_it_is_a_full_bar_and_nothing_of_it_an_empty_one(
    context: Context, make: Callable[..., Increment]
) -> None:
    make(1, "active", total=1)
    make(2, "active", total=0)
    assert f"{'█' * 20} 100 % · 1 of 1" in ask(context, "/sw:progress 1")["text"]
    assert f"{'░' * 20} 0 % · 0 of 0" in ask(context, "/sw:progress 2")["text"]


def test_progress_of_documents_that_cannot_be_read_says_so(context: Context, make: Callable[..., Increment]) -> None:
    (make(1, "active").folder / "metadata.json").write_text("[]")
    result = ask(context, "/sw:progress 1")
    assert result["status"] == "unreadable"
    assert "holds no object" in result["problems"][0]
    with pytest.raises(NotFoundError):
        ask(context, "/sw:progress 7")


SHARED = """\
### T-001: Its own
**Satisfies ACs**: AC-US1-01
**Status**: [ ] pending
**Test**: `test -f .specweave/increments/0001-work/own.txt`

### T-002: Of the whole project
**Satisfies ACs**: AC-US1-02, AC-US2-01
**Status**: [ ] pending
**Test**: `test -f one`
"""


@pytest.fixture
def closed(context: Context) -> Increment:
    """An increment that was done, of a task about a file of its own and one about a file of the project."""
    increment = store.create(context, "work")
    (increment.folder / "spec.md").write_text(SPEC)
    (increment.folder / "tasks.md").write_text(SHARED)
    (increment.folder / "own.txt").write_text("1\n")
    ask(context, "/sw:do 1")
    assert ask(context, "/sw:done 1")["passed"]
    return increment


def test_what_the_project_changes_later_is_no_news_of_a_completed_increment(
    context: Context, closed: Increment
) -> None:
    (context.project.root / "one").write_text("2\n")
    for words in ("", "1", "--state completed"):
        result = ask(context, f"/sw:status {words}")
        assert (result["unproven"], result["increments"][0]["notes"]) == (0, [])
        assert "stale" not in result["text"]
    assert ask(context, "/sw:progress 1")["criteria_passed"] == 3
    before = store.revision(closed)
    assert ask(context, "/sw:sync 1")["repairs"] == []
    found = [finding for finding in ask(context, "/sw:validate 1")["findings"] if finding["severity"] != "warning"]
    assert [(one["code"], one["message"]) for one in found] == [
        ("evidence-drifted", "T-002: one changed since the increment was completed")
    ]
    for words in ("--drift", "1 --drift", "--state completed --drift"):
        (shown,) = ask(context, f"/sw:status {words}")["increments"]
        assert [(note["task"], note["standing"], note["why"]) for note in shown["notes"]] == [
            ("T-002", "stale", "one changed")
        ]
    assert store.revision(closed) == before
    # Whoever asks whether it is done still is told.
    assert [gap["task"] for gap in ask(context, "/sw:done 1")["missing"]] == ["T-002", "T-002"]
    ask(context, "/sw:archive 1")
    (shown,) = ask(context, "/sw:status --state archived")["increments"]
    assert shown["notes"] == []


def test_what_is_its_own_and_what_fails_now_is_said_of_a_completed_increment(
    context: Context, closed: Increment
) -> None:
    (closed.folder / "own.txt").write_text("2\n")
    assert "T-001 stale: .specweave/increments/0001-work/own.txt changed" in ask(context, "/sw:status")["text"]
    (closed.folder / "own.txt").write_text("1\n")
    (context.project.root / "one").unlink()
    assert ask(context, "/sw:status")["unproven"] == 0
    assert not ask(context, "/sw:verify 1")["passed"]
    assert "T-002 failed" in ask(context, "/sw:status")["text"]


def test_what_was_completed_is_judged_by_the_present_again_once_it_is_reopened(
    context: Context, closed: Increment
) -> None:
    (context.project.root / "one").write_text("2\n")
    ask(context, "/sw:reopen 1 --reason 'more to do'")
    assert "T-002 stale: one changed" in ask(context, "/sw:status")["text"]


def test_an_increment_that_is_put_away_is_shown_where_it_is_named(context: Context, closed: Increment) -> None:
    ask(context, "/sw:archive 1")
    (shown,) = ask(context, "/sw:status 0001")["increments"]
    assert (shown["increment"], shown["status"], shown["done"]) == (closed.id, "completed", 2)
    store.create(context, "work again")
    assert ask(context, "/sw:status work")["increments"][0]["increment"] == "0002-work-again"
