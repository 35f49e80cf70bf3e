"""A server whose times are known: it answers each request the same time after it came, and freezes by a timetable.

    python clocked_server.py PORT SERVICE_S FREEZE_EVERY_S FREEZE_S LOG

It spins on its core instead of sleeping, so that nothing but the timetable decides when an answer leaves. The first
freeze is half a period after the first request; a period of 0 means none. On SIGTERM it writes into LOG, as JSON, when
each request was read and when each freeze began and ended: seconds of `time.monotonic()`, which all processes of a
machine share.
"""

import json
import select
import signal
import socket
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

_BODY = b'{"prediction":"good","probabilities":{"bad":0.25,"good":0.75}}'
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)


class ClockedServer:
    """Serves on a loopback port until it is stopped."""

    def __init__(self, port: int, service_s: float, every_s: float, freeze_s: float) -> None:
        self.arrivals: list[float] = []
        self.freezes: list[tuple[float, float]] = []
        self._service_s, self._every_s, self._freeze_s = service_s, every_s, freeze_s
        self._next_freeze, self._polled_at = float("inf"), 0.0
        self._under_way: deque[tuple[float, socket.socket]] = deque()
        self._received: dict[int, bytes] = {}
        self._open: dict[int, socket.socket] = {}
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._listener.setblocking(False)
        self._poll = select.epoll()
        self._poll.register(self._listener, select.EPOLLIN)

    def serve(self) -> None:
        """Until an exception ends it."""
        while True:
            self._freeze()
            ready = self._poll.poll(0)
            self._polled_at = time.monotonic()
            for descriptor, _ in ready:
                if descriptor == self._listener.fileno():
                    self._accept()
                else:
                    self._read(self._open[descriptor])
            now = time.monotonic()
            while self._under_way and self._under_way[0][0] <= now:
                self._send(self._under_way.popleft()[1], _ANSWER)

    def _freeze(self) -> None:
        if time.monotonic() < self._next_freeze:
            return
        # Whatever came since the last look waits as well.
        began = self._polled_at
        time.sleep(max(0.0, self._next_freeze + self._freeze_s - time.monotonic()))
        self.freezes.append((began, time.monotonic()))
        self._next_freeze += self._every_s

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open[connection.fileno()] = connection
        self._poll.register(connection, select.EPOLLIN)

    def _read(self, connection: socket.socket) -> None:
        descriptor = connection.fileno()
        try:
            data = connection.recv(65_536)
        except ConnectionError:
            data = b""
        if not data:
            self._poll.unregister(connection)
            self._received.pop(descriptor, None)
            self._open.pop(descriptor).close()
            return
        data = self._received.pop(descriptor, b"") + data
        head, found, body = data.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            self._received[descriptor] = data
            if found and b"expect: 100-continue" in head.lower():
                self._send(connection, b"HTTP/1.1 100 Continue\r\n\r\n")
            return
        now = time.monotonic()
        if not self.arrivals and self._every_s:
            self._next_freeze = now + self._every_s / 2
        self.arrivals.append(now)
        self._under_way.append((now + self._service_s, connection))

    def _send(self, connection: socket.socket, data: bytes) -> None:
        if connection.fileno() >= 0:
            with suppress(ConnectionError):  # its end is read in the next round
                connection.send(data)


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)


def _stop(_signal: int, _frame: object) -> None:
    raise SystemExit


def main(arguments: list[str]) -> None:
    """See the module."""
    server = ClockedServer(int(arguments[0]), *map(float, arguments[1:4]))
    signal.signal(signal.SIGTERM, _stop)
    try:
        server.serve()
    finally:
        Path(arguments[4]).write_text(json.dumps({"arrivals": server.arrivals, "freezes": server.freezes}))


if __name__ == "__main__":
    main(sys.argv[1:])
