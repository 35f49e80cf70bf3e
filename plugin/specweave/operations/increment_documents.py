"""What an increment holds for readers: its documents and reports, by name; nothing else of the disk is reachable."""

from pathlib import Path
from typing import NamedTuple

from specweave.errors import InvalidInputError, NotFoundError, SpecweaveError
from specweave.files import reading
from specweave.increments import evidence, store
from specweave.increments.store import Increment
from specweave.project import Project

MOST_LISTED = 100

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


class Listed(NamedTuple):
    """One increment in a listing; `status` is `unreadable` where its metadata is."""

    increment: str
    title: str
    type: str
    status: str


class Page(NamedTuple):
    """Some of the increments, the newest first.

    Attributes:
        increments: at most as many as were asked for.
        total: how many there are.
        cursor: what the next page begins after; None where this is the last.
    """

    increments: list[Listed]
    total: int
    cursor: str | None


def page(project: Project, *, limit: int, cursor: str | None = None) -> Page:
    """A page of the increments that are not put away, newest first.

    Args:
        project: whose.
        limit: from 1 to `MOST_LISTED`.
        cursor: of the page before.

    Raises:
        InvalidInputError: `argument-invalid`.
    """
    if not 1 <= limit <= MOST_LISTED:
        raise InvalidInputError(
            "argument-invalid", f"limit: {limit} is not in 1 to {MOST_LISTED}", next_step="give another limit"
        )
    everything = sorted(store.list_all(project), key=_newest_first)
    after = everything
    if cursor is not None:
        last = store.find(project, cursor)
        after = [increment for increment in everything if _newest_first(increment) > _newest_first(last)]
    shown = after[:limit]
    more = len(after) > len(shown)
    return Page([_listed(increment) for increment in shown], len(everything), shown[-1].id if more else None)


def find(project: Project, name: str) -> Increment:
    """The increment of that number, folder name or unique prefix, also one that was put away.

    Raises:
        NotFoundError: `increment-not-found`, `increment-ambiguous`.
    """
    return store.find(project, name)


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


def _newest_first(increment: Increment) -> tuple[int, str]:
    return -int(increment.number), increment.id


def _listed(increment: Increment) -> Listed:
    try:
        metadata = increment.metadata()
    except SpecweaveError:
        return Listed(increment.id, increment.id, "", "unreadable")
    return Listed(increment.id, metadata.title or increment.id, metadata.type, metadata.status)


def _not_found(increment: Increment, what: str, known: list[str]) -> NotFoundError:
    shown = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")  # noqa: PLR2004 - a line
    return NotFoundError(
        "document-not-found",
        f"{increment.id} has no {what}",
        next_step=f"read one of: {shown}" if known else "there are none yet",
    )
