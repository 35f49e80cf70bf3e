"""`sw status`: the increments and what each needs next; of one increment, its tasks and their evidence."""

import re
from collections import Counter
from collections.abc import Iterator
from heapq import nsmallest
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from specweave.command import Annotations, Command, Context, IncrementName, Request, Result
from specweave.errors import InvalidInputError
from specweave.operations.counting import counted
from specweave.operations.increment_views import IncrementSummary, TaskNote, TaskSummary, list_item, table, words

if TYPE_CHECKING:
    from specweave.operations.increment_index import Entry
    from specweave.operations.increment_summary import Reading, Record

_ORDER = ("unreadable", "active", "ready_for_review", "planned", "paused", "backlog", "completed", "abandoned")
_CURSOR = re.compile(r"(?P<place>\d)\.(?P<proven>[01])\.(?P<number>\d{1,6})(?P<rest>.*)", re.DOTALL)


class StatusRequest(Request):
    """Which increment; all of them by default."""

    increment: IncrementName = None
    state: Literal[
        "all", "open", "active", "ready_for_review", "planned", "paused", "completed", "abandoned", "archived"
    ] = Field("all", description="Only increments in this state; archived: those that were put away.")
    drift: bool = Field(False, description="Of completed increments, also what changed in shared files since.")
    limit: int = Field(50, ge=1, le=1000, description="How many increments to show; all are counted.")
    cursor: str | None = Field(None, description="Go on after an answer that was cut: its `cursor`.")


class StatusResult(Result):
    """Increments by state, the work in progress first.

    Attributes:
        states: how many increments of the project are in each state, shown or not.
        unproven: how many completed increments have tasks that failed or whose evidence is stale.
        archived: how many are put away; counted where there is no other.
        state, limit: what was asked for.
        cursor: for the next page; None where nothing is left.
    """

    increments: list[IncrementSummary]
    states: dict[str, int] = Field(description="How many increments are in each state, shown or not.")
    unproven: int = Field(description="How many completed increments have failed tasks or stale evidence.")
    state: str = Field(description="What was asked for.")
    archived: int = Field(0, description="How many are put away; counted where there is no other.")
    limit: int
    cursor: str | None = Field(description="For the next page; None where nothing is left.")

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        if len(self.increments) == 1 and self.increments[0].tasks:
            return table(self.increments[0])
        if not self.states and self.archived:
            shown = "`/sw:status --state archived` lists them."
            return f"No open increments; {self.archived} archived.\n\nNext: {shown}"
        if not self.states and self.state == "archived":
            return "No increment is archived.\n\nNext: `/sw:status` lists the others."
        if not self.states:
            return 'No increments yet.\n\nNext: `/sw:inc "Deploy the model"` makes one.'
        lines = [_counts(self.states, self.unproven), ""]
        for status in dict.fromkeys(increment.status for increment in self.increments):
            lines += [f"**{words(status)}**", ""]
            for increment in (item for item in self.increments if item.status == status):
                lines += list_item(increment)
            lines.append("")
        if self.cursor:
            asked = f"--state {self.state} --limit {self.limit}"
            lines.append(f"Next: `/sw:status {asked} --cursor {self.cursor}` shows more.")
        return "\n".join(lines).rstrip()


def _counts(states: dict[str, int], unproven: int) -> str:
    parts = []
    for status, count in sorted(states.items(), key=lambda item: _place(item[0])):
        doubt = f" ({unproven} with failed or stale evidence)" if status == "completed" and unproven else ""
        parts.append(f"{count} {words(status)}{doubt}")
    return f"{counted(sum(states.values()), 'increment')}: {', '.join(parts)}"


def run(request: StatusRequest, context: Context) -> StatusResult:
    """Show the increments of the project, or one of them with its tasks.

    Raises:
        NotFoundError: `increment-not-found`, `increment-ambiguous`.
        InvalidInputError: `cursor-invalid`, `config-invalid`.
    """
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations import increment_index, increment_summary  # noqa: PLC0415 - as above

    _ = context.project.config  # what is next depends on it
    if request.increment is not None:
        reading = increment_summary.read(store.find_any(context.project, request.increment), today=request.drift)
        return _of_one(reading, context)
    after = _cursor(request.cursor)
    states: Counter[str] = Counter()
    unproven = 0

    def selected() -> "Iterator[Entry]":
        nonlocal unproven
        entries = increment_index.archived if request.state == "archived" else increment_index.entries
        for entry in entries(context):
            states[entry.record.status] += 1
            unproven += _is_unproven(entry.record)
            if _is_asked_for(entry.record, request.state) and (after is None or _rank(entry) > after):
                yield entry

    # One more than is shown tells whether any is left; memory holds no more than these.
    found = nsmallest(request.limit + 1, selected(), key=_rank)
    shown = [_today(entry) if request.drift else entry for entry in found[: request.limit]]
    return StatusResult(
        increments=[_summary(entry, context) for entry in shown],
        states=dict(states),
        unproven=unproven,
        state=request.state,
        archived=0 if states or request.state == "archived" else store.count_archived(context.project),
        limit=request.limit,
        cursor=_written(found[: request.limit][-1]) if len(found) > request.limit else None,
    )


