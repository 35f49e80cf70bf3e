"""Which increment is meant by a name, or by none."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from specweave.errors import NotFoundError

if TYPE_CHECKING:
    from specweave.increments.store import Increment


def matching(increments: Sequence["Increment"], wanted: str) -> list["Increment"]:
    """Those that a name means: a folder name, else a number, else the beginning of a folder name or of its slug."""
    exact = [increment for increment in increments if increment.id == wanted]
    if exact or not wanted:
        return exact
    if wanted.isascii() and wanted.isdigit():
        return [increment for increment in increments if int(increment.number) == int(wanted)]
    return [
        increment
        for increment in increments
        if increment.id.startswith(wanted) or increment.id.partition("-")[2].startswith(wanted)
    ]


def only_open(
    increments: Sequence["Increment"], kind: str | None, *, paused: bool = False, completed: bool = False
) -> "Increment":
    """The only open one, of a type where one is given; those that are paused count where no other is open.

    Args:
        increments: among which.
        kind: only those of this type.
        paused: those that are paused come first.
        completed: where none is open, the only completed one is meant: what it deployed runs on.

    Raises:
        NotFoundError: `increment-not-found`, `increment-ambiguous`.
    """
    from specweave.increments import life_cycle  # noqa: PLC0415 - the life cycle knows the increments

    working: list[Increment] = []
    resting: list[Increment] = []
    ended: list[Increment] = []
    for increment in increments:
        metadata = increment.metadata()
        if kind is not None and metadata.type != kind:
            continue
        meaning = life_cycle.meaning(metadata.status)
        if metadata.is_open:
            (resting if meaning == "paused" else working).append(increment)
        elif completed and meaning == "completed":
            ended.append(increment)
    candidates = (resting or working) if paused else (working or resting)
    if not candidates and ended:
        return single(ended, "no increment is open, and more than one is completed")
    state = "paused" if resting and candidates is resting else "open"
    words = f"{state} {kind} increment" if kind else f"{state} increment"
    if not candidates:
        raise NotFoundError(
            "increment-not-found",
            f"there is no {words}",
            next_step="name an increment" if increments else 'make one: /sw:inc "Deploy the model"',
        )
    aside = f" (paused: {listing(resting)})" if resting and candidates is working else ""
    return single(candidates, f"there is more than one {words}{aside}")


def single(candidates: Sequence["Increment"], complaint: str) -> "Increment":
    """The only one of some.

    Raises:
        NotFoundError: `increment-ambiguous`, with the candidates.
    """
    if len(candidates) == 1:
        return candidates[0]
    raise NotFoundError(
        "increment-ambiguous",
        f"{complaint}: {listing(candidates)}",
        next_step="name one of them",
        details={"candidates": [candidate.id for candidate in candidates]},
    )


def listing(increments: Sequence["Increment"]) -> str:
    """Their names, the first of many."""
    shown = [increment.id for increment in increments[:8]]
    return ", ".join(shown) + (f" and {len(increments) - len(shown)} more" if len(increments) > len(shown) else "")
