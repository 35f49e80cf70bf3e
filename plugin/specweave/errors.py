"""Every error that specweave raises on purpose.

SpecweaveError                          exit status
├── InvalidInputError (ValueError)      2    an argument, a name or a document that cannot be used
├── NotFoundError (LookupError)         3    an increment, file, version or environment that is not there, or ambiguous
├── ConflictError                       4    a file a person edited, a stale revision, a lock, a port in use
├── GateError                           5    an environment demands something that is not shown yet
├── ModelError                          6    a model that cannot be read, converted or trusted
├── HostError (OSError)                 7    the machine: disk, permission, a missing program, the network
├── OperationError                      1    an operation ran and failed
└── InternalError                      70    a bug in specweave itself

A negative result that is no error (a load test beyond its SLO) is a result with `passed` false and exit status 1.
"""

import errno
from collections.abc import Mapping
from typing import ClassVar


class SpecweaveError(Exception):
    """What went wrong, with which thing, and what to do next.

    Args:
        code: stable kebab-case name of the error, for programs (`increment-not-found`).
        message: one sentence that names the thing and what is wrong with it.
        next_step: one sentence that says what to do, empty only where nothing can be done.
        details: facts for programs; JSON types only, never secrets.
    """

    exit_status: ClassVar[int] = 1

    def __init__(
        self, code: str, message: str, *, next_step: str = "", details: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.next_step = next_step
        self.details = dict(details or {})

    def __str__(self) -> str:
        return f"{self.message} ({self.code})" + (f"\nNext: {self.next_step}" if self.next_step else "")

    def as_dict(self) -> dict[str, object]:
        """The error as one JSON object: code, message, next_step, details."""
        return {"code": self.code, "message": self.message, "next_step": self.next_step, "details": self.details}


class InvalidInputError(SpecweaveError, ValueError):
    """An argument, a name or a document that cannot be used."""

    exit_status = 2


class NotFoundError(SpecweaveError, LookupError):
    """Something named that is not there, or a name that means more than one thing."""

    exit_status = 3


class ConflictError(SpecweaveError):
    """The present state forbids the change."""

    exit_status = 4


class GateError(SpecweaveError):
    """An environment demands something that has not been shown yet."""

    exit_status = 5


class ModelError(SpecweaveError):
    """A model file or package that cannot be read, converted or trusted."""

    exit_status = 6


class HostError(SpecweaveError, OSError):
    """The machine said no: disk, permission, a missing program, the network."""

    exit_status = 7


class OperationError(SpecweaveError):
    """An operation ran and failed."""

    exit_status = 1


class InternalError(SpecweaveError):
    """A bug in specweave itself."""

    exit_status = 70


class Terminated(KeyboardInterrupt):
    """SIGTERM, unwound like ctrl-C so that nothing stays half-written and no child is left behind."""


_CODES_BY_ERRNO = {
    errno.ENOSPC: "disk-full",
    errno.EDQUOT: "disk-full",
    errno.EACCES: "permission-denied",
    errno.EPERM: "permission-denied",
    errno.EROFS: "permission-denied",
    errno.EADDRINUSE: "port-in-use",
}


def explained(error: Exception) -> SpecweaveError:
    """Whatever reached a face, as one of the errors above: what the machine refused, or a bug."""
    if isinstance(error, SpecweaveError):
        return error
    if isinstance(error, OSError):
        what = f": {error.filename}" if error.filename else ""
        return HostError(
            _CODES_BY_ERRNO.get(error.errno or 0, "host-error"),
            f"the machine refused: {error.strerror or error}{what}",
            next_step="free the disk, correct the permission or the path, then run the command again",
        )
    return InternalError(
        "internal-error",
        f"specweave has a bug: {type(error).__name__}: {str(error)[:500]}",
        next_step="run it again with --debug in the shell and report the traceback to the project",
    )