def _today(entry: "Entry") -> "Entry":
    """A completed increment judged by the content of now."""
    from specweave.operations import increment_summary  # noqa: PLC0415 - a listing must stay cheap

    if entry.record.status != "completed":
        return entry
    reading = increment_summary.read(entry.increment, today=True)
    return entry._replace(record=increment_summary.record_of(reading))


def _of_one(reading: "Reading", context: Context) -> StatusResult:
    from specweave.operations.increment_index import Entry  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations.increment_summary import record_of  # noqa: PLC0415 - as above

    entry = Entry(reading.increment, record_of(reading))
    return StatusResult(
        increments=[_summary(entry, context, _tasks(reading, context))],
        states={reading.status: 1},
        unproven=int(_is_unproven(entry.record)),
        state="all",
        limit=1,
        cursor=None,
    )


def _summary(entry: "Entry", context: Context, tasks: list[TaskSummary] | None = None) -> IncrementSummary:
    from specweave.operations.increment_summary import next_step  # noqa: PLC0415 - a listing must stay cheap

    increment, record = entry
    return IncrementSummary(
        increment=record.id,
        title=record.title,
        type=record.type,
        status=record.status,
        done=record.done,
        total=record.total,
        standings=dict(record.standings),
        notes=[TaskNote(task=note.task, standing=note.standing, why=note.why) for note in record.notes],
        next=next_step(increment, record, context),
        problems=list(record.problems),
        revision=record.revision,
        tasks=tasks or [],
    )


def _tasks(reading: "Reading", context: Context) -> list[TaskSummary]:
    from specweave.increments import claims  # noqa: PLC0415 - a listing must stay cheap

    held = claims.held(context, reading.increment)
    return [
        TaskSummary(
            id=task.id,
            title=task.title,
            standing=reading.standings[task.id].standing,
            why=reading.standings[task.id].why,
            done=task.id in reading.done,
            command=task.run or task.test,
            waits_for=[other for other in task.dependencies if other not in reading.done],
            held_by=claim.holder if (claim := held.get(claims.name_of(task.id))) else None,
            criteria=list(task.criteria),
            evidence=task.evidence,
        )
        for task in reading.tasks
    ]


def _is_unproven(record: "Record") -> bool:
    return record.status == "completed" and bool(record.notes)


def _is_asked_for(record: "Record", state: str) -> bool:
    from specweave.increments import life_cycle  # noqa: PLC0415 - a listing must stay cheap

    if state in {"all", "archived", "open"}:
        return state != "open" or record.is_open
    return record.status != _ORDER[0] and life_cycle.meaning(record.status) == state


def _rank(entry: "Entry") -> tuple[int, bool, int, str]:
    """Where an increment stands in the list: by state, those with doubtful evidence first, then by number."""
    record = entry.record
    return _place(record.status), not _is_unproven(record), int(entry.increment.number), record.id


def _place(status: str) -> int:
    return _ORDER.index(status) if status in _ORDER else 0


def _written(entry: "Entry") -> str:
    place, proven, _, identifier = _rank(entry)
    return f"{place}.{int(proven)}.{identifier}"


def _cursor(text: str | None) -> tuple[int, bool, int, str] | None:
    if text is None:
        return None
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise InvalidInputError(
            "cursor-invalid", f"{text[:80]!r} is no cursor", next_step="give the `cursor` of the answer before, or none"
        )
    return int(match["place"]), match["proven"] == "1", int(match["number"]), match["number"] + match["rest"]


COMMAND = Command(
    group="sw",
    name="status",
    request=StatusRequest,
    result=StatusResult,
    run=run,
    annotations=Annotations(read_only=True, idempotent=True),
    examples=("", "0043", "--state open"),
)
