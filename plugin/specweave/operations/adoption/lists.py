"""Reading a plain list of tasks: boxes, else numbers, else bullets, else headings.

The first of these that a document has makes its tasks; where it has boxes, the other items of the same lists are tasks
too, and those that they are nested in. What else is nested in a task belongs to it word for word. A document whose
tasks are written as ours (`### T-001: Title` with fields) keeps its fields.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from specweave.files.markdown import Document, Heading
from specweave.increments import names
from specweave.increments.task_document import Place, marked_status, places_in
from specweave.operations.adoption import references
from specweave.operations.adoption.draft import Draft, Mark, Section, Task
from specweave.operations.adoption.items import Item, dedented
from specweave.operations.adoption.sources import Source, nothing_in, too_many

ItemT = TypeVar("ItemT")

MOST_TASKS = 1_000

_MARKS: dict[str, Mark] = {" ": " ", "x": "x", "X": "x", "~": "~", "/": "~", "-": "-"}
_MARK_OF: dict[str, Mark] = {"pending": " ", "completed": "x", "in-progress": "~", "skipped": "-"}


@dataclass(frozen=True, slots=True)
class Found:
    """A task of a list before it has an id.

    Attributes:
        line: from 0.
        lines: those that are its own.
        task: all but id, dependencies and part_of.
        parent: line of the task that it is nested in, None for none.
        remark: what could not be taken over, empty for nothing.
    """

    line: int
    lines: tuple[int, ...]
    task: Task
    parent: int | None = None
    remark: str = ""


def read(source: Source, *, title: str = "") -> Draft:
    """A draft of one document.

    Args:
        source: the document.
        title: of the increment; by default the document's.

    Raises:
        InvalidInputError: `nothing-to-adopt`, `source-too-large`.
    """
    heading, title_line = title_of(source, title)
    found = find(source)
    if not found:
        raise nothing_in(source.path)
    tasks, remarks = take(source, found)
    if title_line is not None and not source.is_taken(title_line.line):
        source.take(range(title_line.line, title_line.body), "title")
    return Draft(
        format="tasks",
        source=source.path,
        title=heading,
        tasks=tasks,
        passages=tuple(source.passages()),
        became=tuple(source.became),
        remarks=remarks,
    )


def title_of(source: Source, wanted: str, *, prefix: str = "") -> tuple[str, Heading | None]:
    """The title and the heading that says it: the first of level 1; else the name of the file."""
    first = next((heading for heading in source.document.headings if heading.level == 1), None)
    if wanted:
        return wanted, first
    said = names.clean_title(first.text.removeprefix(prefix).strip(" :#*`")) if first else ""
    stem = source.path.rpartition("/")[2].rpartition(".")[0] or source.path.rpartition("/")[2]
    return said or names.title_of(stem.replace("_", "-") or "tasks"), first


def find(source: Source) -> list[Found]:
    """The tasks of a document.

    Raises:
        InvalidInputError: `source-too-large`.
    """
    places = [place for place in places_in(source.document) if place.checkbox is None]
    if places:
        return list(_written_as_ours(source, _few(source, places)))
    items = source.items
    numbered = [item for item in items if item.number]
    top = [item for item in items if item.parent is None]
    for chosen in (_with_siblings(items), numbered, top):
        if chosen := [item for item in chosen if item.text]:
            return list(_from_items(source, _few(source, chosen)))
    return list(_from_headings(source, _few(source, _lowest(source.document.headings))))


def take(
    source: Source, found: Sequence[Found], change: Callable[[Found, Task], Task] | None = None
) -> tuple[tuple[Task, ...], tuple[str, ...]]:
    """Give the tasks their ids, resolve what they say of each other, and take their lines.

    Args:
        source: where they stand.
        found: in order.
        change: what a format knows of a task beyond that.

    Returns:
        The tasks, and remarks.
    """
    ids = _ids([item.task.original for item in found])
    by_line = {item.line: identifier for item, identifier in zip(found, ids, strict=True)}
    known: dict[str, str] = {}
    for item, identifier in zip(found, ids, strict=True):
        if item.task.original:
            known.setdefault(references.key(item.task.original), identifier)
    tasks, remarks = [], []
    for item, identifier in zip(found, ids, strict=True):
        task = replace(
            item.task, id=identifier, part_of=by_line.get(item.parent, "") if item.parent is not None else ""
        )
        task, missing = _with_dependencies(task, known)
        remarks += [f"{task.source}: {task.id} waits for {name}, which is not there" for name in missing]
        remarks += [f"{task.source}: {item.remark}"] if item.remark else []
        tasks.append(change(item, task) if change else task)
        source.take(item.lines, identifier)
    _take_sections(source, tasks)
    return tuple(tasks), tuple(remarks)


def _few(source: Source, tasks: Sequence[ItemT]) -> Sequence[ItemT]:
    if len(tasks) > MOST_TASKS:
        raise too_many(source.path, len(tasks), "tasks", MOST_TASKS)
    return tasks


def _section_above(document: Document, line: int) -> Section | None:
    """The nearest heading above a line, a document's title apart."""
    place = bisect_left(document.headings, line, key=lambda heading: heading.line) - 1
    heading = document.headings[place] if place >= 0 else None
    return Section(heading.text, heading.line) if heading and heading.level > 1 and heading.text else None


