"""The files that are adopted: found inside the project, read whole, and each line of them accounted for."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from specweave.errors import InvalidInputError, NotFoundError
from specweave.files.markdown import Document
from specweave.operations.adoption.draft import Became, Passage
from specweave.operations.adoption.items import Item, items_in
from specweave.project import Project

MOST_FILES = 100
_CONFLICT = re.compile(r"^(?:<{7}|>{7}|\|{7})(?: |$)", re.MULTILINE)
_DOCUMENTS = frozenset({".md", ".markdown", ".txt", ""})
_NEXT = "name a list of tasks, a folder of spec-kit (specs/NNN-name) or one of OpenSpec (openspec/changes/name)"


@dataclass
class Source:
    """One file, and what has become of its lines.

    Attributes:
        path: relative to the project.
        document: its structure.
    """

    path: str
    document: Document
    _became: dict[str, int] = field(default_factory=dict)
    _taken: set[int] = field(default_factory=set)

    @property
    def became(self) -> list[Became]:
        """What was understood, in order; where several parts became one thing, the first stands for all."""
        lines = sorted((line, became) for became, line in self._became.items())
        return [Became(self.at(line), self.text(line).strip(), became) for line, became in lines]

    def at(self, line: int) -> str:
        """Where a line stands, `specs/001-login/spec.md:12`; `line` counts from 0."""
        return f"{self.path}:{line + 1}"

    def text(self, line: int) -> str:
        """A line without its end."""
        return self.document.lines[line].rstrip("\r\n").removeprefix("\ufeff" if line == 0 else "")

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """The items of its lists."""
        return items_in(self.document)

    def take(self, lines: Iterable[int], became: str) -> None:
        """Say what lines became; empty for what says nothing, such as a rule between stories."""
        wanted = [line for line in lines if line not in self._taken]
        self._taken.update(wanted)
        if wanted and became and self.text(wanted[0]).strip():
            self._became.setdefault(became, wanted[0])
            self._became[became] = min(self._became[became], wanted[0])

    def is_taken(self, line: int) -> bool:
        """Whether something was made of a line."""
        return line in self._taken

    def passages(self) -> Iterator[Passage]:
        """The lines that nothing was made of, in runs; runs of blank lines are none."""
        run: list[int] = []
        for line in range(len(self.document.lines) + 1):
            if line < len(self.document.lines) and line not in self._taken:
                run.append(line)
                continue
            while run and not self.text(run[-1]).strip():
                run.pop()
            while run and not self.text(run[0]).strip():
                run.pop(0)
            if run:
                yield Passage(self.at(run[0]), tuple(self.text(number) for number in run))
            run = []


@dataclass(frozen=True)
class Material:
    """What was named.

    Attributes:
        path: relative to the project.
        folder: whether it is one.
        sources: the documents, by path below the folder, or by file name.
        left: files that are no documents, relative to the project.
    """

    path: str
    folder: bool
    sources: dict[str, Source]
    left: tuple[str, ...]


def load(project: Project, path: str) -> Material:
    """The documents of a file or a folder inside the project.

    Raises:
        InvalidInputError: `path-outside-project`, `path-invalid`, `source-is-increment`, `source-not-text`,
            `source-has-conflicts`, `nothing-to-adopt`, `document-too-large`, `document-is-link`.
        NotFoundError: `source-not-found`.
    """
    folder = _folder(project, path)
    if folder is None:
        file = project.resolve(path, what="source")
        _refuse_increment(project, file)
        return Material(project.relative(file), False, {file.name: _source(project, file)}, ())
    _refuse_increment(project, folder)
    sources, left = {}, []
    for file in _files(folder):
        if file.suffix.lower() in _DOCUMENTS and not file.is_symlink() and file.is_file():
            sources[file.relative_to(folder).as_posix()] = _source(project, file)
        else:
            left.append(project.relative(file))
    if not sources:
        raise InvalidInputError("nothing-to-adopt", f"there is no document in {path}", next_step=_NEXT)
    return Material(project.relative(folder) or ".", True, sources, tuple(left))


def too_many(path: str, count: int, what: str, most: int) -> InvalidInputError:
    """The error for sources that are more than one increment's."""
    return InvalidInputError(
        "source-too-large",
        f"{path} has {count:,} {what}, {most:,} are adopted at most",
        next_step="split it",
    )


def nothing_in(path: str) -> InvalidInputError:
    """The error for sources without a story or a task."""
    return InvalidInputError(
        "nothing-to-adopt",
        f"{path} has no task: no checkbox, no numbered or bulleted list, no heading below its title",
        next_step=_NEXT,
    )


def _folder(project: Project, path: str) -> Path | None:
    try:
        for start in (project.root, Path.cwd()):
            found = (start / path).resolve()
            if found.is_dir():
                break
        else:
            return None
    except (OSError, ValueError, RuntimeError):
        return None  # a file's resolution says what is wrong with the path
    if not found.is_relative_to(project.root):
        raise InvalidInputError(
            "path-outside-project",
            f"{path} lies outside the project {project.root}",
            next_step="copy it into the project and name it there",
        )
    return found


def _files(folder: Path) -> list[Path]:
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(parent, name) for name in sorted(names) if not name.startswith(".")]
        if len(found) > MOST_FILES:
            raise InvalidInputError(
                "source-too-large",
                f"{folder} has more than {MOST_FILES} files",
                next_step="name the folder of one feature or of one change",
            )
    return sorted(found)


def _refuse_increment(project: Project, path: Path) -> None:
    inside = path.is_relative_to(project.state / "increments")
    if inside or (path.is_dir() and (path / "metadata.json").exists()):
        where = "" if inside else f"move it to {project.state / 'increments'}, then "
        raise InvalidInputError(
            "source-is-increment",
            f"{path} is an increment already",
            next_step=f"{where}/sw:migrate brings it to this version's format",
        )


def _source(project: Project, path: Path) -> Source:
    relative = project.relative(path)
    document = Document.read(path)
    try:
        text = document.content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = document.content.count(b"\n", 0, error.start) + 1
        raise _not_text(relative, line, f"the byte 0x{error.object[error.start]:02x} is no UTF-8") from error
    if "\0" in text:
        raise _not_text(relative, text.count("\n", 0, text.index("\0")) + 1, "it has a NUL byte")
    if match := _CONFLICT.search(text):
        raise InvalidInputError(
            "source-has-conflicts",
            f"{relative}:{text.count(chr(10), 0, match.start()) + 1} is the mark of a merge conflict",
            next_step="resolve the conflict, then adopt the file",
        )
    return Source(relative, document)


def _not_text(path: str, line: int, why: str) -> InvalidInputError:
    return InvalidInputError(
        "source-not-text", f"{path}:{line} is no text: {why}", next_step="save it as UTF-8, or name another file"
    )


def require_one(candidates: Iterable[str], path: str) -> NotFoundError:
    """The error for a folder that holds several features or changes."""
    names = sorted(candidates)
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")  # noqa: PLR2004 - a line
    return NotFoundError(
        "source-ambiguous",
        f"{path} holds more than one: {shown}",
        next_step="name one of them",
        details={"candidates": names},
    )
