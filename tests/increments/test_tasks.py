import json
import re
import secrets
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.command import Context
from specweave.errors import NotFoundError
from specweave.increments import store, tasks
from specweave.increments.store import Increment
from specweave.increments.tasks import Outcome
from specweave.project import Project

OURS = """\
# Tasks

<!--
### T-900: In a comment
**Status**: [x] completed
-->

### T-001: Load test

**User Story**: US-002
**Satisfies ACs**: AC-US2-01, AC-US2-02
**Status**: [ ] pending
**Run**: /ml:load-test 0001 --rps 100
**Dependencies**: T-002

**Test Plan**:

- Given a service

```markdown
### T-901: In a fence
**Status**: [x] completed
```

### T-002: Create API

**Status**: [x] completed
**Dependencies**: none
"""
OLDER = """\
---
total_tasks: 2
completed: 1
---
## Phase 1

### T-001: Set up
**User Story**: US-001
**Satisfies ACs**: AC-US1-01
**Status**: [x] completed
**Priority**: P1
---

### T-002: Build
**Status**: [~] in progress
**Depends On**: T-1
"""
SECOND = (
    "### T-01 set up\n- **Status**: done\n- **AC**: AC-01\n\n### T-02 build\n- **Status**: todo\n- **Depends**: T-01\n"
)
BULLETS = """\
## Tasks

- [x] **T-001**: Set up
  **Acceptance Criteria**: AC-US1-01
- [ ] T-002: Build
  - **Run**: `/ml:create-api 0001`
  - **Dependencies**: T-001
  - [ ] a step
- [-] T-003: Left out
- [ ] no task
"""


def summary(increment: Increment) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [(task.id, task.title, task.status, task.dependencies) for task in tasks.read(increment)]


def test_our_form_is_read_with_all_its_fields(increment_with: Callable[..., Increment]) -> None:
    first, second = tasks.read(increment_with(tasks=OURS))
    assert (first.id, first.title, first.status, first.run) == (
        "T-001",
        "Load test",
        "pending",
        "/ml:load-test 0001 --rps 100",
    )
    assert (first.user_story, first.criteria, first.dependencies) == ("US-002", ("AC-US2-01", "AC-US2-02"), ("T-002",))
    assert (first.document, first.line, first.evidence) == ("tasks.md", 8, None)
    assert (second.id, second.status, second.dependencies) == ("T-002", "completed", ())


def test_the_first_generation_is_read(increment_with: Callable[..., Increment]) -> None:
    increment = increment_with(tasks=OLDER)
    assert summary(increment) == [
        ("T-001", "Set up", "completed", ()),
        ("T-002", "Build", "in-progress", ("T-001",)),
    ]
    assert tasks.read(increment)[0].criteria == ("AC-US1-01",)


def test_the_second_generation_is_read(increment_with: Callable[..., Increment]) -> None:
    increment = increment_with(tasks=SECOND)
    assert summary(increment) == [("T-01", "set up", "completed", ()), ("T-02", "build", "pending", ("T-01",))]
    assert tasks.read(increment)[0].criteria == ("AC-01",)


def test_bullets_are_read_with_the_fields_below_them(increment_with: Callable[..., Increment]) -> None:
    increment = increment_with(tasks=BULLETS)
    assert summary(increment) == [
        ("T-001", "Set up", "completed", ()),
        ("T-002", "Build", "pending", ("T-001",)),
        ("T-003", "Left out", "skipped", ()),
    ]
    assert [task.run for task in tasks.read(increment)] == [None, "/ml:create-api 0001", None]


def test_tasks_inside_the_spec_are_read_where_there_is_no_tasks_file(increment_with: Callable[..., Increment]) -> None:
    increment = increment_with(spec=f"# Spec\n\n{BULLETS}")
    assert [task.document for task in tasks.read(increment)] == ["spec.md"] * 3


def test_a_bullet_that_names_a_task_with_a_heading_is_no_second_task(increment_with: Callable[..., Increment]) -> None:
    text = "### T-001: A\n**Dependencies**:\n- [ ] T-002: B\n\n### T-002: B\n"
    assert [task.id for task in tasks.read(increment_with(tasks=text))] == ["T-001", "T-002"]


