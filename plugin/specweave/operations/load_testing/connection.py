"""One HTTP/1.1 connection that carries one request at a time, and the pool that keeps them open."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeVar, cast

import httptools

from specweave.operations.load_testing.outcomes import Outcome
from specweave.operations.load_testing.plan import Target
from specweave.operations.load_testing.reaching import tls_context, unreachable

# Head and body, and interim answers before them.
MAX_ANSWER_BYTES = 1_048_576
_DIAL_TIMEOUT_S = 5.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 0.5
_END_OF_HEAD = b"\r\n\r\n"
_MOST_HEADS = 256
_SWITCHING = 101

ProtocolT = TypeVar("ProtocolT", bound=asyncio.BaseProtocol)


class Receiver(Protocol):
    """Who started the requests and hears of their ends."""

    def answered(self, connection: "Connection", index: int, status: int, body: bytes) -> None:
        """A whole answer came; the connection is ready for the next request if it is still open."""

    def failed(self, index: int, outcome: Outcome, reason: str) -> None:
        """The connection broke before the whole answer was there."""

    def available(self, connection: "Connection") -> None:
        """A connection became free."""

    def unreachable(self, reason: str) -> None:
        """Dialling failed and no connection is open."""


class Connection(asyncio.Protocol):
    """An open connection.

    Attributes:
        index: the request under way, -1 for none.
        was_used: a whole answer came over it.
    """

    __slots__ = (
        "_chunks", "_framed", "_headers_done", "_is_answered", "_is_between", "_parser", "_plain", "_pool", "_size",
        "_transport", "index", "was_used",
    )  # fmt: skip

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self.index = -1
        self.was_used = False
        self._is_between, self._is_answered = True, False
        self._plain: tuple[int, int] | None = None
        self._size = 0
        self._reset_answer()

    @property
    def is_open(self) -> bool:
        """Whether a request may be sent."""
        return self._transport is not None

    def send(self, index: int, request: bytes) -> None:
        """Start request `index`; the connection must be open and free."""
        assert self._transport is not None  # noqa: S101 - the caller's duty; an error here is ours, not the server's
        self.index, self._size = index, 0
        self._transport.write(request)

    def abort(self) -> None:
        """Close at once; the request under way, if any, is no longer heard of."""
        self.index = -1
        if self._transport is not None:
            self._transport.abort()
        self._forget()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if self._parser is None:
            return
        index = self.index
        if index < 0:
            self._end(Outcome.MALFORMED, "data came without a request")
            return
        begins = self._is_between
        body_at = data.find(_END_OF_HEAD) + len(_END_OF_HEAD)
        known = self._pool.heads.get(data[:body_at]) if begins else None
        if known is not None and known[1] == len(data) - body_at:
            self._complete(index, known[0], data[body_at:])
            return
        self._is_between, self._is_answered, self._plain = False, False, None
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.abort()  # who was not asked to speak another protocol has not answered
            self._complete(index, _SWITCHING, b"")
        except httptools.HttpParserError as error:
            self._end(Outcome.MALFORMED, f"not HTTP: {error}")
        if self.index == index and self._size > MAX_ANSWER_BYTES:
            self._end(Outcome.TOO_LARGE, f"more than {MAX_ANSWER_BYTES:,} bytes")
        elif begins:
            self._learn(data, body_at)

    def eof_received(self) -> None:
        """Called by the event loop; the transport then closes itself."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        if self.index >= 0 and self._headers_done and not self._framed and exc is None and self._parser is not None:
            self.on_message_complete()  # an answer without a length ends with the connection
        elif self.index >= 0:
            outcome = Outcome.RESET if exc else Outcome.CLOSED
            self._end(outcome, str(exc) if exc else "the server closed the connection")
        self._forget()

    def on_message_begin(self) -> None:
        """Called by the parser."""
        if self._is_answered:
            self._end(Outcome.MALFORMED, "a second answer came with the first")

    def on_header(self, name: bytes, _value: bytes) -> None:
        """Called by the parser."""
        if name.lower() in {b"content-length", b"transfer-encoding"}:
            self._framed = True

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._headers_done = True

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        parser = self._parser
        if parser is None or self.index < 0:
            return
        status, body, index = parser.get_status_code(), b"".join(self._chunks), self.index
        keep = self._framed and parser.should_keep_alive()
        self._plain = (status, len(body)) if keep else None
        self._reset_answer()
        if status < 200:  # noqa: PLR2004 - an interim answer; the final one follows
            return
        self._is_answered = True
        if not keep:
            self.abort()
        self._complete(index, status, body)

    def _complete(self, index: int, status: int, body: bytes) -> None:
        self.index, self.was_used = -1, True
        if self._pool.receiver:
            self._pool.receiver.answered(self, index, status, body)

    def _learn(self, data: bytes, body_at: int) -> None:
        if self._plain is not None and self._plain[1] == len(data) - body_at:
            self._pool.learn(data[:body_at], self._plain)

    def _end(self, outcome: Outcome, reason: str) -> None:
        index = self.index
        self.abort()
        if index >= 0 and self._pool.receiver:
            self._pool.receiver.failed(index, outcome, reason)

    def _forget(self) -> None:
        # Parser and transport point back here: without a collector they would stay for ever.
        was_open, self._transport, self._parser = self._transport is not None, None, None
        if was_open:
            self._pool.lost(self)

    def _reset_answer(self) -> None:
        self._chunks: list[bytes] = []
        self._framed, self._headers_done = False, False
        self._is_between = True


