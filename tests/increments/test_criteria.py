"""Stories and criteria of spec.md, and the boxes that evidence ticks."""

import json
import re
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.command import Context
from specweave.errors import InvalidInputError
from specweave.files import ledger
from specweave.files.markdown import Document
from specweave.increments import criteria, store
from specweave.increments.criteria import read_document
from specweave.increments.store import Increment

OURS = """\
---
increment: 0001-work
---

# Work

### US-001: Ask for a prediction (P1)

**As a** caller

- [ ] **AC-US1-01**: Given a row,
  when it is sent,
  then the answer comes
- [x] **AC-US1-02**: A malformed one is refused

### US-002: Rely on it

- [X] **AC-US2-01**: It holds
  - [ ] a step of it, no criterion

```markdown
- [ ] **AC-US9-01**: in a fence
```

<!-- - [ ] **AC-US9-02**: in a comment -->

> - [ ] **AC-US9-03**: in a quotation
"""


def read(text: str | bytes) -> criteria.Specification:
    return read_document(Document.parse(text.encode() if isinstance(text, str) else text))


def brief(text: str) -> list[tuple[str, str, str | None, bool]]:
    return [(found.id, found.text, found.story, found.marked) for found in read(text).criteria]


def test_stories_and_criteria_are_read_and_what_only_looks_like_one_is_not() -> None:
    found = read(OURS)
    assert [(story.id, story.title, story.line) for story in found.stories] == [
        ("US-001", "Ask for a prediction (P1)", 7),
        ("US-002", "Rely on it", 16),
    ]
    assert brief(OURS) == [
        ("AC-US1-01", "Given a row, when it is sent, then the answer comes", "US-001", False),
        ("AC-US1-02", "A malformed one is refused", "US-001", True),
        ("AC-US2-01", "It holds a step of it, no criterion", "US-002", True),
    ]
    assert [(one.document, one.line) for one in found.criteria] == [("spec.md", 11), ("spec.md", 14), ("spec.md", 18)]
    assert found.problems == ()


@pytest.mark.parametrize(
    ("line", "text", "marked"),
    [
        ("- [ ] **AC-US1-01**: The text", "The text", False),
        ("- [x] **AC-US1-01:** The text", "The text", True),
        ("* [X] **AC-US1-01: The text**", "The text", True),
        ("- [ ] AC-US1-01: The text", "The text", False),
        ("- [x] AC-US1-01 The text", "The text", True),
        ("1. [ ] **AC-US1-01** - The text", "The text", False),
        ("- **AC-US1-01**: The text", "The text", False),
        ("- AC-US1-01: The text", "The text", False),
        ("**AC-US1-01**: The text", "The text", False),
        ("#### AC-US1-01: The text", "The text", False),
        ("- [ ] **AC-US1-01**: The **bold** text", "The **bold** text", False),
        ("- [ ] **AC-US1-01**:", "", False),
        ("- [~] **AC-US1-01**: The text", "The text", False),
        ("- [ ] **AC-US1-01**: The text\n\n  of two paragraphs", "The text of two paragraphs", False),
        ("- [ ] **AC-US1-01**: The text\n  - Given a\n  - Then b", "The text Given a Then b", False),
    ],
)
def test_a_criterion_is_read_in_every_form(line: str, text: str, marked: bool) -> None:
    assert brief(f"# Spec\n\n{line}\n\nText after it.\n") == [("AC-US1-01", text, "US-001", marked)]


@pytest.mark.parametrize(
    "line",
    ["- AC-US1-01 is met by T-001", "See AC-US1-01: below.", "- [ ] T-001: do AC-US1-01", "    - [ ] **AC-01**: code"],
)
def test_what_mentions_a_criterion_states_none(line: str) -> None:
    assert read(f"# Spec\n\n{line}\n") == criteria.Specification()


def test_what_looks_like_a_criterion_and_has_no_id_of_one_is_reported_with_its_line() -> None:
    found = read("# Spec\n\n- [ ] **AC-US1**: no number\n- [ ] **AC-01**: fine\n- **AC1**: old\n")
    assert [criterion.id for criterion in found.criteria] == ["AC-01"]
    assert [problem.partition(" ")[0] for problem in found.problems] == ["spec.md:3:", "spec.md:5:"]


