"""An increment and its tasks as results show them."""

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from specweave.operations.counting import counted

Standing = Literal["open", "passed", "failed", "stale", "claimed", "skipped"]

_SHOWN_NOTES = 3


class TaskSummary(BaseModel):
    """One task."""

    model_config = ConfigDict(extra="forbid")

    id: str
    title: str
    standing: Standing = Field(
        description="passed: shown by evidence of the present content; stale: by evidence of another one; "
        "claimed: ticked without evidence."
    )
    why: str = Field(description="What makes it stale or failed; empty for the others.")
    done: bool
    command: str | None = Field(description="The command or the test that does it; None for a person's task.")
    waits_for: list[str] = Field(description="Tasks that have to be done first and are not.")
    held_by: str | None = Field(description="Who works on it now.")
    criteria: list[str]
    evidence: str | None = Field(description="Path of the newest report, relative to the increment.")


class TaskNote(BaseModel):
    """A task that failed, or whose evidence is stale."""

    model_config = ConfigDict(extra="forbid")

    task: str
    standing: Standing
    why: str


class IncrementSummary(BaseModel):
    """One increment."""

    model_config = ConfigDict(extra="forbid")

    increment: str
    title: str
    type: str
    status: str
    done: int
    total: int
    standings: dict[Standing, int] = Field(description="How many tasks stand so.")
    notes: list[TaskNote] = Field(description="Tasks that failed, or whose evidence is stale.")
    next: str = Field(description="What to do next, one or two sentences; empty where nothing is left.")
    problems: list[str] = Field(description="What could not be read, one sentence each.")
    revision: str
    tasks: list[TaskSummary] = Field(description="Only where one increment was asked for.")


def words(status: str) -> str:
    """A status word for people."""
    return status.replace("_", " ")


def list_item(increment: IncrementSummary) -> Iterator[str]:
    """The lines of an increment among others."""
    done = f"{increment.done} of {counted(increment.total, 'task')} done"
    claimed = increment.standings.get("claimed")
    said = f", {claimed} claimed without evidence" if claimed else ""
    yield f"- `{increment.increment}` {increment.title}: {done}{said}"
    yield from (f"  - {problem}" for problem in increment.problems)
    yield from (f"  - {note.task} {note.standing}{_because(note.why)}" for note in increment.notes[:_SHOWN_NOTES])
    if len(increment.notes) > _SHOWN_NOTES:
        yield f"  - and {len(increment.notes) - _SHOWN_NOTES} more, see `/sw:status {increment.increment[:4]}`"
    if increment.next:
        yield f"  - Next: {increment.next}"


def _because(why: str) -> str:
    return f": {why}" if why else ""


def table(increment: IncrementSummary) -> str:
    """One increment with its tasks, ending with the next step."""
    from specweave.files.quoting import code_span  # noqa: PLC0415 - a listing must stay cheap

    kind = f"{increment.type}, {words(increment.status)}"
    done = f"{increment.done} of {counted(increment.total, 'task')} done"
    lines = [
        f"`{increment.increment}` {increment.title} ({kind}): {done}",
        "",
        "| task | state | command | evidence |",
        "|---|---|---|---|",
    ]
    for task in increment.tasks:
        command = code_span(task.command, cell=True) if task.command else "by a person"
        evidence = _in_cell(task.evidence or "")
        lines.append(f"| {task.id} {_in_cell(task.title)} | {_in_cell(_state(task))} | {command} | {evidence} |")
    if increment.problems:
        lines += ["", *(f"- {problem}" for problem in increment.problems)]
    if increment.next:
        lines += ["", f"Next: {increment.next}"]
    return "\n".join(lines)


def _in_cell(text: str) -> str:
    return text.replace("|", r"\|")


def _state(task: TaskSummary) -> str:
    state = f"{task.standing}{_because(task.why)}"
    if task.waits_for:
        state += f", waits for {', '.join(task.waits_for)}"
    return state + (f", held by {task.held_by}" if task.held_by else "")
