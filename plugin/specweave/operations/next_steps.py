"""What to do now, over all open increments: what is broken first, then what is nearly finished, then what is new."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import nsmallest

from specweave.command import Context
from specweave.errors import SpecweaveError
from specweave.increments import claims, life_cycle
from specweave.increments.claims import Claim
from specweave.increments.store import Increment
from specweave.increments.tasks import Task
from specweave.operations import increment_index, increment_summary
from specweave.operations.increment_index import Entry
from specweave.operations.increment_summary import UNREADABLE, Record
from specweave.operations.sw.next import HeldTask, Kind, Step
from specweave.operations.task_binding import Person, bind, first_to_ask

# Of some increments everything ready is held by others: so many more are looked at than are shown.
_SPARE = 20
_SHOWN_PAUSED = 5


@dataclass(slots=True)
class Steps:
    """What can be done.

    Attributes:
        steps: the best first.
        held: ready tasks that others work on, which were passed over.
        paused: ids of the first paused increments.
        open: how many increments are open and not paused.
    """

    steps: list[Step] = field(default_factory=list)
    held: list[HeldTask] = field(default_factory=list)
    paused: list[str] = field(default_factory=list)
    open: int = 0


def of_all(context: Context, *, name: str | None, limit: int) -> Steps:
    """The best step of each open increment, for who goes by that name; `limit` of them at most."""
    found = Steps()

    def rank(entry: Entry) -> tuple[bool, int, int]:
        return name is None or not _keeps(claims.held(context, entry.increment), name), *_rank(entry)

    for entry in nsmallest(limit + _SPARE, _open(context, found), key=rank):
        steps, held = _of(entry.increment, entry.record, context, name)
        found.held += held
        found.steps += steps[:1]
        if len(found.steps) == limit:
            break
    return found


def of_one(increment: Increment, context: Context, *, name: str | None, limit: int) -> Steps:
    """Every step of an increment that can be taken now, the best first."""
    record = increment_summary.record_of(increment_summary.read(increment))
    found = Steps()
    if _is_paused(record):
        action = f"`/sw:resume {increment.number}` takes it up again."
        found.paused, found.steps = [record.id], [_step(record, "resume", action, "it is paused")]
    elif record.is_open:
        found.open = 1
        steps, found.held = _of(increment, record, context, name)
        found.steps = steps[:limit]
    return found


def _open(context: Context, found: Steps) -> Iterator[Entry]:
    for entry in increment_index.entries(context):
        if _is_paused(entry.record):
            found.paused = [*found.paused, entry.record.id][:_SHOWN_PAUSED]
        elif entry.record.is_open:
            found.open += 1
            yield entry


def _is_paused(record: Record) -> bool:
    return record.status != UNREADABLE and life_cycle.meaning(record.status) == "paused"


def _rank(entry: Entry) -> tuple[int, int]:
    """Finish before you start; among equals the older increment."""
    record, standings = entry.record, {note.standing for note in entry.record.notes}
    state = record.status if record.status == UNREADABLE else life_cycle.meaning(record.status)
    if "failed" in standings:
        place = 0
    elif state == "ready_for_review":
        place = 1
    elif "stale" in standings:
        place = 2
    else:
        place = {"active": 3, UNREADABLE: 4}.get(state, 5)
    return place, int(entry.increment.number)


def _of(increment: Increment, record: Record, context: Context, name: str | None) -> tuple[list[Step], list[HeldTask]]:
    """The steps of an open increment, the best first, and the tasks that others hold."""
    if record.status == UNREADABLE:
        why = record.problems[0] if record.problems else ""
        return [_step(record, "repair", record.hint or "Repair its documents.", why)], []
    if record.hint:
        return [_hinted(increment, record)], []
    claimed = claims.held(context, increment) if record.ready else {}
    held = [task for task in record.ready if _is_others(claimed, task, name)]
    free = [task for task in record.ready if task not in held]
    mine = {task.id for task in free if name is not None and claims.name_of(task.id) in claimed}
    steps = sorted(_steps(increment, record, context, free), key=lambda step: step.task not in mine)
    kept = {"why": f"it is kept for {name}"}
    return [step.model_copy(update=kept) if step.task in mine else step for step in steps], [
        HeldTask(increment=record.id, task=task.id, title=task.title, holder=claim.holder, until=claim.until)
        for task in held
        if (claim := claimed[claims.name_of(task.id)])
    ]


def _is_others(claimed: Mapping[str, Claim], task: Task, name: str | None) -> bool:
    claim = claimed.get(claims.name_of(task.id))
    return claim is not None and (claim.process is not None or claim.name != name)


def _keeps(claimed: Mapping[str, Claim], name: str) -> bool:
    return any(claim.process is None and claim.name == name for claim in claimed.values())


def _steps(increment: Increment, record: Record, context: Context, free: Iterable[Task]) -> Iterator[Step]:
    waiting = []
    for task in free:
        try:
            step = bind(increment, task, context)
        except SpecweaveError as error:
            yield _step(record, "repair", f"{error.next_step}.", error.message, task)
            continue
        if isinstance(step, Person):
            waiting.append(step)
            continue
        yield _step(record, "run", increment_summary.run_action(increment, task), _why(record, task), task)
    for person in first_to_ask(waiting):
        yield _step(record, "person", person.action, _why(record, person.task), person.task)


def _hinted(increment: Increment, record: Record) -> Step:
    if record.total and record.done == record.total:
        action = f"Review it, then `/sw:done {increment.number}`."
        return _step(record, "review", action, "every task is done")
    return _step(record, "prepare", record.hint, record.problems[0] if record.problems else "it has just begun")


def _why(record: Record, task: Task) -> str:
    note = next((note for note in record.notes if note.task == task.id), None)
    if note is not None and note.standing == "failed":
        return f"its last run failed, see {task.evidence}"
    if note is not None:
        return f"its evidence is stale: {note.why}"
    if task.claimed:
        return "its box is ticked, and nothing shows it"
    if task.dependencies:
        return f"what it waits for is done: {', '.join(task.dependencies)}"
    return "it waits for nothing"


def _step(record: Record, kind: Kind, action: str, why: str, task: Task | None = None) -> Step:
    return Step(
        increment=record.id,
        title=record.title,
        status=record.status,
        task=task.id if task else None,
        task_title=task.title if task else "",
        kind=kind,
        action=action,
        why=why,
    )
