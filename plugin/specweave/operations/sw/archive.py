"""`sw archive`: put a closed increment away."""

from pydantic import Field

from specweave.command import Annotations, Command, CommittingRequest, CommittingResult, Context, NamedIncrement


class ArchiveRequest(CommittingRequest):
    """Which increment."""

    increment: NamedIncrement


class ArchiveResult(CommittingResult):
    """Where the increment lies now."""

    increment: str
    status: str
    folder: str = Field(description="Relative to the project.")
    deployed: list[str] = Field(description="Environments that it was deployed to and not stopped in.")
    revision: str

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        number = self.increment.partition("-")[0]
        lines = [f"`{self.increment}` ({self.status}) is put away in {self.folder}. Its number stays taken."]
        if self.deployed:
            lines.append(f"It was not stopped in {', '.join(self.deployed)}: restore it to change anything there.")
        return "\n".join([*lines, *self.commit_lines(), "", f"Next: `/sw:restore {number}` brings it back."])


def run(request: ArchiveRequest, context: Context) -> ArchiveResult:
    """Move a completed or abandoned increment to `increments/_archive/`; its state stays.

    Raises:
        NotFoundError: `increment-not-found`, `increment-ambiguous`.
        ConflictError: `transition-not-allowed` where it is open, `increment-exists`.
        HostError: it cannot be moved; it is where it was then.
    """
    from specweave.increments import life_cycle, store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations import committing  # noqa: PLC0415 - as above

    staged = committing.check_if_asked(request, context.project, store.find(context.project, request.increment))
    with store.project_lock(context.project):
        increment = store.find(context.project, request.increment)
        life_cycle.require_closed(increment)
        increment = store.put_away(increment)
    commit = committing.commit_if_asked(request, increment, "archived", staged)
    return ArchiveResult(
        increment=increment.id,
        status=increment.metadata().status,
        folder=context.project.relative(increment.folder),
        deployed=sorted(increment.metadata().deployment),
        revision=store.revision(increment),
        commit=commit,
        uncommitted=committing.why_not(request, increment, commit),
    )


COMMAND = Command(
    group="sw",
    name="archive",
    request=ArchiveRequest,
    result=ArchiveResult,
    run=run,
    annotations=Annotations(),
    examples=("0043",),
)
