"""`sw do`: run the ready tasks of an increment by their bound commands and tests."""

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from specweave.command import (
    AgentName,
    Annotations,
    Command,
    CommittingRequest,
    CommittingResult,
    Context,
    IncrementName,
)
from specweave.operations.counting import counted

if TYPE_CHECKING:
    from specweave.increments.claims import Claim
    from specweave.increments.store import Increment
    from specweave.increments.tasks import Task
    from specweave.operations.task_binding import Person
    from specweave.operations.task_running import Ran

Reason = Literal[
    "not-prepared",
    "approval",
    "tests-not-allowed",
    "tool-missing",
    "cannot-start",
    "test-failed",
    "command-invalid",
    "no-command",
    "not-built",
    "claimed",
]
Stopped = Literal["completed", "failed", "waiting", "dry-run", "released"]
# What somebody has to do whole: the others take a word, a program or a correction.
BY_HAND = frozenset({"no-command", "not-built", "test-failed"})
# What cannot be run as it is written: as bad as a test that fails.
BROKEN = frozenset({"cannot-start", "command-invalid"})


class DoRequest(CommittingRequest):
    """Which increment, and how far."""

    increment: IncrementName = None
    task: str | None = Field(None, description="Only this task, such as T-003; also one that is done, to run it again.")
    until: str | None = Field(None, description="Only this task, such as T-005, and those it depends on.")
    dry_run: bool = Field(False, description="Show what would be run, run nothing.")
    parallel: int = Field(
        1, ge=1, le=32, description="How many tasks at a time, where they are independent and share no files."
    )
    as_: AgentName | None = Field(
        None,
        alias="as",
        description="Who works: the next task for a person or an assistant is kept for that name for an hour.",
    )
    release: str | None = Field(
        None, description="Give back this task, such as T-003, that is kept for the name in `as`; run nothing."
    )


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
    """A task that waits for a person or an assistant, with all that they need to do it."""

    model_config = ConfigDict(extra="forbid")

    task: str
    title: str
    reason: Reason
    action: str
    text: str = Field(description="What tasks.md says of it, above all its test plan; markdown.")
    criteria: dict[str, str] = Field(description="Acceptance criteria that it has to meet: id to text.")
    files: list[str] = Field(description="Files that it is about, relative to the project.")
    test: str | None = Field(description="The command line that will show that it is done.")
    kept_for: str | None = Field(None, description="Who works on it, see `as`.")


class ClaimedTask(BaseModel):
    """A task whose box was ticked by hand: somebody's word, without evidence."""

    model_config = ConfigDict(extra="forbid")

    task: str
    title: str


class DoResult(CommittingResult):
    """What was run, why it stopped there, and what is left.

    Attributes:
        stopped: `completed` when nothing in question is left to do, `failed` after a failure and where a line cannot
            be run as it is written, `waiting` when all that is ready waits for a person, `dry-run`, `released` where
            a task was given back.
    """

    increment: str
    status: str
    stopped: Stopped
    ran: list[Run]
    waiting: list[Waiting]
    claimed: list[ClaimedTask]
    done: int
    total: int
    released: str | None = Field(None, description="The task that was given back.")
    revision: str
    # For people: which task was kept for who asked, until when, and how to give it back.
    _kept: str = PrivateAttr("")

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        lines = [f"`{self.increment}`: {self.done} of {counted(self.total, 'task')} done"]
        lines += [f"- {self.released} is kept for nobody any more"] if self.released else []
        for run in self.ran:
            outcome = {True: "passed", False: "failed", None: "would run"}[run.passed]
            report = f" · {run.report}" if run.report else ""
            lines.append(f"- {run.task} {run.title}: {outcome} · `{run.command}`{report}")
        if self.claimed:
            named = ", ".join(task.task for task in self.claimed)
            lines += ["", f"Ticked by hand, without evidence: {named}."]
        broken = [waiting for waiting in self.waiting if waiting.reason in BROKEN]
        people = [waiting for waiting in self.waiting if waiting.reason not in BROKEN]
        for heading, tasks in (
            ("Cannot be run as it is written:", broken),
            ("Waiting for a person or an assistant:", people),
        ):
            if tasks:
                lines += ["", heading, ""]
                lines += [f"- {waiting.task} {waiting.title}: {waiting.action}" for waiting in tasks]
        lines += ["", self._kept] if self._kept else []
        lines += _details(people[0]) if people else []
        return "\n".join([*lines, "", *self.commit_lines(), self._next()])

    def _next(self) -> str:
        number = self.increment.partition("-")[0]
        if self.stopped == "released":
            return f"Next: `/sw:next {number}` says what is free."
        if self.stopped == "dry-run":
            return self._of_dry_run(number)
        if self.stopped == "failed":
            return self._of_failure(number)
        if self.stopped == "waiting":
            return f"Next: once that is done, `/sw:do {number}` goes on."
        if self.done < self.total:
            return f"Next: `/sw:do {number}`."
        return f"Next: review the increment and its reports, then `/sw:done {number}`."

    def _of_dry_run(self, number: str) -> str:
        if self.ran:
            return f"Next: `/sw:do {number}` runs them."
        step = self.waiting[0].action if self.waiting else f"`/sw:next {number}`."
        return f"Nothing can be run now.\n\nNext: {step}"

    def _of_failure(self, number: str) -> str:
        failed = next((run for run in self.ran if run.passed is False), None)
        if failed is None:
            broken = next(waiting for waiting in self.waiting if waiting.reason in BROKEN)
            return f"Stopped: {broken.task} cannot be run.\nNext: {broken.action} Then `/sw:do {number}` goes on."
        step = failed.next_step or "read its report and mend the cause"
        return f"Stopped: {failed.task} failed: {failed.message}\nNext: {step}; then `/sw:do {number}` goes on."


