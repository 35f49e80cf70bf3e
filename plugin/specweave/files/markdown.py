"""The structure of a markdown document with the place of each part, and edits that keep every other byte.

The structure comes from a CommonMark parser, so what stands in code, in comments or in frontmatter is never taken for
a heading, a field or a task. Bytes that are no UTF-8, either kind of line end and a byte order mark survive.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from specweave.errors import InvalidInputError
from specweave.files import reading

if TYPE_CHECKING:
    from markdown_it.token import Token

_SMALL_BYTES = 65_536
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+\Z")
_BULLET = r"(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)"
_FIELD = re.compile(
    rf"^[ \t]*{_BULLET}?\*\*(?P<name>[^*\r\n:]+?)[ \t]*(?:\*\*[ \t]*:|:[ \t]*\*\*)"
    r"[ \t]*(?P<value>[^\r\n]*?)[ \t]*[\r\n]*$"
)
# `**User Story**: US-001 | **Satisfies ACs**: AC-US1-01`, as some tools write it.
_NAMED = r"\*\*(?P<name>[^*\r\n:]+?)[ \t]*(?:\*\*[ \t]*:|:[ \t]*\*\*)"
_NEXT_FIELD = re.compile(rf"{_NAMED}[ \t]*(?P<value>)")
_BESIDE = re.compile(rf"\|[ \t]+(?={_NAMED})")
_CHECKBOX = re.compile(rf"^[ \t]*{_BULLET}\[(?P<mark>[^\]\r\n])\][ \t]+(?P<text>[^\r\n]*?)[ \t]*[\r\n]*$")
_FRONTMATTER_END = re.compile(r"^(?:---|\.\.\.)[ \t]*[\r\n]*$")


def readable(text: str) -> str:
    """Text of a document for people and programs: bytes that are no UTF-8 are shown as such, where edits keep them."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class Heading(NamedTuple):
    """A heading at the top level of the document.

    Attributes:
        level: 1 to 6.
        text: its inline markdown, on one line.
        line: first line of the heading, from 0.
        body: first line after the heading.
        end: line after the section, which runs to the next heading of this level or a higher one.
    """

    level: int
    text: str
    line: int
    body: int
    end: int


class Field(NamedTuple):
    """`**Name**: value` on a line of its own, or beside others on one line with ` | ` between them.

    Attributes:
        name: without the asterisks.
        value: to the end of the line or the field beside it, surrounding blanks removed.
        line: from 0.
        start, end: where the value stands in that line, in characters.
    """

    name: str
    value: str
    line: int
    start: int
    end: int


class Checkbox(NamedTuple):
    """`- [ ] text`, an item of a list.

    Attributes:
        mark: what stands between the brackets.
        text: the rest of the line.
        line: from 0.
        column: where the mark stands in that line.
        end: line after the item.
    """

    mark: str
    text: str
    line: int
    column: int
    end: int


class Replace(NamedTuple):
    """Put `text` for the characters `start` to `end` of one line; the line end is not among them."""

    line: int
    start: int
    end: int
    text: str


class InsertAfter(NamedTuple):
    """Put a new line `text` after one line, with the same line end."""

    line: int
    text: str


