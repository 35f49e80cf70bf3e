"""Where an increment stands and what it needs next."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from specweave.command import Context
from specweave.errors import SpecweaveError, explained
from specweave.increments import content, deployment, graph, life_cycle, reports, standings, store, tasks, test_cases
from specweave.increments.metadata import Metadata
from specweave.increments.reports import ReportData
from specweave.increments.standings import Stand
from specweave.increments.store import Increment
from specweave.increments.tasks import Standing, Task
from specweave.operations import task_binding
from specweave.operations.counting import counted
from specweave.operations.task_binding import Person

UNREADABLE = "unreadable"

_LONGEST_MESSAGE = 200
_DOUBTFUL = frozenset({"failed", "stale"})


@dataclass(frozen=True, slots=True)
class Reading:
    """All that the files of an increment say of its state.

    Attributes:
        increment: which.
        title, type, status: of its metadata; `unreadable` is the status of one that cannot be read.
        tasks: in the order of the document.
        standings: task id → how it stands.
        done: ids of the tasks that nothing is left to do of.
        ready: the tasks that are not done and wait for no other, in the order of their dependencies.
        hint: what to do where no task says so.
        problems: what could not be read, one sentence each.
        is_open: whether work may still go on.
        revision: of its documents; empty where one of them may not be read.
        others: files and folders outside it that decide how its tasks stand, relative to the project; None where they
            are not known.
    """

    increment: Increment
    title: str
    type: str
    status: str
    revision: str
    tasks: tuple[Task, ...] = ()
    standings: Mapping[str, Stand] = field(default_factory=dict)
    done: frozenset[str] = frozenset()
    ready: tuple[Task, ...] = ()
    hint: str = ""
    problems: tuple[str, ...] = ()
    is_open: bool = True
    others: tuple[str, ...] | None = ()


class Note(msgspec.Struct, frozen=True):
    """A task whose evidence does not show that it is done."""

    task: str
    standing: Standing
    why: str


class Record(msgspec.Struct, frozen=True):
    """An increment in short, as its files say: nothing of this machine, the time or who asks is in it.

    Attributes:
        id, title, type, status, revision, hint, problems, is_open: as `Reading` has them.
        done, total: tasks.
        standings: how many tasks stand so; those that none does are left out.
        notes: the failed and stale tasks, in the order of the document.
        ready: tasks that can be done next, in the order of their dependencies.
    """

    id: str
    title: str
    type: str
    status: str
    revision: str
    done: int
    total: int
    standings: Mapping[Standing, int]
    notes: tuple[Note, ...]
    ready: tuple[Task, ...]
    hint: str
    problems: tuple[str, ...]
    is_open: bool


def read(increment: Increment, *, today: bool = False) -> Reading:
    """All that an increment's files say; documents that cannot be read are problems, not errors.

    Args:
        increment: which.
        today: judge also a completed one by all the content of now, see `standings.standings`.
    """
    revision = ""
    try:
        revision = store.revision(increment)
        metadata = increment.metadata()
        found, problems = tasks.read_with_problems(increment)
        stands = standings.standings(increment, found, today=today)
        others = _others(increment, found)
    except SpecweaveError as error:
        return _unreadable(increment, revision, error, others=())
    except OSError as error:
        return _unreadable(increment, revision, explained(error), others=None)
    done = frozenset(task.id for task in found if standings.is_done(task, stands[task.id].standing))
    ready: tuple[Task, ...] = ()
    hint = _hint(increment, metadata, found, done, stands)
    try:
        ordered = graph.order(found)
        if metadata.is_open and not hint:
            ready = tuple(task_binding.ready(ordered, stands))
    except SpecweaveError as error:
        problems, hint = (*problems, error.message), error.next_step
    return Reading(
        increment=increment,
        title=metadata.title or increment.id,
        type=metadata.type,
        status=metadata.status,
        revision=revision,
        tasks=found,
        standings=stands,
        done=done,
        ready=ready,
        hint=hint,
        problems=problems,
        is_open=metadata.is_open,
        others=others,
    )


def record_of(reading: Reading) -> Record:
    """An increment in short."""
    stands = ((task.id, reading.standings[task.id]) for task in reading.tasks)
    notes = (Note(task_id, stand.standing, stand.why) for task_id, stand in stands)
    return Record(
        id=reading.increment.id,
        title=reading.title,
        type=reading.type,
        status=reading.status,
        revision=reading.revision,
        done=len(reading.done),
        total=len(reading.tasks),
        standings=Counter(stand.standing for stand in reading.standings.values()),
        notes=tuple(note for note in notes if note.standing in _DOUBTFUL),
        ready=reading.ready,
        hint=reading.hint,
        problems=reading.problems,
        is_open=reading.is_open,
    )


def next_step(increment: Increment, record: Record, context: Context) -> str:
    """What to do next, one or two sentences; empty where nothing is left. It asks what runs now."""
    waiting = []
    for task in record.ready:
        try:
            step = task_binding.bind(increment, task, context)
        except SpecweaveError as error:
            return error.next_step
        if not isinstance(step, Person):
            return run_action(increment, task)
        waiting.append(step)
    return task_binding.first_to_ask(waiting)[0].action if waiting else record.hint


def run_action(increment: Increment, task: Task) -> str:
    """How a task is run that a command or a test does; after a failure its cause comes first."""
    if task.passed is not False:
        return f"`/sw:do {increment.number}` runs {task.id} ({task.title})."
    report = reports.of_page(increment, task.evidence or "")
    what = f": {failed}" if report and (failed := _what_failed(report)) else ""
    where = f" (report {task.evidence})" if task.evidence else ""
    again = f"then `/sw:do {increment.number}` runs it again"
    remedy = f": {step}" if report and (step := _remedy(report)) else ""
    return f"{task.id} ({task.title}) failed{what}. Mend the cause first{where}{remedy}, {again}."


def _remedy(report: ReportData) -> str:
    """What the error that a command ended with says to do; empty where it ended with none."""
    step = report.data.get("next_step")
    return " ".join(step.split())[:_LONGEST_MESSAGE] if "code" in report.data and isinstance(step, str) else ""


def _what_failed(report: ReportData) -> str:
    """In a few words, without a full stop."""
    message, results = report.data.get("message"), test_cases.from_data(report.data)
    if isinstance(message, str) and message:
        return " ".join(message.split())[:_LONGEST_MESSAGE]
    if results is not None and results.failed:
        return f"{results.failed} of {counted(results.ran, 'test')} failed"
    status = report.data.get("exit_status")
    return f"it ended with exit status {status}" if isinstance(status, int) and status else ""


def _unreadable(increment: Increment, revision: str, error: SpecweaveError, others: tuple[str, ...] | None) -> Reading:
    return Reading(
        increment,
        title=increment.id,
        type="",
        status=UNREADABLE,
        revision=revision,
        hint=error.next_step,
        problems=(error.message,),
        others=others,
    )


def _others(increment: Increment, found: tuple[Task, ...]) -> tuple[str, ...]:
    root = increment.project.root
    paths = (path for task in found if task.evidence for path in content.looked_at(increment, task))
    return tuple(dict.fromkeys(path.relative_to(root).as_posix() for path in paths))


def _hint(
    increment: Increment,
    metadata: Metadata,
    found: tuple[Task, ...],
    done: frozenset[str],
    stands: Mapping[str, Stand],
) -> str:
    """What to do next where no task says so."""
    number = increment.number
    if increment.archived:
        return f"`/sw:restore {number}` brings it back."
    if not metadata.is_open:
        doubtful = metadata.status == "completed" and any(stand.standing in _DOUBTFUL for stand in stands.values())
        return f"`/sw:verify {number}` runs its tests again." if doubtful else ""
    if life_cycle.meaning(metadata.status) == "paused":
        return f"`/sw:resume {number}` takes it up again."
    if metadata.type == "deployment" and not (increment.folder / deployment.FILE).is_file():
        return f"`/ml:deploy-prepare {number} --model FILE --data FILE` makes the model package and the service."
    if not found:
        return "Write its tasks in tasks.md."
    return f"All tasks are done: review it, then `/sw:done {number}` closes it." if len(done) == len(found) else ""
