"""What is missing before an increment is done: criterion by criterion, with the reason and what would show it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from specweave.files.quoting import code_span
from specweave.increments import binding, content, criteria, evidence, repository, standings, tasks
from specweave.increments.criteria import Criterion
from specweave.increments.standings import Stand
from specweave.increments.store import Increment
from specweave.increments.tasks import Standing, Task

State = Literal["none", "failed", "stale", "claimed"]

_STATES: Mapping[Standing, State] = {"failed": "failed", "stale": "stale", "claimed": "claimed"}
_ORDER: tuple[State, ...] = ("failed", "stale", "claimed", "none")


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that is not shown.

    Attributes:
        criterion: its id; None for a task that is left to do and satisfies no criterion, and where there is no
            criterion or none that can be read.
        text: of the criterion, or the title of the task.
        state: `none` where nothing was run, else what is wrong with the evidence.
        task: the one whose evidence is missing; None for a criterion that no task satisfies.
        why: a few words.
        command: what would show it, None where only people can say so.
        action: what to do, one sentence.
    """

    criterion: str | None
    text: str
    state: State
    task: str | None
    why: str
    command: str | None
    action: str


def gaps(increment: Increment) -> tuple[Gap, ...]:
    """What is missing, in the order of spec.md, then of the tasks; nothing where all is shown.

    Raises:
        InvalidInputError: a document cannot be read.
    """
    everything = tasks.read(increment)
    found = evidence.standings(increment, everything, today=True)
    specification = criteria.read(increment)
    demanded = specification.criteria
    missing = [gap for criterion in demanded for gap in _of_criterion(increment, criterion, everything, found)]
    told = {gap.task for gap in missing}
    missing += [
        _gap(increment, None, task.title, task, found[task.id])
        for task in everything
        if task.id not in told and not evidence.is_done(task, found[task.id].standing)
    ]
    for problem in specification.problems:
        action = "write its id so that it can be read, and name it in `**Satisfies ACs**` of the task that shows it"
        missing.append(Gap(None, "", "none", None, problem, None, action))
    if not demanded and not specification.problems:
        why = "it has no criteria" if everything else "it has neither criteria nor tasks"
        action = "write its criteria in spec.md, and the tasks that satisfy them in tasks.md"
        missing.append(Gap(None, "", "none", None, why, None, action))
    return tuple(missing)


def _of_criterion(
    increment: Increment, criterion: Criterion, everything: Sequence[Task], found: Mapping[str, Stand]
) -> Iterator[Gap]:
    satisfying = [task for task in everything if criterion.id in task.criteria]
    if not satisfying:
        why = "its box is ticked, but no task satisfies it" if criterion.marked else "no task satisfies it"
        action = f"name {criterion.id} in `**Satisfies ACs**` of the task that shows it"
        state: State = "claimed" if criterion.marked else "none"
        yield Gap(criterion.id, criterion.text, state, None, why, None, action)
    for showing in standings.of_criterion(criterion.id, everything, found):
        task, stands = showing.task, found[showing.task.id].standing
        if stands == "passed" and showing.standing != "passed":
            action = f"name it in the test that shows it, as in `test_{_as_name(criterion.id)}_…`"
            if criterion.id not in task.uncovered:
                action = f"give {task.id} a `**Test**` line, or a `**Run**` line that does or measures something"
            yield Gap(criterion.id, criterion.text, "none", task.id, showing.why, None, action)
        elif showing.standing != "passed":
            yield _gap(increment, criterion.id, criterion.text, task, found[task.id])


def _as_name(criterion: str) -> str:
    return re.sub(r"[-.]", "_", criterion.lower())


def _gap(increment: Increment, criterion: str | None, text: str, task: Task, stand: Stand) -> Gap:
    stands, why = stand.standing, stand.why
    state = _STATES.get(stands, "none")
    reason = {
        "open": why or "it was not run yet",
        "skipped": "it was left out",
        "claimed": "its box is ticked, but nothing shows it",
    }.get(stands, why)
    if binding.needs_evidence(task):
        command = f"/sw:do {increment.number} --task {task.id}"
        does = code_span(task.run or task.test or "")
        return Gap(criterion, text, state, task.id, reason, command, f"run `{command}`: it runs {does}")
    if task.run is not None:
        action = f"{task.run.split()[0]} is not built yet: only people can say that {task.id} is done"
    elif stands in {"claimed", "skipped"} or criterion is not None:
        action = f"give {task.id} a `**Test**` or `**Run**` line that shows it, or close it with `--reason`"
    else:
        action = f"do {task.id}, then tick it in {task.document}"
    return Gap(criterion, text, state, task.id, reason, None, action)


def unsaved(increment: Increment) -> tuple[str, ...]:
    """The project's files that the tasks' evidence is about and that the commit at hand does not hold as they are."""
    names: dict[str, None] = {}
    for task in tasks.read(increment):
        if task.test is not None and task.passed:
            names |= dict.fromkeys(content.of_task(increment, task).files)
    return repository.unsaved(increment.project.root, names)


def facts(increment: Increment, unproven: Sequence[str]) -> dict[str, object]:
    """What the history keeps of a completion: the commit, what was shown for which content, and what was not.

    Returns:
        `commit` (None without one), `dirty`, `evidence` as task id → digest of what it is about, and `unproven` where
        there is any.
    """
    everything, head = tasks.read(increment), evidence.stand(increment)
    found = evidence.standings(increment, everything, today=True)
    passed = [task for task in everything if found[task.id].standing == "passed" and task.evidence]
    shown = {task.id: content.digest(increment, task) for task in passed}
    kept: dict[str, object] = {"commit": head.commit, "dirty": head.dirty, "evidence": shown}
    return {**kept, "unproven": list(unproven)} if unproven else kept


def in_short(missing: Sequence[Gap]) -> list[str]:
    """The criteria and tasks that are not shown, each once with its worst state: `AC-US1-01 (stale)`.

    Where there is no criterion, or one that cannot be read, that is `criteria (none)`.
    """
    states: dict[str, State] = {}
    for gap in missing:
        name = gap.criterion or gap.task or "criteria"
        known = states.get(name)
        if known is None or _ORDER.index(gap.state) < _ORDER.index(known):
            states[name] = gap.state
    return [f"{name} ({state})" for name, state in states.items()]
