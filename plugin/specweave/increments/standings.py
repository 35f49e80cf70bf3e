"""How tasks stand: what their evidence shows, and whether it is about the content as it is now."""

from collections.abc import Mapping, Sequence
from functools import cache

from specweave.increments import binding, reports
from specweave.increments import content as contents
from specweave.increments.content import FileDigest
from specweave.increments.life_cycle import State
from specweave.increments.metadata import TaskState
from specweave.increments.reports import ReportData
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
    for task in everything:
        if is_measured(task):
            for criterion in task.criteria:
                shows = found[task.id][0] == "passed" and criterion not in task.uncovered
                shown[criterion] = shown.get(criterion, True) and shows
    unfinished = {
        criterion
        for task in everything
        if not is_measured(task) and not is_done(task, found[task.id][0])
        for criterion in task.criteria
    }
    return {criterion: passed and criterion not in unfinished for criterion, passed in shown.items()}


def is_measured(task: Task) -> bool:
    """Whether a command or a test can show a task, or a report there is does."""
    return binding.needs_evidence(task) or task.passed is not None


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
    report = reports.of_page(increment, state.evidence) if state.passed else None
    # metadata.json points to evidence: what that says counts.
    if not state.passed or (report is not None and not report.passed):
        return "failed", f"{state.evidence} failed"
    if state.status == "completed" and task.status != "completed":
        return "open", "its tick was taken away"
    reason = _why_stale(increment, task, state, report, file_digest)
    return ("passed", "") if reason is None else ("stale", reason)


def _is_about(increment: Increment, task: Task, report: ReportData) -> bool:
    """Whether a report is one of a task: a line in metadata.json that names some other one shows nothing."""
    if task.id in report.tasks:
        return True
    return report.command == task.test or binding.is_bound(increment, task, report.command)


def _why_stale(
    increment: Increment, task: Task, state: TaskState, report: ReportData | None, file_digest: FileDigest
) -> str | None:
    if report is None:
        return f"{state.evidence} is not there any more"
    if state.status != "completed":
        return "it was about another model package"
    if (state.task_digest or report.tasks.get(task.id, task.text_digest)) != task.text_digest:
        return "its text changed, or that of a criterion"
    if not _is_about(increment, task, report):
        return f"{state.evidence} is about other work"
    content_digest = state.content_digest or report.content_digest
    now = contents.of_task(increment, task, file_digest) if content_digest is not None else None
    if now is None or now.short == content_digest:
        return None
    return now.change_since(report.content) or "what it is about changed"
