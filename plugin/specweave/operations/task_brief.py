"""All that a person or an assistant needs to do a task, without opening a document."""

from dataclasses import dataclass

from specweave.files.markdown import Document, readable
from specweave.increments import criteria
from specweave.increments.store import Increment
from specweave.increments.task_document import places_in
from specweave.increments.tasks import Task

_OWN = ("run", "status", "dependencies", "criteria", "user_story", "evidence")


@dataclass(frozen=True, slots=True)
class Brief:
    """What a task asks for.

    Attributes:
        text: what its document says of it, markdown: its test plan above all. Its state and its references are left
            out.
        criteria: id → text, of the criteria it has to meet; the text is empty where spec.md has none of that id.
        files: that it is about, as it names them.
    """

    text: str
    criteria: dict[str, str]
    files: tuple[str, ...]


def brief(increment: Increment, task: Task) -> Brief:
    """What a task of an increment asks for, as the documents are now."""
    texts = criteria.read(increment).texts()
    found = {criterion: texts.get(criterion, "") for criterion in task.criteria}
    return Brief(_text(increment, task), found, task.files)


def _text(increment: Increment, task: Task) -> str:
    document = Document.read(increment.folder / task.document)
    place = next((place for place in places_in(document) if place.id == task.id), None)
    if place is None:
        return ""
    own = {field.line for kind in _OWN if (field := place.field(kind)) is not None}
    lines = [document.lines[number] for number in range(place.body, place.end) if number not in own]
    return readable("".join(lines)).strip()
