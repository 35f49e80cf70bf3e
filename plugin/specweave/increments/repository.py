"""What git knows: the commit at hand, and increments on other branches and in other worktrees.

A project without git, or a machine without it, is no error: then there is nothing to know.
"""

import os
import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from specweave.errors import HostError
from specweave.increments import git_program
from specweave.increments.git_program import opened

if TYPE_CHECKING:
    from git import Repo

_INCREMENTS = ".specweave/increments"
_FOLDER_MODE = b"40000"
# What specweave itself writes while it works says nothing of the code that was run.
_OWN = tuple(
    f":(exclude,glob)**/.specweave/increments/*/{path}" for path in ("tasks.md", "metadata.json", "reports/**")
)


class Head(NamedTuple):
    """The commit at hand.

    Attributes:
        commit: hexadecimal, None before the first commit and without git.
        dirty: tracked files differ from it, or files of the increment are not in it, leaving aside what specweave
            itself writes while it works: tasks.md, metadata.json and reports/ of increments.
    """

    commit: str | None
    dirty: bool


def head(root: Path, increment: Path | None = None) -> Head:
    """The commit that the project stands at.

    Args:
        root: of the project.
        increment: the folder of the increment in question, None where there is none.
    """
    with opened(root) as repository:
        if repository is None or not (commit := _lines(repository, "rev-parse", "--quiet", "--verify", "HEAD")):
            return Head(None, dirty=False)
        changed = _lines(
            repository, "--no-optional-locks", "status", "--porcelain", "--untracked-files=no", "--", str(root), *_OWN
        )
        if increment is not None and not changed:
            changed = _lines(repository, "ls-files", "--others", "--exclude-standard", "--", str(increment), *_OWN)
        return Head(commit[0], dirty=bool(changed))


def unsaved(root: Path, names: Collection[str]) -> tuple[str, ...]:
    """Those of some files that the commit at hand does not hold as they are: changed since, staged, or never added.

    Args:
        root: of the project.
        names: relative to it; what is not there, or ignored, does not count.
    """
    present = [name for name in names if (root / name).exists()]
    with opened(root) as repository:
        if repository is None or not present:
            return ()
        paths = git_program.literal(*(root / name for name in present))
        changed = _lines(
            repository, "--no-optional-locks", "status", "--porcelain", "-z", "--untracked-files=all", "--", *paths,
            separator="\0",
        )  # fmt: skip
        top = Path(repository.working_tree_dir or root).resolve()
        found = {top / line[3:] for line in changed}
        return tuple(name for name in present if (root / name) in found)


def common_folder(root: Path) -> Path | None:
    """The git folder that all worktrees share."""
    with opened(root) as repository:
        return None if repository is None else Path(repository.common_dir).resolve()


def increments_elsewhere(root: Path) -> set[str]:
    """Names of increment folders, archived ones too, on local branches and in other worktrees."""
    with opened(root) as repository:
        if repository is None or repository.working_tree_dir is None:
            return set()
        project = root.relative_to(Path(repository.working_tree_dir).resolve())
        names: set[str] = set()
        for line in _lines(repository, "worktree", "list", "--porcelain", "-z", separator="\0"):
            if line.startswith("worktree "):
                names |= names_in(Path(line.removeprefix("worktree ")) / project / _INCREMENTS)
        branches = _lines(repository, "for-each-ref", "--format=%(refname)", "refs/heads")
        return names | _names_on(repository, branches, (project / _INCREMENTS).as_posix())


def names_in(folder: Path) -> set[str]:
    """Names of the increments in an `increments` folder and in its folders for those put away, such as `_archive`."""
    names = _folders_in(folder)
    put_away = (_folders_in(folder / name) for name in names if name.startswith("_"))
    return names.union(*put_away)


def _folders_in(folder: Path) -> set[str]:
    # A listing that says which are folders: asking for each of a thousand takes ten times as long.
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_dir()}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def _names_on(repository: "Repo", branches: Iterable[str], folder: str) -> set[str]:
    """Names of the folders in one folder of many branches, with as few processes for a thousand branches as for one."""
    wanted = "".join(f"{branch}:{folder}\n" for branch in branches).encode()
    found = _lines(repository, "cat-file", "--batch-check=%(objecttype) %(objectname)", given=wanted)
    trees = _folders(repository, {line.removeprefix("tree ") for line in found if line.startswith("tree ")})
    put_away = {tree for name, tree in trees if name.startswith("_")}
    return {name for name, _ in (*trees, *_folders(repository, put_away))}


def _folders(repository: "Repo", trees: Collection[str]) -> set[tuple[str, str]]:
    """Name and object id of the folders in some trees.

    An entry of a tree is its mode, a space, its name, a zero byte, and the id as bytes.
    """
    folders: set[tuple[str, str]] = set()
    if not trees:
        return folders
    with suppress(HostError):
        printed = git_program.ask(repository, "cat-file", "--batch", given="\n".join(sorted(trees)).encode()).output
        entry = re.compile(rb"(\d+) ([^\0]+)\0(.{%d})" % (len(next(iter(trees))) // 2), re.DOTALL)
        start = 0
        while start < len(printed):
            body = printed.index(b"\n", start) + 1
            end = body + int(printed[start:body].split()[2])
            for mode, name, tree in entry.findall(printed, body, end):
                if mode == _FOLDER_MODE:
                    folders.add((name.decode("utf-8", "surrogateescape"), tree.hex()))
            start = end + 1
    return folders


def _lines(repository: "Repo", *arguments: str, separator: str = "\n", given: bytes | None = None) -> list[str]:
    """What git prints; nothing where it refuses, as for a repository of another user."""
    with suppress(HostError):
        answer = git_program.ask(repository, *arguments, given=given)
        return [] if answer.status else [line for line in answer.text.split(separator) if line]
    return []
