"""The body of a request: of the right type, and no larger than allowed."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from specweave_runtime.access import Headers
from specweave_runtime.errors import RequestError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

# A client that sends too much reads the refusal only when it has sent all; beyond this the connection is closed.
_DISCARDED_BYTES = 64 * 1024 * 1024


class ClientGoneError(Exception):
    """The client closed the connection before it had sent its request; nobody is left to answer."""


def check_type(headers: Headers) -> None:
    """Let JSON pass, and what does not say what it is.

    Raises:
        RequestError: 415.
    """
    for name, value in headers:
        if name == b"content-type" and value != b"application/json" and not _is_json(value):
            text = value.decode("latin-1")
            raise RequestError(415, "content-type-unsupported", f"the body must be application/json, not {text}")
        if name == b"content-encoding" and value.lower() != b"identity":
            text = value.decode("latin-1")
            raise RequestError(415, "content-encoding-unsupported", f"the body must not be compressed ({text})")


async def read(receive: Receive, limit: int) -> bytes:
    """The whole body.

    Args:
        receive: of ASGI.
        limit: most bytes.

    Raises:
        RequestError: 413.
        ClientGoneError: the client closed the connection.
    """
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body") or message["type"] == "http.disconnect":
        body = await _read_on(receive, message, limit)
    if len(body) > limit:
        raise _too_large(limit)
    return body


async def _read_on(receive: Receive, message: Message, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        if size > _DISCARDED_BYTES:
            raise _too_large(limit, headers=((b"connection", b"close"),))
        if not message.get("more_body"):
            break
        message = await receive()
    if size > limit:
        raise _too_large(limit)
    return b"".join(chunks)


def _too_large(limit: int, headers: tuple[tuple[bytes, bytes], ...] = ()) -> RequestError:
    return RequestError(413, "body-too-large", f"the body may have {limit} bytes at most", headers=headers)


def _is_json(value: bytes) -> bool:
    kind = value.split(b";", 1)[0].strip().lower()
    return kind == b"application/json" or (kind.startswith(b"application/") and kind.endswith(b"+json"))
