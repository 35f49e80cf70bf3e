"""`sw restore`: bring an archived increment back."""

from pydantic import Field

from specweave.command import Annotations, Command, CommittingRequest, CommittingResult, Context, NamedIncrement


class RestoreRequest(CommittingRequest):
    """Which increment."""

    increment: NamedIncrement


class RestoreResult(CommittingResult):
    """Where the increment lies now."""

    increment: str
    status: str
    folder: str = Field(description="Relative to the project.")
    revision: str

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        number = self.increment.partition("-")[0]
        lines = [f"`{self.increment}` ({self.status}) is back in {self.folder}.", *self.commit_lines(), ""]
        return "\n".join([*lines, f'Next: `/sw:reopen {number} --reason "why"` takes it up again.'])


def run(request: RestoreRequest, context: Context) -> RestoreResult:
    """Move an archived increment back among the others; its state stays.

    Raises:
        NotFoundError: `increment-not-found`, `increment-ambiguous`.
        ConflictError: `increment-not-archived`, `increment-exists`.
        HostError: it cannot be moved; it is where it was then.
    """
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations import committing  # noqa: PLC0415 - as above

    found = store.find_put_away(context.project, request.increment)
    staged = committing.check_if_asked(request, context.project, found)
    with store.project_lock(context.project):
        increment = store.bring_back(found)
    commit = committing.commit_if_asked(request, increment, "restored", staged)
    return RestoreResult(
        increment=increment.id,
        status=increment.metadata().status,
        folder=context.project.relative(increment.folder),
        revision=store.revision(increment),
        commit=commit,
        uncommitted=committing.why_not(request, increment, commit),
    )


COMMAND = Command(
    group="sw",
    name="restore",
    request=RestoreRequest,
    result=RestoreResult,
    run=run,
    annotations=Annotations(),
    examples=("0043",),
)
