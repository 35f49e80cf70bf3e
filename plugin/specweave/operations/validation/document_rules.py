"""Rules for each document by itself: that it can be read by everybody, and says what it should."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from specweave.errors import InvalidInputError
from specweave.files import frontmatter, reading
from specweave.files.links import Link, links
from specweave.operations.validation.rule import Problem, Rule
from specweave.operations.validation.subject import Subject

_LONG_BYTES = 65_536
_CONFLICT = re.compile(rb"^(?:<{7}|>{7}|\|{7})(?:[ \t].*)?$", re.MULTILINE)
_LONE = re.compile(r"^[\s>|]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(?:\[.\][ \t]+)?(?:\*\*[^*]+\*\*:?[ \t]*)?…[\s.,;]*$")
_PHRASE = re.compile(r"\b(?:given|when|then|as an?|i want|so that)(?:\*\*)?[ \t]+…", re.IGNORECASE)
_CELL = re.compile(r"\|[ \t]*…[ \t]*(?=\|)")
_MARKED = re.compile(r"\[NEEDS CLARIFICATION\b|\{\{.*?\}\}|\b(?:TBD|FIXME)\b")
_INSTRUCTIONS = ("How it will be done, in a few sentences, and what was considered instead.",)
_SHOWN = 60


def _missing(subject: Subject) -> Iterator[Problem]:
    if not (subject.folder / "spec.md").exists() and "spec.md" not in subject.unreadable:
        yield Problem("there is no spec.md", "spec.md")


def _unreadable(subject: Subject) -> Iterator[Problem]:
    for name, error in subject.unreadable.items():
        if error.code not in {"document-too-large", "document-is-link"}:
            yield Problem(error.message, name, fix=error.next_step or None)


def _too_large(subject: Subject) -> Iterator[Problem]:
    for name, error in subject.unreadable.items():
        if error.code == "document-too-large":
            yield Problem(error.message, name)


def _long(subject: Subject) -> Iterator[Problem]:
    for name in subject.documents:
        size = len(subject.contents[name])
        if size > _LONG_BYTES:
            yield Problem(f"{name} has {size:,} bytes", name)


def _link(subject: Subject) -> Iterator[Problem]:
    for name, error in subject.unreadable.items():
        if error.code == "document-is-link":
            yield Problem(error.message, name)


def _not_utf8(subject: Subject) -> Iterator[Problem]:
    for name, content in subject.contents.items():
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            yield Problem(f"byte 0x{content[error.start]:02x} is no UTF-8", name, line)


def _control_characters(subject: Subject) -> Iterator[Problem]:
    for name, content in subject.contents.items():
        if match := re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", content):
            line = content.count(b"\n", 0, match.start()) + 1
            yield Problem(f"{name} has the control character 0x{match[0][0]:02x}", name, line)


def _byte_order_mark(subject: Subject) -> Iterator[Problem]:
    for name, content in subject.contents.items():
        if content.startswith(b"\xef\xbb\xbf"):
            yield Problem(f"{name} begins with a byte order mark", name, 1)


def _mixed_line_ends(subject: Subject) -> Iterator[Problem]:
    for name in subject.documents:
        content = subject.contents[name]
        windows = content.count(b"\r\n")
        if windows and windows != content.count(b"\n"):
            yield Problem(f"{windows} of {content.count(bytes([10]))} lines end with CR LF, the others with LF", name)


def _merge_conflicts(subject: Subject) -> Iterator[Problem]:
    for name, content in subject.contents.items():
        marks = [match.start() for match in _CONFLICT.finditer(content.replace(b"\r\n", b"\n"))]
        if marks:
            line = content.replace(b"\r\n", b"\n").count(b"\n", 0, marks[0]) + 1
            yield Problem(f"{name} has marks of a merge that was not finished", name, line)


def _frontmatter(subject: Subject) -> Iterator[Problem]:
    for name, document in subject.documents.items():
        try:
            frontmatter.read(document)
        except InvalidInputError as error:
            yield Problem(error.message, name, 1)
        else:
            first = document.lines[0].removeprefix("\ufeff").rstrip() if document.lines else ""
            if first == "---" and not document.frontmatter and document.lines[1:2] != ("---\n",):
                yield Problem("the frontmatter that begins here has no end", name, 1)


def _unfilled(subject: Subject) -> Iterator[Problem]:
    for name, document in subject.documents.items():
        for number in document.blocks:
            line = document.lines[number].strip()
            if _is_unfilled(line):
                shown = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
                yield Problem(f"`{shown.replace('`', '')}` waits for words", name, number + 1)


def _is_unfilled(line: str) -> bool:
    patterns = (_LONE, _PHRASE, _CELL, _MARKED)
    prose = re.sub(r"`[^`]*`", "``", line)
    return line in _INSTRUCTIONS or any(pattern.search(prose) for pattern in patterns)


def _dangling_links(subject: Subject) -> Iterator[Problem]:
    evidence_lines = {
        (subject.tasks[0].document, field.line + 1)
        for place in subject.places.values()
        if (field := place.field("evidence"))
    }
    for name, document in subject.documents.items():
        for link in links(document):
            if (name, link.line) not in evidence_lines and (reason := _why_dangling(subject, link)):
                yield Problem(reason, name, link.line)


def _why_dangling(subject: Subject, link: Link) -> str:
    try:
        parts = urlsplit(link.target)
        path = unquote(parts.path)
    except ValueError:
        return f"{link.target[:_SHOWN]!r} is no address"
    if parts.scheme or parts.netloc or not path or path.startswith("/"):
        return ""
    try:
        target = (subject.folder / PurePosixPath(path)).resolve()
        if not target.is_relative_to(subject.increment.project.root):
            return f"{path[:_SHOWN]} leads out of the project"
        return "" if target.exists() else f"{path[:_SHOWN]} is not there"
    except (OSError, ValueError, RuntimeError):
        return f"{path[:_SHOWN]!r} is no path"


RULES = (
    Rule(
        "document-missing",
        "error",
        "There is no spec.md",
        "An increment without a specification has no acceptance criteria, so nothing says when it is done. plan.md is "
        "optional, and tasks may stand in spec.md.",
        "write spec.md, or restore it from git",
        _missing,
    ),
    Rule(
        "document-unreadable",
        "error",
        "A document cannot be read",
        "It may not be read, or is no file. Every other rule passes over it.",
        "allow reading it, or put a file there",
        _unreadable,
    ),
    Rule(
        "document-too-large",
        "error",
        f"A document has more than {reading.DOCUMENT_BYTES:,} bytes",
        "Taking such a document apart takes many seconds, so no command reads it.",
        "split it, or restore it from git",
        _too_large,
    ),
    Rule(
        "document-long",
        "warning",
        f"A document has more than {_LONG_BYTES:,} bytes",
        "Nobody reviews a document of that length, and an assistant pays for all of it every time.",
        "move parts to documents of their own, or split the increment",
        _long,
    ),
    Rule(
        "document-is-link",
        "error",
        "A document is a symbolic link",
        "A link may lead out of the project, and the next write would put a file in its place. It is not followed.",
        "put the file itself there",
        _link,
    ),
    Rule(
        "text-not-utf8",
        "warning",
        "A document has bytes that are no UTF-8",
        "They are kept as they are, but shown wrongly by most tools. Usually the file was saved as Latin-1.",
        "save it as UTF-8",
        _not_utf8,
    ),
    Rule(
        "text-control-character",
        "error",
        "A document has NUL bytes or other control characters",
        "git takes such a file for a binary one and shows no differences, so nobody can review it.",
        "remove them, or restore the file from git",
        _control_characters,
    ),
    Rule(
        "text-byte-order-mark",
        "information",
        "A document begins with a byte order mark",
        "It is read and kept, but other tools see no frontmatter behind it.",
        "save it as UTF-8 without a byte order mark",
        _byte_order_mark,
    ),
    Rule(
        "text-mixed-line-ends",
        "information",
        "A document mixes CR LF and LF",
        "Both are read and kept, but editors and git tend to change all of them at once later.",
        "save it with one kind of line end",
        _mixed_line_ends,
    ),
    Rule(
        "merge-conflict",
        "error",
        "A document has marks of a merge that was not finished",
        "Both sides stand in it, so tasks and criteria may be there twice or not at all.",
        "choose between the sides and take the marks away",
        _merge_conflicts,
    ),
    Rule(
        "frontmatter-invalid",
        "error",
        "The frontmatter of a document is no YAML",
        "Other tools read title, type and state there.",
        "correct the lines between the two `---`",
        _frontmatter,
    ),
    Rule(
        "template-unfilled",
        "warning",
        "A document still has a template's text",
        "What counts is an ellipsis in the place of words: alone on its line, in a cell, after a label or after Given, "
        "When, Then, As a, I want, So that; also `TBD`, `FIXME`, `{{…}}` and `[NEEDS CLARIFICATION`.",
        "write what is meant, or take the line away",
        _unfilled,
    ),
    Rule(
        "link-dangling",
        "error",
        "A link leads to a file that is not there",
        "Relative links count, from the increment's folder. Addresses, links within the page and paths from the root "
        "of a site are not looked at.",
        "correct the link, or add the file",
        _dangling_links,
    ),
)
