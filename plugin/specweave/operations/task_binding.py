"""What an increment's tasks need next: which are done, which are ready, and which command, test or person does them."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from specweave import slash_line
from specweave.command import AnyCommand, Context, Request
from specweave.errors import ConflictError, HostError, InvalidInputError, NotFoundError, SpecweaveError
from specweave.host import require_program
from specweave.increments import graph, tasks
from specweave.increments.standings import Stand, is_done
from specweave.increments.store import Increment
from specweave.increments.tasks import Task
from specweave.operations.sw.do import BROKEN, Reason
from specweave.slash_line import Call

Standings = Mapping[str, Stand]

ALLOWING = "tasks.test_commands"

_REASONS: tuple[str, ...] = get_args(Reason)
# These decide about an increment, which is for people, and show nothing of a task.
_DECISIONS = frozenset({"abandon", "archive", "done", "pause", "reopen", "restore", "resume"})
# A shell would act on these; without one they are words that the program gets.
_SHELL = frozenset({"|", "||", "&&", ";", "&", ">", ">>", "<", "2>&1", "2>"})


@dataclass(frozen=True, slots=True)
class Person:
    """A task that waits for a person or an assistant.

    Attributes:
        task: which.
        reason: why no command can do it now; the reasons are declared with the shortest way on first.
        action: what is to do, one or two sentences.
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

    @property
    def only_checks(self) -> bool:
        """Whether it shows how things are and acts on nothing: then it may be repeated at will."""
        checks = self.command.checks
        return self.command.annotations.read_only or (checks is not None and checks(self.request))


@dataclass(frozen=True, slots=True)
class Tested:
    """A task with the command line that shows whether it is done.

    Attributes:
        task: which.
        argv: the program and its arguments.
        line: as it stands in the document.
    """

    task: Task
    argv: tuple[str, ...]
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


def done(everything: Iterable[Task], standings: Standings) -> frozenset[str]:
    """The ids of the tasks that are done."""
    return frozenset(task.id for task in everything if is_done(task, standings[task.id].standing))


def ready(everything: Sequence[Task], standings: Standings, supposed: frozenset[str] = frozenset()) -> Iterator[Task]:
    """The tasks that are not done and wait for no other, in order; `supposed` are taken for done."""
    finished = done(everything, standings) | supposed
    for task in everything:
        if task.id not in finished and finished.issuperset(task.dependencies):
            yield task


def bind(increment: Increment, task: Task, context: Context) -> Bound | Tested | Person:
    """What does a task: its command, else its test, else a person, with what that one has to do.

    Raises:
        SpecweaveError: what the command's question of approval raises, such as for a document that is invalid.
    """
    if task.run is None:
        return _startable(task, context) if task.test is not None else _by_hand(task, "no-command", "")
    try:
        call = slash_line.parse(task.run)
    except NotFoundError:
        name = task.run.split()[0]
        because = f"{name} is not built yet."
        return _startable(task, context) if task.test is not None else _by_hand(task, "not-built", because)
    except InvalidInputError as error:
        return _invalid(task, "Run", error.message)
    if call.entry.group == "sw" and call.entry.name in {"do", *_DECISIONS}:
        why = "cannot run itself" if call.entry.name == "do" else "is for people to decide, and shows nothing"
        action = f"Give {task.id} another **Run** line: `sw {call.entry.name}` {why}."
        return Person(task, "command-invalid", action)
    check = tested(task, context) if task.test is not None else None
    if isinstance(check, Person) and check.reason in BROKEN:
        return check
    return _agreed(_bound(increment, task, call), context)


def tested(task: Task, context: Context) -> Tested | Person:
    """The command line that shows whether a task is done, where the project allows to run one."""
    line = task.test or ""
    if not context.project.config.tasks.test_commands:
        action = f"Read the **Test** line of {task.id}, `{line}`; where you trust those of this project, set "
        action += f"`{ALLOWING}` to true in .specweave/config.yaml: `tasks: {{test_commands: true}}`."
        return Person(task, "tests-not-allowed", action)
    try:
        argv = tuple(shlex.split(line))
    except ValueError as error:
        return _invalid(task, "Test", str(error).lower())
    for word in argv:
        if word in _SHELL:
            return _invalid(task, "Test", f"{word} needs a shell, and none is used: put the line into a script")
    if not argv or "=" in argv[0]:
        return _invalid(task, "Test", "it begins with no program; variables are set by `env NAME=value program`")
    return Tested(task, argv, line)


def not_started(task: Task, error: HostError) -> Person:
    """A task whose test names a program that cannot be started."""
    way = f"{error.message}; {error.next_step}"
    return Person(task, "cannot-start", f"Correct the **Test** line of {_place(task)}, or what it needs: {way}.")


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


def claimed(task: Task, error: ConflictError) -> Person:
    """A task that somebody else works on."""
    return Person(task, "claimed", f"{error.message}: {error.next_step}.")


def _bound(increment: Increment, task: Task, call: Call) -> Bound:
    request, line = call.request, task.run or ""
    if "increment" in type(request).model_fields and getattr(request, "increment", None) is None:
        request = request.model_copy(update={"increment": increment.number})
        line = slash_line.slash_line(call.command, request)
    return Bound(task, call.entry.name, call.command, request, line)


def _by_hand(task: Task, reason: Reason, because: str) -> Person:
    do = f"Do {task.id} ({task.title}), then set its `**Status**` to `[x] completed` in {task.document}."
    return Person(task, reason, f"{because} {do}".strip())


def _invalid(task: Task, field: str, problem: str) -> Person:
    return Person(task, "command-invalid", f"Correct the **{field}** line of {_place(task)}: {problem}.")


def _agreed(bound: Bound, context: Context) -> Bound | Person:
    question = bound.command.question(bound.request, context)
    if question and not (context.approved and context.answered in {None, question}):
        return _approval(bound.task, bound.line, question)
    return bound


def _place(task: Task) -> str:
    return f"{task.id} in {task.document}, line {task.line}"


def _startable(task: Task, context: Context) -> Tested | Person:
    """The test of a task that nothing comes before: its program has to be there already."""
    step = tested(task, context)
    if isinstance(step, Tested):
        try:
            require_program(step.argv[0], context.project.root)
        except HostError as error:
            return not_started(task, error)
    return step


def _approval(task: Task, line: str, question: str) -> Person:
    action = f"{question.rstrip()} If yes, run `{line}` and say yes there (in a shell: add `--approve`)."
    return Person(task, "approval", action)
