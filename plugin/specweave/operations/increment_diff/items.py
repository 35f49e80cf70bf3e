"""Stories, criteria and tasks of two sides, compared by id."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from specweave.files.markdown import Document, readable
from specweave.increments.criteria import Specification
from specweave.increments.task_document import Place, places_in
from specweave.increments.tasks import Task
from specweave.operations.increment_diff.changes import ItemChange, ValueChange

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Item:
    """What is compared.

    Attributes:
        id, title: as written.
        values: name → text.
    """

    id: str
    title: str
    values: Mapping[str, str]


def compared(before: Iterable[Item], after: Iterable[Item]) -> list[ItemChange]:
    """What was added, removed, renamed or changed, in the order of the present document, what is gone at the end.

    An item with another id and all else the same was renamed; so was one with another title and nothing else.
    """
    old, new = _by_key(before), _by_key(after)
    gone = {key: item for key, item in old.items() if key not in new}
    changes: list[ItemChange] = []
    for key, item in new.items():
        if key in old:
            changes += _changed(old[key], item)
        elif twin := _twin(item, gone):
            was = gone.pop(twin)
            changes.append(_change(item, "renamed", [ValueChange(name="id", before=was.id, after=item.id)]))
        else:
            changes.append(_change(item, "added", _values({}, item.values)))
    return [*changes, *(_change(item, "removed", _values(item.values, {})) for item in gone.values())]


def stories(specification: Specification) -> Iterator[Item]:
    """The stories of a side."""
    for story in specification.stories:
        yield Item(story.id, story.title, {})


def criteria(specification: Specification) -> Iterator[Item]:
    """The criteria of a side."""
    for criterion in specification.criteria:
        ticked = "ticked" if criterion.marked else "open"
        values = {"text": criterion.text, "story": criterion.story or "", "box": ticked}
        yield Item(criterion.id, "", values)


def tasks(found: Sequence[Task], document: Document | None) -> Iterator[Item]:
    """The tasks of a side, without how they stand.

    Args:
        found: as they are read.
        document: that holds them.
    """
    texts = {place.line + 1: _text(document, place) for place in places_in(document)} if document else {}
    for task in found:
        yield Item(
            task.id,
            task.title,
            {
                "command": task.run or "",
                "test": task.test or "",
                "dependencies": ", ".join(task.dependencies),
                "criteria": ", ".join(task.criteria),
                "story": task.user_story or "",
                "files": ", ".join(task.files),
                "box": task.marked,
                "details": texts.get(task.line, ""),
            },
        )


def _text(document: Document, place: Place) -> str:
    """What a task says beside its fields that are compared themselves."""
    known = ("run", "test", "dependencies", "criteria", "user_story", "files", "status", "evidence")
    fields = {field.line for kind in known if (field := place.field(kind)) is not None}
    lines = (document.lines[number].strip() for number in range(place.body, place.end) if number not in fields)
    return readable("\n".join(line for line in lines if line))


def _by_key(items: Iterable[Item]) -> dict[tuple[str, int], Item]:
    """By id, however its numbers are padded, and by how often that id stood before."""
    found: dict[tuple[str, int], Item] = {}
    seen: dict[str, int] = {}
    for item in items:
        name = _NUMBER.sub(lambda number: str(int(number[0])), item.id).replace("-", "")
        found[name, seen.get(name, 0)] = item
        seen[name] = seen.get(name, 0) + 1
    return found


def _twin(item: Item, gone: Mapping[tuple[str, int], Item]) -> tuple[str, int] | None:
    for key, other in gone.items():
        if (other.title, other.values) == (item.title, item.values):
            return key
    return None


def _changed(before: Item, after: Item) -> Iterator[ItemChange]:
    names = _values({"id": before.id, "title": before.title}, {"id": after.id, "title": after.title})
    values = _values(before.values, after.values)
    if names or values:
        yield _change(after, "changed" if values else "renamed", [*names, *values])


def _values(before: Mapping[str, str], after: Mapping[str, str]) -> list[ValueChange]:
    return [
        ValueChange(name=name, before=before.get(name, ""), after=after.get(name, ""))
        for name in dict.fromkeys((*before, *after))
        if before.get(name, "") != after.get(name, "")
    ]


def _change(item: Item, change: str, values: list[ValueChange]) -> ItemChange:
    return ItemChange.model_validate({"id": item.id, "title": item.title, "change": change, "values": values})
