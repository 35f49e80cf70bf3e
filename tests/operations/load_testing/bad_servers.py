"""Servers that break the rules of HTTP, of JSON or of good manners, each in one known way.

A request names the way in its body; `CAUSES` says what a client must make of the answer: the name of the failure, or
None where the answer is right for all its oddness.
"""

import asyncio
import gzip
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from tests.operations.load_testing.servers import RIGHT, Server, answer

_RIGHT = json.dumps(RIGHT).encode()
_HUNDRED_MEGABYTES, _PIECE = 100_000_000, 65_536
_TOLD_BYTES = 40

MALFORMED, TOO_LARGE = "malformed answer", "answer too large"
CLOSED, RESET, REFUSED, TIMEOUT = (
    "connection closed before the answer",
    "connection reset",
    "connection refused",
    "timeout",
)


def _head(*lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join((status, *lines, "", "")).encode()


def _sized(status: str, *lines: str) -> bytes:
    return _head(f"Content-Length: {len(_RIGHT)}", *lines, status=status) + _RIGHT


def _chunked(*parts: bytes) -> bytes:
    return _head("Transfer-Encoding: chunked") + b"".join(parts)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


# What is sent for each kind, and what it is; after kinds that begin with `end-` the server closes.
_SENT: dict[str, tuple[bytes, str | None]] = {
    # right, in spite of all
    "interim-first": (_head(status="HTTP/1.1 100 Continue") + _head("Link: </a>", status="HTTP/1.1 103 Early Hints")
                      + answer(RIGHT), None),
    "one-dot-zero-kept": (_sized("HTTP/1.0 200 OK", "Connection: keep-alive"), None),
    "end-one-dot-zero": (_sized("HTTP/1.0 200 OK"), None),
    "end-without-saying": (answer(RIGHT), None),
    "no-reason": (_sized("HTTP/1.1 200"), None),
    "created": (_sized("HTTP/1.1 201 Created"), None),
    "chunk-by-byte": (_chunked(*(_chunk(bytes([byte])) for byte in _RIGHT), b"0\r\n\r\n"), None),
    "chunk-trailers": (_chunked(_chunk(_RIGHT), b"0\r\nX-Sum: 1\r\n\r\n"), None),
    "chunk-extension": (_chunked(b"%x;name=value\r\n%b\r\n" % (len(_RIGHT), _RIGHT), b"0\r\n\r\n"), None),
    "many-headers": (answer(RIGHT, headers="X-Y: z\r\n" * 500), None),
    # statuses
    "status-404": (answer({"detail": "nothing here"}, status="404 Not Found"), "status 404"),
    "status-429": (answer({"detail": "slow down"}, status="429 Too Many Requests"), "status 429"),
    "status-500": (answer({"detail": "broken"}, status="500 Internal Server Error"), "status 500"),
    "status-503": (answer(b"", status="503 Service Unavailable"), "status 503"),
    "status-999": (answer(b"", status="999 Odd"), "status 999"),
    "not-modified": (_head(status="HTTP/1.1 304 Not Modified"), "status 304"),
    "moved": (answer(b"", status="307 Moved", headers="Location: /elsewhere\r\n"), "status 307"),
    "end-switching": (_head("Upgrade: echo", "Connection: upgrade", status="HTTP/1.1 101 Switching Protocols")
                      + b"garbage", "status 101"),
    # 200, and nothing that could be right
    "no-content": (_head(status="HTTP/1.1 204 No Content"), MALFORMED),
    "empty": (answer(b""), MALFORMED),
    "cut-json": (answer(_RIGHT[:-1]), MALFORMED),
    "list": (answer([RIGHT]), MALFORMED),
    "null": (answer(None), MALFORMED),
    "not-a-number": (answer(b'{"prediction": NaN}'), MALFORMED),
    "two-documents": (answer(_RIGHT * 2), MALFORMED),
    "not-utf-8": (answer(b'{"prediction": "\xff\xfe"}'), MALFORMED),
    "deep": (answer(b'{"prediction":' * 50_000 + b"1" + b"}" * 50_000), MALFORMED),
    "gzip": (answer(gzip.compress(_RIGHT), headers="Content-Encoding: gzip\r\n"), MALFORMED),
    "huge-number": (answer(b'{"prediction": 1' + b"0" * 5_000 + b"}"), MALFORMED),
    "html": (answer(b"<html><body>Bad gateway</body></html>"), MALFORMED),
    "other": (answer({**RIGHT, "prediction": None}), "wrong answer"),
    "missing": (answer({}), "wrong answer"),
    "long-value": (answer({"prediction": "x" * 500_000}), "wrong answer"),
    # no HTTP
    "garbage-first": (b"\x00\x01\x02\r\n\r\n" + answer(RIGHT), MALFORMED),
    "no-status-line": (_RIGHT, MALFORMED),
    "banner": (b"SSH-2.0-OpenSSH_9.2\r\n", MALFORMED),
    "length-of-letters": (_head("Content-Length: many") + _RIGHT, MALFORMED),
    "length-negative": (_head("Content-Length: -1") + _RIGHT, MALFORMED),
    "length-overflow": (_head("Content-Length: 99999999999999999999999") + _RIGHT, MALFORMED),
    "two-lengths": (_head("Content-Length: 1", f"Content-Length: {len(_RIGHT)}") + _RIGHT, MALFORMED),
    "chunk-of-letters": (_chunked(b"zz\r\n", _RIGHT), MALFORMED),
    "header-of-control": (_head("X-Y: a\x00b") + _RIGHT, MALFORMED),
    # too short
    "end-shorter": (_head(f"Content-Length: {len(_RIGHT) + 5}") + _RIGHT, CLOSED),
    "end-no-last-chunk": (_chunked(_chunk(_RIGHT)), CLOSED),
    "end-at-once": (b"", CLOSED),
    "end-in-status-line": (b"HTTP/1.", CLOSED),
    "end-in-head": (b"HTTP/1.1 200 OK\r\nContent-", CLOSED),
    "end-after-interim": (_head(status="HTTP/1.1 100 Continue"), CLOSED),
}  # fmt: skip

CAUSES: dict[str, str | None] = {kind: cause for kind, (_, cause) in _SENT.items()} | {
    "byte-by-byte": None,
    "half-closed": CLOSED,
    "long-header": TOO_LARGE,
    "endless-headers": TOO_LARGE,
    "hundred-megabytes": TOO_LARGE,
    "hundred-megabytes-in-chunks": TOO_LARGE,
    "hundred-megabytes-of-interim": TOO_LARGE,
    "hang": TIMEOUT,
    "too-slowly": TIMEOUT,
    "longer-than-it-comes": TIMEOUT,
    "no-last-chunk": TIMEOUT,
    "one-byte": TIMEOUT,
}
_HANGING = {"hang": b"", "longer-than-it-comes": _SENT["end-shorter"][0], "no-last-chunk": _chunked(_chunk(_RIGHT)),
            "one-byte": b"H"}  # fmt: skip
_ENDLESS = {
    "long-header": (b"HTTP/1.1 200 OK\r\nX-Y: ", b"z" * _PIECE),
    "endless-headers": (b"HTTP/1.1 200 OK\r\n", b"X-Y: z\r\n" * 8_192),
    "hundred-megabytes": (_head(f"Content-Length: {_HUNDRED_MEGABYTES}"), b" " * _PIECE),
    "hundred-megabytes-in-chunks": (_head("Transfer-Encoding: chunked"), _chunk(b" " * _PIECE)),
    "hundred-megabytes-of-interim": (b"", _head(status="HTTP/1.1 100 Continue") * 2_000),
}


async def misbehave(body: dict[str, object], writer: asyncio.StreamWriter, _number: int) -> None:
    """Answer in the way that the body names."""
    kind = str(body["kind"])
    if kind in _SENT:
        writer.write(_SENT[kind][0])
        if kind.startswith("end-"):
            await writer.drain()
            writer.close()
    elif kind in _ENDLESS:
        await _send_hundred_megabytes(writer, *_ENDLESS[kind])
    elif kind in _HANGING:
        writer.write(_HANGING[kind])
        await asyncio.sleep(60)
    elif kind == "half-closed":
        writer.write_eof()
        await asyncio.sleep(60)
    else:
        for byte in answer(RIGHT):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.1 if kind == "too-slowly" else 0)


