"""Tasks of an increment: the document and the evidence together, in tasks.md or, as some tools have it, in spec.md."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from specweave.errors import NotFoundError
from specweave.files import atomic
from specweave.files.markdown import Document, InsertAfter, Replace, readable
from specweave.increments import criteria as criteria_file
from specweave.increments import metadata as metadata_file
from specweave.increments.metadata import TaskState
from specweave.increments.task_document import (
    Place,
    Status,
    edits,
    files_in,
    marked_status,
    number_of,
    places_in,
    status_of,
    text_digest,
)

if TYPE_CHECKING:
    from specweave.increments.store import Increment

FILES = ("tasks.md", "spec.md")

Standing = Literal["open", "passed", "failed", "stale", "claimed", "skipped"]

_ID = re.compile(r"\bT-?(\d{1,4})\b")
_CRITERION = re.compile(r"\bAC-(?:US\d+-)?\d+(?:\.\d+)*\b")
_STORY = re.compile(r"\bUS-?\d+\b")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Task:
    """One task.

    Attributes:
        id: as written, `T-001`.
        title: one line of markdown.
        status: for a task with a command, a test or a report, `completed` only where its newest evidence passed and
            nobody took its tick away since; for any other, `marked`. Whether that evidence is of the present content
            says `evidence.standing`.
        marked: what the document says.
        run: the slash command that does it, None without one.
        test: the command line that shows it, to be run without a shell; None without one.
        files: paths and patterns that it is about, relative to the project.
        dependencies: ids of tasks, as those tasks write them where they exist.
        criteria: ids of acceptance criteria, `AC-US1-01`.
        user_story: id, `US-001`.
        evidence: path of the newest report, relative to the increment.
        passed: whether that evidence passed, None without one.
        uncovered: those of its criteria that no test of the newest run was about.
        document: the file that holds it.
        line: its first line, from 1.
        claimed: its box is ticked and nothing shows it: somebody says so.
        text_digest: of its own text and its criteria's; 16 hexadecimal digits, see `task_document.text_digest`.
    """

    id: str
    title: str
    status: Status
    marked: Status
    run: str | None
    test: str | None
    files: tuple[str, ...]
    dependencies: tuple[str, ...]
    criteria: tuple[str, ...]
    user_story: str | None
    evidence: str | None
    passed: bool | None
    uncovered: tuple[str, ...]
    document: str
    line: int
    claimed: bool
    text_digest: str


class _Names(NamedTuple):
    """What the tasks of a document refer to: its file, task ids by number, texts of criteria by id."""

    document: str
    tasks: Mapping[int, str]
    criteria: Mapping[str, str]


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
    return read_with_problems(increment)[0]


def read_with_problems(increment: "Increment") -> tuple[tuple[Task, ...], tuple[str, ...]]:
    """The tasks of an increment, and the statuses that could not be read, one sentence each; they count as pending.

    Raises:
        InvalidInputError: `metadata-invalid`.
    """
    states = metadata_file.read(increment.folder).tasks
    found = _document(increment.folder)
    if found is None:
        return (), ()
    name, document, places = found
    by_number = {number_of(place.id): place.id for place in places}
    names = _Names(name, by_number, criteria_file.read(increment).texts())
    tasks = tuple(_task(place, document, states.get(place.id), names) for place in places)
    return tasks, tuple(_problems(name, places))


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
    if found is not None:
        atomic.rewrite(increment.folder / found[0], lambda present: _marked(Document.parse(present), outcomes))


def _marked(document: Document, outcomes: Mapping[str, Outcome]) -> bytes:
    changes: list[Replace | InsertAfter] = []
    for place in places_in(document):
        if place.id in outcomes:
            passed, evidence = outcomes[place.id]
            changes += edits(document, place, passed=passed, evidence=evidence)
    return document.edited(changes)


def _document(folder: Path) -> tuple[str, Document, tuple[Place, ...]] | None:
    for name in FILES:
        path = folder / name
        if path.is_symlink() or path.exists():
            document = Document.read(path)
            places = tuple(places_in(document))
            if places:
                return name, document, places
    return None


def _problems(name: str, places: Iterable[Place]) -> Iterator[str]:
    for place in places:
        field = place.field("status")
        if field is not None and status_of(field.value) is None:
            said = readable(field.value)
            yield f"{name}:{field.line + 1}: {place.id} has the status {said!r}, read as pending"


def _task(place: Place, document: Document, state: TaskState | None, names: "_Names") -> Task:
    run, test = _run(place), _code(place, "test")
    link = _LINK.search(_value(place, "evidence"))
    shown = link[1] if link else None
    marked = marked_status(place)
    reported = state.evidence if state is not None else None
    dependencies = _numbers(_value(place, "dependencies"))
    criteria = tuple(dict.fromkeys(_CRITERION.findall(_value(place, "criteria"))))
    story = _STORY.search(_value(place, "user_story"))
    return Task(
        id=place.id,
        title=readable(place.title),
        status=_status(marked, state, shown) if run or test or reported else marked,
        marked=marked,
        run=run,
        test=test,
        files=tuple(readable(path) for path in files_in(document, place)),
        dependencies=tuple(names.tasks.get(number, f"T-{number:03d}") for number in dependencies),
        criteria=criteria,
        user_story=story[0] if story else None,
        evidence=reported or shown,
        passed=state.passed if state is not None and reported else None,
        uncovered=state.uncovered if state is not None and reported else (),
        document=names.document,
        line=place.line + 1,
        claimed=marked == "completed" and reported is None,
        text_digest=text_digest(
            document, place, {name: names.criteria[name] for name in criteria if name in names.criteria}
        ),
    )


def _status(marked: Status, state: TaskState | None, shown: str | None) -> Status:
    if marked == "skipped":
        return marked
    proven = state is not None and state.passed and state.status == "completed"
    # The state is written before the document. Where the document names another report than the newest, a process was
    # killed in between; where it names that one, a person took the tick away, to have the task run again.
    overtaken = state is not None and state.evidence not in {None, shown}
    if proven and (marked == "completed" or overtaken):
        return "completed"
    return "pending" if marked == "completed" else marked


def _value(place: Place, kind: str) -> str:
    field = place.field(kind)
    return readable(field.value) if field else ""


def _run(place: Place) -> str | None:
    text = _code(place, "run")
    return text if text is not None and text.startswith("/") else None


def _code(place: Place, kind: str) -> str | None:
    return _value(place, kind).strip().strip("`").strip() or None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(number) for number in _ID.findall(text)))
