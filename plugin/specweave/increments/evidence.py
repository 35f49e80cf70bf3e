"""Evidence: what an operation leaves in `reports/`, and under the tasks that it did.

`NNN-<operation>.json` is the report for programs, `.md` the same for people, other suffixes are attachments. The JSON
is written last: a report counts when it is there.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from specweave.command import Context
from specweave.errors import InvalidInputError
from specweave.files import atomic
from specweave.files.quoting import json as json_text
from specweave.increments import binding, repository, store, tasks
from specweave.increments.report_page import page
from specweave.increments.repository import Head
from specweave.increments.store import Increment
from specweave.increments.tasks import Outcome, Task
from specweave_runtime.deployment_state import timestamp
from specweave_runtime.package import MANIFEST, digest_of_manifest

FOLDER = "reports"
ATTACHMENT = "attachment:"
# What a service does is shown for one package; the others are about the increment, or say themselves where they went.
_ABOUT_THE_PACKAGE = frozenset({"create-api", "containerize", "load-test", "deploy"})
_NAME = re.compile(r"(?P<number>\d{3,})-(?P<operation>[a-z0-9-]+)\.(?P<suffix>[a-z0-9]+)")


@dataclass(frozen=True, slots=True)
class PackageReference:
    """Which model package a report is about; `digest` is its identity."""

    name: str
    version: str
    digest: str


class ReportData(BaseModel):
    """A report for programs.

    Attributes:
        number: of the report in its increment, from 1.
        operation: `load-test`.
        command: the slash command that was run.
        passed: whether its outcome is good.
        exit_status: of the command in a shell.
        started: UTC, ISO 8601.
        duration_s: seconds.
        actor: `cli`, `mcp` or `python`.
        commit: of the project, None without one.
        dirty: whether tracked files, or files of the increment, differed from that commit.
        package: what it is about.
        environment: where, for those that act on one.
        data: the operation's own.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    format: Literal[1]
    number: int
    operation: str
    command: str
    passed: bool
    exit_status: int
    started: str
    duration_s: float
    actor: str
    commit: str | None
    dirty: bool
    package: PackageReference | None
    environment: str | None
    data: Mapping[str, Any]

    @property
    def page(self) -> str:
        """The report for people, relative to the increment."""
        return f"{FOLDER}/{self.number:03d}-{self.operation}.md"


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
) -> Report:
    """Leave a report, and the outcome under every task that it is evidence for, see `shows`.

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

    Raises:
        InvalidInputError: `value-not-writable` for data that JSON does not have.
        HostError: it cannot be written.
        ConflictError: `project-locked`.
    """
    finished = context.host.now()
    head = head or stand(increment)
    with store.project_lock(increment.project):
        known = _recordable(increment)
        folder = increment.folder / FOLDER
        number = _next_number(increment)
        report = ReportData(
            format=1,
            number=number,
            operation=operation,
            command=command,
            passed=passed,
            exit_status=0 if passed else 1,
            started=timestamp(started),
            duration_s=round(max(0.0, (finished - started).total_seconds()), 3),
            actor=context.actor,
            commit=head.commit,
            dirty=head.dirty,
            package=package,
            environment=environment,
            data=dict(data),
        )
        done = tuple(task.id for task in known if task.id == task_id or shows(increment, task, report))
        stem = f"{number:03d}-{operation}"
        encoded = (json_text(report.model_dump(), indent=2) + "\n").encode()
        for suffix, content in (attachments or {}).items():
            atomic.write(folder / f"{stem}{suffix}", content)
        body = markdown.replace(f"]({ATTACHMENT}", f"]({stem}")
        atomic.write(folder / f"{stem}.md", page(report, body).encode())
        atomic.write(folder / f"{stem}.json", encoded)
        _mark(context, increment, done, report, finished)
    return Report(number, folder / f"{stem}.md", folder / f"{stem}.json", done)


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
    return tasks.read(increment)


def attach(context: Context, increment: Increment, task_id: str, report: ReportData) -> None:
    """Make an existing report the evidence of a task."""
    with store.project_lock(increment.project):
        _mark(context, increment, (task_id,), report, context.host.now())


