"""Tasks of an increment: the document and the evidence together, in tasks.md or, as some tools have it, in spec.md."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from specweave.errors import NotFoundError
from specweave.files import atomic
from specweave.files.markdown import Document, InsertAfter, Replace, readable
from specweave.increments import metadata as metadata_file
from specweave.increments.metadata import TaskState
from specweave.increments.task_document import Place, Status, edits, marked_status, number_of, places_in, status_of

if TYPE_CHECKING:
    from specweave.increments.store import Increment

FILES = ("tasks.md", "spec.md")

_ID = re.compile(r"\bT-?(\d{1,4})\b")
_CRITERION = re.compile(r"\bAC-(?:US\d+-)?\d+\b")
_STORY = re.compile(r"\bUS-?\d+\b")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


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
    by_number = {number_of(place.id): place.id for place in places}
    return tuple(_task(place, name, states.get(place.id), by_number) for place in places)


def find(increment: "Increment", task_id: str) -> Task:
    """One task; `T-3` and `T-003` are the same.

    Raises:
        NotFoundError: `task-not-found`, with the ids there are.
    """
    tasks = read(increment)
    wanted = _ID.fullmatch(task_id.strip())
    for task in tasks:
        if wanted and number_of(task.id) == int(wanted[1]):
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
    changes: list[Replace | InsertAfter] = []
    for place in places:
        if place.id in outcomes:
            passed, evidence = outcomes[place.id]
            changes += edits(document, place, passed=passed, evidence=evidence)
    content = document.edited(changes)
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
        if field is not None and status_of(field.value) is None:
            said = readable(field.value)
            complaints.append(f"{name}:{field.line + 1}: {place.id} has the status {said!r}, read as pending")
    return tuple(complaints)


def _document(folder: Path) -> tuple[str, Document, tuple[Place, ...]] | None:
    for name in FILES:
        path = folder / name
        if path.is_file():
            document = Document.parse(path.read_bytes())
            places = tuple(places_in(document))
            if places:
                return name, document, places
    return None


def _task(place: Place, document: str, state: TaskState | None, by_number: dict[int, str]) -> Task:
    run = _run(place)
    marked = marked_status(place)
    link = _LINK.search(_value(place, "evidence"))
    proven = state is not None and state.passed and state.status == "completed"
    dependencies = _numbers(_value(place, "dependencies"))
    story = _STORY.search(_value(place, "user_story"))
    return Task(
        id=place.id,
        title=readable(place.title),
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


def _value(place: Place, kind: str) -> str:
    field = place.field(kind)
    return readable(field.value) if field else ""


def _run(place: Place) -> str | None:
    text = _value(place, "run").strip().strip("`").strip()
    return text if text.startswith("/") else None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(number) for number in _ID.findall(text)))
