"""One step: requests leave on schedule whether or not answers come."""

import asyncio
import time
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from specweave.operations.load_testing.answers import excerpt, find_fault
from specweave.operations.load_testing.connection import Connection, Pool
from specweave.operations.load_testing.outcomes import Outcome, name
from specweave.operations.load_testing.plan import Exchange
from specweave.operations.load_testing.recent import Recent, recent
from specweave.operations.load_testing.timer import open_timer

_WATCH_INTERVAL_S = 0.02
_REPORT_INTERVAL_S = 1.0
# Above 10,000 a second the engine wakes up each tenth of a millisecond and sends what is due: two thirds of the
# processor time of waking up for each, for a lateness of 0.05 ms in the mean.
_REST_S = 1e-4
# What an interrupted test waits for the answers of requests that are under way.
_PATIENCE_S = 1.0
# More than the 5 % that P95 leaves out.
_HOPELESS_SHARE = 0.06
_OK, _SUCCESS = 200, range(200, 300)
_CORRECT = int(Outcome.CORRECT)
# Of one request, answers whose very bytes were found right: a service that always answers alike is not asked twice.
_MOST_RIGHT, _LONGEST_RIGHT = 8, 16_384
# Of all of them together; many bodies, to which no two answers are alike, are not kept for nothing.
_ROOM_FOR_RIGHT, _BESIDE_BYTES = 8 * 2**20, 100

