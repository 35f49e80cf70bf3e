"""The items of the lists of a document, with or without a box."""

import re
from typing import NamedTuple

from specweave.files.markdown import Document

_TAB = 4
_ITEM = re.compile(
    r"^(?P<indent>[ \t]*)(?P<marker>[-*+]|(?P<number>\d{1,9})[.)])(?P<gap>[ \t]+)"
    r"(?:\[(?P<mark>[^\]\r\n])\](?:[ \t]+|$))?(?P<text>[^\r\n]*?)[ \t]*$"
)


class Item(NamedTuple):
    """An item of a list.

    Attributes:
        line: from 0.
        end: line after the item and all that is nested in it.
        content: column where its text begins; what is nested stands there.
        number: what it is numbered with, empty for a bullet.
        mark: what stands in its box, None without one.
        text: the rest of its first line.
        parent: line of the item that it is nested in, None for none.
        group: the same for all items of one list.
    """

    line: int
    end: int
    content: int
    number: str
    mark: str | None
    text: str
    parent: int | None
    group: int


def items_in(document: Document) -> tuple[Item, ...]:
    """The items of a document, in order, nested ones too."""
    found: list[Item] = []
    around: list[Item] = []
    newest: dict[int | None, Item] = {}
    for line, last in document.blocks.items():
        match = _ITEM.match(document.lines[line].rstrip("\r\n").removeprefix("\ufeff"))
        if match is None:
            continue
        while around and around[-1].end <= line:
            around.pop()
        parent = around[-1].line if around else None
        before = newest.get(parent)
        same = before is not None and not "".join(document.lines[before.end : line]).strip()
        item = Item(
            line=line,
            end=last,
            content=_columns(match["indent"]) + len(match["marker"]) + min(_columns(match["gap"]), _TAB),
            number=match["number"] or "",
            mark=match["mark"],
            text=match["text"],
            parent=parent,
            group=before.group if before is not None and same else len(found),
        )
        newest[parent] = item
        around.append(item)
        found.append(item)
    return tuple(found)


def dedented(text: str, columns: int) -> str:
    """A line without as many of its leading blanks as `columns`."""
    rest = text.lstrip(" \t")
    return " " * max(0, _columns(text[: len(text) - len(rest)]) - columns) + rest


def _columns(blanks: str) -> int:
    return len(blanks.expandtabs(_TAB))
