"""Running one task: its claim, its command or test, and the evidence that it leaves."""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from specweave.arguments import slash_line
from specweave.command import Context, Progress
from specweave.errors import ConflictError, GateError, HostError, NotFoundError, OperationError, SpecweaveError
from specweave.files import quoting
from specweave.increments import binding, claims, content, evidence, life_cycle, reports, tasks
from specweave.increments.store import Increment
from specweave.increments.tasks import Task
from specweave.operations import test_running
from specweave.operations.repeated_test import evidence_saying_the_same
from specweave.operations.task_binding import Bound, Person, Tested, bind, claimed, not_started, person_for, tested

# With these a check ended before anything was measured: they say nothing of what was to be checked.
_NO_VERDICT = (NotFoundError, GateError, ConflictError, HostError)
_NOT_MEASURED = frozenset(
    {"service-not-ready", "service-unreachable", "service-unauthorized", "certificate-refused", "environment-failed"}
    | {"host-unknown", "load-generator-failed", "workers-missing"}
)


@dataclass(frozen=True, slots=True)
class Ran:
    """A task after its command or test was run.

    Attributes:
        task: as it was before.
        line: the command as a person would type it, or the test.
        passed: whether it did what it should; None in a dry run, and where it could not be repeated to verify it.
        report: path of its evidence, relative to the increment; None where a person has to act first.
        message: why it failed, empty where it passed.
        next_step: what to do about that.
        by_test: whether it was the test that failed, so that the work itself may still be to do.
        as_before: whether it said what its evidence says already, which was kept.
    """

    task: Task
    line: str
    passed: bool | None
    report: str | None
    message: str = ""
    next_step: str = ""
    by_test: bool = False
    as_before: bool = False


def run_task(
    increment: Increment, task: Task, context: Context, *, name: str, again: bool = False, dry_run: bool = False
) -> Ran | Person | None:
    """Run a task that is ready.

    Args:
        increment: whose.
        task: as it was read last.
        context: passed on to its command.
        name: who claims it.
        again: run it also where it is done.
        dry_run: say what would be run.

    Returns:
        None where another process has done it meanwhile.
    """
    try:
        step = bind(increment, task, context)
    except SpecweaveError as error:
        return _not_bound(task, error)
    if isinstance(step, Person):
        return step
    if dry_run:
        return Ran(task, step.line, passed=None, report=None)
    return run_claimed(increment, step, context, name=name, again=again)


def check_of(increment: Increment, task: Task, context: Context) -> Bound | Tested | Ran | Person | None:
    """What shows a task and may be repeated: its command where that only checks, else its test; or why there is none.

    Returns:
        None where its command acts and there is no test.
    """
    try:
        step = bind(increment, task, context)
    except SpecweaveError as error:
        return _not_bound(task, error, verifying=True)
    acts = isinstance(step, Bound) and not step.only_checks
    if acts or (isinstance(step, Person) and step.reason == "approval"):
        return None if task.test is None else tested(task, context)
    return step


def run_claimed(
    increment: Increment, step: Bound | Tested, context: Context, *, name: str, again: bool, verifying: bool = False
) -> Ran | Person | None:
    """Run what does or shows a task, while nobody else may.

    Args:
        increment: whose.
        step: what to run.
        context: passed on to it.
        name: who claims the task.
        again: run it also where the task is done.
        verifying: evidence of a test that says the same already is kept, and no other is left; so is that of a check
            that could not be carried out.

    Returns:
        None where another process has done it meanwhile.
    """
    task = step.task
    with ExitStack() as held:
        try:
            held.enter_context(claims.claim(context, increment, task.id, name=name))
        except ConflictError as error:
            if error.code != "task-claimed":
                raise
            return claimed(task, error)
        if not again and _is_done(increment, task.id):
            return None
        if life_cycle.meaning(increment.metadata().status) == "planned":
            life_cycle.move(context, increment, "active", reason="the first work")
        context.report(Progress(step.line))
        return run(step, increment, context, verifying=verifying)


def run(step: Bound | Tested, increment: Increment, context: Context, *, verifying: bool = False) -> Ran | Person:
    """Do what a task is bound to; where that is a command and there is a test as well, the test decides."""
    if isinstance(step, Tested):
        return run_test(step, increment, context, verifying=verifying)
    ran = run_command(step, increment, context, verifying=verifying)
    if isinstance(ran, Person) or not ran.passed or step.task.test is None:
        return ran
    check = tested(step.task, context)
    # Where tests are not allowed, what the command itself shows has to do.
    return run_test(check, increment, context) if isinstance(check, Tested) else ran


