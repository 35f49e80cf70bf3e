"""The two sides of a difference: the increment as git has it at a revision, and as it lies in the work tree.

The side of git is laid into a temporary project, for the same readers to read. Index and objects that this takes are
temporary too: the user's repository is only read.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from specweave.errors import InvalidInputError, SpecweaveError
from specweave.increments import content, git_program, names, reports, tasks
from specweave.increments.git_program import literal
from specweave.increments.store import Increment
from specweave.operations.increment_diff.revisions import Base
from specweave.project import Project

if TYPE_CHECKING:
    from git import Repo

_LINK = "120000"
_PLAIN = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--ignore-submodules=all")


@dataclass(frozen=True, slots=True)
class Changed:
    """A file that differs.

    Attributes:
        path: relative to the increment.
        letter: A, D, M or T, as git says it.
        added, removed: lines; None for what is no text.
    """

    path: str
    letter: str
    added: int | None
    removed: int | None


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides, while the block of `opened` lasts.

    Attributes:
        before: the increment at the revision, None where it was not there.
        was: its folder then, relative to the repository; None where it was not there.
        after: the increment now.
        changed: the files that differ, by path.
        index: says which lines differ.
    """

    before: Increment | None
    was: str | None
    after: Increment
    changed: tuple[Changed, ...]
    index: "_Index"

    def patch(self, path: str) -> list[str]:
        """The lines of the unified diff of one file, without those above the first `@@` that only name it."""
        target = self.after.folder.resolve() / path
        printed = self.index.run("diff", *_PLAIN, "--unified=3", "--", *literal(target))
        lines = printed.decode("utf-8", "replace").split("\n")
        return _without_head(lines[:-1] if lines[-1] == "" else lines)


