"""Tasks where they stand: what belongs to which, what its words mean, and what an outcome puts in place of what."""

import pytest

from specweave.files.markdown import Document
from specweave.increments.task_document import (
    Place,
    edits,
    files_in,
    marked_status,
    places_in,
    status_of,
    text_digest,
)


def places(text: str) -> dict[str, Place]:
    return {place.id: place for place in places_in(Document.parse(text.encode()))}


def runs(text: str) -> dict[str, str]:
    return {name: field.value for name, place in places(text).items() if (field := place.field("run"))}


def after_outcome(text: str, *, passed: bool, evidence: str | None = None) -> str:
    document = Document.parse(text.encode())
    (place,) = places_in(document)
    return document.edited(edits(document, place, passed=passed, evidence=evidence)).decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- [ ] T-001: A\n  - [x] a step\n  - **Run**: /a:a\n", {"T-001": "/a:a"}),
        ("- [ ] T-001: A\n  - [ ] T-002: B\n    - **Run**: /b:b\n", {"T-002": "/b:b"}),
        ("- [ ] T-001: A\n  - text\n  - [ ] T-002: B\n    - **Run**: /b:b\n", {"T-002": "/b:b"}),
        ("- [ ] T-001: A\n\n**Run**: /a:a\n\n- [ ] T-002: B\n", {}),
        ("**Run**: /a:a\n- [ ] T-001: A\n", {}),
        ("- [ ] T001: A\n  - **Run**: /a:a\n- [ ] T1 relaxation\n  - **Run**: /b:b\n", {"T001": "/a:a"}),
        ("- [ ] T-001: A\n  - **Run**: /a:a\n- [ ] T-002: B\n  - **Run**: /b:b\n", {"T-001": "/a:a", "T-002": "/b:b"}),
    ],
)
def test_a_field_belongs_to_the_item_that_it_stands_in(text: str, expected: dict[str, str]) -> None:
    assert runs(text) == expected


def test_a_task_begins_at_its_line_and_ends_where_a_task_within_it_begins() -> None:
    found = places("- [ ] T-001: A\n  - text\n  - [ ] T-002: B\n    - text\n")
    assert [(place.line, place.body, place.end) for place in found.values()] == [(0, 1, 2), (2, 3, 4)]


@pytest.mark.parametrize(
    ("heading", "title"),
    [
        ("T-001: do **this**", "do **this**"),
        ("**T-001**: do this", "do this"),
        ("**T-001: do this**", "do this"),
        ("**T-001: do **this** now**", "do **this** now"),
    ],
)
def test_asterisks_that_embrace_a_task_are_no_part_of_its_title(heading: str, title: str) -> None:
    assert places(f"### {heading}\n")["T-001"].title == title


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("### [x] T-001: A\n", "completed"),
        ("### [?] T-001: A\n", "pending"),
        ("### T-001: A\n", "pending"),
        ("- [ ] T-001: A\n  - **Status**: done\n", "completed"),
        ("- [x] T-001: A\n  - **Status**: who knows\n", "completed"),
    ],
)
def test_the_status_is_what_the_field_says_and_else_what_the_box_says(text: str, status: str) -> None:
    assert marked_status(places(text)["T-001"]) == status


@pytest.mark.parametrize("word", ["pending", "planned", "todo", "planning", "open", "Open", "TODO"])
def test_words_for_work_that_was_not_begun_are_known(word: str) -> None:
    assert status_of(word) == "pending"


@pytest.mark.parametrize(
    ("word", "status"), [("in_progress", "in-progress"), ("cancelled", "skipped"), ("blocked", None), ("", None)]
)
def test_other_words_are_known_or_refused(word: str, status: str | None) -> None:
    assert status_of(word) == status


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("**Files Affected**:\n\n- `a.py` and `b.py`\n- `c.py`\n\ntext\n- `d.py`\n", ("a.py", "c.py")),
        ("**Files Affected**:\ntext\n- `a.py`\n", ()),
        ("**Files Affected**: `.`, `./`, `X`, `a.py`\n", ("X", "a.py")),
        ("**Files Affected**: see the notes\n", ()),
        ("**Files Affected**: src/a.py\n", ("src/a.py",)),
    ],
)
def test_files_are_those_that_are_named_and_no_other_words(lines: str, expected: tuple[str, ...]) -> None:
    document = Document.parse(f"### T-001: A\n{lines}".encode())
    (place,) = places_in(document)
    assert files_in(document, place) == expected


def test_a_task_has_a_digest_whatever_its_bytes_are() -> None:
    document = Document.parse(b"### T-001: caf\xe9\n\nbody \xff\n")
    (place,) = places_in(document)
    digests = {text_digest(document, place, {"AC-01": text}) for text in ("\udcff", "\udcfe", "x")}
    assert len(digests) == 3


def test_a_task_that_failed_loses_its_tick() -> None:
    assert after_outcome("- [x] T-001: A\n", passed=False) == "- [ ] T-001: A\n"
    assert after_outcome("- [ ] T-001: A\n", passed=True) == "- [x] T-001: A\n"


def test_evidence_ends_as_the_line_above_it() -> None:
    text = "### T-001: A\n**Run**: /sw:status X\n**Status**: [ ] pending\n"
    assert "\n**Evidence**: E\n" in after_outcome(text, passed=True, evidence="E")
    text = "### T-001: A\n**Run**: /sw:status X  \n**Status**: [ ] pending\n"
    assert "\n**Evidence**: E  \n" in after_outcome(text, passed=True, evidence="E")
