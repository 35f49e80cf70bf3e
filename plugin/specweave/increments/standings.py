"""How tasks stand: what their evidence shows, and whether it is about the content as it is now."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from specweave.increments import binding, life_cycle, reports, test_cases
from specweave.increments import content as contents
from specweave.increments.content import FileDigest
from specweave.increments.life_cycle import State
from specweave.increments.metadata import TaskState
from specweave.increments.reports import ReportData
from specweave.increments.store import Increment
from specweave.increments.tasks import Standing, Task
from specweave_runtime.package import digest as digest_of_file


class Stand(NamedTuple):
    """How a task stands.

    Attributes:
        standing: see `standings`.
        why: in a few words, which may be empty.
        shown: criteria that a run shows although it failed: their own tests passed, and are about what is there now.
    """

    standing: Standing
    why: str = ""
    shown: tuple[str, ...] = ()


class Showing(NamedTuple):
    """How a task stands for one of the criteria that it satisfies.

    Attributes:
        task: which.
        standing: `open` also where it passed and shows nothing of that criterion.
        why: in a few words, which may be empty.
    """

    task: Task
    standing: Standing
    why: str


def standing(increment: Increment, task: Task) -> Standing:
    """How one task stands; see `standings`."""
    return standings(increment, (task,))[task.id].standing


def standings(increment: Increment, everything: Sequence[Task], *, today: bool = False) -> Mapping[str, Stand]:
    """How tasks stand, by id.

    A completed increment was right when it was closed, and the project goes on: where only files changed since that
    are not its own, what was shown then stays `passed`.

    Args:
        increment: whose.
        everything: the tasks in question.
        today: judge also a completed increment by all the content of now.

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
    metadata = increment.metadata()
    file_digest = cache(digest_of_file)
    kept = {} if today else life_cycle.shown_at_completion(metadata)
    return {
        task.id: _standing(increment, task, metadata.tasks.get(task.id), file_digest, closed=task.id in kept)
        for task in everything
    }


def is_done(task: Task, stands: Standing) -> bool:
    """Whether nothing is left to do for a task: a claim is enough only where no command or test could show it."""
    return stands in {"passed", "skipped"} or (stands == "claimed" and not binding.needs_evidence(task))


def shown_criteria(everything: Sequence[Task], found: Mapping[str, Stand]) -> dict[str, bool]:
    """Whether evidence shows a criterion, for each that some command or test, or a report there is, can show.

    Args:
        everything: the tasks of an increment.
        found: how they stand.
    """
    measured = {criterion: None for task in everything if is_measured(task) for criterion in task.criteria}
    return {
        criterion: all(showing.standing == "passed" for showing in of_criterion(criterion, everything, found))
        for criterion in measured
    }


def of_criterion(criterion: str, everything: Sequence[Task], found: Mapping[str, Stand]) -> Iterator[Showing]:
    """How the tasks that decide about a criterion stand for it: it is shown where each of them passed.

    What a person did takes nothing from what the others show.

    Args:
        criterion: its id.
        everything: the tasks of an increment.
        found: how they stand.
    """
    satisfying = [task for task in everything if criterion in task.criteria]
    measured = any(is_measured(task) for task in satisfying)
    for task in satisfying:
        if not measured or is_measured(task) or not is_done(task, found[task.id].standing):
            yield for_criterion(criterion, task, found[task.id])


def for_criterion(criterion: str, task: Task, stand: Stand) -> Showing:
    """How a task stands for one of its criteria, whether or not it decides about it."""
    if stand.standing == "failed" and criterion in stand.shown:
        return Showing(task, "passed", f"its own tests passed; others of {task.id} failed")
    if stand.standing == "passed" and criterion in task.uncovered:
        return Showing(task, "open", "none of its tests is about this criterion")
    if stand.standing == "passed" and (command := binding.only_reads(task)):
        return Showing(task, "open", f"{command} only reads, which shows no criterion")
    return Showing(task, stand.standing, stand.why)


def is_measured(task: Task) -> bool:
    """Whether a command or a test can show a task, or a report there is does."""
    return binding.needs_evidence(task) or task.passed is not None


def shown_state(everything: Sequence[Task], found: Mapping[str, Stand], state: State) -> State:
    """The state that an increment should have by what its tasks show.

    Args:
        everything: its tasks.
        found: how they stand.
        state: the one it has.
    """
    ready = bool(everything) and all(is_done(task, found[task.id].standing) for task in everything)
    if ready and state in {"planned", "active"}:
        return "ready_for_review"
    return "active" if not ready and state == "ready_for_review" else state


def _standing(
    increment: Increment, task: Task, state: TaskState | None, file_digest: FileDigest, *, closed: bool
) -> Stand:
    if task.marked == "skipped":
        return Stand("skipped", "left out")
    if state is None or state.evidence is None:
        return Stand("claimed", "its box is ticked, nothing shows it") if task.claimed else Stand("open")
    report = reports.of_page(increment, state.evidence)
    # metadata.json points to evidence: what that says counts.
    if not state.passed or (report is not None and not report.passed):
        shown = _shown_all_the_same(increment, task, state, report, file_digest) if report else ()
        return Stand("failed", f"{state.evidence} failed", shown)
    if state.status == "completed" and task.status != "completed":
        return Stand("open", "its tick was taken away")
    reason = _why_stale(increment, task, state, report, file_digest, closed=closed)
    return Stand("passed") if reason is None else Stand("stale", reason)


def _shown_all_the_same(
    increment: Increment, task: Task, state: TaskState, report: ReportData, file_digest: FileDigest
) -> tuple[str, ...]:
    shown = () if report.command != task.test else test_cases.shown_in_failure(report.data, task.criteria)
    if not shown or _is_about_other_words(task, state, report):
        return ()
    return () if _what_changed(increment, task, state, report, file_digest, closed=False) else shown


def _is_about(increment: Increment, task: Task, report: ReportData) -> bool:
    """Whether a report is one of a task: a line in metadata.json that names some other one shows nothing."""
    if task.id in report.tasks:
        return True
    return report.command == task.test or binding.is_bound(increment, task, report.command)


def _why_stale(
    increment: Increment,
    task: Task,
    state: TaskState,
    report: ReportData | None,
    file_digest: FileDigest,
    *,
    closed: bool,
) -> str | None:
    if report is None:
        return f"{state.evidence} is not there any more"
    if state.status != "completed":
        return "it was about another model package"
    if _is_about_other_words(task, state, report):
        return "its text changed, or that of a criterion"
    if not _is_about(increment, task, report):
        return f"{state.evidence} is about other work"
    return _what_changed(increment, task, state, report, file_digest, closed=closed)


def _is_about_other_words(task: Task, state: TaskState, report: ReportData) -> bool:
    return (state.task_digest or report.tasks.get(task.id, task.text_digest)) != task.text_digest


def _what_changed(
    increment: Increment, task: Task, state: TaskState, report: ReportData, file_digest: FileDigest, *, closed: bool
) -> str | None:
    content_digest = state.content_digest or report.content_digest
    now = contents.of_task(increment, task, file_digest) if content_digest is not None else None
    if now is None or now.short == content_digest:
        return None
    if closed and not any(contents.is_own(increment, task, name) for name in now.changed(report.content)):
        return None
    return now.change_since(report.content) or "what it is about changed"
