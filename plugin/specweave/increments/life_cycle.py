"""The life cycle of an increment: which states there are, which may follow which, and the history that is kept.

    planned ──▶ active ◀──▶ ready_for_review ──▶ completed
                  ▲                                  │
    paused ◀─ any open state ─▶ abandoned            │
                  └──────────── reopen ◀─────────────┘

State stands in metadata.json: `status`, and in `history` every move with its time, its reason and who made it.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

from specweave.command import Context
from specweave.errors import ConflictError, InvalidInputError
from specweave.files import ledger
from specweave.increments import frontmatter_values, store
from specweave.increments import metadata as metadata_file
from specweave.increments.metadata import Metadata
from specweave.increments.store import Increment
from specweave_runtime.deployment_state import timestamp

State = Literal["planned", "active", "ready_for_review", "paused", "completed", "abandoned"]

STATES: tuple[State, ...] = get_args(State)
MOVES: Mapping[State, tuple[State, ...]] = {
    "planned": ("active", "ready_for_review", "completed", "paused", "abandoned"),
    "active": ("ready_for_review", "completed", "paused", "abandoned"),
    "ready_for_review": ("active", "completed", "paused", "abandoned"),
    "paused": ("planned", "active", "ready_for_review", "abandoned"),
    "completed": ("active",),
    "abandoned": ("active",),
}
CLOSED: frozenset[str] = frozenset({"completed", "abandoned"})
RESUMED: frozenset[str] = frozenset({"planned", "active", "ready_for_review"})
# Words of other tools: what is not known counts as work that goes on.
_MEANINGS: Mapping[str, State] = {"archived": "completed", "backlog": "planned"}
WORDS: frozenset[str] = frozenset((*STATES, *_MEANINGS))
_COMMANDS: Mapping[State, tuple[str, ...]] = {
    "planned": ("do", "done", "pause", "abandon"),
    "active": ("do", "done", "pause", "abandon"),
    "ready_for_review": ("done", "pause", "abandon"),
    "paused": ("resume", "abandon"),
    "completed": ("reopen", "archive"),
    "abandoned": ("reopen", "archive"),
}


class Change(NamedTuple):
    """A move that was made.

    Attributes:
        before, after: status words of metadata.json.
    """

    before: str
    after: str


def meaning(status: str) -> State:
    """The state that a status word stands for: other tools and people use other words."""
    return next((state for state in STATES if state == status), _MEANINGS.get(status, "active"))


def move(
    context: Context,
    increment: Increment,
    to: State,
    *,
    reason: str | None = None,
    by: str | None = None,
    facts: Mapping[str, object] | None = None,
) -> Change:
    """Bring an increment to another state, and remember that in its history; the same state again is no move.

    Args:
        context: the clock, and who asked.
        increment: which.
        to: the state.
        reason: why, one line; to open again what is closed it has to be given.
        by: who, `context.actor` by default.
        facts: more that its history keeps of this move; JSON types.

    Raises:
        ConflictError: `transition-not-allowed`, with the moves that are possible; `project-locked`.
        InvalidInputError: `reason-missing`, `metadata-invalid`, `ledger-invalid`.
    """
    change: list[Change] = []

    def step(document: dict[str, Any]) -> None:
        at = timestamp(context.host.now())
        change.append(advance(document, to, at=at, reason=reason, by=by or context.actor, name=increment.id))
        if facts and change[0].before != change[0].after:
            document["history"][-1].update(facts)

    with store.project_lock(increment.project):
        # Refused before anything is written where spec.md could not follow.
        follows = bool(frontmatter_values.differences(increment.folder, "spec.md", {"status": to}))
        if follows:
            ledger.read(increment.folder)
        store.update_metadata(increment, step, context.host.now)
        if follows and change[0].before != change[0].after:
            frontmatter_values.put(increment.folder, "spec.md", {"status": to})
    return change[0]


def require(increment: Increment, to: State) -> str:
    """The status word of an increment that may come to another state, or is in it.

    Raises:
        ConflictError: `transition-not-allowed`.
        InvalidInputError: `metadata-invalid`.
    """
    status = increment.metadata().status
    before = meaning(status)
    if before != to and to not in MOVES[before]:
        raise _not_allowed(increment.id, before, to)
    return status


def advance(document: dict[str, Any], to: State, *, at: str, reason: str | None, by: str, name: str) -> Change:
    """The same for a metadata.json at hand.

    Args:
        document: changed in place.
        to: the state.
        at: the time, ISO 8601.
        reason: why.
        by: who.
        name: of the increment, for errors.

    Raises:
        ConflictError: `transition-not-allowed`.
        InvalidInputError: `reason-missing`.
    """
    status = metadata_file.status_of(document.get("status"))
    before = meaning(status)
    if before == to:
        return Change(status, status)
    if to not in MOVES[before]:
        raise _not_allowed(name, before, to)
    if before in CLOSED and not (reason and reason.strip()):
        raise InvalidInputError(
            "reason-missing",
            f"{name} is {status}: it is opened again for a reason only",
            next_step='say why: --reason "what was found"',
        )
    history = document.get("history")
    entry = {"at": at, "from": status, "to": to, "reason": reason and " ".join(reason.split()), "by": by}
    # Another tool may keep something else under that name; it is theirs, and it is kept inside.
    kept = history if isinstance(history, list) else [] if history is None else [history]
    document["status"] = to
    document["history"] = [*kept, entry]
    return Change(status, to)


def shown_at_completion(metadata: Metadata) -> Mapping[str, str]:
    """What was shown when a completed increment was closed: task id → digest of what its evidence was about.

    Nothing for one that is open, and for one that something else than `sw done` closed.
    """
    history = (metadata.model_extra or {}).get("history")
    if meaning(metadata.status) != "completed" or not isinstance(history, list):
        return {}
    moves = [entry for entry in history if isinstance(entry, dict) and entry.get("to") == "completed"]
    shown = moves[-1].get("evidence") if moves else None
    return {str(task): str(digest) for task, digest in shown.items()} if isinstance(shown, dict) else {}


def before_pause(increment: Increment) -> State:
    """The state that a paused increment was in: what its history says, else `active`.

    Raises:
        ConflictError: `transition-not-allowed` where it is not paused.
        InvalidInputError: `metadata-invalid`.
    """
    document = metadata_file.read_document(increment.folder)
    present = meaning(metadata_file.status_of(document.get("status")))
    if present != "paused":
        raise _not_allowed(increment.id, present, "active")
    history = document.get("history")
    for entry in reversed(history if isinstance(history, list) else []):
        if isinstance(entry, dict) and entry.get("to") == "paused":
            state = meaning(metadata_file.status_of(entry.get("from")))
            return state if state in RESUMED else "active"
    return "active"


def require_closed(increment: Increment) -> None:
    """Refuse an increment that is open.

    Raises:
        ConflictError: `transition-not-allowed`.
        InvalidInputError: `metadata-invalid`.
    """
    state = meaning(increment.metadata().status)
    if state not in CLOSED:
        raise _not_allowed(increment.id, state, "closed")


def _not_allowed(name: str, before: State, wanted: State | Literal["closed"]) -> ConflictError:
    number = name.partition("-")[0]
    why = {"reopen": ' --reason "why"'}
    commands = [f"`/sw:{command} {number}{why.get(command, '')}`" for command in _COMMANDS[before]]
    complaints = {
        "closed": "completed or abandoned ones alone are archived and reopened",
        "active": "paused ones alone are resumed" if before != "paused" else "",
    }
    complaint = complaints.get(wanted) or f"it cannot become {wanted.replace('_', ' ')} from there"
    return ConflictError(
        "transition-not-allowed",
        f"{name} is {before.replace('_', ' ')}: {complaint}",
        next_step=f"possible from here: {', '.join(commands)}",
        details={"status": before, "wanted": wanted, "possible": list(MOVES[before])},
    )
