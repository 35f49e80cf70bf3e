"""Tasks as they stand in a document: where each is, what its status word means, and the edits that a run makes.

Forms read: `### T-001: Title` with fields below it (ours), `### T-01 title`, and `- [ ] T-001: Title` with fields in
the list below it; also `T001`, with three digits or four, because `T1` is a word of other trades. A field is
`**Name**: value` or `**Name:** value`.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from specweave.files.markdown import Checkbox, Document, Field, Heading, InsertAfter, Replace

Status = Literal["pending", "in-progress", "completed", "skipped"]

_HEADING = re.compile(
    r"(?:\[(?P<mark>.)\]\s*)?(?:\*\*)?(?P<id>T-\d{1,4}|T\d{3,4})(?:\*\*)?(?![\w-])[\s:.)\u2013\u2014-]*(?P<title>.*)"
)
_STATUS = re.compile(r"(?:\[(?P<mark>.)\])?[ \t]*(?P<word>[A-Za-z][\w-]*)?")
_MARKS: dict[str, Status] = {" ": "pending", "x": "completed", "X": "completed", "~": "in-progress", "-": "skipped"}
_WORDS: dict[str, Status] = {
    "completed": "completed",
    "complete": "completed",
    "done": "completed",
    "in-progress": "in-progress",
    "active": "in-progress",
    "skipped": "skipped",
    "cancelled": "skipped",
    "abandoned": "skipped",
}
_WRITTEN = {True: "[x] completed", False: "[ ] pending"}
_NAMES = {
    "run": ("run",),
    "status": ("status",),
    "dependencies": ("dependencies", "depends on", "dependency", "depends"),
    "criteria": ("satisfies acs", "satisfies ac", "satisfies", "acs", "ac", "acceptance criteria"),
    "user_story": ("user story", "user stories", "story"),
    "evidence": ("evidence",),
    "test": ("test",),
    "files": ("files affected", "files", "affected files"),
}
_PROOF = frozenset({*_NAMES["status"], *_NAMES["evidence"]})
_NO_PATHS = frozenset({"none", "n/a", "tbd", "-", "…"})
_QUOTED = re.compile(r"`([^`\r\n]+)`")
_BULLET = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+(?P<text>.*)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task stands.

    Attributes:
        id, title: as written.
        mark: what stands in its own box, None without one.
        checkbox: the list item it is, None for a heading.
        line: its first line, from 0.
        body: the line after its heading or item.
        end: the line after all that belongs to it.
        fields: those that are its own, in order.
    """

    id: str
    title: str
    mark: str | None
    checkbox: Checkbox | None
    line: int
    body: int
    end: int
    fields: tuple[Field, ...]

    def field(self, kind: str) -> Field | None:
        """The first field of one of the names for `kind`."""
        return next((field for field in self.fields if field.name.lower() in _NAMES[kind]), None)


def places_in(document: Document) -> Iterator[Place]:
    """The tasks of a document, in order."""
    headings = [(heading, match) for heading in document.headings if (match := _HEADING.fullmatch(heading.text))]
    taken = {number_of(match["id"]) for _, match in headings}
    ends = [heading.line for heading, _ in headings[1:]] + [len(document.lines)]
    found = [
        _from_heading(document, heading, match, min(heading.end, end))
        for (heading, match), end in zip(headings, ends, strict=False)
    ]
    for checkbox in document.checkboxes():
        match = _HEADING.fullmatch(checkbox.text)
        # Under a heading of its own, such a line is a list of dependencies.
        if match and number_of(match["id"]) not in taken:
            found.append(_from_checkbox(document, checkbox, match))
    yield from sorted(found, key=lambda place: place.line)


def _from_heading(document: Document, heading: Heading, match: re.Match[str], end: int) -> Place:
    fields = tuple(document.fields(heading.body, end))
    return Place(match["id"], _title(match), match["mark"], None, heading.line, heading.body, end, fields)


def _from_checkbox(document: Document, checkbox: Checkbox, match: re.Match[str]) -> Place:
    inner = next(
        (other.line for other in document.checkboxes(checkbox.line + 1, checkbox.end) if _is_task(other)), None
    )
    end = inner or checkbox.end
    fields = tuple(document.fields(checkbox.line + 1, end))
    return Place(match["id"], _title(match), checkbox.mark, checkbox, checkbox.line, checkbox.line + 1, end, fields)


def _title(match: re.Match[str]) -> str:
    title = match["title"].strip()
    return title if title.count("**") % 2 == 0 else title.removesuffix("**").strip()


def _is_task(checkbox: Checkbox) -> bool:
    return _HEADING.fullmatch(checkbox.text) is not None


def marked_status(place: Place) -> Status:
    """What the document says of a task."""
    field = place.field("status")
    status = status_of(field.value) if field else None
    if status is None and place.mark is not None:
        status = _MARKS.get(place.mark)
    return status or "pending"


