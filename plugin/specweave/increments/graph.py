"""The order of tasks by their dependencies."""

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from specweave.errors import InvalidInputError
from specweave.increments.tasks import Task


def order(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """The tasks so that each comes after those it depends on; among equals, as the document has them.

    Raises:
        InvalidInputError: `task-duplicate`, `task-dependency-unknown`, `task-cycle`, naming the tasks.
    """
    by_id: dict[str, Task] = {}
    for task in tasks:
        if task.id in by_id:
            raise InvalidInputError(
                "task-duplicate",
                f"{task.document} has {task.id} on line {by_id[task.id].line} and on line {task.line}",
                next_step="give one of them another number",
            )
        by_id[task.id] = task
    for task in tasks:
        for dependency in task.dependencies:
            if dependency not in by_id:
                raise InvalidInputError(
                    "task-dependency-unknown",
                    f"{task.document}:{task.line}: {task.id} depends on {dependency}, which is no task here",
                    next_step="correct its **Dependencies**",
                )
    return _sorted(by_id)


def needed_for(tasks: Sequence[Task], task_id: str) -> frozenset[str]:
    """The ids of a task and of everything it depends on, directly or not."""
    by_id = {task.id: task for task in tasks}
    found: set[str] = set()
    waiting = [task_id]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += by_id[current].dependencies
    return frozenset(found)


def _sorted(by_id: dict[str, Task]) -> tuple[Task, ...]:
    sorter = TopologicalSorter({task.id: task.dependencies for task in by_id.values()})
    try:
        sorter.prepare()
    except CycleError as error:
        cycle = " → ".join(reversed(error.args[1]))
        raise InvalidInputError(
            "task-cycle", f"the tasks wait for each other: {cycle}", next_step="take one **Dependencies** away"
        ) from None
    position = {task_id: index for index, task_id in enumerate(by_id)}
    ready: list[str] = []
    result: list[Task] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=position.__getitem__)
        first = ready.pop(0)
        result.append(by_id[first])
        sorter.done(first)
    return tuple(result)