class _Index:
    """A temporary index, with a place of its own for objects."""

    def __init__(self, repository: "Repo", folder: Path) -> None:
        self.repository = repository
        self.top = Path(str(repository.working_tree_dir)).resolve()
        objects = git_program.tell(repository, "rev-parse", "--git-path", "objects").rstrip("\n")
        (folder / "objects").mkdir()
        known = [str(self.top / objects), *filter(None, [os.environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES")])]
        self.environment = {
            "GIT_INDEX_FILE": str(folder / "index"),
            "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.pathsep.join(known),
        }

    def run(self, *arguments: str, given: bytes | None = None) -> bytes:
        """What git prints for this index."""
        answer = git_program.ask(self.repository, *arguments, given=given, environment=self.environment)
        if answer.status:
            raise git_program.refusal(self.repository, answer, arguments[0])
        return answer.output


@contextmanager
def opened(repository: "Repo", base: Base, increment: Increment) -> Iterator[Sides]:
    """Both sides of an increment.

    Raises:
        InvalidInputError: `increment-ignored`.
        SpecweaveError: what `git_program.refusal` says.
    """
    with TemporaryDirectory(prefix="specweave-diff-") as temporary:
        folder = Path(temporary).resolve()
        index = _Index(repository, folder)
        place = increment.folder.resolve().relative_to(index.top).as_posix()
        was, tree = _tree_at(index, base, increment)
        before = None
        if tree is not None:
            index.run("read-tree", f"--prefix={place}/", tree)
            before = _laid_out(index, base, increment, folder / "before")
        _add_new(index, increment)
        changed = tuple(sorted(_changed(index, place), key=lambda file: file.path))
        yield Sides(before, was, increment, changed, index)


def _tree_at(index: _Index, base: Base, increment: Increment) -> tuple[str | None, str | None]:
    """Where the increment lay at the revision, and the object of that folder.

    It may have been among those put away, or have had another name with the same number.
    """
    if base.commit is None:
        return None, None
    increments = (increment.project.state / "increments").resolve().relative_to(index.top).as_posix()
    found = _folders(index, f"{base.commit}:{increments}")
    for name in [name for name in found if name.startswith("_")]:
        put_away = _folders(index, found.pop(name))
        found |= {f"{name}/{inner}": tree for inner, tree in put_away.items()}
    there = {path.name for path in increment.folder.parent.iterdir()}
    same = [path for path in found if Path(path).name == increment.id]
    renamed = [
        path
        for path in found
        if names.number_of(Path(path).name) == names.number_of(increment.id) and Path(path).name not in there
    ]
    for path in same or (renamed if len(renamed) == 1 else []):
        return f"{increments}/{path}", found[path]
    return None, None


def _folders(index: _Index, tree: str) -> dict[str, str]:
    answer = git_program.ask(index.repository, "ls-tree", "-d", "-z", tree)
    entries = (line.partition("\t") for line in answer.text.split("\0") if line)
    return {name: description.split()[2] for description, _, name in entries}


def _laid_out(index: _Index, base: Base, increment: Increment, folder: Path) -> Increment:
    """The increment of the index in a temporary project, with what its evidence is about."""
    (folder / "files").mkdir(parents=True)
    index.run("checkout-index", "--all", "--quiet", f"--prefix={folder}/files/")
    project = Project(folder / "project")
    laid = Increment(project, project.state / "increments" / increment.id)
    laid.folder.parent.mkdir(parents=True)
    (folder / "files" / increment.folder.resolve().relative_to(index.top)).rename(laid.folder)
    into = _Copies(increment.project.root, project.root)
    for path in _evidence_is_about(laid):
        _lay(index, base, path, into)
    for report in reports.reports(laid):
        for name in report.content:
            into.keep(increment.folder / name, laid.folder / name)
    return laid


def _evidence_is_about(laid: Increment) -> set[Path]:
    """Paths of the project, relative to it."""
    try:
        found = [content.looked_at(laid, task) for task in tasks.read(laid)]
    except SpecweaveError:
        return set()
    root = laid.project.root
    paths = {path.relative_to(root) for paths in found for path in paths if path.is_relative_to(root)}
    return {path for path in paths if path != Path()}


def _lay(index: _Index, base: Base, path: Path, into: "_Copies") -> None:
    """What git has at and below a path of the project."""
    source = (into.source / path).resolve()
    if not source.is_relative_to(index.top):
        return
    where = source.relative_to(index.top).as_posix()
    listed = git_program.ask(index.repository, "ls-tree", "-r", "-z", str(base.commit), "--", where)
    found = [line.partition("\t") for line in listed.text.split("\0") if line]
    for description, _, name in found:
        mode, kind, blob = description.split()
        inner = path / Path(name).relative_to(where)
        if mode == _LINK:
            into.keep(into.source / inner, into.target / inner)
        elif kind == "blob":
            into.put(into.target / inner, index.run("cat-file", "--filters", f"--path={name}", blob))
    if not found:
        into.keep(source, into.target / path)


@dataclass(frozen=True, slots=True)
class _Copies:
    """Copies of files of one folder in another, neither of which they leave: names and links come from documents."""

    source: Path
    target: Path

    def put(self, target: Path, data: bytes) -> None:
        """Write a file that is not there yet."""
        if target.resolve().is_relative_to(self.target) and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)

    def keep(self, source: Path, target: Path) -> None:
        """Take a file as it is now where git does not have it, as one that is ignored: it may not have changed."""
        if source.is_file() and source.resolve().is_relative_to(self.source):
            self.put(target, source.read_bytes())


def _add_new(index: _Index, increment: Increment) -> None:
    folder = literal(increment.folder.resolve())
    shown = ("--others", "--exclude-standard", "--full-name", "-z")
    names_ = index.run("ls-files", *shown, "--", *folder).split(b"\0")
    new = [name for name in names_ if name and not name.endswith(b"/")]
    if new:
        given = b"".join(b":(literal)" + name + b"\0" for name in new)
        index.run("add", "--intent-to-add", "--pathspec-from-file=-", "--pathspec-file-nul", given=given)
    elif not index.run("ls-files", "-z", "--", *folder):
        raise InvalidInputError(
            "increment-ignored",
            f"git ignores {increment.folder}, so it has nothing to compare with",
            next_step="take that rule out of .gitignore: `git check-ignore --verbose` says where it stands",
        )


def _changed(index: _Index, place: str) -> Iterator[Changed]:
    """`git diff` lists the files twice, by state and by lines."""
    printed = index.run("diff", *_PLAIN, "--raw", "--numstat", "-z", "--no-abbrev")
    words = iter(printed.decode("utf-8", "surrogateescape").split("\0"))
    letters: dict[str, str] = {}
    for word in words:
        if word.startswith(":"):
            letters[next(words)] = word.rpartition(" ")[2][0]
        elif word:
            added, removed, name = word.split("\t", 2)
            yield Changed(name.removeprefix(f"{place}/"), letters[name], _number(added), _number(removed))


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _without_head(lines: Sequence[str]) -> list[str]:
    first = next((number for number, line in enumerate(lines) if line.startswith("@@")), None)
    if first is not None:
        return [*_modes(lines[:first]), *lines[first:]]
    return [line for line in lines if line.startswith(("old mode", "new mode", "Binary files"))]


def _modes(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if line.startswith(("old mode", "new mode"))]
