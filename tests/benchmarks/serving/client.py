"""A closed-loop HTTP client: each connection sends its next request when the answer to the last has come."""

import asyncio
import time
from collections.abc import Sequence
from typing import cast

import httptools


class Connection(asyncio.Protocol):
    """One keep-alive connection that goes through its requests until the deadline.

    Args:
        requests: whole HTTP requests, used in turn.
        start: place of the first of them.
        deadline: of `time.perf_counter`; nothing is sent after it.
    """

    def __init__(self, requests: Sequence[bytes], start: int, deadline: float) -> None:
        self.latencies: list[float] = []
        self.bodies: list[bytes] = []
        self.failed = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests, self._next, self._deadline = requests, start, deadline
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        self.latencies.append(now - self._sent)
        self.failed += self._parser.get_status_code() != 200
        if now < self._deadline:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            if exc or time.perf_counter() < self._deadline:
                self.done.set_exception(exc or ConnectionError("the service closed the connection"))
            else:
                self.done.set_result(None)

    def _send(self) -> None:
        self._next = (self._next + 1) % len(self._requests)
        self._sent = time.perf_counter()
        self._transport.write(self._requests[self._next])


async def drive(port: int, requests: Sequence[bytes], *, connections: int, seconds: float) -> list[float]:
    """Latencies, in seconds, of everything answered within the given time; every answer must be a 200."""
    loop = asyncio.get_running_loop()
    deadline = time.perf_counter() + seconds
    pairs = [
        await loop.create_connection(lambda place=place: Connection(requests, place * 7, deadline), "127.0.0.1", port)
        for place in range(connections)
    ]
    running = [protocol for _, protocol in pairs]
    await asyncio.gather(*(connection.done for connection in running))
    if failed := sum(connection.failed for connection in running):
        raise RuntimeError(f"{failed} requests were not answered with 200")
    return [latency for connection in running for latency in connection.latencies]


def post(body: bytes) -> bytes:
    """A whole request to `/predict`."""
    lines = (
        "POST /predict HTTP/1.1",
        "host: 127.0.0.1",
        "content-type: application/json",
        f"content-length: {len(body)}",
    )
    return "\r\n".join((*lines, "", "")).encode() + body
