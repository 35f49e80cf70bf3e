"""`expected_revision`: a client says which state of an increment it has read; a change to another one is refused.

Every tool that changes an increment takes it, beside the arguments of its request.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from specweave.command import AnyCommand, Context, Request
from specweave.errors import ConflictError, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from specweave.increments.store import Increment

NAME = "expected_revision"

_INCREMENT = "increment"
_SCHEMA = {"type": "string", "description": "Revision that you read; a stale one is refused."}


def _taken_by(command: AnyCommand) -> bool:
    return _INCREMENT in command.request.model_fields and not command.annotations.read_only


def added(schema: dict[str, Any], command: AnyCommand) -> dict[str, Any]:
    """The schema of a tool's arguments, with this one where the command changes an increment."""
    return {**schema, "properties": {**schema["properties"], NAME: _SCHEMA}} if _taken_by(command) else schema


def taken(arguments: Mapping[str, Any], command: AnyCommand) -> tuple[dict[str, Any], str | None]:
    """The arguments of the request, and what was expected.

    Raises:
        InvalidInputError: `argument-invalid` for what is no text, `argument-missing` where no increment is named.
    """
    if not _taken_by(command):
        return dict(arguments), None
    expected = arguments.get(NAME)
    if expected is not None and not isinstance(expected, str):
        raise InvalidInputError(
            "argument-invalid",
            f"{NAME} must be text, not {expected!r:.80}",
            next_step="give the revision that sw_status or a resource of the increment said",
        )
    if expected is not None and arguments.get(_INCREMENT) is None:
        raise InvalidInputError(
            "argument-missing", f"{NAME} is of one increment, and none is named", next_step=f"give {_INCREMENT} too"
        )
    return {name: value for name, value in arguments.items() if name != NAME}, expected


@contextmanager
def held(context: Context, command: AnyCommand, request: Request, expected: str | None) -> Iterator[None]:
    """Run a command within: only on the revision that was expected.

    What is quick runs under the project's lock, so that of two who expect the same only one goes on. What is long is
    only looked at before it begins; it takes the lock itself for what it writes.

    Raises:
        ConflictError: `revision-stale`, `project-locked`.
        NotFoundError: the increment is not there.
    """
    if expected is None:
        yield
        return
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap

    with store.project_lock(context.project):
        require(context, request, expected)
        if not command.long:
            yield
    if command.long:
        yield


def require(context: Context, request: Request, expected: str | None) -> None:
    """Refuse where the increment of a request is not what it was.

    Raises:
        ConflictError: `revision-stale` with the documents that changed and the present revision.
        NotFoundError: `increment-not-found`, `increment-ambiguous`.
    """
    if expected is None:
        return
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap

    increment = _find(context, getattr(request, _INCREMENT))
    changed = store.changed_since(increment, expected)
    if not changed:
        return
    present = store.revision(increment)
    raise ConflictError(
        "revision-stale",
        f"{increment.id} changed since the revision {expected[:80]}: {', '.join(changed)}; nothing was done",
        next_step=f"read it again, then repeat the call with {NAME} {present} where it still makes sense",
        details={"increment": increment.id, "changed": list(changed), "revision": present},
    )


def _find(context: Context, name: str) -> "Increment":
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap

    try:
        return store.find(context.project, name)
    except NotFoundError as error:
        if error.code != "increment-not-found":
            raise
        # What was put away can be restored.
        return store.find(context.project, name, archived=True)
