"""How tasks stand: what their evidence shows, and whether it is about the content as it is now."""

from collections.abc import Mapping, Sequence
from functools import cache

from specweave.increments import binding, reports
from specweave.increments import content as contents
from specweave.increments.content import FileDigest
from specweave.increments.life_cycle import State
from specweave.increments.metadata import TaskState
from specweave.increments.store import Increment
from specweave.increments.tasks import Standing, Task
from specweave_runtime.package import digest as digest_of_file


def standing(increment: Increment, task: Task) -> Standing:
    """How one task stands; see `standings`."""
    return standings(increment, (task,))[task.id][0]


def standings(increment: Increment, everything: Sequence[Task]) -> Mapping[str, tuple[Standing, str]]:
    """How tasks stand, by id, each with the reason in a few words, which may be empty.

    - `passed`: the newest evidence passed, and neither the task nor what the evidence is about changed since
    - `failed`: the newest evidence did not pass
    - `stale`: it passed, for another content or another wording
    - `claimed`: the box is ticked, and nothing shows it
    - `skipped`: left out on purpose
    - `open`: none of these

    Raises:
        InvalidInputError: `metadata-invalid`.
        OSError: a file that evidence is about may not be read.
    """
    states = increment.metadata().tasks
    file_digest = cache(digest_of_file)
    return {task.id: _standing(increment, task, states.get(task.id), file_digest) for task in everything}


def is_done(task: Task, stands: Standing) -> bool:
    """Whether nothing is left to do for a task: a claim is enough only where no command or test could show it."""
    return stands in {"passed", "skipped"} or (stands == "claimed" and not binding.needs_evidence(task))


def shown_criteria(everything: Sequence[Task], found: Mapping[str, tuple[Standing, str]]) -> dict[str, bool]:
    """Whether evidence shows a criterion, for each that some command or test, or a report there is, can show.

    Args:
        everything: the tasks of an increment.
        found: how they stand.
    """
    shown: dict[str, bool] = {}
    measurable: set[str] = set()
    for task in everything:
        for criterion in task.criteria:
            shown[criterion] = shown.get(criterion, True) and found[task.id][0] == "passed"
            if binding.needs_evidence(task) or task.passed is not None:
                measurable.add(criterion)
    return {criterion: passed for criterion, passed in shown.items() if criterion in measurable}


def shown_state(everything: Sequence[Task], found: Mapping[str, tuple[Standing, str]], state: State) -> State:
    """The state that an increment should have by what its tasks show.

    Args:
        everything: its tasks.
        found: how they stand.
        state: the one it has.
    """
    ready = bool(everything) and all(is_done(task, found[task.id][0]) for task in everything)
    if ready and state in {"planned", "active"}:
        return "ready_for_review"
    return "active" if not ready and state == "ready_for_review" else state


def _standing(
    increment: Increment, task: Task, state: TaskState | None, file_digest: FileDigest
) -> tuple[Standing, str]:
    if task.marked == "skipped":
        return "skipped", "left out"
    if state is None or state.evidence is None:
        return ("claimed", "its box is ticked, nothing shows it") if task.claimed else ("open", "")
    if not state.passed:
        return "failed", f"{state.evidence} failed"
    if state.status == "completed" and task.status != "completed":
        return "open", "its tick was taken away"
    reason = _why_stale(increment, task, state, state.evidence, file_digest)
    return ("passed", "") if reason is None else ("stale", reason)


def _why_stale(increment: Increment, task: Task, state: TaskState, page: str, file_digest: FileDigest) -> str | None:
    report = reports.of_page(increment, page)
    if report is None:
        return f"{page} is not there any more"
    if state.status != "completed":
        return "it was about another model package"
    if state.task_digest is not None and state.task_digest != task.text_digest:
        return "its text changed, or that of a criterion"
    if state.content_digest is None:
        return None
    now = contents.of_task(increment, task, file_digest)
    if now.short == state.content_digest:
        return None
    return now.change_since(report.content) or "what it is about changed"
