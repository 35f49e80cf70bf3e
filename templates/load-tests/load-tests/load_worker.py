"""What each worker does: its requests leave when they are due, whether or not answers came.

Of a schedule that all workers share, worker k of N takes each N-th request from the k-th on. Moments are seconds of
`time.monotonic()`; a request is *due* by the schedule, *released* when this process got to it, *sent* when a connection
was free, *done* when its answer was there or its failure known. Latency is done - due; lateness is released - due.
"""

import gc
import math
import os
import ssl
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import gevent
import msgspec
import numpy as np
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from gevent.pool import Pool
from gevent.timeout import Timeout
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError
from geventhttpclient.url import URL
from locust.contrib.fasthttp import FastHttpSession
from locust.env import Environment
from specweave_runtime.agreement import agrees

from answer_form import AnswerForm, find_form_fault
from redaction import redact

UNFINISHED, CORRECT, WRONG_ANSWER, MALFORMED, TIMEOUT, REFUSED, RESET, CLOSED = 0, 1, 2, 3, 5, 6, 7, 8
NAMES = {
    UNFINISHED: "unfinished",
    WRONG_ANSWER: "wrong answer",
    MALFORMED: "malformed answer",
    TIMEOUT: "timeout",
    REFUSED: "connection refused",
    RESET: "connection reset",
    CLOSED: "connection closed before the answer",
}
ENDINGS: Mapping[type[Exception], int] = {
    HTTPConnectionClosed: CLOSED,
    HTTPParseError: MALFORMED,
    ConnectionResetError: RESET,
    BrokenPipeError: RESET,
}
LOWEST_STATUS = 100
EXCERPT = 200


class UnreachableError(Exception):
    """No connection could be opened before the test."""


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


def cause(outcome: int) -> str:
    """How a request ended, for people: `timeout`, `status 503`."""
    return f"status {outcome}" if outcome >= LOWEST_STATUS else NAMES[outcome]


class Client:
    """The connections of this worker to the service, and what is sent over them.

    Args:
        environment: hears of each request, for Locust's own statistics.
        plan: as in plan.json.
        connections: how many may be open.
    """

    def __init__(self, environment: Environment, plan: Mapping[str, Any], connections: int) -> None:
        parts = urlsplit(plan["url"])
        self.path = parts.path + (f"?{parts.query}" if parts.query else "")
        self.session: Any = FastHttpSession(
            f"{parts.scheme}://{parts.netloc}",
            environment.events.request,
            user=None,
            insecure=False,
            concurrency=connections,
            max_retries=0,
            network_timeout=plan["timeout_s"],
            connection_timeout=plan["timeout_s"],
            ssl_context_factory=_trusting(plan.get("ca")),
        )
        # Callers of an API keep no cookies; and requests go where the plan says, whatever the answers say.
        agent: Any = self.session.client
        agent.cookiejar, agent.redirect_response_codes = None, frozenset()
        values = {name: os.environ[variable] for name, variable in plan["header_variables"].items()}
        accepted = {"Accept": "application/json", "Accept-Encoding": "identity"}
        self.headers = {**accepted, "Content-Type": "application/json", **values}
        self.secrets = tuple(values.values())
        self.corpus = plan["corpus"]
        self.bodies = [exchange["body"].encode() for exchange in self.corpus]
        self.forms = [msgspec.convert(it["form"], AnswerForm) if it.get("form") else None for it in self.corpus]
        self.tolerance, self.scale, self.timeout_s = plan["tolerance"], plan["scale"], plan["timeout_s"]
        self.dialled = 0
        client = agent.clientpool.get_client(URL(plan["url"]))
        self._pool: Any = client._connection_pool  # noqa: SLF001 - it has no other way to open connections beforehand
        self._pool.after_connect = self._count

    def dial(self, connections: int) -> None:
        """Open so many connections: dialling during a step would be counted as latency."""
        dialling = Pool(32)
        opened = list(dialling.imap_unordered(self._dialled, range(connections)))
        for connection in opened:
            if not isinstance(connection, Exception):
                self._pool.return_socket(connection)
        failures = [connection for connection in opened if isinstance(connection, Exception)]
        if len(failures) == connections:
            raise UnreachableError(f"{self.session.base_url} cannot be reached: {failures[0]}")

    def _dialled(self, _number: int) -> Any:
        try:
            return self._pool.get_socket()
        except OSError as error:
            return error

    def _count(self, _connection: object) -> None:
        self.dialled += 1

    def find_fault(self, place: int, answer: bytes) -> tuple[int, str]:
        """How a request with a successful status ended, and what is wrong with the answer."""
        try:
            document = msgspec.json.decode(answer, type=dict[str, Any])
        except (msgspec.MsgspecError, RecursionError) as error:
            return MALFORMED, f"no JSON object: {error}: {_excerpt(answer)}"
        exchange, form = self.corpus[place], self.forms[place]
        for field, value in exchange.get("expected", {}).items():
            if field not in document:
                return WRONG_ANSWER, f"{field} is missing"
            if not agrees(document[field], value, self.tolerance, self.scale):
                return WRONG_ANSWER, f"{field} is {document[field]!r}, expected {value!r}"
        for field, value in exchange.get("expected_if_given", {}).items():
            if field in document and not agrees(document[field], value, self.tolerance, self.scale):
                return WRONG_ANSWER, f"{field} is {document[field]!r}, expected {value!r}"
        fault = find_form_fault(document, form) if form else None
        return (WRONG_ANSWER, fault) if fault else (CORRECT, "")


class Run:
    """One step of one worker.

    Args:
        client: sends the requests.
        offsets: when the requests of all workers are due, seconds from the start of the step.
        share: number of this worker, and of how many.
        connections: requests that may be under way at once; more wait in a queue that is counted.
        name: of the step, for Locust's own statistics.
    """

    def __init__(
        self, client: Client, offsets: Sequence[float], share: tuple[int, int], connections: int, name: str
    ) -> None:
        index, workers = share
        self._client, self._name = client, name
        self._slots = range(index, len(offsets), workers)
        self.due = array("d", offsets[index::workers])
        count = len(self.due)
        self.released, self.sent, self.done = (array("d", [math.nan]) * count for _ in range(3))
        self.outcome = array("H", bytes(2 * count))
        self.samples: dict[str, str] = {}
        self.longest_queue = self.ended = self.failed = self._waiting = 0
        self._free = BoundedSemaphore(connections)
        self._finished = Event()
        self._start = 0.0

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
        body = self._slots[place] % len(client.bodies)
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
            outcome, reason = _ending(response)
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


def _ending(response: Any) -> tuple[int, str]:
    """How a request ended, as far as status and connection say."""
    status = response.status_code
    if status:
        return (CORRECT, "") if status // 100 == 2 else (status, _excerpt(response.content or b""))  # noqa: PLR2004 - success
    error = getattr(response.error, "original", response.error)
    if isinstance(error, Timeout | TimeoutError):
        return TIMEOUT, "the answer did not come in time"
    found = next((outcome for kind, outcome in ENDINGS.items() if isinstance(error, kind)), REFUSED)
    return found, f"{type(error).__name__}: {error}"


def _excerpt(answer: bytes) -> str:
    return answer[:EXCERPT].decode("utf-8", "replace") + ("…" if len(answer) > EXCERPT else "")


def _trusting(authorities: str | None) -> Callable[..., ssl.SSLContext]:
    def make(cafile: str | None = None) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=None if authorities else cafile, cadata=authorities)

    return make
