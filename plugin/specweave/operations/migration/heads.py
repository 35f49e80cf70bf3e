"""The YAML at the top of spec.md: the keys that ours has, and a status that says what metadata.json says."""

import re

from specweave.errors import InvalidInputError
from specweave.files import frontmatter, quoting
from specweave.files.markdown import Document
from specweave.increments import life_cycle, metadata
from specweave.operations.migration.sheet import Sheet

_KEYS = ("increment", "title", "type", "created")
_LIKE_FRONTMATTER = re.compile(r"^(?:by_user_story|total_tasks|increment|test_mode)[ \t]*:")
_BOM = "\ufeff"


def values_of(document: Document) -> dict[str, str]:
    """The values of a document's frontmatter as text, and the status that a line at its top says.

    None of the frontmatter where it cannot be read.
    """
    said = metadata.status_at_top(document)
    found = {"status": said} if said else {}
    try:
        return found | {key: str(value) for key, value in frontmatter.read(document).items() if value is not None}
    except InvalidInputError:
        return found


def complete(sheet: Sheet, wanted: dict[str, str]) -> None:
    """Plan the frontmatter of spec.md.

    Args:
        sheet: of spec.md.
        wanted: increment, title, type, created and status of the increment.
    """
    document = sheet.document
    try:
        present = frontmatter.read(document)
    except InvalidInputError as error:
        sheet.leave(0, error.message)
        return
    if not frontmatter.lines(document) and not present:
        _insert(sheet, wanted)
        return
    _correct(sheet, {key: str(value) for key, value in present.items()}, wanted)
    closing = next((line for line in range(1, len(document.lines)) if _closes(document.lines[line])), None)
    for key in _KEYS:
        if key not in present and wanted[key] and closing is not None:
            sheet.add_above(closing, _line(key, wanted[key]), "frontmatter")


def _correct(sheet: Sheet, present: dict[str, str], wanted: dict[str, str]) -> None:
    corrections = {}
    if present.get("increment", wanted["increment"]) != wanted["increment"]:
        corrections["increment"] = quoting.yaml(wanted["increment"])
    # The same state in another word, or another state than metadata.json's, which is the truth.
    if present.get("status", wanted["status"]) != wanted["status"] and wanted["status"] in life_cycle.WORDS:
        corrections["status"] = wanted["status"]
    for edit in frontmatter.edits(sheet.document, corrections):
        old = sheet.text(edit.line)
        sheet.put(edit.line, old[: edit.start] + edit.text + old[edit.end :], "frontmatter")


def _insert(sheet: Sheet, wanted: dict[str, str]) -> None:
    marked = bool(sheet.document.lines) and sheet.document.lines[0].startswith(_BOM)
    if sheet.document.lines and sheet.document.lines[0].removeprefix(_BOM).rstrip() == "---":
        sheet.leave(0, "the frontmatter has no end; it stays as it is")
        return
    for text in ("---", *(_line(key, wanted[key]) for key in _KEYS if wanted[key]), "---", ""):
        sheet.add_above(0, f"{_BOM}{text}" if marked and text == "---" else text, "frontmatter")
        marked = False
    if sheet.document.lines:
        sheet.put(0, sheet.text(0).removeprefix(_BOM), "the byte order mark begins the file")


def misplaced(sheet: Sheet) -> None:
    """Report frontmatter that does not begin its document: it is read as text."""
    if frontmatter.lines(sheet.document):
        return
    for line, text in enumerate(sheet.document.lines[:30]):
        if _LIKE_FRONTMATTER.match(text):
            sheet.leave(line, "frontmatter that does not begin the document is read as text")
            return


def _line(key: str, value: str) -> str:
    plain = key in {"type", "created"} and re.fullmatch(r"[\w:.+-]+", value) is not None
    return f"{key}: {value if plain else quoting.yaml(value)}"


def _closes(line: str) -> bool:
    return line.rstrip() in {"---", "..."}