def test_a_ticked_box_without_passing_evidence_counts_for_nothing_where_a_command_is_bound(
    increment_with: Callable[..., Increment],
) -> None:
    text = "### T-001: A\n**Status**: [x] completed\n**Run**: /ml:create-api 0001\n"
    ticked = increment_with(tasks=text)
    assert [(task.status, task.marked) for task in tasks.read(ticked)] == [("pending", "completed")]
    state = {"tasks": {"T-001": {"status": "completed", "evidence": "reports/001-create-api.md", "passed": True}}}
    (ticked.folder / "metadata.json").write_text(json.dumps(state))
    assert [(task.status, task.evidence) for task in tasks.read(ticked)] == [("completed", "reports/001-create-api.md")]
    tasks.mark(ticked, {"T-001": Outcome(passed=True, evidence="[001-x](reports/001-create-api.md) passed")})
    shown = (ticked.folder / "tasks.md").read_text()
    (ticked.folder / "tasks.md").write_text(shown.replace("[x] completed", "[ ] pending"))
    assert [task.status for task in tasks.read(ticked)] == ["pending"]


def test_a_status_that_cannot_be_read_is_reported_with_its_line(increment_with: Callable[..., Increment]) -> None:
    increment = increment_with(tasks="### T-001: A\n**Status**: [?] who knows\n")
    assert tasks.read_with_problems(increment)[1] == (
        "tasks.md:2: T-001 has the status '[?] who knows', read as pending",
    )


def test_an_outcome_changes_its_own_lines_and_keeps_every_other_byte(increment_with: Callable[..., Increment]) -> None:
    text = OURS.replace("\n", "\r\n").encode() + b"\xff\xfe odd bytes"
    increment = increment_with(tasks=text)
    tasks.mark(increment, {"T-001": Outcome(passed=True, evidence="[001-x](reports/001-x.md) passed")})
    expected = text.replace(b"**Status**: [ ] pending", b"**Status**: [x] completed").replace(
        b"--rps 100\r\n", b"--rps 100\r\n**Evidence**: [001-x](reports/001-x.md) passed\r\n"
    )
    assert (increment.folder / "tasks.md").read_bytes() == expected
    tasks.mark(increment, {"T-001": Outcome(passed=False, evidence="[002-x](reports/002-x.md) failed")})
    assert (increment.folder / "tasks.md").read_bytes() == expected.replace(
        b"[x] completed", b"[ ] pending", 1
    ).replace(b"[001-x](reports/001-x.md) passed", b"[002-x](reports/002-x.md) failed").replace(
        b"### T-900: In a comment\r\n**Status**: [ ] pending", b"### T-900: In a comment\r\n**Status**: [x] completed"
    ).replace(b"US2-02\r\n**Status**: [x] completed", b"US2-02\r\n**Status**: [ ] pending")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("### T-001: A\n", "### T-001: A\n**Status**: [x] completed\n**Evidence**: E\n\n"),
        ("### T-001: A\n\ntext\n", "### T-001: A\n**Status**: [x] completed\n**Evidence**: E\n\n\ntext\n"),
        ("T-001: A\n===\ntext", "T-001: A\n===\n**Status**: [x] completed\n**Evidence**: E\n\ntext"),
        ("### T-001: A\n- **Status**: todo", "### T-001: A\n- **Status**: [x] completed\n- **Evidence**: E"),
        ("### T-001: A\n**Status**:\n", "### T-001: A\n**Status**: [x] completed\n**Evidence**: E\n"),
        (
            "### T-001: A\n**Status**: [ ] pending (soon)  \n",
            "### T-001: A\n**Status**: [x] completed (soon)  \n**Evidence**: E  \n",
        ),
        ("- [ ] T-001: A\n", "- [x] T-001: A\n  - **Evidence**: E\n"),
        ("* [ ] T-001: A\n  * **Run**: /ml:x\n", "* [x] T-001: A\n  * **Run**: /ml:x\n  * **Evidence**: E\n"),
        (
            "### T-001: A\n**Status**: x\n**Evidence**: old\n",
            "### T-001: A\n**Status**: [x] completed\n**Evidence**: E\n",
        ),
    ],
)
def test_an_outcome_finds_its_place_in_every_form(
    increment_with: Callable[..., Increment], before: str, after: str
) -> None:
    increment = increment_with(tasks=before)
    tasks.mark(increment, {"T-001": Outcome(passed=True, evidence="E")})
    assert (increment.folder / "tasks.md").read_text() == after


