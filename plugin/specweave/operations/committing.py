"""The commit at the end of a command that changed an increment, where it was asked for."""

from pathlib import Path

from specweave.command import CommittingRequest
from specweave.errors import SpecweaveError
from specweave.increments import commits, placing
from specweave.increments.commits import Staged
from specweave.increments.store import Increment
from specweave.project import Project


def check_if_asked(request: CommittingRequest, project: Project, increment: Increment | None = None) -> Staged | None:
    """Refuse before the work where a commit was asked for and would be refused after it.

    Args:
        request: whether it was.
        project: where.
        increment: which, where there is one already.

    Returns:
        What was staged before the work, for `commit_if_asked`.

    Raises:
        ConflictError: `git-underway`, `merge-conflicts`, `staged-differently`.
        InvalidInputError: `git-identity-missing`, `increment-ignored`.
        HostError: `repository-not-owned`, `program-missing`.
    """
    return commits.require_committable(project, increment) if request.commit else None


def first_files(project: Project) -> tuple[Path, ...]:
    """What a project's first increment brings along; ask before it is made. Empty where there is all of it."""
    path = project.state.resolve() / placing.IGNORE_FILE
    return () if path.exists() else (path,)


def commit_if_asked(
    request: CommittingRequest,
    increment: Increment,
    what: str,
    staged: Staged | None = None,
    also: tuple[Path, ...] = (),
) -> str | None:
    """Commit the increment's files as `NNNN: what` where the request asks for it.

    Args:
        request: whether it does.
        increment: whose.
        what: what happened, one line.
        staged: what `check_if_asked` gave before the work.
        also: files beside the increment, see `first_files`.

    Returns:
        The commit, hexadecimal; None where it was not asked for, nothing had changed, or there is no repository.

    Raises:
        SpecweaveError: as `commits.commit` says; the work itself is done then, and the message says so.
    """
    if not request.commit:
        return None
    try:
        return commits.commit(increment, what, staged, also)
    except SpecweaveError as error:
        raise type(error)(
            error.code,
            f"{increment.id}: {what}; but that was not committed: {error.message}",
            next_step=f"{error.next_step}; the commit alone is then made by `{commits.by_hand(increment, what, also)}`",
            details={**error.details, "increment": increment.id},
        ) from error


def why_not(request: CommittingRequest, increment: Increment, commit: str | None) -> str:
    """Why there is no commit although it was asked for, empty where there is one or none was asked for."""
    if not request.commit or commit is not None:
        return ""
    return "nothing had changed" if commits.is_in_repository(increment.folder) else "there is no git repository here"
