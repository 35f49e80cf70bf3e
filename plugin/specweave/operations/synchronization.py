"""Where metadata.json, the documents and the reports say different things, and the repair of each.

metadata.json is the truth, reports are its witnesses, and documents show both. So a report that was written before its
process was killed reaches metadata.json, and what metadata.json says reaches the documents. What a person says with a
box is never undone: a tick without evidence is a claim, a tick that was taken away asks for another run.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from specweave.command import Context
from specweave.files.markdown import Document, readable
from specweave.increments import binding, criteria, evidence, frontmatter_values, life_cycle, reports, store, tasks
from specweave.increments import metadata as metadata_file
from specweave.increments.metadata import TaskState
from specweave.increments.store import Increment
from specweave.increments.task_document import places_in
from specweave.increments.tasks import Outcome, Task

_TEMPORARY = re.compile(r"\..{1,40}\.[0-9a-f]{12}\.tmp", re.DOTALL)
_TEMPORARIES = ".*.tmp"
_ABANDONED_S = 600
_NUMBER = re.compile(r"(\d{3,})-")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


class Repair(NamedTuple):
    """Something that has drifted, and how it is put right.

    Attributes:
        drift: what is wrong, one sentence without a full stop.
        fix: what the repair does, one sentence without a full stop.
        file: where, relative to the increment.
        line: from 1, None where the whole file is meant.
        apply: does it; the caller holds the project's lock.
    """

    drift: str
    fix: str
    file: str
    line: int | None
    apply: Callable[[Context], object]


def repairs(increment: Increment) -> tuple[Repair, ...]:
    """All that has drifted now; one repair may make others needless or bring up others.

    Raises:
        InvalidInputError: `metadata-invalid`, `ledger-invalid`; a document cannot be read.
    """
    return tuple(repair for stage in _STAGES for repair in stage(increment))


def synchronize(increment: Increment, context: Context, *, dry_run: bool = False) -> tuple[Repair, ...]:
    """Repair all that has drifted, and remove what killed processes left lying about.

    Args:
        increment: whose.
        context: the clock, and who asked.
        dry_run: find what has drifted now and change nothing; a repair may bring up others.

    Returns:
        The repairs, in the order in which they were made.

    Raises:
        InvalidInputError: as `repairs`.
        HostError: a file cannot be written; repairs made before that stay.
        ConflictError: `project-locked`.
    """
    with store.project_lock(increment.project):
        # A whole look first: what cannot be read keeps everything as it is.
        found = [*repairs(increment), *_leftovers(increment, context.host.now())]
        if dry_run:
            return tuple(found)
        made = []
        leftovers: _Stage = partial(_leftovers, now=context.host.now())
        for stage in (*_STAGES, leftovers):
            for repair in stage(increment):
                repair.apply(context)
                made.append(repair)
    # The cache is this machine's own, and nobody has to hear of it.
    for path in _abandoned((increment.project.state / "cache").glob(_TEMPORARIES), context.host.now()):
        path.unlink(missing_ok=True)
    return tuple(made)


def _metadata(increment: Increment) -> Iterator[Repair]:
    path = increment.folder / metadata_file.FILE
    if path.exists() or path.is_symlink():
        return
    metadata = increment.metadata()
    document = {
        "schema": metadata_file.SCHEMA,
        "id": increment.id,
        "status": metadata.status,
        "type": metadata.type,
        **({"created": metadata.created, "updated": metadata.created} if metadata.created else {}),
        "title": metadata.title or increment.id,
        "tasks": {},
    }
    yield Repair(
        "there is no metadata.json",
        "makes one from the frontmatter of spec.md",
        metadata_file.FILE,
        None,
        lambda _context: metadata_file.write_document(increment.folder, document),
    )


def _reports(increment: Increment) -> Iterator[Repair]:
    """Reports that were written, and not remembered before the process was killed."""
    states = increment.metadata().tasks
    waiting = {task.id: task for task in tasks.read(increment)}
    for report in reports.reports(increment):
        for task_id, text_digest in report.tasks.items():
            task = waiting.pop(task_id, None)
            # The newest one decides; one about another wording of the task shows nothing of this one.
            if task is None or _number(states.get(task_id)) >= report.number or task.text_digest != text_digest:
                continue
            yield Repair(
                f"{report.page} is about {task_id}, and metadata.json does not know it",
                f"makes {report.stem} the evidence of {task_id}",
                metadata_file.FILE,
                None,
                lambda context, task_id=task_id, report=report: evidence.attach(  # type: ignore[misc]
                    context, increment, task_id, report
                ),
            )


def _number(state: TaskState | None) -> int:
    match = _NUMBER.match(Path(state.evidence).name) if state is not None and state.evidence else None
    return int(match[1]) if match else 0


def _task_lines(increment: Increment) -> Iterator[Repair]:
    states = increment.metadata().tasks
    everything = tasks.read(increment)
    shown = _shown(increment, everything)
    for task in everything:
        state = states.get(task.id)
        if state is None:
            continue
        if state.evidence is not None:
            if shown.get(task.line) != state.evidence:
                yield from _lagging(increment, task, state, shown.get(task.line))
        elif binding.needs_evidence(task):
            if state.passed or state.status == "completed":
                yield _state_repair(increment, task, "nothing shows that", {"status": "pending", "passed": False})
        elif (state.status == "completed") != (task.marked == "completed"):
            word = "completed" if task.marked == "completed" else "pending"
            yield _state_repair(increment, task, f"its box says {word}, which is a person's word", {"status": word})


def _shown(increment: Increment, everything: Sequence[Task]) -> dict[int, str]:
    """The report that stands under each task, by the task's line."""
    if not everything:
        return {}
    found = {}
    for place in places_in(Document.read(increment.folder / everything[0].document)):
        field = place.field("evidence")
        if field is not None and (link := _LINK.search(readable(field.value))):
            found[place.line + 1] = link[1]
    return found


