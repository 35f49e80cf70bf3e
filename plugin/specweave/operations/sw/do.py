"""`sw do`: run the ready tasks of an increment by their bound commands."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from specweave.command import Annotations, Command, Context, IncrementName, Request, Result


class DoRequest(Request):
    """Which increment, and how far."""

    increment: IncrementName = None
    task: str | None = Field(None, description="Only this task, such as T-003; also one that is done, to run it again.")
    until: str | None = Field(None, description="Only this task, such as T-005, and those it depends on.")
    dry_run: bool = Field(False, description="Show what would be run, run nothing.")


class Run(BaseModel):
    """A task that was run, or in a dry run would be."""

    model_config = ConfigDict(extra="forbid")

    task: str
    title: str
    command: str
    passed: bool | None = Field(description="None in a dry run.")
    report: str | None = Field(description="Path of the evidence, relative to the increment.")
    message: str = ""
    next_step: str = ""


class Waiting(BaseModel):
    """A task that waits for a person."""

    model_config = ConfigDict(extra="forbid")

    task: str
    title: str
    reason: Literal["not-prepared", "approval", "tool-missing", "command-invalid", "no-command", "not-built"]
    action: str


class DoResult(Result):
    """What was run, why it stopped there, and what is left.

    Attributes:
        stopped: `completed` when nothing in question is left to do, `failed` at the first failure, `waiting` when all
            that is ready waits for a person, `dry-run`.
    """

    increment: str
    stopped: Literal["completed", "failed", "waiting", "dry-run"]
    ran: list[Run]
    waiting: list[Waiting]
    done: int
    total: int
    revision: str

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        lines = [f"`{self.increment}`: {self.done} of {self.total} tasks done"]
        for run in self.ran:
            outcome = {True: "passed", False: "failed", None: "would run"}[run.passed]
            report = f" · {run.report}" if run.report else ""
            lines.append(f"- {run.task} {run.title}: {outcome} · `{run.command}`{report}")
        if self.waiting:
            lines += ["", "Waiting for a person:", ""]
            lines += [f"- {waiting.task} {waiting.title}: {waiting.action}" for waiting in self.waiting]
        return "\n".join([*lines, "", self._next()])

    def _next(self) -> str:
        number = self.increment.partition("-")[0]
        if self.stopped == "dry-run":
            return f"Next: `/sw:do {number}` runs them."
        if self.stopped == "failed":
            failed = self.ran[-1]
            step = failed.next_step or "read its report and mend the cause"
            return f"Stopped: {failed.task} failed: {failed.message}\nNext: {step}; then `/sw:do {number}` goes on."
        if self.stopped == "waiting":
            return f"Next: once that is done, `/sw:do {number}` goes on."
        return "Next: review the increment and its reports." if self.done == self.total else f"Next: `/sw:do {number}`."


def run(request: DoRequest, context: Context) -> DoResult:
    """Run what is ready, in the order of dependencies, until something fails or all that is left needs a person.

    Raises:
        NotFoundError: the increment or the task is not there, `no-tasks`.
        InvalidInputError: the tasks wait for each other, or for one that is not there.
        ConflictError: `task-not-ready`, `increment-closed`.
    """
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations import task_binding, task_running  # noqa: PLC0415

    increment = store.find(context.project, request.increment)
    outcome = task_running.run_ready(
        increment, context, only=request.task, until=request.until, dry_run=request.dry_run
    )
    everything = task_binding.ordered(increment)
    return DoResult(
        passed=outcome.stopped != "failed",
        increment=increment.id,
        stopped=outcome.stopped,
        ran=[
            Run(
                task=ran.task.id,
                title=ran.task.title,
                command=ran.line,
                passed=ran.passed,
                report=ran.report,
                message=ran.message,
                next_step=ran.next_step,
            )
            for ran in outcome.ran
        ],
        waiting=[
            Waiting(task=person.task.id, title=person.task.title, reason=person.reason, action=person.action)
            for person in outcome.waiting
        ],
        done=sum(task_binding.is_done(task) for task in everything),
        total=len(everything),
        revision=store.revision(increment),
    )


COMMAND = Command(
    group="sw",
    name="do",
    request=DoRequest,
    result=DoResult,
    run=run,
    annotations=Annotations(destructive=True, open_world=True),
    examples=("0043", "0043 --until T-005", "0043 --task T-003 --dry-run"),
    long=True,
)
