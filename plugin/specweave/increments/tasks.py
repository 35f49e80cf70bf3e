"""Tasks of an increment: read in every form that is found in the wild, edited only where a run changes them.

Forms read: `### T-001: Title` with fields below it (ours), `### T-01 title`, `- [ ] T-001: Title` with fields in the
list below it, and either of them inside spec.md under `## Tasks`. A field is `**Name**: value` or `**Name:** value`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from specweave.errors import NotFoundError
from specweave.files import atomic
from specweave.files.markdown import Checkbox, Document, Field, Heading, InsertAfter, Replace
from specweave.increments import metadata as metadata_file
from specweave.increments.metadata import TaskState

if TYPE_CHECKING:
    from specweave.increments.store import Increment

FILES = ("tasks.md", "spec.md")

Status = Literal["pending", "in-progress", "completed", "skipped"]

_HEADING = re.compile(
    r"(?:\[(?P<mark>.)\]\s*)?(?:\*\*)?(?P<id>T-\d{1,4})(?:\*\*)?(?![\w-])[\s:.)\u2013\u2014-]*(?P<title>.*)"
)
_ID = re.compile(r"\bT-?(\d{1,4})\b")
_CRITERION = re.compile(r"\bAC-(?:US\d+-)?\d+\b")
_STORY = re.compile(r"\bUS-?\d+\b")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
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
}


@dataclass(frozen=True, slots=True)
class Task:
    """One task.

    Attributes:
        id: as written, `T-001`.
        title: one line of markdown.
        status: for a task bound to a command, `completed` only where its box is ticked *and* its newest evidence
            passed; for any other, `marked`.
        marked: what the document says.
        run: the slash command that does it, None for a task of people.
        dependencies: ids of tasks, as those tasks write them where they exist.
        criteria: ids of acceptance criteria, `AC-US1-01`.
        user_story: id, `US-001`.
        evidence: path of the newest report, relative to the increment.
        passed: whether that evidence passed, None without one.
        document: the file that holds it.
        line: its first line, from 1.
    """

    id: str
    title: str
    status: Status
    marked: Status
    run: str | None
    dependencies: tuple[str, ...]
    criteria: tuple[str, ...]
    user_story: str | None
    evidence: str | None
    passed: bool | None
    document: str
    line: int


class Outcome(NamedTuple):
    """What a run says of a task.

    Attributes:
        passed: completed, else pending.
        evidence: the value of `**Evidence**`, one line; None leaves that line as it is.
    """

    passed: bool
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a task stands."""

    id: str
    title: str
    mark: str | None
    checkbox: Checkbox | None
    line: int
    body: int
    fields: tuple[Field, ...]

    def field(self, kind: str) -> Field | None:
        """The first field of one of the names for `kind`."""
        return next((field for field in self.fields if field.name.lower() in _NAMES[kind]), None)


def read(increment: "Increment") -> tuple[Task, ...]:
    """The tasks of an increment, in the order of the document; none where no document has any.

    Raises:
        InvalidInputError: `metadata-invalid`.
    """
    states = metadata_file.read(increment.folder).tasks
    found = _document(increment.folder)
    if found is None:
        return ()
    name, _, places = found
    by_number = {_number(place.id): place.id for place in places}
    return tuple(_task(place, name, states.get(place.id), by_number) for place in places)


def find(increment: "Increment", task_id: str) -> Task:
    """One task; `T-3` and `T-003` are the same.

    Raises:
        NotFoundError: `task-not-found`, with the ids there are.
    """
    tasks = read(increment)
    wanted = _ID.fullmatch(task_id.strip())
    for task in tasks:
        if wanted and _number(task.id) == int(wanted[1]):
            return task
    known = ", ".join(task.id for task in tasks) or "none"
    raise NotFoundError(
        "task-not-found", f"{increment.id} has no task {task_id!r}", next_step=f"name one of its tasks: {known}"
    )


def mark(increment: "Increment", outcomes: Mapping[str, Outcome]) -> None:
    """Write outcomes under their tasks, every other byte kept; the caller holds the project's lock.

    Args:
        increment: whose.
        outcomes: by task id.

    Raises:
        HostError: the document cannot be written; it is as before then.
    """
    found = _document(increment.folder)
    if found is None:
        return
    name, document, places = found
    edits: list[Replace | InsertAfter] = []
    for place in places:
        if place.id in outcomes:
            edits += _edits(document, place, outcomes[place.id])
    content = document.edited(edits)
    if content != document.content:
        atomic.write(increment.folder / name, content)