def _lagging(increment: Increment, task: Task, state: TaskState, shown: str | None) -> Iterator[Repair]:
    report = reports.of_page(increment, state.evidence or "")
    if report is None:
        return
    # A box that was ticked where no evidence stands is a claim.
    claimed = shown is None and task.marked == "completed"
    passed = (state.passed and state.status == "completed") or claimed
    yield Repair(
        f"the newest evidence of {task.id} is {report.page}, {task.document} shows {shown or 'none'}",
        f"writes it under {task.id}",
        task.document,
        task.line,
        lambda _context: tasks.mark(increment, {task.id: Outcome(passed, report.line)}),
    )


def _state_repair(increment: Increment, task: Task, reason: str, values: Mapping[str, object]) -> Repair:
    def put(document: dict[str, Any]) -> None:
        document["tasks"][task.id].update(values)

    return Repair(
        f"metadata.json has another state of {task.id} than {task.document}: {reason}",
        f"makes {task.id} {values['status']} in metadata.json",
        task.document,
        task.line,
        lambda context: store.update_metadata(increment, put, context.host.now),
    )


def _settled(increment: Increment) -> Iterator[Repair]:
    """Boxes of criteria, and the status, by what the tasks show."""
    everything = tasks.read(increment)
    found = evidence.standings(increment, everything)
    shown = evidence.shown_criteria(everything, found)
    specification = criteria.read(increment)
    boxes = _boxes(increment) if specification.criteria else frozenset()
    for criterion in specification.criteria:
        wanted = shown.get(criterion.id, criterion.marked)
        if criterion.line in boxes and wanted != criterion.marked:
            yield Repair(
                f"{criterion.id} is {'ticked' if criterion.marked else 'not ticked'}, its evidence says otherwise",
                f"{'ticks' if wanted else 'unticks'} {criterion.id}",
                criterion.document,
                criterion.line,
                partial(_settle, increment),
            )
    state = life_cycle.meaning(increment.metadata().status)
    wanted_state = evidence.shown_state(everything, found, state)
    if wanted_state != state:
        yield Repair(
            f"the increment is {state.replace('_', ' ')}, its tasks say {wanted_state.replace('_', ' ')}",
            f"makes the increment {wanted_state.replace('_', ' ')}",
            metadata_file.FILE,
            None,
            partial(_settle, increment),
        )


def _boxes(increment: Increment) -> frozenset[int]:
    return frozenset(box.line + 1 for box in Document.read(increment.folder / criteria.FILE).checkboxes())


def _settle(increment: Increment, context: Context) -> None:
    evidence.settle(context, increment)


def _frontmatter(increment: Increment) -> Iterator[Repair]:
    metadata = increment.metadata()
    everything = tasks.read(increment)
    found = evidence.standings(increment, everything)
    if everything:
        done = sum(evidence.is_done(task, found[task.id].standing) for task in everything)
        yield from _values(increment, everything[0].document, frontmatter_values.counts(everything, done))
    if metadata.status in life_cycle.WORDS:
        yield from _values(increment, criteria.FILE, {"status": metadata.status})


def _values(increment: Increment, name: str, wanted: Mapping[str, str]) -> Iterator[Repair]:
    for key, said, value, line in frontmatter_values.differences(increment.folder, name, wanted):
        yield Repair(
            f"the frontmatter says {key} {said[:40]}, it is {value}",
            f"writes {key}: {value}",
            name,
            line,
            lambda _context, key=key, value=value: frontmatter_values.put(  # type: ignore[misc]
                increment.folder, name, {key: value}
            ),
        )


def _leftovers(increment: Increment, now: datetime) -> Iterator[Repair]:
    for path in _abandoned(increment.folder.rglob(_TEMPORARIES), now):
        yield Repair(
            "a process was stopped while it wrote this file",
            "removes it; the file that it was for is as it was before",
            path.relative_to(increment.folder).as_posix(),
            None,
            lambda _context, path=path: path.unlink(missing_ok=True),  # type: ignore[misc]
        )


def _abandoned(found: Iterable[Path], now: datetime) -> Iterator[Path]:
    """Files that a process began and never put in their place."""
    for path in sorted(found):
        if not _TEMPORARY.fullmatch(path.name) or path.is_symlink() or not path.is_file():
            continue
        with suppress(FileNotFoundError):  # its process may go on
            if now.timestamp() - path.stat().st_mtime > _ABANDONED_S:
                yield path


_Stage = Callable[[Increment], Iterator[Repair]]
_STAGES: tuple[_Stage, ...] = (
    _metadata,
    _reports,
    _task_lines,
    _settled,
    _frontmatter,
)
