"""What each worker does: its requests leave when they are due, whether or not answers came.

Of a schedule that all workers share, worker k of N takes each N-th request from the k-th on. Moments are seconds of
`time.monotonic()`; a request is *due* by the schedule, *released* when this process got to it, *sent* when a connection
was free, *done* when its answer was there or its failure known. Latency is done - due; lateness is released - due.
"""

import gc
import math
import time
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import gevent
import numpy as np
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from gevent.timeout import Timeout

from load_client import MALFORMED, TIMEOUT, Client, cause, ending
from load_figures import CORRECT
from redaction import redact

MOST_RECENT = 250


def schedule(step: Mapping[str, Any], arrivals: str, seed: int) -> list[float]:
    """When each request of a step is due: seconds from its start, ascending."""
    rate, duration_s, start = step["rate"], step["duration_s"], step.get("start_rate")
    mean = rate if start is None else (start + rate) / 2
    count = max(1, round(mean * duration_s))
    if arrivals == "constant":
        return _listed(np.arange(count) / count * duration_s)
    shares = np.sort(np.random.default_rng(seed).random(count))
    if start is None or start == rate:
        return _listed(shares * duration_s)
    root = np.sqrt(start * start + shares * (rate * rate - start * start))
    return _listed((root - start) / (rate - start) * duration_s)


def _listed(moments: Any) -> list[float]:
    return [float(moment) for moment in moments]


def quantile_99_ms(due: Sequence[float], released: Sequence[float]) -> float:
    """Lateness at P99, milliseconds; 0 of no requests."""
    late = np.subtract(released, due)
    return float(np.quantile(late, 0.99, method="inverted_cdf")) * 1e3 if len(late) else 0.0


class Run:
    """One step of one worker.

    Args:
        client: sends the requests.
        due: when this worker's requests are, seconds from the start of the step, ascending.
        share: number of this worker, and of how many.
        connections: requests that may be under way at once; more wait in a queue that is counted.
        name: of the step, for Locust's own statistics.
    """

    def __init__(
        self, client: Client, due: Sequence[float], share: tuple[int, int], connections: int, name: str
    ) -> None:
        self._client, self._name = client, name
        self._first, self._workers = share
        self.due = array("d", due)
        count = len(self.due)
        self.released, self.sent, self.done = (array("d", [math.nan]) * count for _ in range(3))
        self.outcome = array("H", bytes(2 * count))
        self.samples: dict[str, str] = {}
        self.longest_queue = self.ended = self.failed = self._waiting = 0
        self._free = BoundedSemaphore(connections)
        self._finished = Event()
        self._start = self._said_at = 0.0
        self._said = 0

    def follow(self, lead_s: float) -> dict[str, Any]:
        """Send everything and wait for every end; what the master needs to know of it."""
        gc.collect()
        gc.freeze()
        gc.disable()
        dialled, cpu = self._client.dialled, time.process_time()
        self._start = time.monotonic() + lead_s
        try:
            for place, offset in enumerate(self.due):
                # Without a pause too: what is behind schedule must still be sent.
                gevent.sleep(max(0.0, self._start + offset - time.monotonic()))
                while (early := self._start + offset - time.monotonic()) > 0:
                    gevent.sleep(early)
                gevent.spawn(self._send, place)
            if self.due:
                self._finished.wait()
        finally:
            gc.enable()
            gc.unfreeze()
        return {
            **{name: getattr(self, name).tobytes() for name in ("due", "released", "sent", "done", "outcome")},
            "samples": self.samples,
            "longest_queue": self.longest_queue,
            "reconnects": self._client.dialled - dialled,
            "cpu_seconds": time.process_time() - cpu,
            "seconds": time.monotonic() - self._start,
            "start": self._start,
        }

    def recently(self) -> dict[str, Any]:
        """How it goes: what ended in all, and some of what ended since this was asked last; milliseconds."""
        before, now, at = self._said, self.ended, time.monotonic()
        seconds = at - max(self._said_at, self._start)
        self._said, self._said_at = now, at
        # Requests end about in the order in which they were due.
        places = [
            place
            for place in range(before, now, max(1, (now - before) // MOST_RECENT))
            if not math.isnan(self.done[place]) and not math.isnan(self.released[place])
        ]
        return {
            "ended": now,
            "failures": self.failed,
            "rate": (now - before) / seconds if seconds > 0 else 0.0,
            "latency_ms": [(self.done[place] - self.due[place]) * 1e3 for place in places],
            "late_ms": [(self.released[place] - self.due[place]) * 1e3 for place in places],
        }

    def _send(self, place: int) -> None:
        released = time.monotonic()
        self.released[place] = released - self._start
        due = self._start + self.due[place]
        try:
            with Timeout(max(0.0, due + self._client.timeout_s - released)):
                self._take()
                try:
                    self.sent[place] = time.monotonic() - self._start
                    outcome, reason = self._exchange(place, due)
                finally:
                    self._free.release()
        except Timeout:
            outcome, reason = TIMEOUT, "no connection became free in time"
        except Exception as error:  # noqa: BLE001 - whatever the client trips over is a failed request, and is counted
            outcome, reason = MALFORMED, f"{type(error).__name__}: {error}"
        self._end(place, outcome, reason)

    def _take(self) -> None:
        if self._free.acquire(blocking=False):
            return
        self._waiting += 1
        self.longest_queue = max(self.longest_queue, self._waiting)
        try:
            self._free.acquire()
        finally:
            self._waiting -= 1

    def _exchange(self, place: int, due: float) -> tuple[int, str]:
        client = self._client
        body = (self._first + place * self._workers) % len(client.bodies)
        with client.session.request(
            "POST",
            client.path,
            name=self._name,
            data=client.bodies[body],
            headers=client.headers,
            catch_response=True,
        ) as response:
            self.done[place] = time.monotonic() - self._start
            # Locust's own statistics count from the intended start too.
            response.request_meta["response_time"] = (time.monotonic() - due) * 1e3
            outcome, reason = ending(response)
            if outcome == CORRECT:
                outcome, reason = client.find_fault(body, response.content or b"")
            if outcome == CORRECT:
                response.success()
            else:
                response.failure(cause(outcome))
        return outcome, reason

    def _end(self, place: int, outcome: int, reason: str) -> None:
        if math.isnan(self.done[place]):
            self.done[place] = time.monotonic() - self._start
        self.outcome[place] = outcome
        self.ended += 1
        if outcome != CORRECT:
            self.failed += 1
            if cause(outcome) not in self.samples:
                self.samples[cause(outcome)] = redact(reason, self._client.secrets)
        if self.ended == len(self.due):
            self._finished.set()