PIECES = st.lists(
    st.sampled_from(
        [
            "### T-001: First",
            "### T-002: Second",
            "- [ ] T-003: Third",
            "  - **Run**: /ml:create-api",
            "**Status**: [ ] pending",
            "**Run**: /ml:load-test 0001",
            "**Evidence**: [001-x](reports/001-x.md)",
            "```",
            "<!--",
            "-->",
            "text",
            "",
            "---",
            "key: value",
            "**Status**: [ ] pending",
        ]
    ),
    max_size=25,
)


@given(PIECES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_whatever_the_document_an_outcome_touches_only_status_box_and_evidence(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], end: str, passed: bool
) -> None:
    folder = tmp_path_factory.mktemp(secrets.token_hex(8), numbered=False) / "0001-work"
    folder.mkdir()
    (folder / "tasks.md").write_bytes(end.join(["", *pieces]).encode())
    increment = Increment(Project(folder.parent), folder)
    before = tasks.read(increment)
    tasks.mark(increment, {task.id: Outcome(passed, "[009-y](reports/009-y.md)") for task in before})
    after = tasks.read(increment)
    assert [(task.id, task.title, task.run) for task in after] == [(task.id, task.title, task.run) for task in before]
    assert {task.marked for task in after} <= {"completed" if passed else "pending"}
    assert {task.evidence for task in after} <= {"reports/009-y.md"}
    kept = [line for line in pieces if not re.search(r"Status|Evidence|\[ \]", line)]
    remaining = iter((folder / "tasks.md").read_bytes().decode().split(end))
    assert all(line in remaining for line in kept)


def test_one_task_is_found_however_its_number_is_written(increment_with: Callable[..., Increment]) -> None:
    increment = increment_with(tasks=OURS)
    assert tasks.find(increment, "T-1").id == tasks.find(increment, " T-001 ").id == "T-001"
    with pytest.raises(NotFoundError) as caught:
        tasks.find(increment, "T-9")
    assert caught.value.code == "task-not-found"
    assert "T-001, T-002" in caught.value.next_step


def test_the_eight_tasks_of_a_deployment_are_bound_and_in_order(context: Context) -> None:
    increment = store.create(context, "0043-deploy-credit-model", kind="deployment")
    assert [(task.id, task.title, task.run, task.dependencies) for task in tasks.read(increment)] == [
        ("T-001", "Containerize model", "/ml:containerize 0043 --build", ("T-002",)),
        ("T-002", "Create API", "/ml:create-api 0043 --test", ()),
        ("T-003", "Setup monitoring", "/ml:setup-monitoring 0043", ("T-002",)),
        ("T-004", "Configure A/B test", "/ml:create-ab-test 0043 --split 0.1", ("T-002",)),
        ("T-005", "Load test", "/ml:load-test 0043 --rps 50,100,200,500,1000 --duration 10s", ("T-002",)),
        ("T-006", "Deploy to staging", "/ml:deploy 0043 --environment staging", ("T-005",)),
        ("T-007", "Validate staging", "/ml:load-test 0043 --environment staging --rps 100 --duration 10s", ("T-006",)),
        ("T-008", "Deploy to production", "/ml:deploy 0043 --environment production", ("T-007",)),
    ]
    spec = (increment.folder / "spec.md").read_text()
    for task in tasks.read(increment):
        assert task.status == "pending"
        for criterion in task.criteria:
            assert f"- [ ] **{criterion}**: " in spec


MEASURED = """\
### T-001: Compute the price

**Satisfies ACs**: AC-US1-01, AC-US1-02
**Status**: [ ] pending
**Test**: `python -m pytest tests/test_price.py::test_ac_us1_01 -q`
**Files Affected**: `src/price.py`, ./src/tax.py (new), docs/*.md
**Dependencies**: none

- [ ] a step

### T-002: Tell people
- **Status**: [ ] pending
- **Files Affected**:
  - `docs/news.md`: what is new
  - README.md
  - Makefile
  - …

  A remark about `other.md`

### T-003: Nothing
**Test**:
**Files Affected**: none
"""
DEMANDED = "- [ ] **AC-US1-01**: The price is right\n- [ ] **AC-US1-02**: Taxes are in it\n- [ ] **AC-US2-01**: Other\n"


