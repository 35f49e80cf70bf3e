"""Who works on which task now: leases, so that many agents and worktrees never do the same thing twice.

A claim of a process is a lock that the system takes away with the process, and beside it a record for others to read.
Another machine that shares the folder sees no lock: for it the record holds until its lease ends, which is renewed
while the claim is held. A task that is handed to an agent by name has the record alone.
"""

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from specweave.command import Context
from specweave.errors import ConflictError, SpecweaveError
from specweave.files import atomic
from specweave.increments import repository
from specweave.increments.store import Increment
from specweave.increments.task_document import number_of

LEASE_S = 120.0
HANDED_OUT_S = 3600.0
# Another process may be writing its record at this moment.
_PATIENCE_S = 0.2


class Claim(BaseModel):
    """A task that somebody works on.

    Attributes:
        task: its id, three digits at least: `T-003`.
        name: whose claim it is, as given with `--as`, else who asked: `cli`, `mcp` or `python`.
        since, until: UTC; after `until` it counts no more.
        machine: where it was made.
        process: id of the process that runs the task; None for one that was handed out by name.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    task: str
    name: str
    since: AwareDatetime
    until: AwareDatetime
    machine: str
    process: int | None = None

    @property
    def holder(self) -> str:
        """The name, and the process where there is one: `anna (process 4711 on build-1)`."""
        return f"{self.name} (process {self.process} on {self.machine})" if self.process else self.name


@contextmanager
def claim(
    context: Context, increment: Increment, task_id: str, *, name: str, lease_s: float = LEASE_S
) -> Iterator[Claim]:
    """Hold a task while it is run.

    A task that was handed out to the same name is taken; what a process left that ended is taken over at once.

    Args:
        context: the clock.
        increment: whose.
        task_id: `T-003` or `T-3`.
        name: who works on it.
        lease_s: how long the record holds without renewal, seconds.

    Raises:
        ConflictError: `task-claimed`, with who holds it, since when and until when.
        HostError: the record cannot be written.
    """
    with _locked(increment, task_id) as record:
        _require_free(context, increment, record, name)
        made = _made(context, task_id, name, lease_s, process=os.getpid())
        atomic.write(record, made.model_dump_json().encode())
        ended = threading.Event()
        keeper = threading.Thread(target=_renew, args=(context, record, made, lease_s, ended), daemon=True)
        keeper.start()
        try:
            yield made
        finally:
            ended.set()
            keeper.join()
            record.unlink(missing_ok=True)


def hand_out(
    context: Context, increment: Increment, task_id: str, *, name: str, lease_s: float = HANDED_OUT_S
) -> Claim:
    """Keep a task for a person or an assistant of that name; asking again renews it.

    Raises:
        ConflictError: `task-claimed`.
        HostError: the record cannot be written.
    """
    with _locked(increment, task_id) as record:
        known = _require_free(context, increment, record, name)
        made = _made(context, task_id, name, lease_s, process=None)
        if known is not None:
            made = made.model_copy(update={"since": known.since})
        atomic.write(record, made.model_dump_json().encode())
        return made


def let_go(increment: Increment, task_id: str) -> None:
    """Forget that a task was handed out; one that a process runs stays claimed."""
    with suppress(ConflictError), _locked(increment, task_id) as record:
        record.unlink(missing_ok=True)


def give_back(context: Context, increment: Increment, task_id: str, *, name: str) -> Claim:
    """Let go a task that was handed out to that name, before its time is up.

    Returns:
        The claim that counts no more.

    Raises:
        ConflictError: `task-not-kept` where it was handed out to nobody, `task-claimed` where somebody else has it.
        HostError: the record cannot be removed.
    """
    with _locked(increment, task_id) as record:
        known = _require_free(context, increment, record, name)
        if known is None:
            raise ConflictError(
                "task-not-kept",
                f"{name_of(task_id)} of {increment.id} is kept for nobody",
                next_step=f"nothing is to be done; `/sw:next {increment.number}` shows what is free",
            )
        record.unlink(missing_ok=True)
        return known


def held(context: Context, increment: Increment) -> Mapping[str, Claim]:
    """The claims that count now, by task id with three digits at least.

    It takes no lock. A process that ended on this machine holds nothing; another one that got its number since may
    stand for it here until the lease ends, though not in `claim`.
    """
    try:
        records = sorted(_folder(increment).glob("*.json"))
    except OSError:
        return {}
    now = context.host.now()
    claims = (_read(record) for record in records)
    return {claim.task: claim for claim in claims if claim and _counts(claim, now)}


def name_of(task_id: str) -> str:
    """The key of a task in `held`: `T-003` for `T-3`."""
    return f"T-{number_of(task_id):03d}"


def conflict(increment: Increment, claim: Claim) -> ConflictError:
    """The error `task-claimed` for a claim of somebody else."""
    since, until = claim.since.astimezone(UTC), claim.until.astimezone(UTC)
    times = f"since {since:%H:%M} until {until:%H:%M} UTC"
    if claim.process is None:
        message = f"{claim.task} of {increment.id} is kept for {claim.name} {times}"
        next_step = f"take another task: /sw:next; {claim.name} goes on with `--as {claim.name}`"
    else:
        message = f"{claim.task} of {increment.id} is being run by {claim.holder} {times}"
        next_step = "take another task: /sw:next, or wait for that run to end; when its process ends, the task is free"
    return ConflictError("task-claimed", message, next_step=next_step, details=claim.model_dump(mode="json"))


@contextmanager
def _locked(increment: Increment, task_id: str) -> Iterator[Path]:
    """The record of a task, while nobody else may change it."""
    from filelock import FileLock, Timeout  # noqa: PLC0415 - start-up: listings take no lock

    record = _folder(increment) / f"{name_of(task_id)}.json"
    with atomic.coded_errors(record):
        record.parent.mkdir(parents=True, exist_ok=True)
        # Not one lock for each path, as the project's: two threads of one server are two agents.
        lock = FileLock(record.with_suffix(".lock"))
        try:
            lock.acquire(timeout=_PATIENCE_S, poll_interval=0.02)
        except Timeout:
            raise _taken(increment, task_id, _read(record)) from None
    try:
        yield record
    finally:
        lock.release()


def _require_free(context: Context, increment: Increment, record: Path, name: str) -> Claim | None:
    """The record that stands for the same name; the caller holds the lock, so no process of this machine holds it."""
    known = _read(record)
    if known is None or known.until <= context.host.now():
        return None
    if known.process is None:
        if known.name == name:
            return known
    elif known.machine == _machine():
        return None
    raise conflict(increment, known)


def _counts(claim: Claim, now: datetime) -> bool:
    if claim.until <= now:
        return False
    return claim.process is None or claim.machine != _machine() or _is_alive(claim.process)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _made(context: Context, task_id: str, name: str, lease_s: float, *, process: int | None) -> Claim:
    now = context.host.now()
    return Claim(
        task=name_of(task_id),
        name=name,
        since=now,
        until=now + timedelta(seconds=lease_s),
        machine=_machine(),
        process=process,
    )


def _renew(context: Context, record: Path, made: Claim, lease_s: float, ended: threading.Event) -> None:
    while not ended.wait(lease_s / 3):
        until = context.host.now() + timedelta(seconds=lease_s)
        # A full disk now is no reason to end: the lock still holds on this machine.
        with suppress(SpecweaveError):
            atomic.write(record, made.model_copy(update={"until": until}).model_dump_json().encode())


def _read(record: Path) -> Claim | None:
    try:
        return Claim.model_validate_json(record.read_bytes())
    except (OSError, ValidationError):
        return None


def _taken(increment: Increment, task_id: str, known: Claim | None) -> ConflictError:
    if known is not None:
        return conflict(increment, known)
    return ConflictError(
        "task-claimed",
        f"{task_id} of {increment.id} was claimed this moment by another process",
        next_step="run the command again, or take another task: /sw:next",
    )


def _folder(increment: Increment) -> Path:
    """Where the claims of an increment are kept: never in git, and one place for all worktrees of a repository."""
    root = increment.project.root
    common = repository.common_folder(root)
    if common is None:
        return increment.project.state / "local" / "claims" / increment.id
    # One repository may hold several projects, each with increments of its own.
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
    place = hashlib.sha256(root.relative_to(top).as_posix().encode()).hexdigest()[:8]
    return common / "specweave" / "claims" / place / increment.id


def _machine() -> str:
    return os.uname().nodename
