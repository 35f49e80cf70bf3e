"""Tasks for people and assistants where several work on one increment: who has which."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

from specweave.command import Context
from specweave.errors import ConflictError
from specweave.increments import claims
from specweave.increments.claims import Claim
from specweave.increments.store import Increment
from specweave.operations.sw.do import BY_HAND
from specweave.operations.task_binding import Person, claimed, first_to_ask


def let_go(increment: Increment, context: Context, done: Collection[str]) -> None:
    """Keep tasks that are done for nobody any more."""
    finished = {claims.name_of(task_id) for task_id in done}
    for task_id, claim in claims.held(context, increment).items():
        if claim.process is None and task_id in finished:
            claims.let_go(increment, task_id)


def keep_next(increment: Increment, context: Context, waiting: Iterable[Person], name: str | None) -> None:
    """Keep one task that somebody has to do for that name: the one it has already, else the first that is free."""
    if name is None:
        return
    people = [person for person in waiting if person.reason in BY_HAND]
    held = claims.held(context, increment)
    mine = [person for person in people if (claim := _of(held, person)) and claim.name == name]
    for person in mine or people:
        with suppress(ConflictError):  # somebody else has it
            claims.hand_out(context, increment, person.task.id, name=name)
            return


def as_held(
    increment: Increment, waiting: Iterable[Person], held: Mapping[str, Claim], name: str | None
) -> list[Person]:
    """The tasks that wait, those that others work on last and as such."""
    people = []
    for person in waiting:
        claim = _of(held, person)
        others = claim is not None and claim.name != name and person.reason in BY_HAND
        people.append(claimed(person.task, claims.conflict(increment, claim)) if claim and others else person)
    return first_to_ask(people)


def _of(held: Mapping[str, Claim], person: Person) -> Claim | None:
    return held.get(claims.name_of(person.task.id))
