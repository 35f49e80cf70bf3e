"""Headers that a load test sends, by the names of the environment variables that hold their values."""

import os
import re
from collections.abc import Mapping

from specweave.errors import InvalidInputError

KEY_HEADER = "X-API-Key"

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Those that the generator or the protocol sets.
_OWN = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept", "user-agent", "expect"}
    | {"keep-alive", "te", "trailer", "upgrade", "accept-encoding", "content-encoding"}
)


def header_variables(asked: Mapping[str, str], key_variable: str | None = None) -> dict[str, str]:
    """Header → variable, with the key of the service unless another variable is asked for in its place.

    What was given as a variable is never repeated in an error: it may be the secret itself.

    Args:
        asked: header → environment variable.
        key_variable: holds the key of the service, if there is one.

    Raises:
        InvalidInputError: `header-invalid`, `header-variable-missing`.
    """
    found: dict[str, str] = {}
    for name, variable in asked.items():
        if not _NAME.fullmatch(name):
            raise _invalid(f"{name[:40]!r} cannot be the name of a header")
        if name.lower() in _OWN:
            raise _invalid(f"{name} is set by the load test itself")
        if name.lower() in {other.lower() for other in found}:
            raise _invalid(f"{name} is given twice")
        if not _VARIABLE.fullmatch(variable) or not os.environ.get(variable):
            raise InvalidInputError(
                "header-variable-missing",
                f"what was given for {name} is no environment variable that is set",
                next_step=f"put the value into a variable and name that: export TOKEN=…; --header {name}=TOKEN",
            )
        found[name] = variable
    if key_variable and KEY_HEADER.lower() not in {name.lower() for name in found}:
        found[KEY_HEADER] = key_variable
    for name, value in header_values(found).items():
        if not value.isascii() or not value.isprintable() or value != value.strip():
            raise InvalidInputError(
                "header-invalid",
                f"the value in the variable for {name} holds characters that HTTP forbids, or blanks around it",
                next_step="correct the variable" + (f" {key_variable}" if found[name] == key_variable else ""),
            )
    return found


def header_values(variables: Mapping[str, str]) -> dict[str, str]:
    """Header → value, for a request that is sent now."""
    return {name: os.environ[variable] for name, variable in variables.items()}


def _invalid(reason: str) -> InvalidInputError:
    return InvalidInputError(
        "header-invalid", reason, next_step="name header and environment variable: --header X-Tenant=TENANT"
    )