# Done part of the step, requests that ended, of those the failed ones, and how it goes just now.
Report = Callable[[float, int, int, Recent | None], None]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it goes over the wire, and what must be in its answer."""

    message: bytes
    exchange: Exchange


class Run:
    """Sends a schedule and records the moments of each request, in seconds of `time.monotonic()`.

    A request is *due* by the schedule, *released* when the generator got to it, *sent* when a connection was free,
    *done* when its answer was there or its failure known. Latency is done - due; lateness of the generator is
    released - due.

    Attributes:
        start: of the schedule.
        due, released, sent, done: one number a request; `sent` is 0.0 where no connection became free in time.
        outcome: `Outcome` or an HTTP status, one a request.
        samples: the first case of each kind of failure, in words.
        longest_queue: most requests that waited for a connection at once.
        cut_after_s: when no more were started, seconds from the start: it was clear that more than 6 % would be later
            than `give_up_s`, or somebody called `halt`. None where all were.
        interrupted: that somebody ended the whole test.
    """

    def __init__(
        self,
        pool: Pool,
        requests: Sequence[Request],
        offsets: NDArray[np.float64],
        *,
        start: float,
        tolerance: float,
        scale: float,
        timeout_s: float,
        give_up_s: float | None = None,
        report: Report = lambda _fraction, _done, _failed, _recent: None,
    ) -> None:
        self._pool, self._requests = pool, requests
        self._messages = [request.message for request in requests]
        self._tolerance, self._scale = tolerance, scale
        self._timeout_s, self._give_up_s, self._report = timeout_s, give_up_s, report
        self._count = len(offsets)
        self.start = start
        self.due = array("d", (offsets + start).tobytes())
        self.released = array("d", bytes(8 * self._count))
        self.sent = array("d", bytes(8 * self._count))
        self.done = array("d", bytes(8 * self._count))
        self.outcome = array("H", bytes(2 * self._count))
        self.samples: dict[str, str] = {}
        self.longest_queue = 0
        self.cut_after_s: float | None = None
        self.interrupted = False
        self._ends_at = float("inf")
        self._rest_s = _REST_S if self._count and (offsets[-1] - offsets[0]) < _REST_S * self._count else 0.0
        self._next = self._oldest = self._ended = self._failed = 0
        self._seen = (0, self.start)
        self._waiting: deque[int] = deque()
        self._right: list[set[bytes]] = [set() for _ in requests]
        self._room = _ROOM_FOR_RIGHT
        loop = asyncio.get_running_loop()
        self._finished: asyncio.Future[None] = loop.create_future()
        self._timer = open_timer(loop, self._release)

    async def finish(self) -> None:
        """Send everything and wait for every end; at most the timeout longer than the schedule."""
        self._pool.receiver = self
        self._timer.arm(self.due[0])
        watcher = asyncio.get_running_loop().create_task(self._watch())
        watcher.add_done_callback(self._stop_with)
        try:
            await self._finished
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
            self._timer.close()
            self._pool.receiver = None
        self._report(1.0, self._ended, self._failed, self._recent(time.monotonic()))

    def halt(self, *, interrupted: bool) -> None:
        """Start no more requests. An interrupted test waits a second for answers, then takes the rest as unfinished."""
        now = time.monotonic()
        if interrupted and not self.interrupted:
            self.interrupted, self._ends_at = True, now + _PATIENCE_S
        if self.cut_after_s is None:
            self._cut(now)

    def answered(self, connection: Connection, index: int, status: int, body: bytes) -> None:
        """A whole answer came."""
        now = time.monotonic()
        position = index % len(self._requests)
        if status == _OK and body in self._right[position]:
            outcome, reason = _CORRECT, None
        else:
            outcome, reason = self._examine(position, status, body)
        # First the next request, then the books: waiting requests are already late.
        if connection.is_open:
            self.available(connection)
        self._end(index, now, outcome, reason)

    def _examine(self, position: int, status: int, body: bytes) -> tuple[int, str | None]:
        if status not in _SUCCESS:
            return status, excerpt(body)
        try:
            reason = find_fault(body, self._requests[position].exchange, self._tolerance, self._scale)
        except ValueError as error:
            return int(Outcome.MALFORMED), f"{error}: {excerpt(body)}"
        if reason:
            return int(Outcome.WRONG_ANSWER), reason
        right = self._right[position]
        if status == _OK and len(right) < _MOST_RIGHT and len(body) <= min(_LONGEST_RIGHT, self._room):
            self._room -= len(body) + _BESIDE_BYTES
            right.add(body)
        return _CORRECT, None

    def failed(self, index: int, outcome: Outcome, reason: str) -> None:
        """A connection broke under request `index`."""
        self._end(index, time.monotonic(), int(outcome), reason)

    def available(self, connection: Connection) -> None:
        """A connection is free: it takes the request that waits longest."""
        while self._waiting:
            index = self._waiting.popleft()
            if not self.outcome[index]:
                self._send(connection, index, time.monotonic())
                return
        self._pool.idle.append(connection)

    def unreachable(self, reason: str) -> None:
        """Nobody listens: whoever waits has been refused."""
        now = time.monotonic()
        while self._waiting:
            index = self._waiting.popleft()
            if not self.outcome[index]:
                self._end(index, now, int(Outcome.REFUSED), reason)

    def _release(self) -> None:
        due, released, idle = self.due, self.released, self._pool.idle
        index = self._next
        while index < self._count:
            now = time.monotonic()
            if due[index] > now:
                self._timer.arm(max(due[index], now + self._rest_s))
                break
            released[index] = now
            self._next = index + 1
            while idle:
                connection = idle.popleft()
                if connection.is_open:
                    self._send(connection, index, now)
                    break
            else:
                self._waiting.append(index)
                self.longest_queue = max(self.longest_queue, len(self._waiting))
            index = self._next

    def _send(self, connection: Connection, index: int, now: float) -> None:
        self.sent[index] = now
        connection.send(index, self._messages[index % len(self._messages)])

    def _end(self, index: int, now: float, outcome: int, reason: str | None) -> None:
        self.done[index] = now
        self.outcome[index] = outcome
        self._ended += 1
        if outcome != _CORRECT:
            self._failed += 1
            self.samples.setdefault(name(outcome), reason or "")
        if self._ended == self._count and not self._finished.done():
            self._finished.set_result(None)

    def _stop_with(self, watcher: asyncio.Task[None]) -> None:
        # Nobody listens to the progress any more: whoever asked for the test is gone.
        if not watcher.cancelled() and (error := watcher.exception()) and not self._finished.done():
            self._finished.set_exception(error)

    async def _watch(self) -> None:
        report_at = 0.0
        while True:
            now = time.monotonic()
            self._expire(now)
            if now >= self._ends_at:
                self._abandon(now)
            if self._give_up_s is not None and self.cut_after_s is None and self._is_hopeless(now - self._give_up_s):
                self._cut(now)
            if now >= report_at:
                report_at = now + _REPORT_INTERVAL_S
                self._report(self._ended / max(1, self._count), self._ended, self._failed, self._recent(now))
            await asyncio.sleep(_WATCH_INTERVAL_S)

    def _recent(self, now: float) -> Recent | None:
        before, self._seen = self._seen, (self._ended, now)
        return recent(self.due, self.released, self.done, (before[0], self._ended), now - before[1])

    def _is_hopeless(self, before: float) -> bool:
        # At least so many of those that were due before that moment still have no answer.
        return bisect_left(self.due, before) - self._ended > _HOPELESS_SHARE * self._count

    def _cut(self, now: float) -> None:
        """Start no more requests; those under way go on to their ends."""
        self.cut_after_s = max(0.0, now - self.start)
        self._count = self._next
        self.due, self.released = self.due[: self._count], self.released[: self._count]
        self.sent, self.done = self.sent[: self._count], self.done[: self._count]
        self.outcome = self.outcome[: self._count]
        if self._ended == self._count and not self._finished.done():
            self._finished.set_result(None)

    def _abandon(self, now: float) -> None:
        for index in range(self._oldest, self._next):
            if not self.outcome[index]:
                self._end(index, now, int(Outcome.UNFINISHED), "the test was interrupted before its answer")
                self._pool.abandon(index)

    def _expire(self, now: float) -> None:
        # The timeout is one for all, so requests expire in the order of the schedule.
        while self._oldest < self._next and (
            self.outcome[self._oldest] or self.due[self._oldest] + self._timeout_s <= now
        ):
            index = self._oldest
            self._oldest += 1
            if not self.outcome[index]:
                reason = "the answer did not come in time" if self.sent[index] else "no connection became free in time"
                self._end(index, self.due[index] + self._timeout_s, int(Outcome.TIMEOUT), reason)
                self._pool.abandon(index)
