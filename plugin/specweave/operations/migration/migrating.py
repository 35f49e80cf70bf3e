"""Writing what was planned: originals first, documents one by one, metadata.json last."""

from functools import partial
from typing import NamedTuple

from specweave.command import Context
from specweave.errors import ConflictError
from specweave.files import ledger
from specweave.increments import store
from specweave.increments.store import Increment
from specweave.operations.migration import originals, planning
from specweave.operations.migration.planning import FilePlan, Plan
from specweave_runtime.deployment_state import timestamp


class Migrated(NamedTuple):
    """What was done.

    Attributes:
        plan: what was planned; without files for an increment that is ours.
        copies: the originals that git does not have, relative to the increment.
    """

    plan: Plan
    copies: tuple[str, ...]


def plan(increment: Increment, context: Context) -> Plan:
    """What `migrate` would do.

    Raises:
        InvalidInputError, HostError: see `planning.plan`.
    """
    return planning.plan(increment, timestamp(context.host.now()))


def migrate(increment: Increment, context: Context) -> Migrated:
    """Bring an increment to this format; one that is ours stays as it is.

    A process that is killed in between leaves an increment whose metadata.json is still the old one: the next migration
    finishes it.

    Raises:
        InvalidInputError: see `planning.plan`; nothing has changed then.
        HostError: a file cannot be written; those before it are, and the next migration goes on.
        ConflictError: `project-locked`.
    """
    with store.project_lock(increment.project):
        found = plan(increment, context)
        before = {file.name: file.before for file in found.files if file.before is not None}
        copies = originals.keep(increment.folder, before)
        for file in found.files:
            ledger.amend(increment.folder, file.name, partial(_replaced, file))
    return Migrated(found, copies)


def _replaced(file: FilePlan, present: bytes) -> bytes:
    if present not in {file.before or b"", file.after}:
        raise ConflictError("files-changed", f"{file.name} changed meanwhile", next_step="run the command again")
    return file.after