def shows(increment: Increment, task: Task, report: ReportData) -> bool:
    """Whether a report is evidence for a task.

    It is when the task's Run line names the same command and every argument in it has the same value there; a run at
    another place, of another version or at other rates than those the line names or implies is another act. What shows
    how a service behaves must be about the package that the line means: that of deployment.yaml, where it names none.
    """
    if task.run is None or not binding.is_bound(increment, task, report.command):
        return False
    if report.operation not in _ABOUT_THE_PACKAGE:
        return True
    try:
        model = binding.model_of(increment, task.run)
    except InvalidInputError:
        return False  # nobody can say which package the task is about
    if model is None:
        return True
    if report.package is None or (report.package.name, report.package.version) != (model.name, model.version):
        return False
    package = increment.project.state / "models" / model.name / model.version
    return not (package / MANIFEST).is_file() or digest_of_manifest(package) == report.package.digest


def newest(
    increment: Increment, operation: str, *, package_digest: str | None = None, environment: str | None = None
) -> ReportData | None:
    """The newest report of an operation; with `package_digest` or `environment`, the newest for just that one."""
    for report in reports(increment):
        if report.operation != operation:
            continue
        if package_digest is not None and (report.package is None or report.package.digest != package_digest):
            continue
        if environment is not None and report.environment != environment:
            continue
        return report
    return None


def reports(increment: Increment) -> Iterator[ReportData]:
    """The reports of an increment, newest first; files that are no report of this format are passed over."""
    for number, path in sorted(files(increment), reverse=True):
        if path.suffix != ".json":
            continue
        try:
            report = ReportData.model_validate_json(path.read_bytes())
        except (ValidationError, OSError):
            continue
        if report.number == number:
            yield report


def files(increment: Increment) -> Iterator[tuple[int, Path]]:
    """The files of its reports, attachments too, each with the report's number; in no order."""
    folder = increment.folder / FOLDER
    if folder.is_dir():
        for path in folder.iterdir():
            if match := _NAME.fullmatch(path.name):
                yield int(match["number"]), path


def reset(context: Context, increment: Increment, task_ids: tuple[str, ...]) -> None:
    """Make tasks pending again, because what they showed is no longer about the package at hand."""
    with store.project_lock(increment.project):
        tasks.mark(increment, dict.fromkeys(task_ids, Outcome(passed=False)))
        store.update_metadata(increment, lambda document: _forget(document, task_ids), context.host.now)


def _mark(
    context: Context, increment: Increment, task_ids: tuple[str, ...], report: ReportData, finished: datetime
) -> None:
    if not task_ids:
        return
    stem = f"{report.number:03d}-{report.operation}"
    line = f"[{stem}]({report.page}) {'passed' if report.passed else 'failed'} · "
    line += finished.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    if report.commit:
        line += f" · commit {report.commit[:7]}"
    state = {
        "status": "completed" if report.passed else "pending",
        "evidence": report.page,
        "passed": report.passed,
    }

    def remember(document: dict[str, Any]) -> None:
        states = document.get("tasks")
        if not isinstance(states, dict):
            states = document["tasks"] = {}
        for task_id in task_ids:
            known = states.get(task_id)
            states[task_id] = {**(known if isinstance(known, dict) else {}), **state}
        if document.get("status") in {"planned", "planning"}:
            document["status"] = "active"

    # The state first: a tick in tasks.md without it counts for nothing, so a kill in between leaves the task pending.
    store.update_metadata(increment, remember, context.host.now)
    tasks.mark(increment, dict.fromkeys(task_ids, Outcome(report.passed, line)))


def _forget(document: dict[str, Any], task_ids: tuple[str, ...]) -> None:
    states = document.get("tasks")
    for task_id in task_ids:
        state = states.get(task_id) if isinstance(states, dict) else None
        if isinstance(state, dict):
            state["status"] = "pending"


def _next_number(increment: Increment) -> int:
    return max((number for number, _ in files(increment)), default=0) + 1
