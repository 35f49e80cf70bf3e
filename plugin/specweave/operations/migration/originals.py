"""The files as they were before a migration: in git where the last commit has them just so, else kept in the increment.

A copy stands in `.original/` under the name of its file, `spec.2.md` where another one has that name. Copies are made
before anything is changed and never replaced, so a migration that was killed and run again keeps the true originals.
"""

from collections.abc import Mapping
from pathlib import Path

from specweave.files import atomic
from specweave.increments import git_program

FOLDER = ".original"


def keep(folder: Path, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Make sure that files can be had back.

    Args:
        folder: of the increment.
        files: name → present content, of those that are about to change.

    Returns:
        The copies that hold them, relative to the increment; none where git has them all.

    Raises:
        HostError: a copy cannot be written.
    """
    copies = []
    for name, content in files.items():
        if committed(folder / name) == content:
            continue
        copy = _place(folder / FOLDER, name, content)
        if not copy.exists():
            atomic.write(copy, content)
        copies.append(copy.relative_to(folder).as_posix())
    return tuple(copies)


def committed(path: Path) -> bytes | None:
    """The content that the last commit has of a file; None where it has none, or where git refuses."""
    with git_program.opened(path.parent) as repository:
        if repository is None or repository.working_tree_dir is None:
            return None
        top = Path(repository.working_tree_dir).resolve()
        relative = path.parent.resolve().relative_to(top) / path.name
        answer = git_program.ask(repository, "cat-file", "blob", f"HEAD:{relative.as_posix()}")
        return None if answer.status else answer.output


def _place(folder: Path, name: str, content: bytes) -> Path:
    """Where a copy stands already, or the first free name."""
    stem, _, suffix = name.partition(".")
    number = 1
    while True:
        copy = folder / (f"{stem}.{number}.{suffix}" if number > 1 else name)
        if not copy.exists() or (copy.is_file() and not copy.is_symlink() and copy.read_bytes() == content):
            return copy
        number += 1
