"""Which tasks a command that was run is evidence for."""

from specweave import slash_line
from specweave.command import Request
from specweave.errors import SpecweaveError
from specweave.increments import store
from specweave.increments.store import Increment
from specweave.increments.tasks import Task

_INCREMENT_FIELD = "increment"
# These say what is acted upon and whether it is done or undone: with another value it is another act, even where the
# task's Run line is silent about them.
_ANOTHER_ACT = frozenset({"environment", "url", "stop", "dry_run"})


def is_bound(increment: Increment, task: Task, command: str) -> bool:
    """Whether a run of this slash command does what the task's Run line asks for.

    The same command, every argument of the Run line with the same value, for this increment. A line that cannot be
    read, or names a command that is not built, is bound to nothing.
    """
    if task.run is None:
        return False
    try:
        bound, run = slash_line.split(task.run), slash_line.split(command)
        if bound[:2] != run[:2]:
            return False
        wanted, given = slash_line.parse(task.run), slash_line.parse(command)
        name = getattr(wanted.request, _INCREMENT_FIELD, None)
        if name is not None and store.find(increment.project, name).folder != increment.folder:
            return False
    except SpecweaveError:
        return False
    return _does(wanted.request, given.request)


def _does(wanted: Request, given: Request) -> bool:
    named = wanted.model_fields_set - {_INCREMENT_FIELD}
    if any(getattr(wanted, field) != getattr(given, field) for field in named):
        return False
    extra = (given.model_fields_set & _ANOTHER_ACT) - named
    return all(getattr(given, field) == getattr(wanted, field) for field in extra)
