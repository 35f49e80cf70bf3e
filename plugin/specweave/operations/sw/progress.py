"""`sw progress`: how far an increment is, per story, criterion and task."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from specweave.command import Annotations, Command, Context, IncrementName, Request, Result
from specweave.operations.counting import counted
from specweave.operations.increment_views import Standing, words

if TYPE_CHECKING:
    from specweave.increments.criteria import Specification
    from specweave.increments.standings import Showing
    from specweave.increments.tasks import Task
    from specweave.operations.increment_summary import Reading

# From what is furthest from showing a criterion to what shows it.
_STRENGTH: tuple[Standing, ...] = ("failed", "stale", "open", "skipped", "claimed", "passed")
_BAR_CELLS = 20
_TEXT_CHARACTERS = 120


class ProgressRequest(Request):
    """Which increment."""

    increment: IncrementName = None


class Part(BaseModel):
    """A part of a result."""

    model_config = ConfigDict(extra="forbid")


class TaskProgress(Part):
    """One task."""

    id: str
    title: str
    standing: Standing
    why: str = Field(description="The reason, empty where there is nothing to say.")
    held_by: str | None = Field(description="Who works on it now.")


class CriterionProgress(Part):
    """One acceptance criterion, with the tasks that satisfy it."""

    id: str
    text: str
    standing: Standing = Field(description="passed: each of its tasks is shown by evidence of the present content.")
    why: str
    tasks: list[TaskProgress]


class StoryProgress(Part):
    """One user story.

    Attributes:
        tasks: those that name the story and none of its criteria.
    """

    id: str
    title: str
    percent: int = Field(description="Of its tasks, how many are done; rounded down.")
    criteria: list[CriterionProgress]
    tasks: list[TaskProgress]


class ProgressResult(Result):
    """How far an increment is.

    Attributes:
        stories: in the order of spec.md; criteria without a story stand under one without an id.
        tasks: those of no story and no criterion that spec.md has.
    """

    increment: str
    title: str
    type: str
    status: str
    percent: int = Field(description="Of the tasks, how many are done; rounded down.")
    done: int
    total: int
    criteria_passed: int
    criteria_total: int
    stories: list[StoryProgress]
    tasks: list[TaskProgress]
    next: str
    problems: list[str]
    revision: str

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        counts = f"{self.done} of {counted(self.total, 'task')} done"
        counts += (
            f" · {self.criteria_passed} of {counted(self.criteria_total, 'criterion', 'criteria')} shown by evidence"
        )
        kind = f"{self.type}, {words(self.status)}"
        lines = [f"`{self.increment}` {self.title} ({kind})", "", f"{_bar(self.percent)} · {counts}"]
        for story in self.stories:
            name = f"{story.id} {story.title}".strip() or "Criteria of no story"
            lines += ["", f"**{name}** {_bar(story.percent)}", ""]
            for criterion in story.criteria:
                said = criterion.text[:_TEXT_CHARACTERS] + ("…" if len(criterion.text) > _TEXT_CHARACTERS else "")
                lines.append(f"- {criterion.id}: {_state(criterion.standing, criterion.why)}: {said}")
                lines += [f"  - {line}" for line in _lines(criterion.tasks)]
            lines += [f"- {line}" for line in _lines(story.tasks)]
        if self.tasks:
            lines += ["", "**Tasks of no story**", "", *(f"- {line}" for line in _lines(self.tasks))]
        if self.problems:
            lines += ["", *(f"- {problem}" for problem in self.problems)]
        if self.next:
            lines += ["", f"Next: {self.next}"]
        return "\n".join(lines)


def _bar(percent: int) -> str:
    filled = percent * _BAR_CELLS // 100
    return f"{'█' * filled}{'░' * (_BAR_CELLS - filled)} {percent} %"


def _lines(tasks: list[TaskProgress]) -> Iterator[str]:
    for task in tasks:
        held = f", held by {task.held_by}" if task.held_by else ""
        yield f"{task.id} {task.title}: {_state(task.standing, task.why)}{held}"


def _state(standing: Standing, why: str) -> str:
    return f"{standing} ({why})" if why else standing


def run(request: ProgressRequest, context: Context) -> ProgressResult:
    """Show how far an increment is.

    Raises:
        NotFoundError: `increment-not-found`, `increment-ambiguous`.
    """
    from specweave.increments import claims, criteria, store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations import increment_summary  # noqa: PLC0415 - as above

    increment = store.find(context.project, request.increment)
    reading = increment_summary.read(increment)
    record = increment_summary.record_of(reading)
    demanded = criteria.read(increment) if reading.tasks else criteria.Specification()
    held = claims.held(context, increment)
    shown = {
        task.id: TaskProgress(
            id=task.id,
            title=task.title,
            standing=reading.standings[task.id].standing,
            why=reading.standings[task.id].why,
            held_by=claim.holder if (claim := held.get(claims.name_of(task.id))) else None,
        )
        for task in reading.tasks
    }
    stories = [_story(name, title, reading, demanded, shown) for name, title in _stories(demanded).items()]
    placed = {task.id for story in stories for task in _tasks_of(story)}
    passed = [criterion.standing == "passed" for story in stories for criterion in story.criteria]
    return ProgressResult(
        increment=increment.id,
        title=reading.title,
        type=reading.type,
        status=reading.status,
        percent=_percent(reading.done, reading.tasks),
        done=len(reading.done),
        total=len(reading.tasks),
        criteria_passed=sum(passed),
        criteria_total=len(passed),
        stories=stories,
        tasks=[task for task in shown.values() if task.id not in placed],
        next=increment_summary.next_step(increment, record, context),
        problems=[*reading.problems, *demanded.problems],
        revision=reading.revision,
    )


def _stories(demanded: "Specification") -> dict[str, str]:
    """Id → title of the stories, also of those that only a criterion names; criteria of none go by an empty id."""
    titles = {story.id: story.title for story in demanded.stories}
    return titles | {name: titles.get(name, "") for name in (criterion.story or "" for criterion in demanded.criteria)}


def _story(
    name: str, title: str, reading: "Reading", demanded: "Specification", shown: dict[str, TaskProgress]
) -> StoryProgress:
    criteria = [
        _criterion(criterion.id, criterion.text, reading, shown)
        for criterion in demanded.criteria
        if (criterion.story or "") == name
    ]
    known = {criterion.id for criterion in demanded.criteria}
    only = [
        shown[task.id]
        for task in reading.tasks
        if name and _is_same(task.user_story, name) and known.isdisjoint(task.criteria)
    ]
    story = StoryProgress(id=name, title=title, percent=0, criteria=criteria, tasks=only)
    return story.model_copy(update={"percent": _percent(reading.done, _tasks_of(story))})


def _criterion(name: str, text: str, reading: "Reading", shown: dict[str, TaskProgress]) -> CriterionProgress:
    from specweave.increments import standings  # noqa: PLC0415 - a listing must stay cheap

    tasks = [shown[task.id] for task in reading.tasks if name in task.criteria]
    standing, why = _together(list(standings.of_criterion(name, reading.tasks, reading.standings)))
    return CriterionProgress(id=name, text=text, standing=standing, why=why, tasks=tasks)


def _together(showings: "list[Showing]") -> tuple[Standing, str]:
    """How a criterion stands by its tasks: as the one that is furthest from showing it."""
    if not showings:
        return "open", "no task satisfies it"
    task, standing, why = min(showings, key=lambda showing: _STRENGTH.index(showing.standing))
    return standing, why if standing == "passed" else f"{task.id}: {why}" if why and standing == "open" else task.id


def _tasks_of(story: StoryProgress) -> list[TaskProgress]:
    found = [*story.tasks, *(task for criterion in story.criteria for task in criterion.tasks)]
    return list({task.id: task for task in found}.values())


def _is_same(story: str | None, name: str) -> bool:
    """`US-1` and `US-001` are the same."""
    return story is not None and int(story.strip("US-")) == int(name.strip("US-"))


def _percent(done: frozenset[str], tasks: "Sequence[Task] | list[TaskProgress]") -> int:
    return 100 * sum(task.id in done for task in tasks) // len(tasks) if tasks else 0


COMMAND = Command(
    group="sw",
    name="progress",
    request=ProgressRequest,
    result=ProgressResult,
    run=run,
    annotations=Annotations(read_only=True, idempotent=True),
    examples=("0043", ""),
)
