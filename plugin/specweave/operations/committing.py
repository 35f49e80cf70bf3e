"""The commit at the end of a command that changed an increment, where it was asked for."""

import shlex

from specweave.command import CommittingRequest
from specweave.errors import SpecweaveError
from specweave.increments import commits
from specweave.increments.store import Increment
from specweave.project import Project


def check_if_asked(request: CommittingRequest, project: Project) -> None:
    """Refuse before the work where a commit was asked for and would be refused after it.

    Raises:
        ConflictError: `git-underway`, `merge-conflicts`.
        InvalidInputError: `git-identity-missing`.
        HostError: `repository-not-owned`, `program-missing`.
    """
    if request.commit:
        commits.require_committable(project)


def commit_if_asked(request: CommittingRequest, increment: Increment, what: str) -> str | None:
    """Commit the increment's files as `NNNN: what` where the request asks for it.

    Returns:
        The commit, hexadecimal; None where it was not asked for, nothing had changed, or there is no repository.

    Raises:
        SpecweaveError: as `commits.commit` says; the work itself is done then, and the message says so.
    """
    if not request.commit:
        return None
    try:
        return commits.commit(increment, what)
    except SpecweaveError as error:
        folder = shlex.quote(increment.project.relative(increment.folder))
        by_hand = (
            f"`git add -- {folder}` and `git commit --only -m {shlex.quote(f'{increment.number}: {what}')} -- {folder}`"
        )
        raise type(error)(
            error.code,
            f"{increment.id}: {what}; but that was not committed: {error.message}",
            next_step=f"{error.next_step}; to commit it then, run {by_hand}",
            details={**error.details, "increment": increment.id},
        ) from error


def why_not(request: CommittingRequest, increment: Increment, commit: str | None) -> str:
    """Why there is no commit although it was asked for, empty where there is one or none was asked for."""
    if not request.commit or commit is not None:
        return ""
    return "nothing had changed" if commits.is_in_repository(increment.folder) else "there is no git repository here"
