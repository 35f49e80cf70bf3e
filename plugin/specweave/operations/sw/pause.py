"""`sw pause`: put work on an increment off, with the reason."""

from pydantic import Field

from specweave.command import Annotations, Command, CommittingRequest, Context, IncrementName, OneLine
from specweave.operations.state_changes import REASON, StateChangeResult


class PauseRequest(CommittingRequest):
    """Which increment, and why."""

    increment: IncrementName = None
    reason: OneLine | None = Field(None, max_length=1000, description=REASON)


def run(request: PauseRequest, context: Context) -> StateChangeResult:
    """Pause an open increment; its tasks stay as they are, and nothing of it is run meanwhile.

    Raises:
        NotFoundError: `increment-not-found`, `increment-ambiguous`.
        ConflictError: `transition-not-allowed`, with the moves that are possible.
    """
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations.state_changes import change_state  # noqa: PLC0415 - as above

    increment = store.find(context.project, request.increment)
    following = "`/sw:resume {number}` goes on with it."
    return change_state(request, context, increment, "paused", reason=request.reason, following=following)


COMMAND = Command(
    group="sw",
    name="pause",
    request=PauseRequest,
    result=StateChangeResult,
    run=run,
    annotations=Annotations(idempotent=True),
    examples=('0043 --reason "waiting for the data of November"', "0043"),
)
