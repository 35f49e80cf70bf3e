"""Whether the acceptance criteria of an increment are met: the checks bound to them are run, and the rest is judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from specweave.command import Context
from specweave.errors import NotFoundError
from specweave.files.quoting import code_span
from specweave.files.quoting import markdown as quoted
from specweave.increments import binding, criteria, evidence, reports, tasks, test_cases
from specweave.increments import standings as stands
from specweave.increments.criteria import Criterion
from specweave.increments.reports import ReportData
from specweave.increments.repository import Head
from specweave.increments.standings import Stand
from specweave.increments.store import Increment
from specweave.increments.tasks import Standing, Task
from specweave.increments.test_cases import Results
from specweave.operations.counting import counted
from specweave.operations.repeated_test import is_dirty
from specweave.operations.sw.verify import NOT_REPEATED, Check, CriterionVerdict, Proof, Verdict
from specweave.operations.task_binding import Bound, Person, Standings, Tested, done, ordered
from specweave.operations.task_running import Ran, check_of, run_claimed
from specweave.operations.task_schedule import Tracker

_VERDICTS: Mapping[Standing, Verdict] = {"passed": "passed", "failed": "failed", "stale": "stale", "claimed": "claimed"}
# From what is furthest from meeting a criterion.
_STRENGTH: tuple[Verdict, ...] = ("failed", "stale", "none", "claimed", "passed")
_NAMED_TESTS = 20
_MESSAGE_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found.

    Attributes:
        verdicts: for each criterion in question, in the order of spec.md.
        checks: what was run for them, and what was not, in the order of the dependencies.
        problems: what looks like a criterion and could not be read, one sentence each.
    """

    verdicts: tuple[CriterionVerdict, ...]
    checks: tuple[Check, ...]
    problems: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether there are criteria and each can be read and is shown, and each check could be run and none failed."""
        shown = bool(self.verdicts) and all(verdict.result == "passed" for verdict in self.verdicts)
        held = all(check.passed is not False and not check.could_not_be_repeated for check in self.checks)
        return shown and held and not self.problems

    def data(self) -> dict[str, object]:
        """For the report."""
        return {
            "criteria": [verdict.model_dump(mode="json") for verdict in self.verdicts],
            "checks": [check.model_dump(mode="json") for check in self.checks],
            "problems": list(self.problems),
        }


def verify(
    increment: Increment,
    context: Context,
    head: Head,
    *,
    task_id: str | None = None,
    criterion_id: str | None = None,
) -> Verification:
    """Run what shows the criteria, and judge what cannot be repeated by its evidence.

    Args:
        increment: whose.
        context: passed on to the checks.
        head: the commit that the checks are run at.
        task_id: only this task, and its criteria.
        criterion_id: only this criterion.

    Raises:
        NotFoundError: `no-tasks`, `task-not-found`, `criterion-not-found`.
        InvalidInputError: a document cannot be read, or the tasks cannot be put in order.
    """
    everything, specification = ordered(increment), criteria.read(increment)
    demanded = specification.criteria
    if task_id is not None:
        wanted = tasks.find(increment, task_id)
        everything = tuple(task for task in everything if task.id == wanted.id)
        demanded = tuple(criterion for criterion in demanded if criterion.id in wanted.criteria)
    if criterion_id is not None:
        demanded = (_find(demanded, criterion_id, increment),)
    known = {criterion.id for criterion in demanded}
    in_question = [task for task in everything if task_id is not None or known.intersection(task.criteria)]
    checks = _run(increment, context, in_question)
    everything = tasks.read(increment)
    found = evidence.standings(increment, everything, today=True)
    repeated = {check.task: head for check in checks if check.as_before}
    verdicts = tuple(_verdict(increment, criterion, everything, found, repeated) for criterion in demanded)
    whole = task_id is None and criterion_id is None
    return Verification(verdicts, tuple(checks), specification.problems if whole else ())


def markdown(verification: Verification) -> str:
    """The matrix for people: criterion, task, test, result, commit."""
    shown = sum(verdict.result == "passed" for verdict in verification.verdicts)
    lines = [f"{shown} of {counted(len(verification.verdicts), 'criterion', 'criteria')} shown.", ""]
    lines += ["| criterion | task | test | result | commit |", "|---|---|---|---|---|"]
    for verdict in verification.verdicts:
        name = f"{verdict.id} {quoted(verdict.text)}"
        if not verdict.proofs:
            lines.append(f"| {name} | | | **{verdict.result}**: {quoted(verdict.why)} | |")
        for proof in verdict.proofs:
            lines.append(f"| {name} | {proof.task} | {_test_cell(proof)} | {_result_cell(proof)} | {_commit(proof)} |")
    lines += [f"\n{quoted(problem)}" for problem in verification.problems]
    if verification.checks:
        lines += ["", "## Checks", ""]
        lines += [f"- {check.task} {code_span(check.command)}: {_outcome(check)}" for check in verification.checks]
    return "\n".join(lines) + "\n"


def _find(demanded: Sequence[Criterion], wanted: str, increment: Increment) -> Criterion:
    key = test_cases.same_criterion(wanted)
    for criterion in demanded:
        if criterion.id == wanted or (key is not None and test_cases.same_criterion(criterion.id) == key):
            return criterion
    known = ", ".join(criterion.id for criterion in demanded) or "none"
    raise NotFoundError(
        "criterion-not-found",
        f"{increment.id} has no criterion {wanted[:80]!r} in question",
        next_step=f"name one of {known}",
    )


def _run(increment: Increment, context: Context, in_question: Sequence[Task]) -> list[Check]:
    tracker, checks = Tracker(context, max(len(in_question), 1)), []
    for task in in_question:
        line = task.run or task.test
        if line is None:
            continue
        if command := binding.only_reads(task):
            checks.append(Check(task=task.id, command=line, why=f"not run: {command} only reads"))
            continue
        step = check_of(increment, task, context)
        waiting = _waits_for(increment, task) if isinstance(step, Bound) else []
        if waiting:
            checks.append(Check(task=task.id, command=line, why=f"not run: it waits for {', '.join(waiting)}"))
            continue
        if isinstance(step, Bound | Tested):
            about = tracker.context(task)
            step = run_claimed(increment, step, about, name=context.actor, again=True, verifying=True)
        tracker.end(task)
        checks.append(_check(task, line, step))
    return checks


def _check(task: Task, line: str, step: Ran | Person | None) -> Check:
    if step is None:
        return Check(task=task.id, command=line, why="not repeated: it acts; its evidence is judged")
    if isinstance(step, Person):
        return Check(task=task.id, command=line, why=f"not run: {step.action}")
    if step.passed is None:
        remedy = f"; {step.next_step}" if step.next_step else ""
        return Check(task=task.id, command=step.line, why=f"{NOT_REPEATED}{step.message}{remedy}")
    return Check(
        task=task.id,
        command=step.line,
        passed=step.passed,
        report=step.report,
        why=step.message,
        as_before=step.as_before,
    )


def _waits_for(increment: Increment, task: Task) -> list[str]:
    everything = tasks.read(increment)
    standings = evidence.standings(increment, everything, today=True)
    finished = done(everything, standings)
    return [f"{other} ({standings[other].standing})" for other in task.dependencies if other not in finished]


def _verdict(
    increment: Increment,
    criterion: Criterion,
    everything: Sequence[Task],
    found: Standings,
    repeated: Mapping[str, Head],
) -> CriterionVerdict:
    satisfying = [task for task in everything if criterion.id in task.criteria]
    proofs = [_proof(increment, criterion, task, found[task.id], repeated.get(task.id)) for task in satisfying]
    deciding = {showing.task.id for showing in stands.of_criterion(criterion.id, everything, found)}
    judged = [proof for proof in proofs if proof.task in deciding]
    worst = min(judged, key=lambda proof: _STRENGTH.index(proof.result), default=None)
    return CriterionVerdict(
        id=criterion.id,
        text=criterion.text,
        result=worst.result if worst else "none",
        why=worst.why if worst else "no task satisfies it",
        proofs=proofs,
    )


def _proof(increment: Increment, criterion: Criterion, task: Task, stand: Stand, repeated: Head | None) -> Proof:
    _, standing, why = stands.for_criterion(criterion.id, task, stand)
    result = _VERDICTS.get(standing, "none")
    report = reports.of_page(increment, task.evidence) if task.evidence else None
    results = _results(report, criterion, task)
    counts = {word: sum(case.result == word for case in results.cases) for word in ("passed", "failed", "skipped")}
    not_passed = [case for case in results.cases if case.result != "passed"]
    first = next((case for case in not_passed if case.result == "failed"), None)
    if result == "failed" and first is not None:
        why = f"{first.name}: {first.message}".removesuffix(": ")
    elif result == "failed" and report is not None and isinstance(report.data.get("message"), str):
        why = f"{why}: {report.data['message'].partition(chr(10))[0][:_MESSAGE_CHARACTERS]}"
    elif result == "none" and not why:
        why = "it was left out" if standing == "skipped" else "nothing was run for it yet"
    at = report if repeated is None or report is None else Head(repeated.commit, is_dirty(increment, report, repeated))
    return Proof(
        task=task.id,
        check=task.run or task.test,
        tests=counts if results.cases else {},
        not_passed=[case.name for case in not_passed][:_NAMED_TESTS],
        result=result,
        why=why,
        report=task.evidence if report else None,
        commit=at.commit if at else None,
        dirty=at.dirty if at else False,
    )


def _results(report: ReportData | None, criterion: Criterion, task: Task) -> Results:
    """The tests of a task that count for a criterion."""
    results = test_cases.from_data(report.data) if report else None
    cases = results.cases if results else ()
    return Results(tuple(case for case in cases if case.is_about(criterion.id, task.criteria)))


def _test_cell(proof: Proof) -> str:
    parts = [code_span(proof.check, cell=True) if proof.check else "by a person"]
    parts += [f"{count} {word}" for word, count in proof.tests.items() if count]
    parts += [code_span(name, cell=True) for name in proof.not_passed[:5]]
    return ", ".join(parts)


def _result_cell(proof: Proof) -> str:
    said = f"**{proof.result}**" + (f": {quoted(proof.why)}" if proof.why else "")
    return f"{said}, [report](../{proof.report})" if proof.report else said


def _commit(proof: Proof) -> str:
    if proof.commit is None:
        return ""
    return f"{proof.commit[:7]}{' with local changes' if proof.dirty else ''}"


def _outcome(check: Check) -> str:
    if check.passed is None:
        return quoted(check.why)
    outcome = "passed" if check.passed else f"**failed**: {quoted(check.why)}"
    return f"{outcome}, as [its evidence](../{check.report}) says" if check.as_before else outcome
