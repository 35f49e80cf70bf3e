"""What git knows: the commit at hand, and increments on other branches and in other worktrees.

A project without git, or a machine without it, is no error: then there is nothing to know.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from specweave.errors import HostError
from specweave.increments import git_program
from specweave.increments.git_program import opened

if TYPE_CHECKING:
    from git import Repo

_INCREMENTS = ".specweave/increments"
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
    names: set[str] = set()
    if not folder.is_dir():
        return names
    for child in folder.iterdir():
        if child.is_dir():
            names.add(child.name)
            if child.name.startswith("_"):
                names |= {put_away.name for put_away in child.iterdir() if put_away.is_dir()}
    return names


def _names_on(repository: "Repo", branches: Iterable[str], folder: str) -> set[str]:
    """Names of the folders in one folder of many branches.

    One process finds the tree of that folder on every branch; most branches share a few.
    """
    wanted = "".join(f"{branch}:{folder}\n" for branch in branches).encode()
    found = _lines(repository, "cat-file", "--batch-check=%(objecttype) %(objectname)", given=wanted)
    trees = {line.removeprefix("tree ") for line in found if line.startswith("tree ")}
    names: set[str] = set()
    for tree in trees:
        children = _folders(repository, tree)
        names |= children.keys()
        for name, put_away in children.items():
            if name.startswith("_"):
                names |= _folders(repository, put_away).keys()
    return names


def _folders(repository: "Repo", tree: str) -> dict[str, str]:
    """Name → object id of the folders in a tree."""
    entries = (line.partition("\t") for line in _lines(repository, "ls-tree", "-d", "-z", tree, separator="\0"))
    return {name: description.split()[2] for description, _, name in entries}


def _lines(repository: "Repo", *arguments: str, separator: str = "\n", given: bytes | None = None) -> list[str]:
    """What git prints; nothing where it refuses, as for a repository of another user."""
    with suppress(HostError):
        answer = git_program.ask(repository, *arguments, given=given)
        return [] if answer.status else [line for line in answer.text.split(separator) if line]
    return []
