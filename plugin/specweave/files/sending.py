"""What JSON can carry: text that is Unicode, which the name of a file need not be."""

from typing import Any


def sendable(value: Any) -> Any:
    """A JSON value whose text can be sent; half a surrogate pair becomes a question mark."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {sendable(key): sendable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [sendable(item) for item in value]
    return value
