"""Headings of documents below which the text changed."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from specweave.errors import InvalidInputError
from specweave.files.markdown import Document, readable

FRONTMATTER = "frontmatter"
TOP = "the beginning"


def read(path: Path) -> Document | None:
    """A document; None where it is not there or cannot be taken apart."""
    try:
        return Document.read(path)
    except (OSError, InvalidInputError):
        return None


def sections(before: "Told", after: "Told") -> list[str]:
    """The headings whose own text was changed, added or removed, in order, but for what is told otherwise."""
    old, new = dict(_sections(before)), dict(_sections(after))
    changed = [key for key, text in new.items() if old.get(key, "") != text]
    changed += [key for key, text in old.items() if key not in new and text]
    return list(dict.fromkeys(readable(name) for name, _ in changed))


class Told(NamedTuple):
    """A document, and the lines of it that are told otherwise: tasks and criteria; both from 0."""

    document: Document
    lines: frozenset[int]


def _sections(told: Told) -> Iterator[tuple[tuple[str, int], str]]:
    """Name and how often it stood before → the text down to the next heading of any level."""
    document = told.document
    if document.frontmatter:
        yield (FRONTMATTER, 0), document.frontmatter
    headings = document.headings
    top = _text(told, 0, headings[0].line if headings else len(document.lines))
    yield (TOP, 0), top.replace(document.frontmatter, "", 1)
    seen: dict[str, int] = {}
    ends = [*(heading.line for heading in headings), len(document.lines)]
    for heading, end in zip(headings, ends[1:], strict=True):
        yield (heading.text, seen.get(heading.text, 0)), _text(told, heading.line, end)
        seen[heading.text] = seen.get(heading.text, 0) + 1


def _text(told: Told, start: int, end: int) -> str:
    return "".join(told.document.lines[number] for number in range(start, end) if number not in told.lines)
