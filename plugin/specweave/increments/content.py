"""What evidence is about, file by file and as one digest: when it is another, the evidence is stale.

For a command these are the artifacts it declares (`Command.artifacts`) and the model package; for a test line, the
files of `**Files Affected**` and whatever the line itself names. Caches, hidden folders and `.new` files never count.
"""

import hashlib
import json
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from specweave import slash_line
from specweave.errors import SpecweaveError
from specweave.files.markdown import readable
from specweave.increments import binding
from specweave.increments.store import Increment
from specweave.increments.tasks import Task
from specweave.project import Project
from specweave_runtime import package as packages

PACKAGE = "model package"
SHORT = 16
FileDigest = Callable[[Path], str]

_SKIPPED = frozenset({"__pycache__", "node_modules"})
_WILDCARD = frozenset("*?[")
_NAME_BYTES = 255


@dataclass(frozen=True, slots=True)
class Content:
    """What something was run with.

    Attributes:
        files: name → SHA-256; the model package goes by `model package` and its identity.
    """

    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over names and contents, hex."""
        return digest_of(self.files)

    @property
    def short(self) -> str | None:
        """The first 16 digits of it; None where there is no content to speak of."""
        return self.digest[:SHORT] if self.files else None

    def changed(self, then: Mapping[str, str]) -> tuple[str, ...]:
        """The names of the files that are not as they were, also of those that are new or gone.

        Args:
            then: name → SHA-256.
        """
        names = sorted(then.keys() | self.files.keys())
        return tuple(name for name in names if then.get(name) != self.files.get(name))

    def change_since(self, then: Mapping[str, str]) -> str | None:
        """What became of the first file that is not as it was: `api/main.py changed`; None where none is known.

        Args:
            then: name → SHA-256.
        """
        for name in self.changed(then):
            if name not in then:
                return f"{name} is new"
            return f"{name} changed" if name in self.files else f"{name} is gone"
        return None


def digest_of(files: Mapping[str, str], settings: Mapping[str, object] | None = None) -> str:
    """SHA-256 over the names and digests of files, and over settings; hex."""
    total = hashlib.sha256(json.dumps(settings or {}, sort_keys=True).encode())
    for name in sorted(files):
        total.update(f"\0{name}\0{files[name]}".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def digest(increment: Increment, task: Task) -> str:
    """What the evidence of a task is about, as it is now: 16 hexadecimal digits, empty where there is nothing."""
    return of_task(increment, task).short or ""


def of_task(increment: Increment, task: Task, file_digest: FileDigest = packages.digest) -> Content:
    """What the evidence of a task is about, as it is now.

    Args:
        increment: whose.
        task: which.
        file_digest: SHA-256 of a file, for callers that ask about many tasks and remember.

    Raises:
        OSError: a file may not be read.
    """
    content = Content() if task.run is None else of_line(increment, task.run, file_digest)
    return with_tests(increment, task, content, file_digest)


def inputs(increment: Increment, task: Task) -> Content:
    """What a test of a task reads, as it is now: not what options name, which may be what the test writes.

    Ask before the test runs: what is changed while it runs was not tested.
    """
    found = _tested(increment.project, task, options=False)
    return Content({name: packages.digest(path) for name, path in found.items()})


def with_tests(
    increment: Increment, task: Task, content: Content, file_digest: FileDigest = packages.digest
) -> Content:
    """Some content together with the files that the test of a task is about, as they are now."""
    tested = {name: file_digest(path) for name, path in _tested(increment.project, task).items()}
    return Content({**tested, **content.files}) if tested else content


def of_line(increment: Increment, line: str, file_digest: FileDigest = packages.digest) -> Content:
    """What the evidence of a slash command is about, as it is now; nothing for one that is not known."""
    try:
        command = slash_line.parse(line).command
    except SpecweaveError:
        return Content()
    if not command.artifacts:
        return Content()
    found = {readable(name): file_digest(path) for name, path in artifacts(increment.folder, command.artifacts).items()}
    package = _package(increment, line)
    if package is not None and (package / packages.MANIFEST).is_file():
        found[PACKAGE] = packages.digest_of_manifest(package)
    return Content(found)


def artifacts(folder: Path, patterns: Iterable[str]) -> dict[str, Path]:
    """Files of a folder by their names in it.

    Args:
        folder: an increment's.
        patterns: `api/**`; `!` in front leaves out what the others take. `*` matches `/` too.
    """
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    unwanted = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    found = {}
    for pattern in wanted:
        for path in walk(folder / _fixed_part(pattern)):
            name = path.relative_to(folder).as_posix()
            if fnmatchcase(name, pattern) and not any(fnmatchcase(name, other) for other in unwanted):
                found[name] = path
    return found


def is_own(increment: Increment, task: Task, name: str) -> bool:
    """Whether a file that the evidence of a task is about belongs to its increment, not to the project as a whole.

    Args:
        increment: whose.
        task: which.
        name: as in `Content.files`.
    """
    if name == PACKAGE or name.startswith(f"{increment.project.relative(increment.folder)}/"):
        return True
    try:
        patterns = slash_line.parse(task.run or "").command.artifacts
    except SpecweaveError:
        return False
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def walk(start: Path) -> Iterator[Path]:
    """A file itself, or the files below a folder that count; links to folders are not followed."""
    if not start.is_dir():
        if start.is_file() and start.suffix != ".new":
            yield start
        return
    for folder, folders, names in os.walk(start):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix != ".new" and path.is_file():
                yield path


def looked_at(increment: Increment, task: Task) -> tuple[Path, ...]:
    """The files and folders outside the increment that decide whether the evidence of a task is stale."""
    root = increment.project.root
    package = None if task.run is None else _package(increment, task.run)
    words = dict.fromkeys(_words(task)) if task.test is not None else ()
    manifest = () if package is None else (package / packages.MANIFEST,)
    return (*manifest, *(root / _fixed_part(word) for word in words if _may_count(word)))


def names_paths(task: Task) -> bool:
    """Whether the test of a task names what is written as a path, whether or not something is there."""
    return any(_may_count(word) and ("/" in word or bool(Path(word).suffix)) for word in _words(task))


def _package(increment: Increment, line: str) -> Path | None:
    try:
        model = binding.model_of(increment, line)
    except SpecweaveError:
        return None
    return None if model is None else increment.project.state / "models" / model.name / model.version


def _tested(project: Project, task: Task, *, options: bool = True) -> dict[str, Path]:
    if task.test is None:
        return {}
    found: dict[str, Path] = {}
    for word in dict.fromkeys(_words(task, options=options)):
        for start in _named(project.root, word):
            found |= {readable(project.relative(path)): path for path in walk(start)}
    return found


def _named(root: Path, word: str) -> list[Path]:
    if not _is_inside(root, word):
        return []
    if not _WILDCARD.intersection(word):
        return [root / word]
    fixed = root / _fixed_part(word)
    try:
        return [path for path in root.glob(word) if _is_found(root, path, fixed)]
    except ValueError:  # `a**b` is a pattern that pathlib refuses
        return []


def _is_found(root: Path, path: Path, fixed: Path) -> bool:
    """Whether what a pattern finds counts: what it does not spell out leads into no cache and no hidden folder."""
    found = path.relative_to(fixed).parts
    skipped = any(part in _SKIPPED or part.startswith(".") for part in found)
    return not skipped and _is_inside(root, path.relative_to(root).as_posix())


def _words(task: Task, *, options: bool = True) -> Iterator[str]:
    """What a test task names that may be a path: its files, and the words of its line without what is no path."""
    yield from task.files
    try:
        words = shlex.split(task.test or "")
    except ValueError:
        return
    for word in words:
        if word.startswith("-") and not options:
            continue
        # `tests/test_api.py::test_x` and `--config=setup.cfg` name files.
        named = word.partition("=")[2] if word.startswith("-") else word
        if path := named.partition("::")[0]:
            yield path


def _may_count(word: str) -> bool:
    """Whether a word is written as a path that counts: in the project, in no hidden folder but that of specweave."""
    path = Path(word)
    hidden = [part for part in path.parts if part.startswith(".") and part not in {".", ".specweave"}]
    too_long = any(len(part.encode("utf-8", "replace")) > _NAME_BYTES for part in path.parts)
    return not (not word or path.is_absolute() or ".." in path.parts or hidden or too_long or "\0" in word)


def _is_inside(root: Path, word: str) -> bool:
    """Whether a word is a path that counts and leads out of the project by no link."""
    if not _may_count(word) or _WILDCARD.intersection(word):
        return _may_count(word)
    try:
        return (root / word).resolve().is_relative_to(root)
    except (OSError, RuntimeError):
        return False


def _fixed_part(pattern: str) -> str:
    """The folder that a pattern begins with, or a path without any wildcard."""
    parts = Path(pattern).parts
    fixed = next((index for index, part in enumerate(parts) if _WILDCARD.intersection(part)), len(parts))
    return Path(*parts[:fixed]).as_posix()
