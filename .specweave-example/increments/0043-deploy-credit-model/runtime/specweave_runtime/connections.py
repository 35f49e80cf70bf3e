"""Connections that neither wait for ever for a request nor let one grow without end.

The server may stand on a public port with nothing in front of it, so that what a reverse proxy does about slow and
endless requests is done here. It costs a few assignments a request, and a look at all connections once a second.
"""

from collections.abc import Iterable
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

# What a whole request may take to arrive, and how much longer where much of a body has come. Counted in looks, of
# which there are none while a prediction blocks the event loop: its wait is not the client's fault.
RECEIVE_S = 10
BODY_BYTES_PER_S = 16_384
# For a request line, headers, trailers and the framing of chunks; a chunk of one byte is six on the wire.
HEAD_BYTES = 65_536
_FRAMING = 8

_TICKS_PER_S = 10


class Connection(HttpToolsProtocol):
    """A client's connection; a head that comes too slowly is answered with 408, one that is too large with 431.

    Where the application has the request already, it is told that the client went.
    """

    _requests = 0
    _arriving = False
    _looks = 0
    _overhead = 0
    _body = 0

    def connection_made(self, transport: Any) -> None:
        """A client is there; one that says nothing is let go like one that has nothing more to say."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        before = self._requests
        super().data_received(data)
        # What came together with the start or the end of a request is limited by what is read at once.
        if self._arriving and self._requests == before:
            self._overhead += len(data)
            if self._overhead > HEAD_BYTES + _FRAMING * self._body:
                self._refuse(431, "the head of the request is too large")

    def on_message_begin(self) -> None:
        """A request begins to arrive."""
        super().on_message_begin()
        self._requests += 1
        self._arriving = True
        self._looks = self._overhead = self._body = 0

    def on_body(self, body: bytes) -> None:
        """A part of its body is there."""
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """It is there as a whole."""
        self._arriving = False
        super().on_message_complete()

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn's never keeps the transport; asyncio's may
        """The client sends no more, and may still read: an answer that is under way goes out before the end."""
        if self._arriving or self.cycle is None or self.cycle.response_complete:
            return False
        self.cycle.keep_alive = False
        return True

    def look(self) -> None:
        """Let go of a client whose request takes too long to arrive; to be called once a second."""
        # Nothing can arrive while nothing is read: a request in front of it is being answered.
        if not self._arriving or self.flow.read_paused:
            return
        self._looks += 1
        if self._looks > RECEIVE_S + self._body // BODY_BYTES_PER_S:
            self._refuse(408, "the request did not arrive in time")

    def _refuse(self, status: int, message: str) -> None:
        self._arriving = False
        if self.transport.is_closing():
            return
        # Beside an answer that is under way, this one would be taken for it.
        if self.cycle is None or (self.cycle.response_complete and self.cycle.scope is not self.scope):
            content = message.encode()
            self.transport.write(
                STATUS_LINE[status] + b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
                b"content-length: %d\r\n\r\n%b" % (len(content), content)
            )
        self.transport.close()


class Server(uvicorn.Server):
    """A server that looks at its connections."""

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if counter % _TICKS_PER_S == 0:
            _look_at(self.server_state.connections)
        return await super().on_tick(counter)


def _look_at(connections: Iterable[Any]) -> None:
    for connection in list(connections):
        connection.look()
