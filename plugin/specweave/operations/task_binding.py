"""What an increment's tasks need next: which are done, which are ready, and which command or person does them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from specweave import slash_line
from specweave.command import AnyCommand, Context, Request
from specweave.errors import InvalidInputError, NotFoundError, SpecweaveError
from specweave.increments import graph, tasks
from specweave.increments.store import Increment
from specweave.increments.tasks import Task

Reason = Literal["not-prepared", "approval", "tool-missing", "command-invalid", "no-command", "not-built"]

_REASONS: tuple[str, ...] = get_args(Reason)
_DONE = frozenset({"completed", "skipped"})


@dataclass(frozen=True, slots=True)
class Person:
    """A task that waits for a person.

    Attributes:
        task: which.
        reason: why no command can do it now; the reasons are declared with the shortest way on first.
        action: what that person has to do, one or two sentences.
    """

    task: Task
    reason: Reason
    action: str


@dataclass(frozen=True, slots=True)
class Bound:
    """A task with the command that does it, ready to run.

    Attributes:
        task: which.
        operation: name of the command.
        command: what does it.
        request: its arguments.
        line: as a person would type it.
    """

    task: Task
    operation: str
    command: AnyCommand
    request: Request
    line: str


def ordered(increment: Increment) -> tuple[Task, ...]:
    """The tasks of an increment in the order of their dependencies.

    Raises:
        NotFoundError: `no-tasks`.
        InvalidInputError: `task-duplicate`, `task-dependency-unknown`, `task-cycle`.
    """
    found = tasks.read(increment)
    if not found:
        raise NotFoundError(
            "no-tasks",
            f"{increment.id} has no tasks",
            next_step="write them in tasks.md, each as a heading `### T-001: Title`",
        )
    return graph.order(found)


def is_done(task: Task) -> bool:
    """Whether nothing is left to do: shown by evidence, or by its box where no command of ours does it."""
    if task.status in _DONE:
        return True
    return task.marked in _DONE and task.run is not None and not _is_built(task.run)


def ready(everything: Sequence[Task], supposed: frozenset[str] = frozenset()) -> Iterator[Task]:
    """The tasks that are not done and wait for no other, in order; `supposed` are taken for done."""
    done = {task.id for task in everything if is_done(task)} | supposed
    for task in everything:
        if task.id not in done and done.issuperset(task.dependencies):
            yield task


def bind(increment: Increment, task: Task, context: Context) -> Bound | Person:
    """The command that does a task, or what a person has to do for it.

    Raises:
        SpecweaveError: what the command's question of approval raises, such as for a document that is invalid.
    """
    tick = f"set its `**Status**` to `[x] completed` in {task.document}"
    if task.run is None:
        return Person(task, "no-command", f"Do {task.id} ({task.title}), then {tick}.")
    try:
        call = slash_line.parse(task.run)
    except NotFoundError:
        name = task.run.split()[0]
        return Person(task, "not-built", f"{name} is not built yet: do {task.id} ({task.title}) by hand, then {tick}.")
    except InvalidInputError as error:
        action = f"Correct the **Run** line of {task.id} in {task.document}, line {task.line}: {error.message}."
        return Person(task, "command-invalid", action)
    if (call.entry.group, call.entry.name) == ("sw", "do"):
        return Person(task, "command-invalid", f"Give {task.id} another **Run** line: `sw do` cannot run itself.")
    request, line = call.request, task.run
    if "increment" in type(request).model_fields and getattr(request, "increment", None) is None:
        request = request.model_copy(update={"increment": increment.number})
        line = slash_line.slash_line(call.command, request)
    bound = Bound(task, call.entry.name, call.command, request, line)
    question = call.command.approval(request, context) if call.command.approval else None
    if question and not context.approved:
        return _approval(task, bound.line, question)
    return bound


def first_to_ask(people: Iterable[Person]) -> list[Person]:
    """The people's tasks, the shortest way on first, else in order."""
    return sorted(people, key=lambda person: _REASONS.index(person.reason))


def person_for(task: Task, line: str, error: SpecweaveError) -> Person | None:
    """What a person has to do first, where that is what an error says; None for a failure."""
    if error.code == "approval-required":
        return _approval(task, line, error.message)
    if error.code == "deployment-missing":
        return Person(task, "not-prepared", f"{error.message}: {error.next_step}.")
    if error.code == "builder-missing":
        return Person(task, "tool-missing", f"{error.message}: {error.next_step}, then run `{line}`.")
    return None


def _approval(task: Task, line: str, question: str) -> Person:
    action = f"{question.rstrip()} If yes, run `{line}` and say yes there (in a shell: add `--approve`)."
    return Person(task, "approval", action)


def _is_built(run_line: str) -> bool:
    try:
        slash_line.parse(run_line)
    except NotFoundError:
        return False
    except InvalidInputError:
        return True
    return True
