"""Tasks that stand in spec.md under `## Tasks`: they move to tasks.md, byte by byte."""

from collections.abc import Sequence

from specweave.files.markdown import Document, Heading
from specweave.increments.task_document import Place, marked_status, number_of, places_in
from specweave.operations.migration.sheet import Sheet

_REASON = "tasks stand in tasks.md"


def section_of(document: Document, places: Sequence[Place]) -> Heading | None:
    """The section `Tasks` that holds all tasks of spec.md, None where there is none."""
    for heading in document.headings:
        if heading.text.strip().strip(":").lower() in {"tasks", "implementation tasks", "task list"}:
            inside = [place for place in places if heading.line < place.line < heading.end]
            if inside and len(inside) == len(places):
                return heading
    return None


def move(spec: Sheet, present: bytes | None, title: str) -> bytes | None:
    """Plan the way of the tasks from spec.md to tasks.md.

    Args:
        spec: spec.md, whose lines may have changes planned already.
        present: tasks.md as it will be, None without one.
        title: of the increment.

    Returns:
        tasks.md with the tasks, or None where it stays as it is.
    """
    places = list(places_in(spec.document))
    if not places:
        return None
    section = section_of(spec.document, places)
    if section is None:
        _leave(spec, places, "tasks that stand in no section Tasks stay in spec.md, where they are read")
        return None
    moved = "".join(spec.whole(line) for line in range(section.body, section.end))
    text = moved.encode("utf-8", "surrogateescape")
    if present is not None and any(True for _ in places_in(Document.parse(present))):
        # A migration that was killed has written tasks.md already.
        if text.strip() not in present:
            _leave(spec, places, "tasks.md has other tasks; these stay in spec.md, where they are not read")
            return None
        written = None
    else:
        end = spec.document.newline
        head = present if present else f"# Tasks: {title}{end}{end}".encode()
        head += b"" if head.endswith((b"\n", b"\r")) else end.encode()
        written = head + text.lstrip(b"\r\n")
        if _read(list(places_in(Document.parse(written)))) != _read(places):
            _leave(spec, places, "these tasks would be read otherwise in tasks.md; they stay in spec.md")
            return None
    for line in range(section.line, section.end):
        spec.remove(line, _REASON)
    return written


def _read(places: Sequence[Place]) -> list[tuple[int, str]]:
    return [(number_of(place.id), marked_status(place)) for place in places]


def _leave(spec: Sheet, places: Sequence[Place], message: str) -> None:
    spec.leave(places[0].line, message)
