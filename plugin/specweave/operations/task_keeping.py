"""Tasks for people and assistants where several work on one increment: who has which."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import UTC

from specweave.command import Context
from specweave.errors import ConflictError, InvalidInputError
from specweave.increments import claims, standings, store, tasks
from specweave.increments.claims import Claim
from specweave.increments.store import Increment
from specweave.operations.sw.do import BY_HAND, DoRequest, DoResult
from specweave.operations.task_binding import Person, claimed, first_to_ask
from specweave.operations.task_binding import done as done_of


def let_go(increment: Increment, context: Context, done: Collection[str]) -> None:
    """Keep tasks that are done for nobody any more."""
    finished = {claims.name_of(task_id) for task_id in done}
    for task_id, claim in claims.held(context, increment).items():
        if claim.process is None and task_id in finished:
            claims.let_go(increment, task_id)


def keep_next(increment: Increment, context: Context, waiting: Iterable[Person], name: str | None) -> Claim | None:
    """Keep one task that somebody has to do for that name: the one it has already, else the first that is free."""
    if name is None:
        return None
    people = [person for person in waiting if person.reason in BY_HAND]
    held = claims.held(context, increment)
    mine = [person for person in people if (claim := _of(held, person)) and claim.name == name]
    for person in mine or people:
        with suppress(ConflictError):  # somebody else has it
            return claims.hand_out(context, increment, person.task.id, name=name)
    return None


def said(increment: Increment, kept: Claim | None) -> str:
    """For whom a task is kept, until when, and how to give it back; empty where none is."""
    if kept is None:
        return ""
    until = kept.until.astimezone(UTC)
    back = f"/sw:do {increment.number} --release {kept.task} --as {kept.name}"
    return f"{kept.task} is kept for {kept.name} until {until:%H:%M} UTC; `{back}` gives it back."


def give_back(request: DoRequest, context: Context, increment: Increment) -> DoResult:
    """Let go the task that a request names, before its time is up; nothing is run.

    Raises:
        InvalidInputError: `arguments-conflict` where anything is to be run as well.
        NotFoundError: `task-not-found`.
        ConflictError: `task-not-kept`, `task-claimed`.
    """
    if request.model_dump(exclude_defaults=True).keys() - {"increment", "as_", "release"}:
        raise InvalidInputError(
            "arguments-conflict", "--release runs nothing and takes --as alone", next_step="leave out the others"
        )
    task = tasks.find(increment, request.release or "")
    try:
        claims.give_back(context, increment, task.id, name=request.as_ or context.actor)
    except ConflictError as error:
        kept = claims.held(context, increment).get(claims.name_of(task.id))
        if request.as_ is None and kept is not None and kept.process is None:
            back = f"/sw:do {increment.number} --release {kept.task} --as {kept.name}"
            error.next_step = f"it is {kept.name}'s to give back: {back}"
        raise
    everything = tasks.read(increment)
    return DoResult(
        increment=increment.id,
        status=increment.metadata().status,
        stopped="released",
        ran=[],
        waiting=[],
        claimed=[],
        done=len(done_of(everything, standings.standings(increment, everything))),
        total=len(everything),
        released=task.id,
        revision=store.revision(increment),
    )


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
