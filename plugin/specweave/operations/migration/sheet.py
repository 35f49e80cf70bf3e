"""A document whose lines are to change, each change with its reason; all other bytes stay."""

from dataclasses import dataclass, field
from typing import NamedTuple

from specweave.files.markdown import Document


class LineChange(NamedTuple):
    """A line that changes.

    Attributes:
        file: relative to the increment.
        line: in the present file, from 1; None in a file that is made.
        before: as it is, bytes that are no UTF-8 as surrogates; None for a line that is added above it.
        after: as it will be, None for one that goes.
        reason: why, a few words.
    """

    file: str
    line: int | None
    before: str | None
    after: str | None
    reason: str


class Notice(NamedTuple):
    """Something that could not be read, and was left alone.

    Attributes:
        file: relative to the increment.
        line: from 1, None for the file as a whole.
        message: one sentence without a full stop.
    """

    file: str
    line: int | None
    message: str


@dataclass
class Sheet:
    """The lines of one document while changes are planned.

    Attributes:
        file: relative to the increment.
        document: as it is.
        notices: what was left alone.
    """

    file: str
    document: Document
    notices: list[Notice] = field(default_factory=list)
    _texts: dict[int, str] = field(default_factory=dict)
    _above: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    _gone: set[int] = field(default_factory=set)
    _reasons: dict[int, str] = field(default_factory=dict)

    def text(self, line: int) -> str:
        """A line, from 0, as it is planned, without its end."""
        return self._texts.get(line, self.document.lines[line].rstrip("\r\n"))

    def put(self, line: int, text: str, reason: str) -> None:
        """Change a line."""
        if text != self.text(line):
            self._texts[line] = text
            self._reasons.setdefault(line, reason)

    def add_above(self, line: int, text: str, reason: str) -> None:
        """Add a line above one; those that are added above the same line stand in the order they are added."""
        self._above.setdefault(line, []).append((text, reason))

    def remove(self, line: int, reason: str) -> None:
        """Take a line away."""
        self._gone.add(line)
        self._reasons[line] = reason

    def leave(self, line: int | None, message: str) -> None:
        """Report a line, from 0, that stays as it is."""
        self.notices.append(Notice(self.file, None if line is None else line + 1, message))

    def whole(self, line: int) -> str:
        """A line with its end, as it is planned."""
        old = self.document.lines[line]
        return self.text(line) + old[len(old.rstrip("\r\n")) :]

    def content(self) -> bytes:
        """The document as it is planned."""
        parts = []
        for line in range(len(self.document.lines) + 1):
            parts += [text + self.document.newline for text, _ in self._above.get(line, ())]
            if line < len(self.document.lines) and line not in self._gone:
                parts.append(self.whole(line))
        return "".join(parts).encode("utf-8", "surrogateescape")

    def changes(self) -> list[LineChange]:
        """The changes, in the order of the lines."""
        found = []
        for line in range(len(self.document.lines) + 1):
            for text, reason in self._above.get(line, ()):
                found.append(LineChange(self.file, line + 1, None, text, reason))
            if line in self._gone or line in self._texts:
                before = self.document.lines[line].rstrip("\r\n")
                after = None if line in self._gone else self._texts[line]
                found.append(LineChange(self.file, line + 1, before, after, self._reasons[line]))
        return found