def problems(increment: "Increment") -> tuple[str, ...]:
    """Statuses that could not be read, one sentence each; they count as pending."""
    found = _document(increment.folder)
    if found is None:
        return ()
    name, _, places = found
    complaints = []
    for place in places:
        field = place.field("status")
        if field is not None and _status_of(field.value) is None:
            complaints.append(f"{name}:{field.line + 1}: {place.id} has the status {field.value!r}, read as pending")
    return tuple(complaints)


def _document(folder: Path) -> tuple[str, Document, tuple[_Place, ...]] | None:
    for name in FILES:
        path = folder / name
        if path.is_file():
            document = Document.parse(path.read_bytes())
            places = tuple(_places(document))
            if places:
                return name, document, places
    return None


def _places(document: Document) -> Iterator[_Place]:
    headings = [(heading, match) for heading in document.headings if (match := _HEADING.fullmatch(heading.text))]
    taken = {_number(match["id"]) for _, match in headings}
    ends = [heading.line for heading, _ in headings[1:]] + [len(document.lines)]
    found = [
        _from_heading(document, heading, match, min(heading.end, end))
        for (heading, match), end in zip(headings, ends, strict=False)
    ]
    for checkbox in document.checkboxes():
        match = _HEADING.fullmatch(checkbox.text)
        # Under a heading of its own, such a line is a list of dependencies.
        if match and _number(match["id"]) not in taken:
            found.append(_from_checkbox(document, checkbox, match))
    yield from sorted(found, key=lambda place: place.line)


def _from_heading(document: Document, heading: Heading, match: re.Match[str], end: int) -> _Place:
    fields = tuple(document.fields(heading.body, end))
    return _Place(match["id"], _title(match), match["mark"], None, heading.line, heading.body, fields)


def _from_checkbox(document: Document, checkbox: Checkbox, match: re.Match[str]) -> _Place:
    inner = next(
        (other.line for other in document.checkboxes(checkbox.line + 1, checkbox.end) if _is_task(other)), None
    )
    fields = tuple(document.fields(checkbox.line + 1, inner or checkbox.end))
    return _Place(match["id"], _title(match), checkbox.mark, checkbox, checkbox.line, checkbox.line + 1, fields)


def _title(match: re.Match[str]) -> str:
    title = match["title"].strip()
    return title if title.count("**") % 2 == 0 else title.removesuffix("**").strip()


def _is_task(checkbox: Checkbox) -> bool:
    return _HEADING.fullmatch(checkbox.text) is not None


def _task(place: _Place, document: str, state: TaskState | None, by_number: dict[int, str]) -> Task:
    run = _run(place)
    marked = _marked(place)
    evidence_field = place.field("evidence")
    link = _LINK.search(evidence_field.value) if evidence_field else None
    proven = state is not None and state.passed and state.status == "completed"
    dependencies = _numbers(_value(place, "dependencies"))
    story = _STORY.search(_value(place, "user_story"))
    return Task(
        id=place.id,
        title=place.title,
        status="pending" if run and marked == "completed" and not proven else marked,
        marked=marked,
        run=run,
        dependencies=tuple(by_number.get(number, f"T-{number:03d}") for number in dependencies),
        criteria=tuple(dict.fromkeys(_CRITERION.findall(_value(place, "criteria")))),
        user_story=story[0] if story else None,
        evidence=state.evidence if state and state.evidence else (link[1] if link else None),
        passed=state.passed if state and state.evidence else None,
        document=document,
        line=place.line + 1,
    )


def _value(place: _Place, kind: str) -> str:
    field = place.field(kind)
    return field.value if field else ""


def _run(place: _Place) -> str | None:
    text = _value(place, "run").strip().strip("`").strip()
    return text if text.startswith("/") else None


def _marked(place: _Place) -> Status:
    field = place.field("status")
    status = _status_of(field.value) if field else None
    if status is None and place.mark is not None:
        status = _MARKS.get(place.mark)
    return status or "pending"


def _status_of(value: str) -> Status | None:
    match = _STATUS.match(value)
    if match is None:
        return None
    if match["mark"] is not None:
        return _MARKS.get(match["mark"])
    word = (match["word"] or "").lower().replace("_", "-")
    return _WORDS.get(word, "pending" if word in {"pending", "planned", "todo", "planning", "open"} else None)


def _number(task_id: str) -> int:
    return int(task_id.removeprefix("T").removeprefix("-"))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(number) for number in _ID.findall(text)))


def _edits(document: Document, place: _Place, outcome: Outcome) -> Iterator[Replace | InsertAfter]:
    passed, evidence = outcome
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


def _insertion(document: Document, place: _Place, texts: list[str]) -> Iterator[InsertAfter]:
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
