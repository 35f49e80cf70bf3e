"""`sw reopen`: take a closed increment up again, for a reason."""

from pydantic import Field

from specweave.command import Annotations, Command, CommittingRequest, Context, NamedIncrement, OneLine
from specweave.operations.state_changes import REASON, StateChangeResult


class ReopenRequest(CommittingRequest):
    """Which increment, and why."""

    increment: NamedIncrement
    reason: OneLine = Field(min_length=1, max_length=1000, description=REASON)


def run(request: ReopenRequest, context: Context) -> StateChangeResult:
    """Make a completed or abandoned increment active again.

    Raises:
        NotFoundError: `increment-not-found`, `increment-ambiguous`.
        ConflictError: `transition-not-allowed`, with the moves that are possible.
        InvalidInputError: `reason-missing`.
    """
    from specweave.increments import life_cycle, store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations.state_changes import change_state  # noqa: PLC0415 - as above

    increment = store.find(context.project, request.increment)
    life_cycle.require_closed(increment)
    following = "`/sw:do {number}` does what is left; `/sw:verify {number}` shows what still holds."
    return change_state(request, context, increment, "active", reason=request.reason, following=following)


COMMAND = Command(
    group="sw",
    name="reopen",
    request=ReopenRequest,
    result=StateChangeResult,
    run=run,
    annotations=Annotations(),
    examples=('0043 --reason "staging showed wrong labels"',),
)