def _details(waiting: Waiting) -> list[str]:
    """The first of the waiting tasks as its document has it, for whoever does it now."""
    if waiting.reason not in BY_HAND:
        return []
    lines = ["", f"### {waiting.task} {waiting.title}"]
    lines += (
        ["", *(f"- {criterion}: {text}" for criterion, text in waiting.criteria.items())] if waiting.criteria else []
    )
    lines += ["", waiting.text] if waiting.text else []
    return lines


def run(request: DoRequest, context: Context) -> DoResult:
    """Run what is ready, in the order of dependencies, until something fails or all that is left needs a person.

    Raises:
        NotFoundError: the increment or the task is not there, `no-tasks`.
        InvalidInputError: the tasks wait for each other, or for one that is not there; `git-identity-missing`;
            `config-invalid`.
        ConflictError: `task-not-ready`, `increment-paused`, `increment-closed`; where a commit is asked for,
            `git-underway` and `merge-conflicts`; where a task is given back, `task-not-kept` and `task-claimed`.
    """
    from specweave.increments import claims, evidence, store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations import committing, task_binding, task_keeping, task_schedule  # noqa: PLC0415 - as above
    from specweave.operations.task_schedule import Wanted  # noqa: PLC0415 - as above

    increment = store.find(context.project, request.increment)
    _ = context.project.config  # settings that cannot be read are no failure of a task
    if request.release is not None:
        return task_keeping.give_back(request, context, increment)
    staged = None if request.dry_run else committing.check_if_asked(request, context.project, increment)
    name = request.as_ or context.actor
    wanted = Wanted(request.task, request.until, request.dry_run, request.parallel, name)
    outcome = task_schedule.run_ready(increment, context, wanted)
    everything = task_binding.ordered(increment)
    standings = evidence.standings(increment, everything)
    done, kept = task_binding.done(everything, standings), None
    if not request.dry_run:
        task_keeping.let_go(increment, context, done)
        kept = task_keeping.keep_next(increment, context, outcome.waiting, request.as_)
    held = claims.held(context, increment)
    people = task_keeping.as_held(increment, outcome.waiting, held, request.as_)
    what = _what([ran.task.id for ran in outcome.ran])
    commit = None if request.dry_run else committing.commit_if_asked(request, increment, what, staged)
    result = DoResult(
        passed=outcome.stopped != "failed",
        increment=increment.id,
        status=increment.metadata().status,
        stopped=outcome.stopped,
        ran=[_run(ran) for ran in outcome.ran],
        waiting=[_waiting(increment, person, held.get(claims.name_of(person.task.id))) for person in people],
        claimed=[_claimed(task) for task in everything if standings[task.id].standing == "claimed"],
        done=len(done),
        total=len(everything),
        revision=store.revision(increment),
        commit=commit,
        uncommitted="" if request.dry_run else committing.why_not(request, increment, commit),
    )
    result._kept = task_keeping.said(increment, kept)  # noqa: SLF001 - of the class above, no field of its schema
    return result


def _claimed(task: "Task") -> ClaimedTask:
    return ClaimedTask(task=task.id, title=task.title)


def _run(ran: "Ran") -> Run:
    return Run(
        task=ran.task.id,
        title=ran.task.title,
        command=ran.line,
        passed=ran.passed,
        report=ran.report,
        message=ran.message,
        next_step=ran.next_step,
    )


def _waiting(increment: "Increment", person: "Person", claim: "Claim | None") -> Waiting:
    from specweave.operations.task_brief import brief  # noqa: PLC0415 - a listing must stay cheap

    asked = brief(increment, person.task)
    return Waiting(
        task=person.task.id,
        title=person.task.title,
        reason=person.reason,
        action=person.action,
        text=asked.text,
        criteria=asked.criteria,
        files=list(asked.files),
        test=person.task.test,
        kept_for=claim.name if claim else None,
    )


def _what(ran: list[str]) -> str:
    return f"ran {', '.join(ran)}" if ran else "nothing was ready to run"


def _approval(_request: DoRequest, _context: Context) -> str | None:
    """Nothing is asked beforehand: what needs a yes is known when its turn comes; `--approve` says it for all of it."""
    return None


COMMAND = Command(
    group="sw",
    name="do",
    request=DoRequest,
    result=DoResult,
    run=run,
    annotations=Annotations(destructive=True, open_world=True),
    examples=("0043", "0043 --until T-005", "0043 --task T-003 --dry-run", "0043 --parallel 4 --as anna"),
    approval=_approval,
    long=True,
)