def run_test(step: Tested, increment: Increment, context: Context, *, verifying: bool = False) -> Ran | Person:
    """Run a task's test and record how it went; see `run_claimed` for `verifying`."""
    started, head = context.host.now(), evidence.stand(increment)
    inputs = content.inputs(increment, step.task)
    try:
        outcome = test_running.run(context, step.argv)
    except SpecweaveError as error:
        if error.code == "cancelled":
            raise
        # After a command that passed, the failure has to be on record: else what the command shows would do.
        if isinstance(error, HostError) and error.code == "program-missing" and step.task.run is None:
            return not_started(step.task, error)
        passed, message, data, body = False, error.message, error.as_dict(), _body(error)
        next_step, exit_status = error.next_step, None
    else:
        outcome = test_running.judged(outcome, step.task.criteria)
        passed, data, body = outcome.passed, outcome.data(), outcome.markdown(step.line)
        message, next_step, exit_status = ("" if passed else outcome.summary), "", outcome.exit_status
        known = evidence_saying_the_same(increment, step.task, outcome, inputs, head) if verifying else None
        if known is not None:
            return Ran(step.task, step.line, passed, known.page, message, by_test=not passed, as_before=True)
    report = evidence.record(
        context,
        increment,
        operation=test_running.OPERATION,
        command=step.line,
        passed=passed,
        started=started,
        markdown=body,
        data=data,
        task_id=step.task.id,
        head=head,
        exit_status=exit_status,
        began=step.task,
        inputs=inputs,
    )
    page = report.path.relative_to(increment.folder).as_posix()
    return Ran(step.task, step.line, passed, page, message, next_step, by_test=not passed)


def run_command(bound: Bound, increment: Increment, context: Context, *, verifying: bool = False) -> Ran | Person:
    """Run a task's command and see to its evidence.

    An operation records its own evidence; for one that leaves none, and for one that raised, it is recorded here,
    unless nothing was measured while verifying.
    """
    started, before = context.host.now(), _newest_number(increment)
    try:
        result = bound.command.run(bound.request, context)
    except SpecweaveError as error:
        if error.code == "cancelled":
            raise  # it says nothing of the task
        if person := person_for(bound.task, bound.line, error):
            return person
        if verifying and is_no_verdict(error):
            return _failed(bound.task, bound.line, error, passed=None)
        report = _see_to_evidence(
            bound,
            increment,
            context,
            started=started,
            before=before,
            passed=False,
            body=_body(error),
            data=error.as_dict(),
        )
        return _failed(bound.task, bound.line, error, report)
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


def _is_done(increment: Increment, task_id: str) -> bool:
    task = tasks.find(increment, task_id)
    return evidence.is_done(task, evidence.standing(increment, task))


def _not_bound(task: Task, error: SpecweaveError, *, verifying: bool = False) -> Ran | Person:
    if error.code == "config-invalid":
        raise error  # it says nothing of the task
    line = task.run or task.test or ""
    passed = None if verifying and is_no_verdict(error) else False
    return person_for(task, line, error) or _failed(task, line, error, passed=passed)


def is_no_verdict(error: SpecweaveError) -> bool:
    """Whether a check could not be carried out, so that it says nothing of what it is about."""
    if isinstance(error, OperationError):
        # A service that was started for the check and whose log says why it ended was tried, and is not good enough.
        return error.code in _NOT_MEASURED and "log" not in error.details
    # What hangs until its time is up was tried as well.
    return isinstance(error, _NO_VERDICT) and error.code != "timeout"


def _failed(
    task: Task, line: str, error: SpecweaveError, report: str | None = None, *, passed: bool | None = False
) -> Ran:
    return Ran(task, line, passed, report=report, message=error.message, next_step=error.next_step)


def _body(error: SpecweaveError) -> str:
    body = f"`{error.code}`: {quoting.message(error.message)}"
    return body + (f"\n\nNext: {quoting.markdown(error.next_step)}" if error.next_step else "")


def _newest_number(increment: Increment) -> int:
    return next((report.number for report in reports.reports(increment)), 0)


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
    for report in reports.reports(increment):
        if report.number <= before:
            break
        # Another process may have left a report meanwhile: only one of this very command is taken for its own.
        if report.command != canonical or report.passed != passed:
            continue
        if passed and not binding.shows(increment, bound.task, report):
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
        began=bound.task,
    )
    return made.path.relative_to(increment.folder).as_posix()