@dataclass(frozen=True)
class Document:
    """A markdown document.

    Attributes:
        lines: each with its line end; joined they are the whole document.
    """

    lines: tuple[str, ...]

    @classmethod
    def parse(cls, content: bytes) -> "Document":
        """Take a document apart into lines; nothing is refused and nothing is lost."""
        return (_parsed if len(content) <= _SMALL_BYTES else _parsed_large)(content)

    @classmethod
    def read(cls, path: Path) -> "Document":
        """The document in a file.

        Raises:
            InvalidInputError: `document-is-link`, `document-is-no-file`, `document-too-large`.
            FileNotFoundError: nothing is there.
            HostError: it may not be read.
        """
        return cls.parse(reading.read(path))

    @property
    def content(self) -> bytes:
        """The bytes of the document."""
        return "".join(self.lines).encode("utf-8", "surrogateescape")

    @cached_property
    def newline(self) -> str:
        """The line end of the first line; a line feed where there is none."""
        first = self.lines[0] if self.lines else ""
        return next((end for end in ("\r\n", "\n", "\r") if first.endswith(end)), "\n")

    @cached_property
    def frontmatter(self) -> str:
        """The YAML between the first two `---` lines, empty where there is none."""
        return "".join(self.lines[1 : max(1, self._frontmatter_end - 1)])

    @property
    def body(self) -> str:
        """The text for a parser of markdown, which counts its lines as this document does: frontmatter is blank."""
        body = self.lines[self._frontmatter_end :]
        # The parser ends lines at \n only after replacing the other two, and splits nowhere else: the numbers agree.
        return "\n" * self._frontmatter_end + "".join(body).removeprefix("\ufeff")

    @cached_property
    def headings(self) -> tuple[Heading, ...]:
        """The headings of the top level, in order; not those in quotations or lists."""
        found = [
            (int(token.tag[1]), " ".join(inline.content.split()), *_span(token)) for token, inline in self._headings()
        ]
        # From the last to the first, with the next line of each level at hand: long documents stay cheap.
        following = dict.fromkeys(range(1, 7), len(self.lines))
        headings = []
        for level, text, first, last in reversed(found):
            end = min(following[other] for other in range(1, level + 1))
            headings.append(Heading(level, text, first, last, end))
            following[level] = first
        return tuple(reversed(headings))

    def fields(self, start: int = 0, end: int | None = None) -> Iterator[Field]:
        """The fields on the lines from `start` to before `end`."""
        last = len(self._prose) if end is None else bisect_left(self._prose, end)
        for line in self._prose[bisect_left(self._prose, start) : last]:
            yield from _fields_of(line, self.lines[line])

    def checkboxes(self, start: int = 0, end: int | None = None) -> Iterator[Checkbox]:
        """The list items with a box on the lines from `start` to before `end`."""
        found = self._checkboxes
        after = len(found) if end is None else bisect_left(found, end, key=attrgetter("line"))
        yield from found[bisect_left(found, start, key=attrgetter("line")) : after]

    @cached_property
    def blocks(self) -> Mapping[int, int]:
        """Lines of prose, in order, each with the line after the item or the paragraph that it begins or is part of."""
        ends: dict[int, int] = {}
        for token in self._tokens:
            if token.map is None or token.type not in {"inline", "list_item_open"}:
                continue
            first, last = token.map
            while last > first + 1 and not self.lines[last - 1].strip():
                last -= 1
            for line in range(first, last) if token.type == "inline" else (first,):
                ends.setdefault(line, last)
        return {line: ends[line] for line in self._prose}

    def edited(self, edits: Iterable[Replace | InsertAfter]) -> bytes:
        """The document with the edits made, all counted in the present lines.

        Raises:
            InvalidInputError: `text-has-line-break` for text that would become another line.
        """
        lines = list(self.lines)
        for edit in sorted(edits, key=_position, reverse=True):
            if re.search(r"[\r\n]", edit.text):
                raise InvalidInputError("text-has-line-break", f"{edit.text[:80]!r} does not fit on one line")
            old = lines[edit.line]
            if isinstance(edit, Replace):
                lines[edit.line] = old[: edit.start] + edit.text + old[edit.end :]
            elif end := old[len(old.rstrip("\r\n")) :]:
                # Its neighbour's line end: another one could join with the next line's in a document that mixes them.
                lines.insert(edit.line + 1, edit.text + end)
            else:
                # The last line of a document without a final line end keeps it that way.
                lines[edit.line : edit.line + 1] = [old + self.newline, edit.text]
        return "".join(lines).encode("utf-8", "surrogateescape")

    @cached_property
    def _frontmatter_end(self) -> int:
        if not self.lines or self.lines[0].removeprefix("\ufeff").rstrip() != "---":
            return 0
        ends = (number for number, line in enumerate(self.lines[1:], 2) if _FRONTMATTER_END.match(line))
        return next(ends, 0)

    @cached_property
    def _tokens(self) -> Sequence["Token"]:
        from markdown_it import MarkdownIt  # noqa: PLC0415 - start-up: most commands parse no document

        # Block structure is all that is needed; leaving out the inline rules makes long documents cheap.
        return MarkdownIt("commonmark").disable(["inline", "text_join"]).parse(self.body)

    def _headings(self) -> Iterator[tuple["Token", "Token"]]:
        for index, token in enumerate(self._tokens):
            if token.type == "heading_open" and token.level == 0 and not self._is_underlined_field(token):
                yield token, self._tokens[index + 1]

    def _is_underlined_field(self, token: "Token") -> bool:
        # CommonMark reads a field directly above a `---` as a heading; people mean a field and a rule.
        first, last = _span(token)
        return token.markup == "-" and any(_FIELD.match(line) for line in self.lines[first : last - 1])

    @cached_property
    def _checkboxes(self) -> tuple[Checkbox, ...]:
        found, prose = [], frozenset(self._prose)
        for token in self._tokens:
            if token.type != "list_item_open" or token.map is None:
                continue
            line, last = token.map
            if line in prose and (match := _CHECKBOX.match(self.lines[line])):
                while last > line + 1 and not self.lines[last - 1].strip():
                    last -= 1
                found.append(Checkbox(match["mark"], match["text"], line, match.start("mark"), last))
        return tuple(sorted(found, key=attrgetter("line")))

    @cached_property
    def _prose(self) -> tuple[int, ...]:
        """Lines that are text: not code, not HTML, not frontmatter, not in a quotation."""
        prose: list[int] = []
        quoted = 0
        for token in self._tokens:
            quoted += {"blockquote_open": 1, "blockquote_close": -1}.get(token.type, 0)
            if token.type == "inline" and token.map and not quoted:
                prose.extend(range(*token.map))
        return tuple(sorted(prose))


def _fields_of(line: int, text: str) -> Iterator[Field]:
    match = _FIELD.match(text)
    last = len(text.rstrip())
    while match is not None:
        start = match.start("value")
        beside = _BESIDE.search(text, start)
        end = max(start, last if beside is None else beside.start())
        while end > start and text[end - 1] in " \t":
            end -= 1
        yield Field(match["name"].strip(), text[start:end], line, start, end)
        match = _NEXT_FIELD.match(text, beside.end()) if beside is not None else None


# One command reads the same documents many times, and nearly all its time goes into parsing them.
@lru_cache(maxsize=8)
def _parsed(content: bytes) -> Document:
    return Document(tuple(_LINE.findall(content.decode("utf-8", "surrogateescape"))))


_parsed_large = lru_cache(maxsize=3)(_parsed.__wrapped__)


def _span(token: "Token") -> tuple[int, int]:
    first, last = token.map or (0, 0)
    return first, last


def _position(edit: Replace | InsertAfter) -> tuple[int, int]:
    return (edit.line, edit.start) if isinstance(edit, Replace) else (edit.line + 1, -1)