async def _send_hundred_megabytes(writer: asyncio.StreamWriter, head: bytes, piece: bytes) -> None:
    writer.write(head)
    for _ in range(_HUNDRED_MEGABYTES // len(piece)):
        writer.write(piece)
        await writer.drain()  # raises when the client has had enough


async def answer_twice(_body: dict[str, object], writer: asyncio.StreamWriter, _number: int) -> None:
    """A second answer that nobody asked for follows each."""
    writer.write(answer(RIGHT) + answer({**RIGHT, "prediction": "unasked"}))


async def garbage_after(_body: dict[str, object], writer: asyncio.StreamWriter, _number: int) -> None:
    """The answer is right; what follows it is nothing."""
    writer.write(answer(RIGHT) + b"\x00\x01 what is this?\r\n")


@contextmanager
def talking_first() -> Iterator[int]:
    """A port where each who connects hears a banner, as of a mail server."""

    def greet(connection: socket.socket) -> None:
        connection.sendall(b"220 mail.example ESMTP\r\n")

    with _accepting(greet) as port:
        yield port


@contextmanager
def never_reading() -> Iterator[int]:
    """A port where each is let in and nobody reads."""
    with _accepting(lambda _connection: None) as port:
        yield port


@contextmanager
def _accepting(welcome: Callable[[socket.socket], None]) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    guests: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):  # the listener was shut
            while True:
                guests.append(listener.accept()[0])
                with suppress(ConnectionError):
                    welcome(guests[-1])

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for each in (listener, *guests):
            each.close()


@contextmanager
def refusing_half_of_the_time(pause_s: float, *, after: int) -> Iterator[Server]:
    """After so many connections its port is open for `pause_s` and closed for as long; each carries one answer."""
    server, over = Server(), threading.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    server.port = listener.getsockname()[1]

    def converse(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(pause_s)
            if connection.recv(_PIECE):
                connection.sendall(answer(RIGHT, headers="Connection: close\r\n"))

    def alternate() -> None:
        opened: socket.socket | None = listener
        while not over.is_set():
            if opened is None:
                over.wait(pause_s)
                opened = socket.create_server(("127.0.0.1", server.port), backlog=1024)
            opened.settimeout(pause_s)
            end = _later(pause_s)
            while not over.is_set() and not (end() and server.connections >= after):
                with suppress(TimeoutError):
                    converse(opened.accept()[0])
                    server.connections += 1
            opened.close()
            opened = None

    thread = threading.Thread(target=alternate)
    thread.start()
    try:
        yield server
    finally:
        over.set()
        thread.join()


def _later(seconds: float) -> Callable[[], bool]:
    over = threading.Event()
    timer = threading.Timer(seconds, over.set)
    timer.daemon = True
    timer.start()
    return over.is_set


Misbehaviour = Callable[[dict[str, object], asyncio.StreamWriter, int], Awaitable[None]]