def test_a_test_line_and_the_files_of_a_task_are_read(increment_with: Callable[..., Increment]) -> None:
    first, second, third = tasks.read(increment_with(tasks=MEASURED))
    assert first.test == "python -m pytest tests/test_price.py::test_ac_us1_01 -q"
    assert first.files == ("src/price.py", "src/tax.py", "docs/*.md")
    assert (second.test, second.files) == (None, ("docs/news.md", "README.md", "Makefile"))
    assert (third.test, third.files) == (None, ())


def test_a_test_alone_makes_a_tick_a_claim(increment_with: Callable[..., Increment]) -> None:
    first, second, _ = tasks.read(increment_with(tasks=MEASURED.replace("[ ] pending", "[x] completed")))
    assert (first.status, first.marked, first.claimed) == ("pending", "completed", True)
    assert (second.status, second.marked, second.claimed) == ("completed", "completed", True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("**Status**: [ ] pending", "**Status**: [x] completed"),
        ("**Status**: [ ] pending\n", "**Status**: [ ] pending\n**Evidence**: [001-x](reports/001-x.md) passed\n"),
        ("- [ ] a step", "- [x] a step"),
        ("**Dependencies**: none\n", "**Dependencies**: none  \n\n\n"),
        ("### T-002: Tell people", "### T-002: Tell somebody"),
        ("\n", "\r\n"),
        ("\n", "\r"),
    ],
)
def test_what_says_nothing_else_of_a_task_keeps_its_digest(
    increment_with: Callable[..., Increment], old: str, new: str
) -> None:
    before = tasks.read(increment_with("0001-a", tasks=MEASURED, spec=DEMANDED))[0]
    after = tasks.read(increment_with("0002-b", tasks=MEASURED.replace(old, new), spec=DEMANDED))[0]
    assert after.text_digest == before.text_digest
    assert re.fullmatch(r"[0-9a-f]{16}", after.text_digest)


@pytest.mark.parametrize(
    ("document", "old", "new"),
    [
        ("tasks", "Compute the price", "Compute the prices"),
        ("tasks", "test_ac_us1_01 -q", "test_ac_us1_02 -q"),
        ("tasks", "AC-US1-01, AC-US1-02", "AC-US1-01"),
        ("tasks", "`src/price.py`", "`src/cost.py`"),
        ("tasks", "- [ ] a step", "- [ ] another step"),
        ("spec", "The price is right", "The price is wrong"),
        ("spec", "Taxes are in it", "Taxes are in it\n  and shown"),
    ],
)
def test_another_wording_of_a_task_or_its_criteria_has_another_digest(
    increment_with: Callable[..., Increment], document: str, old: str, new: str
) -> None:
    texts = {"tasks": MEASURED, "spec": DEMANDED}
    before = tasks.read(increment_with("0001-a", **texts))[0]
    changed = {**texts, document: texts[document].replace(old, new)}
    assert tasks.read(increment_with("0002-b", **changed))[0].text_digest != before.text_digest


@pytest.mark.parametrize(
    ("old", "new"),
    [("- [ ] **AC-US1-01", "- [x] **AC-US1-01"), ("AC-US2-01**: Other", "AC-US2-01**: Something else"), ("\n", "\r\n")],
)
def test_a_ticked_box_and_criteria_of_others_keep_the_digest(
    increment_with: Callable[..., Increment], old: str, new: str
) -> None:
    before = tasks.read(increment_with("0001-a", tasks=MEASURED, spec=DEMANDED))[0]
    after = tasks.read(increment_with("0002-b", tasks=MEASURED, spec=DEMANDED.replace(old, new)))[0]
    assert after.text_digest == before.text_digest


@given(PIECES, st.booleans())
def test_whatever_the_document_an_outcome_keeps_the_digest_of_every_task(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], passed: bool
) -> None:
    folder = tmp_path_factory.mktemp(secrets.token_hex(8), numbered=False) / "0001-work"
    folder.mkdir()
    (folder / "tasks.md").write_text("\n".join(pieces))
    increment = Increment(Project(folder.parent), folder)
    before = {(task.id, task.line): task.text_digest for task in tasks.read(increment)}
    outcome = Outcome(passed, "[009-y](reports/009-y.md)")
    tasks.mark(increment, dict.fromkeys((task for task, _ in before), outcome))
    assert [task.text_digest for task in tasks.read(increment)] == list(before.values())
