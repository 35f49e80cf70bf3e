"""Where an increment stands and what it needs next."""

from dataclasses import dataclass

from specweave.command import Context
from specweave.errors import SpecweaveError
from specweave.increments import deployment, graph, store, tasks
from specweave.increments.store import Increment
from specweave.increments.tasks import Task
from specweave.operations.task_binding import Bound, bind, first_to_ask, is_done, ready


@dataclass(frozen=True, slots=True)
class Summary:
    """Where an increment stands.

    Attributes:
        increment: which.
        title, type, status: of its metadata; `unreadable` is the status of one whose metadata cannot be read.
        tasks: in the order of the document.
        next: what to do next, one or two sentences; empty where nothing is left.
        problems: what could not be read, one sentence each.
        revision: of its documents.
    """

    increment: Increment
    title: str
    type: str
    status: str
    tasks: tuple[Task, ...]
    next: str
    problems: tuple[str, ...]
    revision: str


def summarize(increment: Increment, context: Context) -> Summary:
    """Where an increment stands; documents that cannot be read are problems, not errors."""
    revision = store.revision(increment)
    try:
        metadata = increment.metadata()
        found = tasks.read(increment)
    except SpecweaveError as error:
        return Summary(increment, increment.id, "", "unreadable", (), error.next_step, (error.message,), revision)
    problems = tasks.problems(increment)
    try:
        ordered = graph.order(found)
        following = _next(increment, ordered, context) if metadata.is_open else ""
    except SpecweaveError as error:
        problems, following = (*problems, error.message), error.next_step
    return Summary(
        increment,
        metadata.title or increment.id,
        metadata.type,
        metadata.status,
        found,
        following,
        problems,
        revision,
    )


def _next(increment: Increment, ordered: tuple[Task, ...], context: Context) -> str:
    number = increment.number
    if increment.metadata().type == "deployment" and not (increment.folder / deployment.FILE).is_file():
        return f"`/ml:deploy-prepare {number} --model FILE --data FILE` makes the model package and the service."
    if not ordered:
        return "Write its tasks in tasks.md."
    waiting = []
    for task in ready(ordered):
        step = bind(increment, task, context)
        if isinstance(step, Bound):
            again = f" again; its last run failed, see {task.evidence}" if task.passed is False else ""
            return f"`/sw:do {number}` runs {task.id} ({task.title}){again}."
        waiting.append(step)
    if waiting:
        return first_to_ask(waiting)[0].action
    return "All tasks are done: review it." if all(is_done(task) for task in ordered) else ""
