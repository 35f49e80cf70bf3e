"""What a migration would change in one increment; nothing is written."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specweave.files import reading
from specweave.files.markdown import Document, readable
from specweave.increments import metadata as metadata_file
from specweave.increments import names, tasks
from specweave.increments.store import Increment
from specweave.increments.task_document import Place, places_in
from specweave.operations.migration import heads, identifiers, relocation, state
from specweave.operations.migration.sheet import LineChange, Notice, Sheet

LEDGER = "ledger.jsonl"
_TITLE = re.compile(
    r"^(?:Feature(?: Specification)?|Specification|Spec|Increment|Product Specification)\s*:\s*", re.IGNORECASE
)
_LEDGER_BYTES = 16 * 1_048_576
_SHORT_ID = re.compile(r"T-\d{1,2}(?!\d)")


@dataclass(frozen=True, slots=True)
class FilePlan:
    """One file.

    Attributes:
        name: relative to the increment.
        before: present content, None for one that is made.
        after: the content it gets.
    """

    name: str
    before: bytes | None
    after: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """What a migration would do.

    Attributes:
        increment: which.
        generation: of SpecWeave, `0.23`, `1.x`, `2.x` or `3.0`; empty for an increment that is ours.
        files: those that change, in the order in which they are written.
        changes: line by line.
        notices: what could not be read and is left alone.
    """

    increment: Increment
    generation: str
    files: tuple[FilePlan, ...] = ()
    changes: tuple[LineChange, ...] = ()
    notices: tuple[Notice, ...] = ()


def plan(increment: Increment, now: str) -> Plan:
    """What would bring an increment to this format.

    Args:
        increment: which.
        now: ISO 8601, for what the documents say nothing of.

    Raises:
        InvalidInputError: `metadata-invalid`, `metadata-newer`, and what `specweave.files.reading.read` raises.
        HostError: a document may not be read.
    """
    folder = increment.folder
    present = _content(folder / metadata_file.FILE)
    old = metadata_file.read_document(folder) if present is not None else {}
    if isinstance(old.get("schema"), int):
        return Plan(increment, "")
    sheets = {name: sheet for name in ("tasks.md", "plan.md", "spec.md") if (sheet := _sheet(folder, name))}
    generation = generation_of(folder, old, sheets)
    front = heads.values_of(sheets["spec.md"].document) if "spec.md" in sheets else {}
    heading = _heading(sheets.get("spec.md"))
    new = state.brought(old, folder.name, front, heading=heading, generation=generation, now=now)
    moved = _documents(sheets, new)
    files = [
        FilePlan(sheet.file, sheet.document.content, content)
        for sheet in sheets.values()
        if (content := sheet.content()) != sheet.document.content and not (sheet.file == "tasks.md" and moved)
    ]
    if moved is not None:
        before = sheets["tasks.md"].document.content if "tasks.md" in sheets else None
        files.insert(0, FilePlan("tasks.md", before, moved))
    new = state.with_tasks(new, _places_then(folder, files))
    files.append(FilePlan(metadata_file.FILE, present, metadata_file.encode(new)))
    changes = [change for sheet in sheets.values() for change in sheet.changes()]
    if moved is not None:
        changes.append(LineChange("tasks.md", None, None, None, "the tasks of spec.md, as they stood there"))
    notices = [notice for sheet in sheets.values() for notice in sheet.notices]
    notices += [*state.notices(new, present or b""), *_ledger(folder)]
    return Plan(
        increment,
        generation,
        tuple(files),
        (*changes, *state.changes(old, new, present or b"")),
        tuple(sorted(set(notices), key=lambda notice: (notice.file, notice.line or 0))),
    )


def generation_of(folder: Path, metadata: Mapping[str, Any], sheets: Mapping[str, Sheet]) -> str:
    """The earliest generation of SpecWeave that has all that was found."""
    own = list(places_in(sheets["tasks.md"].document)) if "tasks.md" in sheets else []
    inside = list(places_in(sheets["spec.md"].document)) if "spec.md" in sheets else []
    if inside and not own:
        return "3.0"
    if (folder / LEDGER).exists() or any(_SHORT_ID.fullmatch(place.id) for place in own):
        return "2.x"
    return "1.x" if {"readyForReviewAt", "approvedAt"} & metadata.keys() else "0.23"


def _documents(sheets: Mapping[str, Sheet], new: Mapping[str, Any]) -> bytes | None:
    """Plan the lines of the documents; gives tasks.md where tasks move there from spec.md."""
    spec, listed = sheets.get("spec.md"), sheets.get("tasks.md")
    own = _named(listed)
    inside = list(places_in(spec.document)) if spec else []
    # Where spec.md holds the tasks that are read, more tasks in tasks.md would hide them.
    numbers = identifiers.name_tasks(listed, own, adopt=bool(own or not inside)) if listed else frozenset[int]()
    if spec and inside:
        numbers |= identifiers.name_tasks(spec, inside, adopt=None)
    ids = identifiers.criterion_ids(spec) if spec else ()
    for sheet in sheets.values():
        identifiers.rename(sheet, numbers, ids)
        identifiers.unread(sheet, own if sheet is listed else inside if sheet is spec else [], numbers)
        heads.misplaced(sheet)
    moved = relocation.move(spec, listed.content() if listed else None, new["title"]) if spec else None
    if spec:
        wanted = {key: str(new.get(key) or "") for key in ("title", "type", "created", "status")}
        heads.complete(spec, {"increment": new["id"], **wanted, "created": wanted["created"][:10]})
    return moved


def _named(sheet: Sheet | None) -> list[Place]:
    return list(places_in(sheet.document)) if sheet else []


def _places_then(folder: Path, files: Sequence[FilePlan]) -> tuple[Place, ...]:
    """The tasks as they will be read."""
    planned = {file.name: file.after for file in files}
    for name in tasks.FILES:
        content = planned.get(name) or _content(folder / name)
        if content is not None and (found := tuple(places_in(Document.parse(content)))):
            return found
    return ()


def _sheet(folder: Path, name: str) -> Sheet | None:
    content = _content(folder / name)
    return None if content is None else Sheet(name, Document.parse(content))


def _content(path: Path) -> bytes | None:
    try:
        return reading.read(path)
    except FileNotFoundError:
        return None


def _heading(spec: Sheet | None) -> str:
    first = next((heading for heading in spec.document.headings if heading.level == 1), None) if spec else None
    return names.clean_title(_TITLE.sub("", readable(first.text))) if first else ""


def _ledger(folder: Path) -> list[Notice]:
    """ledger.jsonl stays as it is: what another tool ran is no evidence here. Lines that are no JSON are named."""
    try:
        lines = reading.read(folder / LEDGER, limit=_LEDGER_BYTES).splitlines()
    except FileNotFoundError:
        return []
    notices = []
    for number, line in enumerate(lines, 1):
        try:
            json.loads(line or b"null")
        except (ValueError, RecursionError):
            notices.append(Notice(LEDGER, number, "this line is no JSON"))
    said = f"its {len(lines)} entries are kept and are no evidence here: /sw:verify shows what they say anew"
    return [Notice(LEDGER, None, said), *notices]
