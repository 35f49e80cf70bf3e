"""Tiny HTTP servers whose behaviour is known to the microsecond or told by the request itself."""

import asyncio
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_DEADLINE_S = 60.0

Handler = Callable[[dict[str, object], asyncio.StreamWriter, int], Awaitable[None]]


@dataclass
class Server:
    """Attributes: port; bodies and heads received, in order; connections accepted; `close` ends it."""

    port: int = 0
    bodies: list[dict[str, object]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    connections: int = 0
    close: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/predict"


def answer(document: object, *, status: str = "200 OK", headers: str = "", length: bool = True) -> bytes:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    content_length = f"Content-Length: {len(body)}\r\n" if length else ""
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{content_length}{headers}\r\n".encode() + body


@contextmanager
def serve(handler: Handler, *, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server in a thread of its own; `handler` gets the body, the writer and the number of the request."""
    server, ready, loop = Server(), threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0] or 0)
                body = json.loads(await reader.readexactly(length) or b"{}")
                server.heads.append(head)
                server.bodies.append(body)
                await handler(body, writer, len(server.bodies) - 1)
                await writer.drain()
        writer.close()

    async def main() -> None:
        listener = await asyncio.start_server(converse, "127.0.0.1", port, backlog=1024, ssl=tls)
        server.port = listener.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        listener.close()
        conversations = asyncio.all_tasks() - {asyncio.current_task()}
        for task in conversations:
            task.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)
        await asyncio.sleep(0)

    server.close = lambda: None if loop.is_closed() else loop.call_soon_threadsafe(stop.set)  # type: ignore[assignment]
    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    assert ready.wait(_DEADLINE_S)
    try:
        yield server
    finally:
        server.close()
        thread.join(_DEADLINE_S)
        assert not thread.is_alive()
        loop.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with RST instead of FIN."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


RIGHT = {"prediction": "good", "probabilities": {"bad": 0.25, "good": 0.75}}


def steady(service_s: float) -> Handler:
    """Answers rightly, each after the same time, however many come."""

    async def handle(_body: dict[str, object], writer: asyncio.StreamWriter, _number: int) -> None:
        if service_s:
            await asyncio.sleep(service_s)
        writer.write(answer(RIGHT))

    return handle


def stalling(service_s: float, *, at: int, stall_s: float) -> Handler:
    """Steady, but request number `at` freezes the whole server."""
    steadily = steady(service_s)

    async def handle(body: dict[str, object], writer: asyncio.StreamWriter, number: int) -> None:
        if number == at:
            time.sleep(stall_s)  # noqa: ASYNC251 - the stall is what is tested
        await steadily(body, writer, number)

    return handle


def _chunked(payload: bytes) -> bytes:
    pieces = [payload[start : start + 7] for start in range(0, len(payload), 7)]
    chunks = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


_ANSWERS = {
    "right": answer(RIGHT),
    "right-chunked": _chunked(json.dumps(RIGHT).encode()),
    "right-until-close": answer(RIGHT, length=False),
    "right-then-close": answer(RIGHT, headers="Connection: close\r\n"),
    "status-500": answer({"detail": "broken"}, status="500 Internal Server Error"),
    "wrong": answer({**RIGHT, "prediction": "bad"}),
    "slightly-off": answer({**RIGHT, "probabilities": {"bad": 0.2501, "good": 0.7499}}),
    "no-json": answer(b"<html>"),
    "no-http": b"SSH-2.0-OpenSSH_9.2\r\n",
    "too-large": answer(b"[" + b"1," * 700_000 + b"1]"),
    "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
}
_ENDS_CONNECTION = {"right-until-close", "right-then-close", "cut"}


async def as_told(body: dict[str, object], writer: asyncio.StreamWriter, _number: int) -> None:
    """Answers or fails in the way that the body names."""
    kind = body["kind"]
    if kind == "reset":
        reset(writer)
    elif kind == "hang":
        await asyncio.sleep(60)
    elif kind == "redirect":
        writer.write(answer({}, status="302 Found", headers=f"Location: {body['to']}\r\n"))
    else:
        writer.write(_ANSWERS[str(kind)])
    if kind in _ENDS_CONNECTION:
        writer.close()
