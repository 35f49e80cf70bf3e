"""`sw sync`: repair what has drifted between metadata.json, the documents and the reports, and say what was done."""

from pydantic import BaseModel, ConfigDict, Field

from specweave.command import Annotations, Command, CommittingRequest, CommittingResult, Context, IncrementName
from specweave.operations.counting import counted


class SyncRequest(CommittingRequest):
    """Which increment, and whether to change anything."""

    increment: IncrementName = None
    dry_run: bool = Field(False, description="Say what has drifted, change nothing.")


class Repair(BaseModel):
    """Something that had drifted."""

    model_config = ConfigDict(extra="forbid")

    target: str = Field(description="file:line, or the file alone; relative to the increment.")
    drift: str = Field(description="What was wrong.")
    repair: str = Field(description="What puts it right.")


class SyncResult(CommittingResult):
    """What was repaired, or in a dry run what would be first."""

    increment: str
    dry_run: bool
    repairs: list[Repair]
    revision: str

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        number = self.increment.partition("-")[0]
        if not self.repairs:
            lines = [f"`{self.increment}`: documents, metadata.json and reports say the same."]
        else:
            count = counted(len(self.repairs), "repair")
            told = f"has drifted, nothing was changed ({count} to make)" if self.dry_run else f"had drifted ({count})"
            lines = [f"`{self.increment}` {told}:", ""]
            lines += [f"- {repair.target}: {repair.drift}. Repair: {repair.repair}." for repair in self.repairs]
        lines += [*self.commit_lines(), ""]
        if self.dry_run and self.repairs:
            return "\n".join([*lines, f"Next: `/sw:sync {number}` repairs it."])
        return "\n".join([*lines, f"Next: `/sw:validate {number}` shows what only a person can mend."])


def run(request: SyncRequest, context: Context) -> SyncResult:
    """Repair an increment; a second time there is nothing left to repair.

    Raises:
        NotFoundError: `increment-not-found`, `increment-ambiguous`.
        InvalidInputError: a document cannot be read; nothing is changed then.
        HostError: a file cannot be written; what was repaired before that stays.
        ConflictError: `project-locked`.
    """
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations import synchronization  # noqa: PLC0415 - as above
    from specweave.operations.committing import check_if_asked, commit_if_asked, why_not  # noqa: PLC0415 - as above

    increment = store.find(context.project, request.increment)
    staged = None if request.dry_run else check_if_asked(request, context.project, increment)
    made = synchronization.synchronize(increment, context, dry_run=request.dry_run)
    commit = None if request.dry_run else commit_if_asked(request, increment, "repair what had drifted", staged)
    return SyncResult(
        increment=increment.id,
        dry_run=request.dry_run,
        repairs=[
            Repair(
                target=repair.file + (f":{repair.line}" if repair.line else ""), drift=repair.drift, repair=repair.fix
            )
            for repair in made
        ],
        revision=store.revision(increment),
        commit=commit,
        uncommitted="" if request.dry_run else why_not(request, increment, commit),
    )


COMMAND = Command(
    group="sw",
    name="sync",
    request=SyncRequest,
    result=SyncResult,
    run=run,
    annotations=Annotations(idempotent=True),
    examples=("0043", "0043 --dry-run"),
)
