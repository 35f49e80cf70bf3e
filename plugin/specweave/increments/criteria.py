"""Stories and acceptance criteria of an increment, as spec.md has them, and the boxes that evidence ticks there.

Forms read: `- [ ] **AC-US1-01**: text` (ours), `- [x] AC-01: text`, the same without a box, `**AC-01**: text` in a
paragraph, and a heading `#### AC-01: text`; the number may have parts, `AC-1.2`. The lines that belong to the same item
or paragraph are text of it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from specweave.files import ledger
from specweave.files.markdown import Checkbox, Document, Replace, readable

if TYPE_CHECKING:
    from specweave.increments.store import Increment

FILE = "spec.md"
TICKED = frozenset("xX")

_ITEM = re.compile(r"^[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(?:\[[^\]\r\n]\][ \t]+)?")
_LIKE_CRITERION = re.compile(r"(?P<bold>\*\*)?(?P<id>AC-?(?=[\w-]*\d)[\w-]*\w(?:\.\d+)*)(?![\w-])(?P<rest>[^\r\n]*)")
_CRITERION = re.compile(r"AC-(?:US(?P<story>\d+)-)?\d+(?:\.\d+)*")
_SEPARATORS = " \t:.)\u2013\u2014-"
_STORY = re.compile(r"(?:\*\*)?(?P<id>US-?\d{1,4})(?:\*\*)?(?![\w-])[\s:.)\u2013\u2014-]*(?P<title>.*)")


@dataclass(frozen=True, slots=True)
class Story:
    """A user story.

    Attributes:
        id: as written, `US-001`.
        title: one line of markdown.
        line: of its heading, from 1.
    """

    id: str
    title: str
    line: int


@dataclass(frozen=True, slots=True)
class Criterion:
    """An acceptance criterion.

    Attributes:
        id: as written, `AC-US1-01`.
        text: all that belongs to it, on one line.
        story: id of the story that its own id names, else of the one it stands under; None without either.
        marked: whether its box is ticked; false without a box.
        document: the file that holds it.
        line: from 1.
    """

    id: str
    text: str
    story: str | None
    marked: bool
    document: str
    line: int


@dataclass(frozen=True, slots=True)
class Specification:
    """What spec.md demands.

    Attributes:
        stories, criteria: in the order of the document; an id that stands there twice is there twice.
        problems: what looks like a criterion and could not be read, one sentence each.
    """

    stories: tuple[Story, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    problems: tuple[str, ...] = ()

    def texts(self) -> Mapping[str, str]:
        """Criterion id → text; of an id that stands there twice, both."""
        texts: dict[str, str] = {}
        for criterion in self.criteria:
            known = texts.get(criterion.id)
            texts[criterion.id] = criterion.text if known is None else f"{known}\n{criterion.text}"
        return texts


def read(increment: "Increment") -> Specification:
    """The stories and criteria of an increment; none where it has no spec.md.

    Raises:
        HostError: spec.md is there and cannot be read.
    """
    path = increment.folder / FILE
    if not path.is_file():
        return Specification()
    return read_document(Document.read(path))


def read_document(document: Document) -> Specification:
    """The stories and criteria of a document."""
    stories = tuple(_stories(document))
    criteria, problems = [], []
    boxes = {box.line: box for box in document.checkboxes()}
    for line, end, text in _starts(document):
        match = _LIKE_CRITERION.match(text)
        if match is None or not _defines(match, boxed=line in boxes):
            continue
        exact = _CRITERION.fullmatch(match["id"])
        if exact is None:
            said = readable(match["id"])
            problems.append(f"{FILE}:{line + 1}: {said!r} is no id of a criterion: write AC-US1-01 or AC-01")
            continue
        box = boxes.get(line)
        criteria.append(
            Criterion(
                id=match["id"],
                text=readable(_text(document, match, line, end)),
                story=_story(stories, exact["story"], line),
                marked=box is not None and box.mark in TICKED,
                document=FILE,
                line=line + 1,
            )
        )
    return Specification(stories, tuple(criteria), tuple(problems))


def mark(increment: "Increment", shown: Mapping[str, bool]) -> tuple[str, ...]:
    """Tick or untick the boxes of criteria, every other byte kept; the caller holds the project's lock.

    A generated spec.md that nobody edited stays one.

    Args:
        increment: whose.
        shown: criterion id → whether evidence shows it; the boxes of others stay as they are.

    Returns:
        The ids of those that changed.

    Raises:
        HostError: spec.md cannot be written; it is as before then.
        InvalidInputError: `ledger-invalid`.
    """
    path = increment.folder / FILE
    if not shown or not path.is_file():
        return ()
    changes: list[tuple[Replace, str]] = []

    def change(present: bytes) -> bytes:
        document = Document.parse(present)
        changes[:] = _edits(document, shown)
        return document.edited(edit for edit, _ in changes)

    if tuple(_edits(Document.read(path), shown)):
        ledger.amend(increment.folder, FILE, change)
    return tuple(dict.fromkeys(criterion for _, criterion in changes))


def carried(present: bytes, rendered: bytes) -> bytes:
    """A document made again, with the boxes ticked that are ticked in the present one."""
    marks = {criterion.id: criterion.marked for criterion in read_document(Document.parse(present)).criteria}
    document = Document.parse(rendered)
    return document.edited(edit for edit, _ in _edits(document, marks))


def _edits(document: Document, shown: Mapping[str, bool]) -> Iterator[tuple[Replace, str]]:
    boxes = {box.line: box for box in document.checkboxes()}
    for criterion in read_document(document).criteria:
        box = boxes.get(criterion.line - 1)
        if box is not None and criterion.id in shown and shown[criterion.id] != criterion.marked:
            yield _set(box, ticked=shown[criterion.id]), criterion.id


def _set(box: Checkbox, *, ticked: bool) -> Replace:
    return Replace(box.line, box.column, box.column + 1, "x" if ticked else " ")


def _stories(document: Document) -> Iterator[Story]:
    for heading in document.headings:
        if match := _STORY.fullmatch(heading.text):
            yield Story(match["id"], readable(match["title"].strip()), heading.line + 1)


def _starts(document: Document) -> Iterator[tuple[int, int, str]]:
    """First line, line after the last, and text of every heading, item and line of prose, in order."""
    headings = {heading.line: heading for heading in document.headings}
    for line, end in document.blocks.items():
        if line in headings:
            yield line, headings[line].body, headings[line].text
        else:
            yield line, end, _without_bullet(document.lines[line]).rstrip("\r\n")


def _defines(match: re.Match[str], *, boxed: bool) -> bool:
    """Whether a line states a criterion rather than mentions one."""
    return boxed or match["bold"] is not None or match["rest"].lstrip().startswith(":")


def _text(document: Document, match: re.Match[str], line: int, end: int) -> str:
    # `**AC-01**: text`, `**AC-01:** text` and `**AC-01: text**` say the same.
    first = match["rest"].replace(match["bold"], "", 1) if match["bold"] else match["rest"]
    parts = [first.lstrip(_SEPARATORS).strip()]
    for number in range(line + 1, end):
        rest = document.lines[number]
        if _begins_criterion(rest):
            break
        parts.append(_without_bullet(rest).strip())
    return " ".join(part for part in parts if part)


def _begins_criterion(line: str) -> bool:
    match = _LIKE_CRITERION.match(_without_bullet(line))
    return match is not None and _defines(match, boxed=False)


def _without_bullet(line: str) -> str:
    item = _ITEM.match(line)
    return line[item.end() if item else 0 :]


def _story(stories: tuple[Story, ...], named: str | None, line: int) -> str | None:
    if named is not None:
        number = int(named)
        return next((story.id for story in stories if _number(story.id) == number), f"US-{number:03d}")
    above = [story.id for story in stories if story.line <= line]
    return above[-1] if above else None


def _number(story_id: str) -> int:
    return int(story_id.removeprefix("US").removeprefix("-"))
