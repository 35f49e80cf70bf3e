"""The links of a markdown document, by a real parser: what stands in code or in a comment is none."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from specweave.files.markdown import Document

if TYPE_CHECKING:
    from markdown_it.token import Token


class Link(NamedTuple):
    """A link or an image.

    Attributes:
        target: as a browser would follow it, percent-encoded.
        line: where it stands, from 1; the first line of its text where that runs over several.
    """

    target: str
    line: int


def links(document: Document) -> Iterator[Link]:
    """The links and images of a document, in order."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - start-up: most commands parse no document

    text = document.body
    if "](" not in text and "]:" not in text:
        return
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "inline" and token.map is not None:
            yield from _within(token.children or (), token.map[0] + 1)


def _within(tokens: "list[Token] | tuple[Token, ...]", line: int) -> Iterator[Link]:
    for token in tokens:
        target = token.attrGet("href") if token.type == "link_open" else token.attrGet("src")
        if token.type in {"link_open", "image"} and isinstance(target, str):
            yield Link(target, line)
        if token.type in {"softbreak", "hardbreak"}:
            line += 1