def status_of(value: str) -> Status | None:
    """The meaning of a `**Status**` value, None for one that is not known."""
    match = _STATUS.match(value)
    if match is None:
        return None
    if match["mark"] is not None:
        return _MARKS.get(match["mark"])
    word = (match["word"] or "").lower().replace("_", "-")
    return _WORDS.get(word, "pending" if word in {"pending", "planned", "todo", "planning", "open"} else None)


def number_of(task_id: str) -> int:
    """3 for `T-003` and `T-3`."""
    return int(task_id.removeprefix("T").removeprefix("-"))


def files_in(document: Document, place: Place) -> tuple[str, ...]:
    """The paths and patterns behind `**Files Affected**`, else the first in each item of the list below it."""
    field = place.field("files")
    if field is None:
        return ()
    if field.value:
        return tuple(dict.fromkeys(_paths(field.value)))
    found: list[str] = []
    for line in document.lines[field.line + 1 : place.end]:
        item = _BULLET.match(line)
        if item is None and (line.strip() or found):
            break
        if item is not None:
            found += list(_paths(item["text"]))[:1]
    return tuple(dict.fromkeys(found))


def text_digest(document: Document, place: Place, criteria: Mapping[str, str]) -> str:
    """What a task says and is measured by: 16 hexadecimal digits that change when its meaning may have.

    Its boxes, its status, its evidence, blank lines and blanks at the ends of lines are not part of that.

    Args:
        document: that holds it.
        place: where.
        criteria: id → text, of the criteria it satisfies.
    """
    boxes = {box.line: box.column for box in document.checkboxes(place.body, place.end)}
    proof = {field.line for field in place.fields if field.name.lower() in _PROOF}
    digest = hashlib.sha256(f"{place.id}\0{place.title}\n".encode("utf-8", "surrogateescape"))
    for number in range(place.body, place.end):
        line = document.lines[number]
        if number in boxes:
            line = f"{line[: boxes[number]]} {line[boxes[number] + 1 :]}"
        if line.strip() and number not in proof:
            digest.update(f"{line.rstrip()}\n".encode("utf-8", "surrogateescape"))
    for criterion, text in criteria.items():
        digest.update(f"\0{criterion}\0{text}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def _paths(text: str) -> Iterator[str]:
    """Paths in a text, part by part between commas: those in backticks, else the first word."""
    for part in re.split(r"[,;]", text):
        quoted = [path.strip() for path in _QUOTED.findall(part)]
        for path in quoted or _first_word(part):
            if path.strip("./"):
                yield path.removeprefix("./")


def _first_word(text: str) -> list[str]:
    words = text.split()
    # One word alone may be `Makefile`; the first of several is a path where it looks like one.
    like_path = words[:1] if len(words) == 1 or (words and re.search(r"[./*]", words[0])) else []
    return [word for word in like_path if word.lower() not in _NO_PATHS]


def edits(document: Document, place: Place, *, passed: bool, evidence: str | None) -> Iterator[Replace | InsertAfter]:
    """What the outcome of a run changes: status, box, and the evidence where there is one."""
    status, proof = place.field("status"), place.field("evidence")
    if status is not None:
        match = _STATUS.match(status.value)
        length = match.end() if match else len(status.value)
        yield _put(document, status, length, _WRITTEN[passed])
    if place.checkbox is not None:
        yield Replace(place.line, place.checkbox.column, place.checkbox.column + 1, "x" if passed else " ")
    inserted = []
    if status is None and place.checkbox is None:
        inserted.append(f"**Status**: {_WRITTEN[passed]}")
    if evidence is not None and proof is not None:
        yield _put(document, proof, len(proof.value), evidence)
    elif evidence is not None:
        inserted.append(f"**Evidence**: {evidence}")
    if inserted:
        yield from _insertion(document, place, inserted)


def _put(document: Document, field: Field, length: int, text: str) -> Replace:
    joined = document.lines[field.line][field.start - 1] in ":*"
    return Replace(field.line, field.start, field.start + length, f" {text}" if joined else text)


def _insertion(document: Document, place: Place, texts: list[str]) -> Iterator[InsertAfter]:
    neighbour = place.field("run") or place.field("status")
    if neighbour is not None:
        # The new line looks like its neighbour: the same bullet, the same blanks at the end that break the line.
        source = document.lines[neighbour.line].rstrip("\r\n")
        before, after = source[: source.index("**")], source[len(source.rstrip()) :]
        line = neighbour.line
    elif place.checkbox is not None:
        before, after, line = " " * (place.checkbox.column - 1) + "- ", "", place.line
    else:
        # A paragraph of its own below the heading.
        before, after, line = "", "", place.body - 1
        texts = [*texts, ""]
    yield from (InsertAfter(line, f"{before}{text}{after}" if text else "") for text in reversed(texts))