def test_criteria_with_parts_in_their_numbers_are_criteria_of_their_own() -> None:
    text = "- [ ] **AC-1.1**: a\n- [x] AC-1.2: b\n- [ ] **AC-US2-01.3.1**: c\n- [ ] AC-2. d\n- AC-3.: e\n"
    assert [(found.id, found.text, found.marked) for found in read(text).criteria] == [
        ("AC-1.1", "a", False),
        ("AC-1.2", "b", True),
        ("AC-US2-01.3.1", "c", False),
        ("AC-2", "d", False),
    ]


def test_a_criterion_without_a_story_in_its_id_belongs_to_the_one_above() -> None:
    text = "- [ ] **AC-01**: a\n\n## US-01 First\n\n- [ ] **AC-02**: b\n\n## US-2: Second\n\n- [ ] **AC-US1-03**: c\n"
    assert [(found.id, found.story) for found in read(text).criteria] == [
        ("AC-01", None),
        ("AC-02", "US-01"),
        ("AC-US1-03", "US-01"),
    ]


def test_an_id_that_stands_there_twice_is_read_twice(increment_with: Callable[..., Increment]) -> None:
    increment = increment_with(spec="- [ ] **AC-01**: a\n- [x] **AC-01**: b\n")
    assert [found.text for found in criteria.read(increment).criteria] == ["a", "b"]
    assert criteria.read(increment).texts() == {"AC-01": "a\nb"}
    assert criteria.mark(increment, {"AC-01": True}) == ("AC-01",)
    assert (increment.folder / "spec.md").read_text() == "- [x] **AC-01**: a\n- [x] **AC-01**: b\n"


def test_an_increment_without_a_specification_demands_nothing(increment_with: Callable[..., Increment]) -> None:
    increment = increment_with(tasks="### T-001: A\n")
    assert criteria.read(increment) == criteria.Specification()
    assert criteria.mark(increment, {"AC-01": True}) == ()
    assert not (increment.folder / "spec.md").exists()


def test_only_the_boxes_that_are_named_change(increment_with: Callable[..., Increment]) -> None:
    increment = increment_with(spec=OURS.replace("\n", "\r\n").encode() + b"\xff\xfe")
    before = (increment.folder / "spec.md").read_bytes()
    shown = {"AC-US1-01": True, "AC-US1-02": False, "AC-US9-01": True, "AC-US9-03": True}
    assert criteria.mark(increment, shown) == ("AC-US1-01", "AC-US1-02")
    expected = before.replace(b"- [ ] **AC-US1-01", b"- [x] **AC-US1-01").replace(
        b"[x] **AC-US1-02", b"[ ] **AC-US1-02"
    )
    assert (increment.folder / "spec.md").read_bytes() == expected
    assert criteria.mark(increment, shown) == ()
    assert criteria.mark(increment, {}) == ()


def test_a_box_that_is_ticked_already_keeps_its_letter(increment_with: Callable[..., Increment]) -> None:
    increment = increment_with(spec="- [X] **AC-01**: a\n")
    assert criteria.mark(increment, {"AC-01": True}) == ()
    assert (increment.folder / "spec.md").read_text() == "- [X] **AC-01**: a\n"


