"""`sw resume`: go on with a paused increment, in the state it was in."""

from specweave.command import Annotations, Command, CommittingRequest, Context, IncrementName
from specweave.operations.state_changes import StateChangeResult


class ResumeRequest(CommittingRequest):
    """Which increment."""

    increment: IncrementName = None


def run(request: ResumeRequest, context: Context) -> StateChangeResult:
    """Bring a paused increment back to the state it was in before.

    Raises:
        NotFoundError: `increment-not-found`, `increment-ambiguous`.
        ConflictError: `transition-not-allowed` where it is not paused.
    """
    from specweave.increments import life_cycle, store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations.state_changes import change_state  # noqa: PLC0415 - as above

    increment = store.find(context.project, request.increment, paused=True)
    with store.project_lock(context.project):
        to = life_cycle.before_pause(increment)
        following = "`/sw:do {number}` does what is ready; `/sw:status {number}` shows where it stands."
        return change_state(request, context, increment, to, reason=None, following=following)


COMMAND = Command(
    group="sw",
    name="resume",
    request=ResumeRequest,
    result=StateChangeResult,
    run=run,
    annotations=Annotations(),
    examples=("0043", ""),
)