def _with_dependencies(task: Task, known: dict[str, str]) -> tuple[Task, list[str]]:
    if task.trusted:
        return task, []  # its own field says it
    said = list(references.waits_for("\n".join((task.title, *task.details)), known))
    ids = dict.fromkeys(identifier for _, identifier in said if identifier and identifier != task.id)
    return replace(task, dependencies=tuple(ids)), list(dict.fromkeys(name for name, other in said if other is None))


def _ids(originals: Sequence[str]) -> list[str]:
    """`T001` stays the first task of that number; all others are numbered on."""
    keys = [references.key(name) if name else "" for name in originals]
    kept = [key.startswith("T") and key != "T0" and key not in keys[:place] for place, key in enumerate(keys)]
    highest = max((int(key[1:]) for key, keep in zip(keys, kept, strict=True) if keep), default=0)
    ids = []
    for key, keep in zip(keys, kept, strict=True):
        if not keep:
            highest += 1
        ids.append(f"T-{int(key[1:]) if keep else highest:03d}")
    return ids


def _take_sections(source: Source, tasks: Sequence[Task]) -> None:
    """The headings that stand in tasks.md are accounted for."""
    wanted = {task.section.line for task in tasks if task.section}
    for heading in source.document.headings:
        if heading.line in wanted:
            source.take(range(heading.line, heading.body), f"section {heading.text!r} of tasks.md")


def _with_siblings(items: Sequence[Item]) -> list[Item]:
    """Items with a box, those without one in the same lists, and the lists that these are nested in."""
    by_line = {item.line: item for item in items}
    groups: set[int] = set()
    for item in reversed(items):
        if (item.mark is not None and item.text) or item.group in groups:
            groups.add(item.group)
            if item.parent is not None:
                groups.add(by_line[item.parent].group)
    return [item for item in items if item.group in groups]


def _from_items(source: Source, items: Sequence[Item]) -> Iterator[Found]:
    chosen = {item.line: item for item in items}
    own = {item.line: set(range(item.line, item.end)) for item in items}
    for item in items:
        if item.parent in own:
            own[item.parent] -= own[item.line]
    for item in items:
        lines = sorted(own[item.line])
        name, text = references.named(item.text)
        mark = _MARKS.get(item.mark or " ")
        task = Task(
            id="",
            title=text,
            mark=mark or " ",
            source=source.at(item.line),
            original=name or item.number,
            section=_section_above(source.document, item.line),
            details=_trimmed([dedented(source.text(line), item.content) for line in lines[1:]]),
        )
        parent = item.parent if item.parent in chosen else None
        remark = "" if mark else f"the box says {item.mark!r}, read as pending"
        yield Found(item.line, tuple(lines), task, parent, remark)


def _lowest(headings: Sequence[Heading]) -> list[Heading]:
    """Headings without one below, the title apart: `## Set up`, or `### Set up` below `## Phase`."""
    titles = sum(heading.level == 1 for heading in headings)
    following = [*(heading.level for heading in headings), 0][1:]
    return [
        heading
        for heading, level in zip(headings, following, strict=True)
        if level <= heading.level and heading.text and not (heading.level == 1 and titles == 1)
    ]


def _from_headings(source: Source, headings: Sequence[Heading]) -> Iterator[Found]:
    for heading in headings:
        name, text = references.named(heading.text)
        details = _trimmed([source.text(line) for line in range(heading.body, heading.end)])
        section = _above(source.document, heading)
        task = Task("", text, " ", source.at(heading.line), name, section, details=details)
        yield Found(heading.line, tuple(range(heading.line, heading.end)), task)


def _above(document: Document, heading: Heading) -> Section | None:
    """The nearest heading above that is of a higher level, a document's title apart."""
    place = bisect_left(document.headings, heading.line, key=lambda other: other.line)
    higher = (other for other in reversed(document.headings[:place]) if other.level < heading.level)
    return next((Section(other.text, other.line) for other in higher if other.level > 1 and other.text), None)


def _written_as_ours(source: Source, places: Sequence[Place]) -> Iterator[Found]:
    headings = {heading.line: heading for heading in source.document.headings}
    for place, following in zip(places, (*places[1:], None), strict=True):
        heading = headings[place.line]
        end = min(heading.end, following.line if following else heading.end)
        task = Task(
            id="",
            title=place.title,
            mark=_MARK_OF[marked_status(place)],
            source=source.at(place.line),
            original=place.id,
            section=_above(source.document, heading),
            details=_trimmed([source.text(line) for line in range(place.body, end)]),
            level=heading.level if heading.level > 1 else 3,
            trusted=True,
        )
        yield Found(place.line, tuple(range(place.line, end)), task)


def _trimmed(lines: Sequence[str]) -> tuple[str, ...]:
    kept = list(lines)
    while kept and not kept[-1].strip():
        kept.pop()
    while kept and not kept[0].strip():
        kept.pop(0)
    return tuple(kept)