class Pool:
    """Keeps a number of connections open and dials again what is lost.

    Attributes:
        idle: open and free, used in turn so that none is idle long enough for the server to close it.
        receiver: hears of everything that happens; None between two steps.
        dialled: connections opened so far.
        heads: status and length of the body of answers that came in one piece, by the bytes before it. Parsing is half
            of what an answer costs, and one head is as good as its like.
    """

    def __init__(self, target: Target, ca_file: str | None = None) -> None:
        self._target = target
        self._tls = tls_context(ca_file) if target.secure else None
        self._size = 0
        self._open: set[Connection] = set()
        self._dialling: set[asyncio.Task[None]] = set()
        self.idle: deque[Connection] = deque()
        self.receiver: Receiver | None = None
        self.dialled = 0
        self.heads: dict[bytes, tuple[int, int]] = {}

    async def resize(self, size: int) -> None:
        """Have `size` connections, dialled before this returns, as far as the service accepts them."""
        self._size = size
        while len(self._open) > size and self.idle:
            self.idle.popleft().abort()
        self._redial()
        if self._dialling:
            await asyncio.wait(self._dialling, timeout=_DIAL_TIMEOUT_S)

    async def reach(self) -> None:
        """Insist on the service being there, by one connection that carries nothing.

        Raises:
            OperationError: see `unreachable`.
        """
        try:
            transport, _ = await self._connect(asyncio.Protocol)
        except (OSError, UnicodeError) as error:
            raise unreachable(self._target, error) from error
        transport.close()

    async def close(self) -> None:
        """Close everything."""
        self._size = 0
        for task in tuple(self._dialling):
            task.cancel()
        await asyncio.gather(*self._dialling, return_exceptions=True)
        for connection in tuple(self._open):
            connection.abort()
        await asyncio.sleep(0)  # the event loop closes the sockets in its next round

    def abandon(self, index: int) -> None:
        """Close the connection that carries request `index`, if one does; nothing is heard of it."""
        for connection in self._open:
            if connection.index == index:
                connection.abort()
                return

    def learn(self, head: bytes, plain: tuple[int, int]) -> None:
        """Remember a head: the answer had that status and length, came in one piece, and left the connection open."""
        if len(self.heads) >= _MOST_HEADS:
            self.heads.clear()
        self.heads[head] = plain

    def lost(self, connection: Connection) -> None:
        """`connection` is gone: dial another, after a pause if it was never of use."""
        self._open.discard(connection)
        self._redial(pause_s=0.0 if connection.was_used else _FIRST_PAUSE_S)

    def _redial(self, *, pause_s: float = 0.0) -> None:
        for _ in range(self._size - len(self._open) - len(self._dialling)):
            self._dialling.add(asyncio.get_running_loop().create_task(self._dial(pause_s)))

    async def _dial(self, pause_s: float) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - narrows the type: this is a coroutine of a task
        try:
            while len(self._open) < self._size:
                await asyncio.sleep(pause_s)
                pause_s = min(_LONGEST_PAUSE_S, max(_FIRST_PAUSE_S, pause_s * 2))
                try:
                    _, connection = await self._connect(lambda: Connection(self))
                except OSError as error:
                    if self.receiver and not self._open:
                        self.receiver.unreachable(str(error) or type(error).__name__)
                    continue
                self.dialled += 1
                if self._add(connection):
                    return
        finally:
            self._dialling.discard(task)

    async def _connect(self, protocol: Callable[[], ProtocolT]) -> tuple[asyncio.Transport, ProtocolT]:
        async with asyncio.timeout(_DIAL_TIMEOUT_S):
            return await asyncio.get_running_loop().create_connection(
                protocol, self._target.host, self._target.port, ssl=self._tls
            )

    def _add(self, connection: Connection) -> bool:
        if len(self._open) >= self._size or not connection.is_open:
            connection.abort()
            return False
        self._open.add(connection)
        if self.receiver:
            self.receiver.available(connection)
        else:
            self.idle.append(connection)
        return True
