"""Rules for state and evidence: that what metadata.json says is shown, by reports that are there and of today."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from specweave.errors import SpecweaveError
from specweave.files import reading
from specweave.increments import content, life_cycle, reports, standings
from specweave.increments import metadata as metadata_file
from specweave.increments.standings import Showing, Stand
from specweave.operations import synchronization
from specweave.operations.validation.rule import Problem, Rule
from specweave.operations.validation.subject import Subject


def _drift(subject: Subject) -> Iterator[Problem]:
    if subject.metadata is None or not subject.stored:
        return
    try:
        repairs = synchronization.repairs(subject.increment)
    except SpecweaveError:
        return  # what cannot be read is said by the rules for that
    for repair in repairs:
        yield Problem(repair.drift, repair.file, repair.line)


def _missing(subject: Subject) -> Iterator[Problem]:
    for task in subject.tasks:
        if _standing(subject, task.id) == "claimed" and (task.run or task.test):
            line = subject.line_of(task, "status")
            yield Problem(f"{task.id} is ticked, and nothing was run that shows it", task.document, line)


def _claimed(subject: Subject) -> Iterator[Problem]:
    for task in subject.tasks:
        if _standing(subject, task.id) == "claimed" and not (task.run or task.test):
            yield Problem(f"{task.id} is done by a person's word", task.document, subject.line_of(task, "status"))


def _stale(subject: Subject) -> Iterator[Problem]:
    for task in subject.tasks:
        standing, why, _ = subject.standings.get(task.id, Stand("open"))
        # A report that is gone has a rule of its own.
        if standing == "stale" and _report_path(subject, task.evidence or ""):
            yield Problem(f"{task.id}: {why}", task.document, subject.line_of(task, "evidence"))


def _drifted(subject: Subject) -> Iterator[Problem]:
    if subject.metadata is None or not life_cycle.shown_at_completion(subject.metadata):
        return
    today = standings.standings(subject.increment, subject.tasks, today=True)
    for task in subject.tasks:
        if today[task.id].standing == "stale" and _standing(subject, task.id) == "passed":
            message = f"{task.id}: {today[task.id].why} since the increment was completed"
            yield Problem(message, task.document, subject.line_of(task, "evidence"))


def _failed(subject: Subject) -> Iterator[Problem]:
    for task in subject.tasks:
        standing, why, _ = subject.standings.get(task.id, Stand("open"))
        if standing == "failed" and _report_path(subject, task.evidence or ""):
            yield Problem(f"{task.id}: {why}", task.document, subject.line_of(task, "evidence"))


def _dangling(subject: Subject) -> Iterator[Problem]:
    for task in subject.tasks:
        if task.evidence and not _report_path(subject, task.evidence):
            line = subject.line_of(task, "evidence")
            yield Problem(f"the evidence of {task.id} is {task.evidence[:80]}, which is not there", task.document, line)


def _contradicted(subject: Subject) -> Iterator[Problem]:
    states = subject.metadata.tasks if subject.metadata else {}
    for task_id, state in states.items():
        path = _report_path(subject, state.evidence) if state.evidence else None
        said = _data(path.with_suffix(".json")) if path else None
        if said is not None and isinstance(said.get("passed"), bool) and said["passed"] != state.passed:
            word = "passed" if state.passed else "failed"
            yield Problem(
                f"metadata.json says that {task_id} {word}, {state.evidence} says the opposite", metadata_file.FILE
            )


def _unreadable_reports(subject: Subject) -> Iterator[Problem]:
    readable = {report.number for report in reports.reports(subject.increment)}
    for number, path in sorted(reports.files(subject.increment)):
        if path.suffix == ".json" and number not in readable:
            yield Problem(f"{path.name} is no report", f"{reports.FOLDER}/{path.name}")


def _incomplete_reports(subject: Subject) -> Iterator[Problem]:
    found = sorted(reports.files(subject.increment))
    whole = {path.stem for _, path in found if path.suffix == ".json"}
    for _, path in found:
        if path.suffix == ".md" and path.stem not in whole:
            yield Problem(f"{path.name} has no {path.stem}.json beside it", f"{reports.FOLDER}/{path.name}")


def _orphan_states(subject: Subject) -> Iterator[Problem]:
    if not subject.tasks or subject.metadata is None:
        return
    known = {task.id for task in subject.tasks}
    for task_id in subject.metadata.tasks:
        if task_id not in known:
            yield Problem(f"metadata.json has a state of {task_id[:40]}, which no document has", metadata_file.FILE)


def _without_files(subject: Subject) -> Iterator[Problem]:
    for task in subject.tasks:
        if task.test is None or task.files or content.of_task(subject.increment, task).files:
            continue
        # What is still to be done may have a test that is still to be written.
        if _standing(subject, task.id) != "open" or not content.names_paths(task):
            line = subject.line_of(task, "test")
            yield Problem(f"the test of {task.id} names no file that is there", task.document, line)


def _closed_without_evidence(subject: Subject) -> Iterator[Problem]:
    if subject.metadata is None or subject.metadata.status != "completed" or _reason(subject.stored):
        return
    for criterion in subject.specification.criteria:
        found = standings.of_criterion(criterion.id, subject.tasks if subject.standings else (), subject.standings)
        if not any(showing.standing == "passed" or _is_a_persons(showing) for showing in found):
            yield Problem(
                f"the increment is completed, and nothing shows {criterion.id}", criterion.document, criterion.line
            )


def _is_a_persons(showing: Showing) -> bool:
    return showing.standing == "claimed" and not showing.task.run


def _reason(document: Mapping[str, Any]) -> object:
    history = document.get("history")
    moves = [entry for entry in history if isinstance(entry, dict)] if isinstance(history, list) else []
    return next((move.get("reason") for move in reversed(moves) if move.get("to") == "completed"), None)


def _standing(subject: Subject, task_id: str) -> str:
    return subject.standings.get(task_id, Stand("open")).standing


def _report_path(subject: Subject, evidence: str) -> Path | None:
    try:
        path = (subject.folder / evidence).resolve()
        inside = path.is_relative_to(subject.folder.resolve())
        return path if inside and path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def _data(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(reading.read(path, limit=reports.BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


RULES = (
    Rule(
        "state-drift",
        "warning",
        "Documents and metadata.json say different things",
        "metadata.json holds the state and the documents show it. They part when a process is killed between two "
        "writes, after a merge, or when somebody edits one of them. What a person ticked is no drift but a claim.",
        "run `/sw:sync`, which says what it repairs",
        _drift,
    ),
    Rule(
        "evidence-missing",
        "warning",
        "A task with a command or a test is ticked without evidence",
        "Somebody says it is done and nothing shows it. The tick stays; `/sw:do` runs the task all the same.",
        "run `/sw:do`",
        _missing,
    ),
    Rule(
        "task-claimed",
        "information",
        "A person's task is done by that person's word",
        "It has neither **Run** nor **Test**, so nothing can show it.",
        "nothing, or bind a **Test** line to it",
        _claimed,
    ),
    Rule(
        "evidence-stale",
        "warning",
        "Evidence is about another content than the present one",
        "The files it was about, or the words of the task or of its criteria, changed since.",
        "run `/sw:do`, which runs the task again",
        _stale,
    ),
    Rule(
        "evidence-drifted",
        "information",
        "Shared files changed since a completed increment was shown",
        "Its evidence was right when it was closed, and files outside its folder belong to the whole project: so it "
        "stays completed, and `/sw:status` says nothing of it without `--drift`.",
        "nothing, or run `/sw:verify`, which runs its tests on what is there now",
        _drifted,
    ),
    Rule(
        "evidence-failed",
        "warning",
        "The newest evidence of a task failed",
        "The task was run and did not do what it should. It stays open until a later run passes.",
        "mend the cause, which its report tells, then run `/sw:do`",
        _failed,
    ),
    Rule(
        "evidence-dangling",
        "error",
        "The report that a task names as its evidence is not there",
        "What cannot be read shows nothing.",
        "restore the report from git, or run the task again",
        _dangling,
    ),
    Rule(
        "evidence-contradicted",
        "error",
        "metadata.json and the report say different things of the same run",
        "One of them was edited by hand: reports are written once and never changed.",
        "restore both from git, or run the task again",
        _contradicted,
    ),
    Rule(
        "report-unreadable",
        "warning",
        "A report for programs cannot be read",
        "It counts for nothing: no gate and no task sees it.",
        "restore it from git, or run the task again",
        _unreadable_reports,
    ),
    Rule(
        "report-incomplete",
        "information",
        "A report for people has none for programs beside it",
        "The command was stopped while it wrote the report, which counts for nothing.",
        "run the task again; the page can be removed",
        _incomplete_reports,
    ),
    Rule(
        "state-orphan",
        "information",
        "metadata.json has a state of a task that no document has",
        "The task was renumbered or removed. The state is kept.",
        "nothing, or give the task its number back",
        _orphan_states,
    ),
    Rule(
        "test-without-files",
        "warning",
        "A test names no file, and its task has no **Files Affected**",
        "Nothing could ever make its evidence stale: once it has passed, the task counts as passed whatever becomes of "
        "the code. A path that does not lead into the project, or to a file that is not there, names none.",
        "name what the test is about in **Files Affected**, such as `src/limit.py, tests/`",
        _without_files,
    ),
    Rule(
        "closed-without-evidence",
        "warning",
        "A completed increment has criteria that nothing shows",
        "It was closed by another tool or by hand. One that `/sw:done` closed for a reason is not looked at.",
        "reopen it with `/sw:reopen`, or close it with a reason",
        _closed_without_evidence,
    ),
)
