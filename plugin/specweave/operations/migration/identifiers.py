"""Ids of tasks and criteria as ours: `T-01` becomes `T-001`, `AC-01` below `US-001` becomes `AC-US1-01`.

Where an id changes, every mention of it in the text of the three documents changes with it; blocks of code, comments
and HTML stay.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from specweave.files.markdown import readable
from specweave.increments import criteria
from specweave.increments.task_document import Place, number_of, places_in, status_of
from specweave.operations.migration.sheet import Sheet

_TASK_LINE = re.compile(
    r"(?P<before>\ufeff?[ \t]*(?:#{1,6}[ \t]+|(?:[-*+]|\d{1,9}[.)])[ \t]+)?(?:\[[^\]]\][ \t]*)?(?:\*\*)?)"
    r"\[?(?P<id>T-?\d{1,4})\]?(?P<after>(?:\*\*)?)(?P<gap>[ \t:.)\u2013\u2014-]*)(?P<title>.*)"
)
_UNREAD = re.compile(r"(?:\[(?P<bracketed>T-?\d{1,4})\]|(?P<bare>T\d{1,4})(?![\w-]))")
_TASK = re.compile(r"(?<![\w-])T-(\d{1,4})(?![\w-])")
_LOOSE_TASK = re.compile(r"(?<![\w-])T-?(\d{1,4})(?![\w-])")
_CRITERION = re.compile(r"(?<![\w-])AC-\d+(?![\w-]|\.\d)")
_LIKE_CRITERION = re.compile(r"[ \t]*[-*+][ \t]+\[[^\]]\][ \t]+(?:\*\*)?AC[-_ ]?[\w-]*(?:\*\*)?[ \t]*:")
_OURS = re.compile(r"T-\d{3,4}")


class CriterionId(NamedTuple):
    """A criterion whose id changes.

    Attributes:
        before, after: its ids.
        story: number of its story.
        line: where it is defined, from 0.
    """

    before: str
    after: str
    story: int
    line: int


def canonical(number: int) -> str:
    """`T-003`."""
    return f"T-{number:03d}"


def name_tasks(sheet: Sheet, places: Sequence[Place], *, adopt: bool | None) -> frozenset[int]:
    """Plan the ids on the lines of the tasks, and give the numbers of all tasks.

    Args:
        sheet: the document that holds them.
        places: those that are read.
        adopt: whether lines such as `- [ ] [T001] text` become tasks too; None where
            nothing is said of them.
    """
    numbers = {number_of(place.id) for place in places}
    seen: set[int] = set()
    for place in places:
        number = number_of(place.id)
        if number in seen:
            sheet.leave(place.line, f"{place.id} stands twice; both keep their number")
        seen.add(number)
        _name(sheet, place.line, number)
    read = {place.line for place in places}
    for line, text in _unread(sheet) if adopt is not None else ():
        if line in read:
            continue
        if not adopt:
            sheet.leave(line, f"{text[:40]!r} is no task, because spec.md holds the tasks")
            continue
        match = _UNREAD.match(text)
        number = number_of((match["bracketed"] or match["bare"]) if match else "T0")
        if number in numbers or not number:
            sheet.leave(line, f"{text[:40]!r} has the number of another task")
            continue
        numbers.add(number)
        _name(sheet, line, number)
    return frozenset(numbers)


def _unread(sheet: Sheet) -> Iterator[tuple[int, str]]:
    document = sheet.document
    lines = [(heading.line, heading.text) for heading in document.headings]
    lines += [(checkbox.line, checkbox.text) for checkbox in document.checkboxes()]
    yield from ((line, text) for line, text in sorted(lines) if _UNREAD.match(text))


def _name(sheet: Sheet, line: int, number: int) -> None:
    match = _TASK_LINE.fullmatch(sheet.text(line))
    if match is None:
        return
    gap, title = match["gap"], match["title"]
    parted = ":" in gap or gap.strip(" \t") or not title
    text = f"{match['before']}{canonical(number)}{match['after']}{gap if parted else ': '}{title}"
    # An id that is written as ours keeps its line, whatever stands behind it.
    if not (_OURS.fullmatch(match["id"]) and f"[{match['id']}]" not in sheet.text(line) and parted):
        sheet.put(line, text, "id of the task")


def criterion_ids(sheet: Sheet) -> tuple[CriterionId, ...]:
    """The criteria of spec.md whose ids name no story, and the ids they get."""
    found = criteria.read_document(sheet.document)
    taken = {criterion.id for criterion in found.criteria}
    changes: list[CriterionId] = []
    for criterion in found.criteria:
        if not _CRITERION.fullmatch(criterion.id):
            continue
        if criterion.story is None:
            sheet.leave(criterion.line - 1, f"{criterion.id} stands under no story and keeps its id")
            continue
        story = int(re.sub(r"\D", "", criterion.story))
        after = f"AC-US{story}-{int(criterion.id.removeprefix('AC-')):02d}"
        if after in taken:
            sheet.leave(criterion.line - 1, f"{criterion.id} would become {after}, which is there; it keeps its id")
            continue
        taken.add(after)
        changes.append(CriterionId(criterion.id, after, story, criterion.line - 1))
    told = {criterion.line - 1 for criterion in found.criteria}
    for problem in found.problems:
        place, _, message = problem.partition(": ")
        line = int(place.rpartition(":")[2]) - 1
        sheet.leave(line, message)
        told.add(line)
    for line in sheet.document.blocks:
        if line not in told and _LIKE_CRITERION.match(sheet.text(line)):
            sheet.leave(line, "looks like a criterion and has no id such as AC-US1-01")
    return tuple(changes)


def rename(sheet: Sheet, tasks: frozenset[int], ids: Sequence[CriterionId]) -> None:
    """Plan the mentions of tasks and criteria in a document.

    Args:
        sheet: the document.
        tasks: numbers of the increment's tasks.
        ids: criteria whose ids change.
    """
    defined = {change.line: change for change in ids} if sheet.file == criteria.FILE else {}
    targets: dict[str, list[CriterionId]] = {}
    for change in ids:
        targets.setdefault(change.before, []).append(change)
    stories = dict(_stories(sheet))
    loose = {field.line for place in places_in(sheet.document) if (field := place.field("dependencies"))}
    for line in sheet.document.blocks:
        text = sheet.text(line)
        if line in defined:
            text = text.replace(defined[line].before, defined[line].after, 1)
        text = _renamed_tasks(text, _LOOSE_TASK if line in loose else _TASK, tasks)
        for mentioned in dict.fromkeys(_CRITERION.findall(text)):
            after = _target(sheet, mentioned, targets, stories.get(line), line)
            text = re.sub(rf"(?<![\w-]){mentioned}(?![\w-])", after, text)
        sheet.put(line, text, "id of a task or criterion")


def _renamed_tasks(text: str, pattern: re.Pattern[str], tasks: frozenset[int]) -> str:
    return pattern.sub(lambda match: canonical(int(match[1])) if int(match[1]) in tasks else match[0], text)


def _target(
    sheet: Sheet, mentioned: str, targets: Mapping[str, Sequence[CriterionId]], story: int | None, line: int
) -> str:
    candidates = targets.get(mentioned, ())
    if len(candidates) > 1:
        candidates = [change for change in candidates if change.story == story]
        if len(candidates) != 1:
            sheet.leave(line, f"{mentioned} may mean a criterion of more than one story; it stays as it is")
            return mentioned
    return candidates[0].after if candidates else mentioned


def _stories(sheet: Sheet) -> Iterator[tuple[int, int]]:
    """Lines of tasks, each with the number of the story that its task names."""
    places = list(places_in(sheet.document))
    ends = [place.line for place in places[1:]] + [len(sheet.document.lines)]
    for place, end in zip(places, ends, strict=False):
        story = place.field("user_story")
        match = re.search(r"US-?(\d+)", story.value) if story else None
        if match:
            yield from ((line, int(match[1])) for line in range(place.line, end))


def unread(sheet: Sheet, places: Sequence[Place], tasks: frozenset[int]) -> None:
    """Report what looks like a task or a state and could not be read."""
    inside = {line for place in places if place.checkbox for line in range(place.line, place.checkbox.end)}
    inside |= {line for line, _ in _unread(sheet)}
    headings = [place.line for place in places if place.checkbox is None]
    for checkbox in sheet.document.checkboxes():
        alone = checkbox.line not in inside and not (headings and headings[0] < checkbox.line)
        if alone and not _CRITERION.search(checkbox.text) and sheet.file == "tasks.md":
            sheet.leave(checkbox.line, f"a box without the id of a task: {readable(checkbox.text)[:60]!r}")
    for place in places:
        field = place.field("status")
        if field is not None and status_of(field.value) is None:
            sheet.leave(field.line, f"{place.id} has the status {readable(field.value)[:40]!r}, read as pending")
        for match in _TASK.finditer(dependency.value if (dependency := place.field("dependencies")) else ""):
            if int(match[1]) not in tasks:
                sheet.leave(place.line, f"{place.id} waits for {match[0]}, which is not there")