LINES = st.lists(
    st.sampled_from(
        [
            "### US-001: Story",
            "- [ ] **AC-US1-01**: one",
            "- [x] **AC-US1-02**: two",
            "  - [ ] **AC-US1-03**: within",
            "- [X] AC-04: four",
            "1. [ ] **AC-05**: five",
            "- [~] **AC-06**: six",
            "**AC-07**: seven",
            "- [ ] **AC-US1-01**: one again",
            "  Given a, when b, then c",
            "\t- [ ] **AC-08**: tab",
            "> - [ ] **AC-09**: quoted",
            "```",
            "<!--",
            "-->",
            "---",
            "key: value",
            "text",
            "",
            "| [ ] | AC-01 |",
            "\u00e9 \u2028 [ ] \x0b",
        ]
    ),
    max_size=25,
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
TAILS = st.sampled_from([b"", b"\n", b"\xff\xfe", b"\n\n  \n", b"\xef\xbb\xbf"])


@given(LINES, ENDS, TAILS, st.data())
def test_marking_changes_boxes_and_nothing_else_and_can_be_taken_back(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: bytes, tail: bytes, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp(secrets.token_hex(8), numbered=False) / "0001-work"
    folder.mkdir()
    path = folder / "spec.md"
    path.write_bytes(end.join(line.encode() for line in lines) + tail)
    increment = Increment(None, folder)  # type: ignore[arg-type]
    before, content = criteria.read(increment).criteria, path.read_bytes()
    ids = sorted({criterion.id for criterion in before})
    shown = {one: data.draw(st.booleans()) for one in ids}
    changed = criteria.mark(increment, shown)
    after = criteria.read(increment).criteria
    assert [(one.id, one.text, one.line) for one in after] == [(one.id, one.text, one.line) for one in before]
    assert all(shown[one.id] for one in after if one.marked)
    assert all(any(one.marked == shown[name] for one in after if one.id == name) for name in changed)
    assert re.sub(rb"\[[ xX~]\]", b"[]", path.read_bytes()) == re.sub(rb"\[[ xX~]\]", b"[]", content)
    assert len(path.read_bytes()) == len(content)
    assert criteria.mark(increment, shown) == ()
    if len(ids) == len(before):
        criteria.mark(increment, {one.id: one.marked for one in before})
        assert path.read_bytes().replace(b"[X]", b"[x]").replace(b"[~]", b"[ ]") == content.replace(
            b"[X]", b"[x]"
        ).replace(b"[~]", b"[ ]")


def test_a_generated_specification_stays_one_and_an_edited_one_stays_edited(context: Context) -> None:
    increment = store.create(context, "0001-deploy-it", kind="deployment")

    def generated() -> bool:
        present = {"spec.md": (increment.folder / "spec.md").read_bytes()}
        entries = ledger.read(increment.folder)
        # The entry is of the file as it lies there.
        changes = ledger.plan(increment.folder, {**present, "plan.md": b""}, kind="documents").changes
        return entries["spec.md"]["sha256"] == _sha256(present["spec.md"]) and changes[1].action == "unchanged"

    assert generated()
    criteria.mark(increment, {"AC-US1-01": True})
    assert generated()
    assert "pending" not in json.dumps(ledger.read(increment.folder))
    spec = increment.folder / "spec.md"
    spec.write_text(spec.read_text() + "\nmine\n")
    entry = ledger.read(increment.folder)["spec.md"]
    criteria.mark(increment, {"AC-US1-01": False})
    assert ledger.read(increment.folder)["spec.md"] == entry
    assert spec.read_text().endswith("\nmine\n")
    assert "- [ ] **AC-US1-01**" in spec.read_text()


def _sha256(content: bytes) -> str:
    return str(ledger._sha256(content))


@pytest.mark.parametrize("last", [".generated.json", "spec.md"])
def test_a_tick_that_is_killed_leaves_no_file_that_looks_edited(
    context: Context, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    increment = store.create(context, "0001-deploy-it", kind="deployment")
    replace = Path.replace

    def die(temporary: Path, path: Path) -> None:
        replace(temporary, path)
        if path.name == last:
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        criteria.mark(increment, {"AC-US1-01": True})
    monkeypatch.undo()
    plan = ledger.plan(increment.folder, {"spec.md": b"another", "plan.md": b"another"}, kind="documents")
    assert [(change.path, change.action) for change in plan.changes] == [("plan.md", "update"), ("spec.md", "update")]
    criteria.mark(increment, {"AC-US1-01": True})
    assert "- [x] **AC-US1-01**" in (increment.folder / "spec.md").read_text()
    plan = ledger.plan(increment.folder, {"spec.md": b"another", "plan.md": b"another"}, kind="documents")
    assert {change.action for change in plan.changes} == {"update"}


def test_boxes_are_carried_into_a_document_that_is_made_again() -> None:
    present = b"- [x] **AC-01**: old words\n- [ ] **AC-02**: b\n- [x] **AC-09**: gone\n"
    rendered = b"# New\n\n- [ ] **AC-01**: new words\n- [ ] **AC-02**: b\n- [ ] **AC-03**: c\n"
    assert criteria.carried(present, rendered) == rendered.replace(b"[ ] **AC-01", b"[x] **AC-01")


def test_a_specification_that_is_a_link_is_refused(increment_with: Callable[..., Increment], tmp_path: Path) -> None:
    increment = increment_with(tasks="### T-001: A\n")
    (tmp_path / "elsewhere.md").write_text("- [ ] **AC-01**: a\n")
    (increment.folder / "spec.md").symlink_to(tmp_path / "elsewhere.md")
    for act in (criteria.read, lambda one: criteria.mark(one, {"AC-01": True})):
        with pytest.raises(InvalidInputError) as caught:
            act(increment)
        assert caught.value.code == "document-is-link"
    assert (tmp_path / "elsewhere.md").read_text() == "- [ ] **AC-01**: a\n"
