"""`sw done`: close an increment that evidence shows to be done, or say what is missing."""

from dataclasses import asdict
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from specweave.command import Annotations, Command, CommittingRequest, CommittingResult, Context, IncrementName, OneLine
from specweave.errors import InvalidInputError


class DoneRequest(CommittingRequest):
    """Which increment, and why it is closed where evidence is missing."""

    increment: IncrementName = None
    reason: OneLine | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="Close it although evidence is missing: why, one line; kept with the criteria that lack it.",
    )


class Missing(BaseModel):
    """A criterion, or a task that is left, without passing evidence of the present content."""

    model_config = ConfigDict(extra="forbid")

    criterion: str | None = Field(description="Its id; None for a task that satisfies no criterion.")
    text: str
    state: Literal["none", "failed", "stale", "claimed"]
    task: str | None = Field(description="The task whose evidence is missing; None where no task satisfies it.")
    why: str
    command: str | None = Field(description="What would show it; None where no command can.")
    action: str = Field(description="What to do, one sentence.")


class DoneResult(CommittingResult):
    """The increment, closed or not.

    Attributes:
        before, status: what it was and what it is.
        missing: what is not shown, in the order of spec.md.
        unproven: criteria and tasks that it was closed without, each with the state of its evidence.
    """

    increment: str
    before: str
    status: str
    missing: list[Missing]
    unproven: list[str]
    unsaved: list[str] = Field([], description="Files that evidence is about and that no commit holds as they are.")
    reason: str | None = None
    revision: str

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        from specweave.files.quoting import code_span  # noqa: PLC0415 - a listing must stay cheap

        number = self.increment.partition("-")[0]
        if self.missing and not self.passed:
            return "\n".join(self._refusal(number))
        lines = [f"`{self.increment}` is completed."]
        if self.before == self.status:
            lines = [f"`{self.increment}` is completed already, and its evidence holds."]
        elif self.unproven:
            lines.append(f"Closed without evidence of {', '.join(self.unproven)}; the reason is kept in metadata.json.")
        else:
            lines.append("Every criterion has passing evidence of the present content.")
        if self.unsaved:
            lines.append(
                f"Nobody else has that content: {', '.join(map(code_span, self.unsaved))} "
                f"{'is' if len(self.unsaved) == 1 else 'are'} not committed as it stands here. Commit first."
            )
        return "\n".join([*lines, *self.commit_lines(), "", f"Next: `/sw:archive {number}` puts it away."])

    def _refusal(self, number: str) -> list[str]:
        from specweave.files.quoting import code_span, markdown  # noqa: PLC0415 - a listing must stay cheap

        closed = self.status == "completed"
        lines = [
            f"`{self.increment}` is completed, but not all of it is shown:"
            if closed
            else f"`{self.increment}` is not done: evidence is missing.",
            "",
        ]
        for gap in self.missing:
            name = " by ".join(part for part in (gap.criterion, gap.task) if part) or self.increment
            how = f"; run {code_span(gap.command)}" if gap.command else f"; {gap.action}"
            lines.append(f"- {name}: **{gap.state}**, {markdown(gap.why)}{how}")
        if closed:
            return [*lines, "", f'Next: `/sw:reopen {number} --reason "why"`, then `/sw:do {number}`.']
        step = f"`/sw:do {number}` runs what can be run"
        if not any(gap.command for gap in self.missing):
            step = "put right what is named above"
        return [*lines, "", f'Next: {step}; `/sw:done {number} --reason "why"` closes it without.']


def run(request: DoneRequest, context: Context) -> DoneResult:
    """Close an increment, or say what is missing; then only boxes of criteria change, and the state with them.

    Raises:
        NotFoundError: `increment-not-found`, `increment-ambiguous`.
        ConflictError: `transition-not-allowed`, with the moves that are possible.
        InvalidInputError: `reason-missing` for a blank one; a document cannot be read.
    """
    from specweave.increments import evidence, life_cycle, store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations import committing, completion  # noqa: PLC0415 - as above

    if request.reason is not None and not request.reason.strip():
        raise InvalidInputError(
            "reason-missing", "the reason is blank", next_step='say why: --reason "what is missing"'
        )
    increment = store.find(context.project, request.increment)
    before = life_cycle.require(increment, "completed")
    staged = committing.check_if_asked(request, context.project, increment)
    with store.project_lock(context.project):
        before = life_cycle.require(increment, "completed")
        closed = life_cycle.meaning(before) == "completed"
        evidence.settle(context, increment)
        missing = completion.gaps(increment)
        unproven = completion.in_short(missing) if request.reason and not closed else []
        passed = not missing or (request.reason is not None and not closed)
        if passed:
            facts = None if closed else completion.facts(increment, unproven)
            life_cycle.move(context, increment, "completed", reason=request.reason, facts=facts)
    commit = committing.commit_if_asked(request, increment, "done", staged) if passed else None
    return DoneResult(
        passed=passed,
        increment=increment.id,
        before=before,
        status=increment.metadata().status,
        missing=[Missing.model_validate(asdict(gap)) for gap in missing],
        unproven=unproven,
        unsaved=list(completion.unsaved(increment)),
        reason=request.reason,
        revision=store.revision(increment),
        commit=commit,
        uncommitted=committing.why_not(request, increment, commit)
        if passed or not request.commit
        else "it is not done",
    )


COMMAND = Command(
    group="sw",
    name="done",
    request=DoneRequest,
    result=DoneResult,
    run=run,
    annotations=Annotations(idempotent=True),
    examples=("0043", '0043 --reason "monitoring comes with increment 0050"'),
)
