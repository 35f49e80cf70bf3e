"""What git knows: the commit at hand, and increments on other branches and in other worktrees.

A project without git, or a machine without it, is no error: then there is nothing to know.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from git import Repo

_INCREMENTS = ".specweave/increments"
# What specweave itself writes while it works says nothing of the code that was run.
_OWN = (":(exclude,glob)**/.specweave/increments/*/tasks.md", ":(exclude,glob)**/.specweave/increments/*/metadata.json")


class Head(NamedTuple):
    """The commit at hand.

    Attributes:
        commit: 40 hexadecimal digits, None before the first commit and without git.
        dirty: tracked files differ from it, leaving aside tasks.md and metadata.json of increments.
    """

    commit: str | None
    dirty: bool


def head(root: Path) -> Head:
    """The commit that the project stands at."""
    with _repository(root) as repository:
        if repository is None or not repository.head.is_valid():
            return Head(None, dirty=False)
        from git.exc import GitError  # noqa: PLC0415 - only where git is

        try:
            changed = repository.git.status("--porcelain", "--untracked-files=no", "--", str(root), *_OWN)
        except GitError:
            return Head(repository.head.commit.hexsha, dirty=False)
        return Head(repository.head.commit.hexsha, dirty=bool(changed))


def common_folder(root: Path) -> Path | None:
    """The git folder that all worktrees share."""
    with _repository(root) as repository:
        return None if repository is None else Path(repository.common_dir).resolve()


def increments_elsewhere(root: Path) -> set[str]:
    """Names of increment folders, archived ones too, on local branches and in other worktrees."""
    with _repository(root) as repository:
        if repository is None or repository.working_tree_dir is None:
            return set()
        prefix = root.relative_to(Path(repository.working_tree_dir).resolve()).as_posix()
        names: set[str] = set()
        for worktree in _worktrees(repository):
            names |= names_in(worktree / prefix / _INCREMENTS)
        for branch in repository.heads:
            names |= _names_on(branch.commit.tree, _INCREMENTS if prefix == "." else f"{prefix}/{_INCREMENTS}")
        return names


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


def _worktrees(repository: "Repo") -> Iterator[Path]:
    from git.exc import GitError  # noqa: PLC0415 - only where git is

    try:
        listing: str = repository.git.worktree("list", "--porcelain", "-z")
    except GitError:
        return
    for item in listing.split("\0"):
        if item.startswith("worktree "):
            yield Path(item.removeprefix("worktree "))


def _names_on(tree: object, path: str) -> set[str]:
    from git import Tree  # noqa: PLC0415 - only where git is

    for part in path.split("/"):
        if not isinstance(tree, Tree):
            return set()
        try:
            tree = tree / part
        except KeyError:
            return set()
    if not isinstance(tree, Tree):
        return set()
    names = {folder.name for folder in tree.trees}
    for folder in tree.trees:
        if folder.name.startswith("_"):
            names |= {put_away.name for put_away in folder.trees}
    return names


@contextmanager
def _repository(root: Path) -> "Iterator[Repo | None]":
    try:
        from git import Repo  # noqa: PLC0415 - 0.1 s of start-up that reading does not need
        from git.exc import InvalidGitRepositoryError, NoSuchPathError  # noqa: PLC0415
    except ImportError:  # gitpython says so when the program is missing
        yield None
        return
    try:
        repository = Repo(root, search_parent_directories=True)
    except (InvalidGitRepositoryError, NoSuchPathError):
        yield None
        return
    with repository:
        yield repository
