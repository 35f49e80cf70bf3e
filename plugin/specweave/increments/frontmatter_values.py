"""Status and counts that other tools keep in frontmatter: where they stand, they say what metadata.json says."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from specweave.errors import InvalidInputError
from specweave.files import frontmatter, ledger
from specweave.files.markdown import Document
from specweave.increments import metadata as metadata_file


class Difference(NamedTuple):
    """A value that is another one than it should be.

    Attributes:
        key: in the frontmatter.
        said: the present value.
        value: what it should be.
        line: from 1.
    """

    key: str
    said: str
    value: str
    line: int


def counts(everything: Sequence[object], done: int) -> dict[str, str]:
    """The values of tasks.md for the tasks of an increment, of which some are done."""
    return {"total_tasks": str(len(everything)), "completed": str(done), "completed_tasks": str(done)}


def differences(folder: Path, name: str, wanted: Mapping[str, str]) -> tuple[Difference, ...]:
    """The wanted values that a document has and that differ; none where its frontmatter cannot be read or edited.

    Args:
        folder: an increment's.
        name: of the document.
        wanted: key → value; keys that are not there are not missed.
    """
    try:
        return tuple(_differences(Document.read(folder / name), wanted))
    except (FileNotFoundError, InvalidInputError):
        return ()


def put(folder: Path, name: str, wanted: Mapping[str, str]) -> None:
    """Write the values that differ, every other byte kept; the caller holds the project's lock.

    Raises:
        InvalidInputError: `ledger-invalid`.
        HostError: it cannot be written; it is as before then.
    """

    def change(present: bytes) -> bytes:
        document = Document.parse(present)
        return document.edited(frontmatter.edits(document, {it.key: it.value for it in _differences(document, wanted)}))

    if differences(folder, name, wanted):
        ledger.amend(folder, name, change)


def _differences(document: Document, wanted: Mapping[str, str]) -> Iterator[Difference]:
    places = frontmatter.lines(document)
    # Most documents have none of them: their YAML need not be read.
    values = frontmatter.read(document) if places.keys() & wanted.keys() else {}
    for key, value in wanted.items():
        if key not in places or key not in values or not tuple(frontmatter.edits(document, {key: value})):
            continue
        said = values[key]
        if (metadata_file.status_of(said) if key == "status" else str(said)) != value:
            yield Difference(key, str(said), value, places[key])
