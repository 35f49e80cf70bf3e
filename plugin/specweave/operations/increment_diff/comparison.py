"""Both sides of an increment, compared by meaning."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from specweave.files import ledger
from specweave.increments import deployment, metadata, reports
from specweave.increments.reports import ReportData
from specweave.operations.increment_diff import documents, items, settings
from specweave.operations.increment_diff.changes import (
    ChangedFile,
    Difference,
    DocumentChange,
    Kind,
    Origin,
    ReportChange,
    TaskState,
    ValueChange,
)
from specweave.operations.increment_diff.side import Side
from specweave.operations.increment_diff.sides import Changed, Sides

_TEXTS = ("spec.md", "plan.md", "tasks.md")
_DOCUMENTS = frozenset({*_TEXTS, metadata.FILE, deployment.FILE, ledger.NAME})
_KINDS: Mapping[str, Kind] = {"A": "added", "D": "removed"}


def compare(sides: Sides) -> Difference:
    """What changed; what could not be read on a side counts as empty there, and is a problem that is told."""
    old, new = Side(sides.before, "then"), Side(sides.after, "now")
    _note_unreadable(sides, new)
    difference = Difference(
        status=_status(old, new),
        moves=settings.moves(old, new),
        stories=items.compared(items.stories(old.specification), items.stories(new.specification)),
        criteria=items.compared(items.criteria(old.specification), items.criteria(new.specification)),
        tasks=items.compared(old.task_items, new.task_items),
        task_states=list(_task_states(old, new)),
        evidence=list(_reports(sides, old, new)),
        settings=settings.compared(old, new),
        documents=list(_documents(sides, old, new)),
        files=[_file(file, sides, old, new) for file in sides.changed],
    )
    return difference.model_copy(update={"problems": list(dict.fromkeys([*old.problems, *new.problems]))})


def _status(old: Side, new: Side) -> ValueChange | None:
    before = old.metadata.status if old.metadata else ""
    after = new.metadata.status if new.metadata else ""
    return ValueChange(name="status", before=before, after=after) if before != after else None


def _task_states(old: Side, new: Side) -> Iterator[TaskState]:
    titles = {task.id: task.title for task in (*old.tasks, *new.tasks)}
    for task_id, title in titles.items():
        before = old.standings[task_id].standing if task_id in old.standings else ""
        after, why, _ = new.standings.get(task_id, ("", "", ()))
        # A task that comes or goes without anything to show is told as such already.
        if before != after and {before, after} != {"", "open"}:
            yield TaskState(task=task_id, title=title, before=before, after=after, why=why)


def _reports(sides: Sides, old: Side, new: Side) -> Iterator[ReportChange]:
    changed = {PurePosixPath(file.path).with_suffix(".md").as_posix() for file in sides.changed}
    for page in sorted(old.reports.keys() | new.reports.keys()):
        report = new.reports.get(page) or old.reports[page]
        if page not in old.reports:
            yield _report(report, "added")
        elif page not in new.reports:
            yield _report(report, "removed")
        elif page in changed:
            yield _report(report, "changed")


def _note_unreadable(sides: Sides, new: Side) -> None:
    """Tell of reports for programs that were added or edited since and are none."""
    for file in sides.changed:
        path = PurePosixPath(file.path)
        is_data = path.parent.as_posix() == reports.FOLDER and path.suffix == ".json"
        if is_data and file.letter != "D" and path.with_suffix(".md").as_posix() not in new.reports:
            new.problems.append(f"now: {file.path} is no report")


def _report(report: ReportData, change: Kind) -> ReportChange:
    return ReportChange(
        report=report.page, change=change, operation=report.operation, command=report.command, passed=report.passed
    )


def _documents(sides: Sides, old: Side, new: Side) -> Iterator[DocumentChange]:
    for file in sides.changed:
        if file.path in _TEXTS:
            before, after = old.told(file.path), new.told(file.path)
            found = documents.sections(before, after) if before and after else []
            yield DocumentChange(path=file.path, change=_KINDS.get(file.letter, "changed"), sections=found)


def _file(file: Changed, sides: Sides, old: Side, new: Side) -> ChangedFile:
    entry = new.ledger.get(file.path) or old.ledger.get(file.path)
    folder = PurePosixPath(file.path).parts[0] if "/" in file.path else ""
    return ChangedFile(
        path=file.path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
        change=_KINDS.get(file.letter, "changed"),
        origin=_origin(file, sides, entry),
        kind=str(entry.get("kind", "")) if entry else folder,
        lines_added=file.added,
        lines_removed=file.removed,
    )


def _origin(file: Changed, sides: Sides, entry: Mapping[str, object] | None) -> Origin:
    if file.path in _DOCUMENTS:
        return "document"
    if file.path.startswith(f"{reports.FOLDER}/"):
        return "evidence"
    if entry is None:
        return "by-hand"
    try:
        present = hashlib.sha256((sides.after.folder / file.path).read_bytes()).hexdigest()
    except OSError:
        return "generated"  # it is gone, and its entry says where it came from
    return "generated" if present in {entry.get("sha256"), entry.get("pending")} else "edited"
