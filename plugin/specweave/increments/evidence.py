"""Evidence: what an operation leaves in `reports/`, and under the tasks that it did.

`NNN-<operation>.json` is the report for programs, `.md` the same for people, other suffixes are attachments. The JSON
is written last: a report counts when it is there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from specweave.command import Context
from specweave.files import atomic, ledger
from specweave.files.quoting import json as json_text
from specweave.increments import binding, criteria, frontmatter_values, life_cycle, repository, store, tasks, test_cases
from specweave.increments import content as contents
from specweave.increments.content import Content
from specweave.increments.metadata import status_of
from specweave.increments.report_page import page
from specweave.increments.reports import FOLDER, PackageReference, ReportData, files, newest, next_number, reports
from specweave.increments.repository import Head
from specweave.increments.standings import is_done, is_measured, shown_criteria, shown_state, standing, standings
from specweave.increments.store import Increment
from specweave.increments.tasks import Outcome, Task
from specweave_runtime.deployment_state import timestamp

__all__ = [
    "ATTACHMENT",
    "FOLDER",
    "PackageReference",
    "Report",
    "ReportData",
    "attach",
    "files",
    "is_done",
    "is_measured",
    "newest",
    "record",
    "reports",
    "require_recordable",
    "reset",
    "settle",
    "shown_criteria",
    "shown_state",
    "stand",
    "standing",
    "standings",
]

ATTACHMENT = "attachment:"


@dataclass(frozen=True, slots=True)
class Report:
    """A report on disk.

    Attributes:
        number: in its increment, from 1.
        path: the one for people.
        data_path: the one for programs.
        tasks: ids of the tasks it is evidence for.
    """

    number: int
    path: Path
    data_path: Path
    tasks: tuple[str, ...]


def record(
    context: Context,
    increment: Increment,
    *,
    operation: str,
    command: str,
    passed: bool,
    started: datetime,
    markdown: str,
    data: Mapping[str, object],
    package: PackageReference | None = None,
    environment: str | None = None,
    attachments: Mapping[str, bytes] | None = None,
    task_id: str | None = None,
    head: Head | None = None,
    content: Content | None = None,
    exit_status: int | None = None,
    began: Task | None = None,
    inputs: Content | None = None,
) -> Report:
    """Leave a report, and the outcome under every task that it is evidence for, see `binding.shows`.

    Args:
        context: clock, and who asked.
        increment: whose.
        operation: kebab-case; part of the file names.
        command: the slash command as text, see `specweave.slash_line`.
        passed: whether the outcome is good.
        started: aware.
        markdown: the report for people; how it was made is added at its end. `![chart](attachment:.svg)` shows the
            attachment of that suffix.
        data: the operation's own facts; JSON types, finite numbers.
        package: what it is about.
        environment: where, for those that act on one.
        attachments: suffix (`.svg`) → content, beside the report under its name.
        task_id: the task it was run for, which gets the outcome in any case.
        head: where the project stood at the start, see `stand`; None for where it stands now.
        content: what it is about; None for the artifacts of the command and the files of the task as they are now.
        began: the task of `task_id` as it read when the work began: what is edited meanwhile was not done.
        inputs: what its test read, as it was then; see `content.inputs`.
        exit_status: of the program that was run; None for a command of ours, which ends with 0 or 1.

    Raises:
        InvalidInputError: `value-not-writable` for data that JSON does not have.
        HostError: it cannot be written.
        ConflictError: `project-locked`.
    """
    finished = context.host.now()
    head = head or stand(increment)
    with store.project_lock(increment.project):
        known = _recordable(increment)
        about = _content(increment, known, command, task_id) if content is None else content
        if inputs is not None and inputs.files:
            content = about = Content({**about.files, **inputs.files})
        draft = ReportData(
            format=1,
            number=next_number(increment),
            operation=operation,
            command=command,
            passed=passed,
            exit_status=int(not passed) if exit_status is None else exit_status,
            started=timestamp(started),
            duration_s=round(max(0.0, (finished - started).total_seconds()), 3),
            actor=context.actor,
            commit=head.commit,
            dirty=head.dirty or bool(repository.unsaved(increment.project.root, about.files.keys())),
            package=package,
            environment=environment,
            data=dict(data),
            content_digest=about.short,
            content=dict(about.files),
        )
        done = tuple(task for task in known if task.id == task_id or binding.shows(increment, task, draft))
        if began is not None:
            done = tuple(replace(task, text_digest=began.text_digest) if task.id == began.id else task for task in done)
        report = draft.model_copy(update={"tasks": {task.id: task.text_digest for task in done}})
        made = _write(increment, report, markdown, attachments or {})
        _mark(context, increment, done, report, content)
    return made


def _content(increment: Increment, known: tuple[Task, ...], command: str, task_id: str | None) -> Content:
    task = next((task for task in known if task.id == task_id), None)
    return contents.of_line(increment, command) if task is None else contents.of_task(increment, task)


def _write(increment: Increment, report: ReportData, markdown: str, attachments: Mapping[str, bytes]) -> Report:
    folder = increment.folder / FOLDER
    encoded = (json_text(report.model_dump(), indent=2) + "\n").encode()
    for suffix, attached in attachments.items():
        atomic.write(folder / f"{report.stem}{suffix}", attached)
    body = markdown.replace(f"]({ATTACHMENT}", f"]({report.stem}")
    path, data_path = folder / f"{report.stem}.md", folder / f"{report.stem}.json"
    atomic.write(path, page(report, body).encode())
    atomic.write(data_path, encoded)
    return Report(report.number, path, data_path, tuple(report.tasks))


def stand(increment: Increment) -> Head:
    """The commit that the project of an increment stands at; ask before what may take long, or writes files."""
    return repository.head(increment.project.root, increment.folder)


def require_recordable(increment: Increment) -> None:
    """Refuse an increment whose documents could not take what is about to be done: it is not begun then.

    Raises:
        InvalidInputError: `metadata-invalid`.
    """
    _recordable(increment)


def _recordable(increment: Increment) -> tuple[Task, ...]:
    increment.metadata()
    criteria.read(increment)
    ledger.read(increment.folder)
    return tasks.read(increment)


def attach(context: Context, increment: Increment, task_id: str, report: ReportData) -> None:
    """Make an existing report the evidence of a task."""
    with store.project_lock(increment.project):
        task = tasks.find(increment, task_id)
        then = Content(report.content) if report.content else None
        _mark(context, increment, (task,), report, then)


def reset(context: Context, increment: Increment, task_ids: tuple[str, ...]) -> None:
    """Make tasks pending again, because what they showed is no longer about the package at hand."""
    with store.project_lock(increment.project):
        store.update_metadata(increment, lambda document: _forget(document, task_ids), context.host.now)
        tasks.mark(increment, dict.fromkeys(task_ids, Outcome(passed=False)))
        settle(context, increment)


def settle(context: Context, increment: Increment) -> tuple[str, ...]:
    """Let spec.md and the status say what the tasks show now.

    A criterion's box is ticked exactly where every task that satisfies it has passing evidence of the present content;
    the boxes of criteria that no command or test shows are people's. An open increment with nothing left to do is
    ready for review, and active again where something is left. Where frontmatter has a status or counts, they follow.

    Returns:
        The ids of the criteria whose boxes changed.

    Raises:
        InvalidInputError: a document cannot be read.
        HostError: a document cannot be written.
        ConflictError: `project-locked`.
    """
    with store.project_lock(increment.project):
        everything = tasks.read(increment)
        found = standings(increment, everything)
        changed = criteria.mark(increment, shown_criteria(everything, found))
        wanted = shown_state(everything, found, life_cycle.meaning(increment.metadata().status))
        reason = "every task is done" if wanted == "ready_for_review" else "a task is left to do"
        if wanted in {"active", "ready_for_review"}:
            life_cycle.move(context, increment, wanted, reason=reason)
        counts = frontmatter_values.counts(everything, sum(is_done(it, found[it.id].standing) for it in everything))
        for task in everything[:1]:
            frontmatter_values.put(increment.folder, task.document, counts)
        if (status := increment.metadata().status) in life_cycle.WORDS:
            frontmatter_values.put(increment.folder, criteria.FILE, {"status": status})
    return changed


def _mark(
    context: Context, increment: Increment, done: tuple[Task, ...], report: ReportData, content: Content | None
) -> None:
    states = {task.id: _state(increment, task, report, content) for task in done}

    def remember(document: dict[str, Any]) -> None:
        known = document.get("tasks")
        if not isinstance(known, dict):
            known = document["tasks"] = {}
        for task_id, state in states.items():
            before = known.get(task_id)
            known[task_id] = {**(before if isinstance(before, dict) else {}), **state}
            if not state["uncovered"]:
                del known[task_id]["uncovered"]
        if life_cycle.meaning(status_of(document.get("status"))) == "planned":
            life_cycle.advance(
                document,
                "active",
                at=timestamp(report.finished),
                reason="the first work",
                by=report.actor,
                name=increment.id,
            )

    # The state first: it is the truth, and a kill in between leaves documents that lag behind it.
    if done:
        store.update_metadata(increment, remember, context.host.now)
        tasks.mark(increment, dict.fromkeys(states, Outcome(report.passed, report.line)))
    settle(context, increment)


def _state(increment: Increment, task: Task, report: ReportData, content: Content | None) -> dict[str, object]:
    about = contents.of_task(increment, task) if content is None else contents.with_tests(increment, task, content)
    return {
        "status": "completed" if report.passed else "pending",
        "evidence": report.page,
        "passed": report.passed,
        "uncovered": list(test_cases.uncovered(report.data, task.criteria)),
        "task_digest": task.text_digest,
        "content_digest": about.short,
    }


def _forget(document: dict[str, Any], task_ids: tuple[str, ...]) -> None:
    states = document.get("tasks")
    for task_id in task_ids:
        if isinstance(states, dict) and isinstance(state := states.get(task_id), dict):
            state["status"] = "pending"
