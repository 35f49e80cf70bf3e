"""What the commands that bring an increment to another state have in common."""

from typing import TYPE_CHECKING

from pydantic import Field

from specweave.command import CommittingRequest, CommittingResult, Context

if TYPE_CHECKING:
    from specweave.increments.life_cycle import State
    from specweave.increments.store import Increment

REASON = "Why, one line; it is kept in the increment's history."


class StateChangeResult(CommittingResult):
    """The increment in its new state."""

    increment: str
    before: str
    after: str
    reason: str | None = None
    next: str = Field(description="What to do next.")
    revision: str

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        from specweave.files.quoting import message  # noqa: PLC0415 - a listing must stay cheap

        after = self.after.replace("_", " ")
        if self.before == self.after:
            lines = [f"`{self.increment}` is {after} already."]
        else:
            why = f" Reason: {message(self.reason)}" if self.reason else ""
            lines = [f"`{self.increment}` is {after}; it was {self.before.replace('_', ' ')}.{why}"]
        return "\n".join([*lines, *self.commit_lines(), "", f"Next: {self.next}"])


def change_state(
    request: CommittingRequest,
    context: Context,
    increment: "Increment",
    to: "State",
    *,
    reason: str | None,
    following: str,
) -> StateChangeResult:
    """Bring an increment to another state, and commit that where it is asked for.

    Args:
        request: whether to commit.
        context: the clock, and who asked.
        increment: which.
        to: the state.
        reason: why.
        following: what to do next, with `{number}` in it.

    Raises:
        ConflictError: `transition-not-allowed`, `project-locked`.
        InvalidInputError: `reason-missing`, `metadata-invalid`.
        SpecweaveError: with `commit`, what `commits` says.
    """
    from specweave.increments import life_cycle, store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations import committing  # noqa: PLC0415 - as above

    staged = committing.check_if_asked(request, context.project, increment)
    change = life_cycle.move(context, increment, to, reason=reason)
    commit = committing.commit_if_asked(request, increment, to.replace("_", " "), staged)
    return StateChangeResult(
        increment=increment.id,
        before=change.before,
        after=change.after,
        reason=reason,
        next=following.format(number=increment.number),
        revision=store.revision(increment),
        commit=commit,
        uncommitted=committing.why_not(request, increment, commit),
    )
