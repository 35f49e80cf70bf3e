"""One step: requests leave on schedule whether or not answers come."""

import asyncio
import time
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from specweave.operations.load_testing.answers import excerpt, find_fault
from specweave.operations.load_testing.connection import Connection, Pool
from specweave.operations.load_testing.outcomes import Outcome, name
from specweave.operations.load_testing.plan import Exchange
from specweave.operations.load_testing.timer import open_timer

_WATCH_INTERVAL_S = 0.02
_REPORT_INTERVAL_S = 1.0
_LEAD_S = 0.02
# More than the 5 % that P95 leaves out.
_HOPELESS_SHARE = 0.06
_SUCCESS = range(200, 300)


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
        cut_after_s: when it was clear that more than 6 % would be later than `give_up_s`, and no more were started:
            seconds from the start, None where it was not.
    """

    def __init__(
        self,
        pool: Pool,
        requests: Sequence[Request],
        offsets: Sequence[float],
        *,
        tolerance: float,
        scale: float,
        timeout_s: float,
        give_up_s: float | None = None,
        report: Callable[[float, int, int], None] = lambda _fraction, _done, _failed: None,
    ) -> None:
        self._pool, self._requests = pool, requests
        self._tolerance, self._scale = tolerance, scale
        self._timeout_s, self._give_up_s, self._report = timeout_s, give_up_s, report
        self._count = len(offsets)
        self.start = time.monotonic() + _LEAD_S
        self.due = array("d", [self.start + offset for offset in offsets])
        self.released = array("d", bytes(8 * self._count))
        self.sent = array("d", bytes(8 * self._count))
        self.done = array("d", bytes(8 * self._count))
        self.outcome = array("H", bytes(2 * self._count))
        self.samples: dict[str, str] = {}
        self.longest_queue = 0
        self.cut_after_s: float | None = None
        self._next = self._oldest = self._ended = self._failed = 0
        self._waiting: deque[int] = deque()
        self._carrier: dict[int, Connection] = {}
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
        self._report(1.0, self._ended, self._failed)

    def answered(self, connection: Connection, index: int, status: int, body: bytes) -> None:
        """A whole answer came."""
        now = time.monotonic()
        outcome, reason = int(Outcome.CORRECT), None
        if status not in _SUCCESS:
            outcome, reason = status, excerpt(body)
        else:
            try:
                exchange = self._requests[index % len(self._requests)].exchange
                reason = find_fault(body, exchange, self._tolerance, self._scale)
            except ValueError as error:
                outcome, reason = int(Outcome.MALFORMED), f"{error}: {excerpt(body)}"
            else:
                outcome = int(Outcome.WRONG_ANSWER if reason else Outcome.CORRECT)
        # First the next request, then the books: waiting requests are already late.
        if connection.is_open:
            self.available(connection)
        self._carrier.pop(index, None)
        self._end(index, now, outcome, reason)

    def failed(self, index: int, outcome: Outcome, reason: str) -> None:
        """A connection broke under request `index`."""
        self._carrier.pop(index, None)
        self._end(index, time.monotonic(), int(outcome), reason)

    def available(self, connection: Connection) -> None:
        """A connection is free: it takes the request that waits longest."""
        while self._waiting:
            index = self._waiting.popleft()
            if not self.outcome[index]:
                self._send(connection, index)
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
        due, released, pool = self.due, self.released, self._pool
        while self._next < self._count:
            now, index = time.monotonic(), self._next
            if due[index] > now:
                self._timer.arm(due[index])
                return
            released[index] = now
            self._next += 1
            connection = pool.take()
            if connection is not None:
                self._send(connection, index)
            else:
                self._waiting.append(index)
                self.longest_queue = max(self.longest_queue, len(self._waiting))

    def _send(self, connection: Connection, index: int) -> None:
        self._carrier[index] = connection
        self.sent[index] = time.monotonic()
        connection.send(index, self._requests[index % len(self._requests)].message)

    def _end(self, index: int, now: float, outcome: int, reason: str | None) -> None:
        self.done[index] = now
        self.outcome[index] = outcome
        self._ended += 1
        if outcome != Outcome.CORRECT:
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
            if self._give_up_s is not None and self.cut_after_s is None and self._is_hopeless(now - self._give_up_s):
                self._cut(now)
            if now >= report_at:
                report_at = now + _REPORT_INTERVAL_S
                self._report(self._ended / self._count, self._ended, self._failed)
            await asyncio.sleep(_WATCH_INTERVAL_S)

    def _is_hopeless(self, before: float) -> bool:
        # At least so many of those that were due before that moment still have no answer.
        return bisect_left(self.due, before) - self._ended > _HOPELESS_SHARE * self._count

    def _cut(self, now: float) -> None:
        """Start no more requests; those under way go on to their ends."""
        self.cut_after_s = now - self.start
        self._count = self._next
        self.due, self.released = self.due[: self._count], self.released[: self._count]
        self.sent, self.done = self.sent[: self._count], self.done[: self._count]
        self.outcome = self.outcome[: self._count]
        if self._ended == self._count and not self._finished.done():
            self._finished.set_result(None)

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
                if connection := self._carrier.pop(index, None):
                    connection.abort()
