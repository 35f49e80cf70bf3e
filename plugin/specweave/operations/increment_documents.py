"""What an increment holds for readers: its documents and reports, by name; nothing else of the disk can be reached."""

from pathlib import Path
from typing import NamedTuple

from specweave.errors import InvalidInputError, NotFoundError
from specweave.files import reading
from specweave.increments import evidence
from specweave.increments.store import Increment

_FILES = {
    "spec": "spec.md",
    "plan": "plan.md",
    "tasks": "tasks.md",
    "metadata": "metadata.json",
    "deployment": "deployment.yaml",
}
_MEDIA_TYPES = {
    ".md": "text/markdown",
    ".json": "application/json",
    ".yaml": "application/yaml",
    ".svg": "image/svg+xml",
}
_REPORT_SUFFIXES = (".md", ".json", ".svg")


class Text(NamedTuple):
    """A file's text and its media type."""

    text: str
    media_type: str


def document(increment: Increment, name: str) -> Text:
    """One of its documents: spec, plan, tasks, metadata or deployment.

    Raises:
        NotFoundError: `document-not-found`.
        InvalidInputError: what `specweave.files.reading.read` raises, so links and what is too large are refused.
        HostError: it may not be read.
    """
    if name not in documents(increment):
        raise _not_found(increment, f"document {name[:80]!r}", documents(increment))
    return _read(increment.folder / _FILES[name])


def report(increment: Increment, name: str) -> Text:
    """One of its reports by file name, such as `004-load-test.md`; markdown, JSON or SVG.

    Raises:
        NotFoundError, InvalidInputError, HostError: as `document`.
    """
    if name not in reports(increment):
        raise _not_found(increment, f"report {name[:80]!r}", reports(increment))
    return _read(increment.folder / evidence.FOLDER / name)


def documents(increment: Increment) -> list[str]:
    """The names of the documents that it has."""
    return [name for name, file in _FILES.items() if (increment.folder / file).exists()]


def reports(increment: Increment) -> list[str]:
    """The file names of its reports, newest first.

    Raises:
        InvalidInputError: `document-is-link` where the folder of reports leads elsewhere.
    """
    folder = increment.folder / evidence.FOLDER
    if folder.is_symlink():
        raise InvalidInputError(
            "document-is-link",
            f"{folder} is a symbolic link, which is not followed",
            next_step="put the folder itself there",
        )
    numbered = [(number, path.name) for number, path in evidence.files(increment) if path.suffix in _REPORT_SUFFIXES]
    return [name for _, name in sorted(numbered, key=lambda item: (-item[0], item[1]))]


def _read(path: Path) -> Text:
    return Text(reading.read(path).decode("utf-8-sig", "replace"), _MEDIA_TYPES[path.suffix])


def _not_found(increment: Increment, what: str, known: list[str]) -> NotFoundError:
    shown = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")  # noqa: PLR2004 - a line
    return NotFoundError(
        "document-not-found",
        f"{increment.id} has no {what}",
        next_step=f"read one of: {shown}" if known else "there are none yet",
    )
