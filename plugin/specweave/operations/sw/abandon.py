"""`sw abandon`: close an increment that will not be finished, with the reason."""

from pydantic import Field

from specweave.command import Annotations, Command, CommittingRequest, Context, IncrementName, OneLine
from specweave.operations.state_changes import REASON, StateChangeResult


class AbandonRequest(CommittingRequest):
    """Which increment, and why."""

    increment: IncrementName = None
    reason: OneLine | None = Field(None, max_length=1000, description=REASON)


def run(request: AbandonRequest, context: Context) -> StateChangeResult:
    """Close an open increment without finishing it; its folder stays.

    Raises:
        NotFoundError: `increment-not-found`, `increment-ambiguous`.
        ConflictError: `transition-not-allowed`, with the moves that are possible.
    """
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations.state_changes import change_state  # noqa: PLC0415 - as above

    increment = store.find(context.project, request.increment)
    following = "`/sw:archive {number}` puts it away; `/sw:reopen {number}` takes it up again."
    return change_state(request, context, increment, "abandoned", reason=request.reason, following=following)


COMMAND = Command(
    group="sw",
    name="abandon",
    request=AbandonRequest,
    result=StateChangeResult,
    run=run,
    annotations=Annotations(idempotent=True),
    examples=('0043 --reason "the model is not needed any more"', "0043"),
)
