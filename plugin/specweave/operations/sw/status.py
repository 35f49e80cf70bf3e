"""`sw status`: the increments and what each needs next; of one increment, its tasks and their evidence."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from specweave.command import Annotations, Command, Context, IncrementName, Request, Result

if TYPE_CHECKING:
    from specweave.operations.increment_summary import Summary

_ORDER = ("active", "ready_for_review", "planned", "paused", "backlog", "completed", "abandoned")


class StatusRequest(Request):
    """Which increment; all of them by default."""

    increment: IncrementName = None


class TaskSummary(BaseModel):
    """One task."""

    model_config = ConfigDict(extra="forbid")

    id: str
    title: str
    done: bool
    command: str | None
    waits_for: list[str] = Field(description="Tasks that have to be done first and are not.")
    criteria: list[str]
    passed: bool | None = Field(description="Outcome of the newest evidence; None without one.")
    evidence: str | None = Field(description="Path of the newest report, relative to the increment.")


class IncrementSummary(BaseModel):
    """One increment."""

    model_config = ConfigDict(extra="forbid")

    increment: str
    title: str
    type: str
    status: str
    done: int
    total: int
    next: str = Field(description="What to do next, one or two sentences; empty where nothing is left.")
    problems: list[str] = Field(description="What could not be read, one sentence each.")
    revision: str
    tasks: list[TaskSummary] = Field(description="Only where one increment was asked for.")


class StatusResult(Result):
    """Increments by state, the work in progress first."""

    increments: list[IncrementSummary]

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        if not self.increments:
            return 'No increments yet.\n\nNext: `/sw:inc "Deploy the model"` makes one.'
        if len(self.increments) == 1 and self.increments[0].tasks:
            return _one(self.increments[0])
        lines = []
        for status in dict.fromkeys(increment.status for increment in self.increments):
            lines += [f"**{status.replace('_', ' ')}**", ""]
            for increment in (item for item in self.increments if item.status == status):
                lines.append(
                    f"- `{increment.increment}` {increment.title}: {increment.done} of {increment.total} tasks done"
                )
                lines += [f"  - {problem}" for problem in increment.problems]
                lines += [f"  - Next: {increment.next}"] if increment.next else []
            lines.append("")
        return "\n".join(lines).rstrip()


def _one(increment: IncrementSummary) -> str:
    kind = f"{increment.type}, {increment.status.replace('_', ' ')}"
    lines = [
        f"`{increment.increment}` {increment.title} ({kind}): {increment.done} of {increment.total} tasks done",
        "",
        "| task | state | command | evidence |",
        "|---|---|---|---|",
    ]
    for task in increment.tasks:
        state = "done" if task.done else "failed" if task.passed is False else "open"
        if task.waits_for:
            state += f", waits for {', '.join(task.waits_for)}"
        command = f"`{task.command}`" if task.command else "by a person"
        lines.append(f"| {task.id} {task.title} | {state} | {command} | {task.evidence or ''} |")
    if increment.problems:
        lines += ["", *(f"- {problem}" for problem in increment.problems)]
    if increment.next:
        lines += ["", f"Next: {increment.next}"]
    return "\n".join(lines)


def run(request: StatusRequest, context: Context) -> StatusResult:
    """Show the increments of the project, or one of them with its tasks.

    Raises:
        NotFoundError: `increment-not-found`, `increment-ambiguous`.
    """
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations import increment_summary  # noqa: PLC0415

    if request.increment is not None:
        increment = store.find(context.project, request.increment)
        return StatusResult(increments=[_summary(increment_summary.summarize(increment, context), with_tasks=True)])
    found = [increment_summary.summarize(increment, context) for increment in store.list_all(context.project)]
    shown = [_summary(summary, with_tasks=False) for summary in found]
    return StatusResult(increments=sorted(shown, key=lambda item: (_rank(item.status), item.increment)))


def _summary(summary: "Summary", *, with_tasks: bool) -> IncrementSummary:
    from specweave.operations.task_binding import is_done  # noqa: PLC0415 - a listing must stay cheap

    done = {task.id for task in summary.tasks if is_done(task)}
    tasks = [
        TaskSummary(
            id=task.id,
            title=task.title,
            done=task.id in done,
            command=task.run,
            waits_for=[other for other in task.dependencies if other not in done],
            criteria=list(task.criteria),
            passed=task.passed,
            evidence=task.evidence,
        )
        for task in summary.tasks
    ]
    return IncrementSummary(
        increment=summary.increment.id,
        title=summary.title,
        type=summary.type,
        status=summary.status,
        done=len(done),
        total=len(tasks),
        next=summary.next,
        problems=list(summary.problems),
        revision=summary.revision,
        tasks=tasks if with_tasks else [],
    )


def _rank(status: str) -> int:
    return _ORDER.index(status) if status in _ORDER else 0


COMMAND = Command(
    group="sw",
    name="status",
    request=StatusRequest,
    result=StatusResult,
    run=run,
    annotations=Annotations(read_only=True, idempotent=True),
    examples=("", "0043"),
)
