"""A git branch for an increment, named like its folder."""

from typing import TYPE_CHECKING

from specweave.errors import ConflictError, OperationError
from specweave.increments import commits, git_program
from specweave.increments.git_program import ask, tell
from specweave.increments.store import Increment
from specweave.increments.underway import require_idle
from specweave.project import Project

if TYPE_CHECKING:
    from git import Repo


def require_branchable(project: Project, name: str) -> None:
    """Refuse where a branch could not be made and switched to: ask before the increment is made.

    Args:
        project: where the increments lie, or will.
        name: of the branch.

    Raises:
        NotFoundError: `repository-missing`.
        HostError: `repository-not-owned`, `program-missing`.
        ConflictError: `git-underway`, `repository-empty`, `branch-exists`; `changes-in-the-way` for tracked files that
            are changed: they would come along to a branch that is not theirs.
    """
    with git_program.required(commits.home(project)) as repository:
        require_idle(repository)
        if ask(repository, "rev-parse", "--quiet", "--verify", "HEAD").status:
            raise ConflictError(
                "repository-empty",
                f"{repository.working_tree_dir} has no commit that a branch could begin at",
                next_step="make the first commit, or leave out `branch`",
            )
        known = ask(repository, "show-ref", "--quiet", "--verify", f"refs/heads/{name}").status == 0
        if known and _current(repository) != name:
            raise ConflictError(
                "branch-exists",
                f"there is a branch {name} already",
                next_step=f"switch to it (`git switch {name}`) and leave out `branch`",
            )
        options = ("--porcelain", "--untracked-files=no", "--ignore-submodules=dirty")
        if changed := tell(repository, "--no-optional-locks", "status", *options).splitlines():
            raise ConflictError(
                "changes-in-the-way",
                f"{len(changed)} tracked files of {repository.working_tree_dir} are changed, such as {changed[0][3:]}",
                next_step="commit or stash them first, or leave out `branch`",
            )


def switch_to_new(increment: Increment) -> None:
    """Make a branch of the increment's name at the present commit and switch to it; no file changes.

    Raises:
        ConflictError: `repository-locked`.
        OperationError: `branch-refused` with what git said.
    """
    name = increment.id
    with git_program.required(increment.folder.resolve()) as repository:
        if _current(repository) == name:
            return
        answer = ask(repository, "switch", "--quiet", "--create", name, environment=git_program.own_language())
        # A hook that fails afterwards has no say any more.
        if answer.status and _current(repository) != name:
            raise OperationError(
                "branch-refused",
                f"git made no branch {name}: {git_program.said(answer)}",
                next_step=f"mend what it says, then `git switch --create {name}`",
            )


def _current(repository: "Repo") -> str | None:
    answer = ask(repository, "symbolic-ref", "--quiet", "--short", "HEAD")
    return None if answer.status else answer.text.strip()
