"""Running the tasks of an increment by their bound commands, and what each run leaves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from specweave.arguments import slash_line
from specweave.command import Context, Progress
from specweave.errors import ConflictError, SpecweaveError
from specweave.files import quoting
from specweave.increments import evidence, graph, tasks
from specweave.increments.store import Increment
from specweave.increments.tasks import Task
from specweave.operations.task_binding import Bound, Person, bind, first_to_ask, is_done, ordered, person_for, ready


@dataclass(frozen=True, slots=True)
class Ran:
    """A task after its command was run.

    Attributes:
        task: as it was before.
        line: the command as a person would type it.
        passed: whether it did what it should; None in a dry run.
        report: path of its evidence, relative to the increment; None where a person has to act first.
        message: why it failed, empty where it passed.
        next_step: what to do about that.
    """

    task: Task
    line: str
    passed: bool | None
    report: str | None
    message: str = ""
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was run, and why no more.

    Attributes:
        stopped: `completed` when nothing in question is left, `failed` at the first failure, `waiting` when all that is
            ready waits for a person, `dry-run`.
        ran: in the order they were run.
        waiting: tasks that are ready and wait for a person.
    """

    stopped: Literal["completed", "failed", "waiting", "dry-run"]
    ran: tuple[Ran, ...]
    waiting: tuple[Person, ...]


def run_ready(
    increment: Increment, context: Context, *, only: str | None = None, until: str | None = None, dry_run: bool = False
) -> Outcome:
    """Run tasks that are ready until something fails or all that is left needs a person.

    Args:
        increment: whose.
        context: passed on to every command.
        only: just this task, done or not.
        until: just this task and those it depends on.
        dry_run: suppose that every command passes, and run none.

    Raises:
        NotFoundError: `no-tasks`, `task-not-found`.
        InvalidInputError: `task-duplicate`, `task-dependency-unknown`, `task-cycle`.
        ConflictError: `increment-closed`, `task-not-ready`.
    """
    if not increment.metadata().is_open:
        raise ConflictError(
            "increment-closed",
            f"{increment.id} is {increment.metadata().status}",
            next_step="make another increment for what is left: /sw:inc",
        )
    scope = _scope(increment, only, until)
    ran: list[Ran] = []
    waiting: dict[str, Person] = {}
    while True:
        tried = {run.task.id for run in ran} | waiting.keys()
        supposed = frozenset(run.task.id for run in ran) if dry_run else frozenset()
        task = _next(increment, scope - tried, supposed, again=only is not None)
        if task is None:
            break
        step = _step(increment, task, progress_of(context, task, len(tried), len(scope)), dry_run=dry_run)
        if isinstance(step, Person):
            waiting[task.id] = step
            continue
        ran.append(step)
        if step.passed is False:
            return Outcome("failed", tuple(ran), tuple(first_to_ask(waiting.values())))
    return Outcome(
        "dry-run" if dry_run else "waiting" if waiting else "completed",
        tuple(ran),
        tuple(first_to_ask(waiting.values())),
    )


def _scope(increment: Increment, only: str | None, until: str | None) -> frozenset[str]:
    everything = ordered(increment)
    if only is not None:
        task = tasks.find(increment, only)
        require_ready(increment, task, everything)
        return frozenset({task.id})
    if until is not None:
        return graph.needed_for(everything, tasks.find(increment, until).id)
    return frozenset(task.id for task in everything)


def _next(increment: Increment, scope: frozenset[str], supposed: frozenset[str], *, again: bool) -> Task | None:
    """The first task to run, by the documents as they are now: a command may have changed them."""
    everything = ordered(increment)
    candidates = everything if again else ready(everything, supposed)
    return next((task for task in candidates if task.id in scope), None)


def _step(increment: Increment, task: Task, context: Context, *, dry_run: bool) -> Ran | Person:
    started = context.host.now()
    try:
        bound = bind(increment, task, context)
    except SpecweaveError as error:
        if person := person_for(task, task.run or "", error):
            return person
        return Ran(task, task.run or "", passed=False, report=None, message=error.message, next_step=error.next_step)
    if isinstance(bound, Person):
        return bound
    if dry_run:
        return Ran(task, bound.line, passed=None, report=None)
    context.report(Progress(bound.line))
    return run(bound, increment, context, started)


def run(bound: Bound, increment: Increment, context: Context, started: datetime) -> Ran | Person:
    """Run a task's command and see to its evidence.

    An operation records its own evidence; for one that leaves none, and for one that raised, it is recorded here.
    """
    before = _newest_number(increment)
    try:
        result = bound.command.run(bound.request, context)
    except SpecweaveError as error:
        if person := person_for(bound.task, bound.line, error):
            return person
        body = f"`{error.code}`: {quoting.message(error.message)}"
        body += f"\n\nNext: {quoting.markdown(error.next_step)}" if error.next_step else ""
        report = _see_to_evidence(
            bound, increment, context, started=started, before=before, passed=False, body=body, data=error.as_dict()
        )
        return Ran(
            bound.task, bound.line, passed=False, report=report, message=error.message, next_step=error.next_step
        )
    report = _see_to_evidence(
        bound,
        increment,
        context,
        started=started,
        before=before,
        passed=result.passed,
        body=result.text(),
        data=result.model_dump(mode="json"),
    )
    if report is None:
        message = f"{bound.line} passed, but about another model package than the one the task is about"
        next_step = "bring the package of deployment.yaml to where it was run"
        return Ran(bound.task, bound.line, passed=False, report=None, message=message, next_step=next_step)
    message = "" if result.passed else f"{bound.line} ran, and its outcome is not good enough"
    return Ran(bound.task, bound.line, passed=result.passed, report=report, message=message)


def require_ready(increment: Increment, task: Task, everything: Sequence[Task]) -> None:
    """Refuse a task that waits for others.

    Raises:
        ConflictError: `task-not-ready`, with those it waits for.
    """
    waiting = [other.id for other in everything if other.id in task.dependencies and not is_done(other)]
    if waiting:
        raise ConflictError(
            "task-not-ready",
            f"{task.id} waits for {', '.join(waiting)}",
            next_step=f"run `/sw:do {increment.number} --until {task.id}`, which does those first",
        )


def progress_of(context: Context, task: Task, done: int, total: int) -> Context:
    """A context whose progress is that of one task among several."""

    def report(progress: Progress) -> None:
        fraction = (done + (progress.fraction or 0.0)) / total
        context.report(Progress(f"{task.id}: {progress.message}", fraction))

    return context.with_report(report)


def _newest_number(increment: Increment) -> int:
    return next((report.number for report in evidence.reports(increment)), 0)


def _see_to_evidence(
    bound: Bound,
    increment: Increment,
    context: Context,
    *,
    started: datetime,
    before: int,
    passed: bool,
    body: str,
    data: dict[str, object],
) -> str | None:
    """The page of the report under the task; None where what passed is no evidence for it."""
    canonical = slash_line(bound.command, bound.request)
    for report in evidence.reports(increment):
        if report.number <= before:
            break
        # Another process may have left a report meanwhile: only one of this very command is taken for its own.
        if report.command != canonical or report.passed != passed:
            continue
        if passed and not evidence.shows(increment, bound.task, report):
            return None
        if tasks.find(increment, bound.task.id).evidence != report.page:
            evidence.attach(context, increment, bound.task.id, report)
        return report.page
    made = evidence.record(
        context,
        increment,
        operation=bound.operation,
        command=canonical,
        passed=passed,
        started=started,
        markdown=body,
        data=data,
        task_id=bound.task.id,
    )
    return made.path.relative_to(increment.folder).as_posix()
