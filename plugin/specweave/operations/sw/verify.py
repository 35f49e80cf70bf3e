"""`sw verify`: run the tests bound to the criteria, and write what shows each of them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from specweave.command import Annotations, Command, CommittingRequest, CommittingResult, Context, IncrementName
from specweave.operations.counting import counted

# How `why` of such a check begins.
NOT_REPEATED = "could not be repeated: "

Verdict = Literal["passed", "failed", "stale", "claimed", "none"]


class VerifyRequest(CommittingRequest):
    """Which increment, and how much of it."""

    increment: IncrementName = None
    task: str | None = Field(None, description="Only this task, such as T-003, and its criteria.")
    criterion: str | None = Field(None, description="Only this criterion, such as AC-US1-01.")


class Proof(BaseModel):
    """What one task shows of a criterion."""

    model_config = ConfigDict(extra="forbid")

    task: str
    check: str | None = Field(description="The command or test that shows it; None for a task of people.")
    tests: dict[str, int] = Field(description="How many tests passed, failed and were skipped, where they are known.")
    not_passed: list[str] = Field(description="Names of those that did not pass, twenty at most.")
    result: Verdict
    why: str
    report: str | None = Field(description="Path of the evidence, relative to the increment.")
    commit: str | None = Field(description="That the check was run at.")
    dirty: bool = Field(description="Whether files differed from that commit.")


class CriterionVerdict(BaseModel):
    """Whether a criterion is met."""

    model_config = ConfigDict(extra="forbid")

    id: str
    text: str
    result: Verdict = Field(
        description="passed: each of its tasks has passing evidence of the present content; stale: evidence of another "
        "content; claimed: ticked by hand; none: nothing was run."
    )
    why: str
    proofs: list[Proof]


class Check(BaseModel):
    """A command or test that is bound to a criterion."""

    model_config = ConfigDict(extra="forbid")

    task: str
    command: str
    passed: bool | None = Field(None, description="None where it was not run.")
    report: str | None = None
    why: str = Field("", description="Why it failed, or was not run.")
    as_before: bool = Field(False, description="It said what `report` says already, so no other report was left.")

    @property
    def could_not_be_repeated(self) -> bool:
        """Whether it ended before anything was measured, and what there was before goes on to count."""
        return self.passed is None and self.why.startswith(NOT_REPEATED)


class VerifyResult(CommittingResult):
    """The criteria in question, each with what shows it.

    Attributes:
        report: path of the matrix, relative to the increment.
    """

    increment: str
    criteria: list[CriterionVerdict]
    checks: list[Check]
    problems: list[str] = Field([], description="What looks like a criterion and could not be read.")
    report: str
    revision: str

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        from specweave.files.quoting import markdown  # noqa: PLC0415 - a listing must stay cheap

        shown = sum(criterion.result == "passed" for criterion in self.criteria)
        ran = sum(check.passed is not None for check in self.checks)
        criteria = counted(len(self.criteria), "criterion", "criteria")
        lines = [f"`{self.increment}`: {shown} of {criteria} shown; {counted(ran, 'check')} run", ""]
        for criterion in self.criteria:
            by = ", ".join(proof.task for proof in criterion.proofs)
            why = f": {criterion.why}" if criterion.why and criterion.result != "passed" else ""
            lines.append(f"- {criterion.id} **{criterion.result}**" + (f" by {by}" if by else "") + why)
        lines += [f"- {check.task} `{check.command}`: {check.why}" for check in self.checks if check.passed is None]
        lines += [f"- {markdown(problem)}" for problem in self.problems]
        return "\n".join([*lines, "", f"Report: {self.report}", *self.commit_lines(), "", self._next()])

    def _next(self) -> str:
        number = self.increment.partition("-")[0]
        if self.passed:
            return f"Next: `/sw:done {number}` closes it."
        if self.problems:
            return "Next: write the ids in spec.md so that they can be read, as AC-US1-01 or AC-01."
        if not self.criteria:
            return "Next: write acceptance criteria in spec.md, and name them in **Satisfies ACs** of the tasks."
        if any(check.passed is False or check.could_not_be_repeated for check in self.checks):
            failed = any(check.passed is False for check in self.checks)
            cause = "read the reports of what failed, put the cause right" if failed else "mend what kept a check back"
            return f"Next: {cause}, then `/sw:verify {number}`."
        if any(proof.check for criterion in self.criteria for proof in criterion.proofs if proof.result != "passed"):
            return f"Next: `/sw:do {number}` runs what is open or stale."
        return "Next: give a task with a **Run** or **Test** line to each criterion that nothing shows."


def run(request: VerifyRequest, context: Context) -> VerifyResult:
    """Run the checks of the criteria in question, judge the rest by its evidence, and leave the matrix as a report.

    Raises:
        NotFoundError: the increment, the task or the criterion is not there, `no-tasks`.
        InvalidInputError: a document cannot be read; `git-identity-missing`.
        ConflictError: where a commit is asked for, `git-underway` and `merge-conflicts`.
    """
    from specweave.arguments import slash_line  # noqa: PLC0415 - a listing must stay cheap
    from specweave.increments import evidence, store  # noqa: PLC0415 - as above
    from specweave.operations import committing, verification  # noqa: PLC0415 - as above

    started = context.host.now()
    increment = store.find(context.project, request.increment)
    staged = committing.check_if_asked(request, context.project, increment)
    evidence.require_recordable(increment)
    head = evidence.stand(increment)
    found = verification.verify(increment, context, head, task_id=request.task, criterion_id=request.criterion)
    report = evidence.record(
        context,
        increment,
        operation=COMMAND.name,
        command=slash_line(COMMAND, request),
        passed=found.passed,
        started=started,
        markdown=verification.markdown(found),
        data=found.data(),
        head=head,
    )
    commit = committing.commit_if_asked(request, increment, "verified", staged)
    return VerifyResult(
        passed=found.passed,
        increment=increment.id,
        criteria=list(found.verdicts),
        checks=list(found.checks),
        problems=list(found.problems),
        report=report.path.relative_to(increment.folder).as_posix(),
        revision=store.revision(increment),
        commit=commit,
        uncommitted=committing.why_not(request, increment, commit),
    )


COMMAND = Command(
    group="sw",
    name="verify",
    request=VerifyRequest,
    result=VerifyResult,
    run=run,
    annotations=Annotations(open_world=True),
    examples=("0043", "0043 --criterion AC-US1-01", "0043 --task T-002"),
    long=True,
)
