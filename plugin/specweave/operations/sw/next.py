"""`sw next`: what to do now, and why."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from specweave.command import AgentName, Annotations, Command, Context, IncrementName, Request, Result

Kind = Literal["run", "person", "review", "prepare", "repair", "resume"]


class NextRequest(Request):
    """For which increment, and for whom; over all open ones by default."""

    increment: IncrementName = None
    as_: AgentName | None = Field(
        None, alias="as", description="Who asks: tasks that are kept for that name are shown, those of others are not."
    )
    limit: int = Field(5, ge=1, le=100, description="How many steps to show.")


class Step(BaseModel):
    """Something to do now."""

    model_config = ConfigDict(extra="forbid")

    increment: str
    title: str
    status: str
    task: str | None = Field(description="None where it is about the increment itself.")
    task_title: str
    kind: Kind = Field(
        description="run: a command or test does it; person: people or an assistant; review: it waits to be closed; "
        "prepare: documents or a model are missing; repair: a document cannot be read."
    )
    action: str = Field(description="What to do, one or two sentences.")
    why: str


class HeldTask(BaseModel):
    """A ready task that somebody else works on."""

    model_config = ConfigDict(extra="forbid")

    increment: str
    task: str
    title: str
    holder: str
    until: AwareDatetime = Field(description="When the claim ends unless it is renewed.")


class NextResult(Result):
    """What to do now, the best first.

    Attributes:
        steps: one for each increment, or all of the one that was asked for.
        held: ready tasks that were passed over.
        open: how many increments are open and not paused.
        paused: ids of the first paused increments, five at most.
        archived: how many are put away; counted where nothing is open.
    """

    increment: str | None
    steps: list[Step]
    held: list[HeldTask]
    open: int
    paused: list[str]
    archived: int = Field(0, description="How many are put away; counted where nothing is open.")

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        lines = [f"- {held.task} of `{held.increment}` is held by {held.holder}" for held in self.held]
        if lines:
            lines = ["Passed over, because others work on it:", "", *lines, ""]
        if not self.steps:
            return "\n".join([*lines, self._nothing()])
        first, *others = self.steps
        what = f"{first.task} {first.task_title}" if first.task else first.title
        lines += [f"`{first.increment}` {what}: {first.why}." if first.why else f"`{first.increment}` {what}", ""]
        lines.append(f"Next: {first.action}")
        if others:
            lines += ["", "After that:", "", *(f"- `{step.increment}`: {step.action}" for step in others)]
        return "\n".join(lines)

    def _nothing(self) -> str:
        if self.held:
            return "Next: wait for what they do, or take another increment: `/sw:status`."
        if self.increment is not None:
            return f"Nothing is left to do in `{self.increment}`.\n\nNext: `/sw:next`."
        if self.paused:
            shown = ", ".join(f"`{name}`" for name in self.paused[:5])
            return f"Nothing is open; paused: {shown}.\n\nNext: `/sw:resume {self.paused[0].partition('-')[0]}`."
        if self.archived:
            begin = '`/sw:inc "Deploy the model"` begins something; `/sw:status --state archived` lists the others.'
            return f"No open increments; {self.archived} archived.\n\nNext: {begin}"
        return 'Nothing is open.\n\nNext: `/sw:inc "Deploy the model"` begins something.'


def run(request: NextRequest, context: Context) -> NextResult:
    """Say what to do now, over all open increments or in one.

    Raises:
        NotFoundError: `increment-not-found`, `increment-ambiguous`.
        InvalidInputError: `config-invalid`.
    """
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations import next_steps  # noqa: PLC0415 - as above

    _ = context.project.config  # what to do depends on it
    if request.increment is None:
        found, increment = next_steps.of_all(context, name=request.as_, limit=request.limit), None
    else:
        increment = store.find(context.project, request.increment)
        found = next_steps.of_one(increment, context, name=request.as_, limit=request.limit)
    return NextResult(
        increment=increment.id if increment else None,
        steps=found.steps,
        held=found.held,
        open=found.open,
        paused=found.paused,
        archived=0 if found.open or increment else store.count_archived(context.project),
    )


COMMAND = Command(
    group="sw",
    name="next",
    request=NextRequest,
    result=NextResult,
    run=run,
    annotations=Annotations(read_only=True, idempotent=True),
    examples=("", "0043", "--as anna"),
)
