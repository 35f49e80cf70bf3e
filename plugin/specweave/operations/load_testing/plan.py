"""What a load test is to do: steps of a rate and a duration, the arrivals, and the requests with their right answers.

The plan is the whole input of the engine, as JSON; it knows nothing of increments.
"""

from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

import msgspec
import numpy as np
from numpy.typing import NDArray

from specweave.errors import InvalidInputError
from specweave.operations.load_testing.answer_form import AnswerForm

Arrivals = Literal["poisson", "constant", "ramp", "replay"]

Floats = NDArray[np.float64]

MAX_RATE = 100_000.0
MAX_REQUESTS = 10_000_000
MAX_WORKERS = 64
FEWEST_CONNECTIONS, MOST_CONNECTIONS = 4, 256


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rate, held for a time.

    Attributes:
        rate: requests a second.
        duration_s: seconds in which requests start; answers may come later.
        start_rate: where `ramp` arrivals begin; they rise evenly to `rate`.
    """

    rate: float
    duration_s: float
    start_rate: float | None = None

    @property
    def requests(self) -> int:
        """How many requests the step starts; at least one."""
        mean = self.rate if self.start_rate is None else (self.start_rate + self.rate) / 2
        return max(1, round(mean * self.duration_s))

    @property
    def connections(self) -> int:
        """Connections that are dialled before the step: what a service needs that takes a second to answer."""
        return min(MOST_CONNECTIONS, max(FEWEST_CONNECTIONS, round(self.rate)))


class Search(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A search for the highest rate within the SLO, see `search`.

    Attributes:
        start: the first rate.
        duration_s: for which each rate is held, longer where it takes longer to send 200 requests.
        latency_p95_ms, error_rate: the SLO.
    """

    start: float
    duration_s: float
    latency_p95_ms: float
    error_rate: float


class Exchange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request body and what must be in its answer.

    Attributes:
        body: JSON text.
        expected: fields of the JSON object that must be in the answer, with these values; numbers within the plan's
            tolerance. Empty: any JSON object is right.
        expected_if_given: fields that must have these values where the answer has them.
        form: what else the answer must look like, where that is known.
    """

    body: str
    expected: dict[str, object] = {}
    expected_if_given: dict[str, object] = {}
    form: AnswerForm | None = None


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A load test.

    Attributes:
        url: where the requests go; never anywhere else, whatever the answers say.
        steps: run in this order, with a pause in which queues drain; none where a search decides which.
        search: what decides it.
        corpus: bodies, used in turn.
        arrivals: `poisson` is how independent callers arrive; `constant` spaces evenly, which flatters a server;
            `ramp` is poisson with a rate that rises evenly; `replay` are moments that were given, see `run_load_test`.
        settle: let queues drain between two steps; without it the next step meets what the last one left.
        tolerance, scale: allowed difference of numbers; see `specweave_runtime.agreement.near`.
        timeout_s: from the intended start of a request to the end of its answer.
        connections: overrides what each step asks for.
        seed: of the random arrivals.
        header_variables: header name → environment variable that holds its value, so that no secret is in the plan.
        repeat_disturbed: do a step once more in which the engine was late by 5 ms or short of processor time.
        cores: where the engine runs; empty for anywhere.
        calibration_port: where a server listens on loopback that does nothing but answer, to learn what the engine can
            send on time; None for no such trial.
        workers: processes of the engine; each sends its part of one schedule.
        ca_file: PEM file of the authorities that may vouch for an https service, instead of those of the system.
    """

    url: str
    steps: tuple[Step, ...]
    corpus: tuple[Exchange, ...]
    search: Search | None = None
    arrivals: Arrivals = "poisson"
    settle: bool = True
    tolerance: float = 1e-5
    scale: float = 1.0
    timeout_s: float = 10.0
    connections: int | None = None
    seed: int = 0
    header_variables: dict[str, str] = {}
    repeat_disturbed: bool = False
    cores: tuple[int, ...] = ()
    calibration_port: int | None = None
    workers: int = 1
    ca_file: str | None = None

    def check(self) -> None:
        """Refuse what cannot be run.

        Raises:
            InvalidInputError: `load-test-plan-invalid`, or `url-invalid`.
        """
        parse_target(self.url)
        if not (self.steps or self.search) or not self.corpus:
            raise InvalidInputError("load-test-plan-invalid", "a load test needs a step and a request body")
        if not 1 <= self.workers <= MAX_WORKERS:
            raise InvalidInputError("load-test-plan-invalid", f"{self.workers} workers are not 1 to {MAX_WORKERS}")
        if self.arrivals == "replay" and len(self.steps) != 1:
            raise InvalidInputError("load-test-plan-invalid", "a replay is one step")
        if self.steps and self.search:
            raise InvalidInputError("load-test-plan-invalid", "a search finds its own steps")
        searched = (Step(self.search.start, self.search.duration_s),) if self.search else ()
        for step in (*self.steps, *searched):
            if not 0 < step.rate <= MAX_RATE or not step.duration_s > 0:
                raise InvalidInputError(
                    "load-test-plan-invalid",
                    f"{step.rate:g} requests a second for {step.duration_s:g} s cannot be run",
                    next_step=f"use a rate above 0 and up to {MAX_RATE:,.0f}",
                )
            if step.rate * step.duration_s > MAX_REQUESTS:
                raise InvalidInputError(
                    "load-test-plan-invalid",
                    f"{step.rate:g} requests a second for {step.duration_s:g} s are more than {MAX_REQUESTS:,}",
                    next_step="shorten --duration or lower --rps",
                )


class Target(msgspec.Struct, frozen=True):
    """The parts of a URL that a request needs."""

    secure: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """For the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine for certain; any other name is taken for another one, wherever it may lead."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def base(self) -> str:
        """The URL without its path."""
        return f"{'https' if self.secure else 'http'}://{self.authority}"


def parse_target(url: str) -> Target:
    """The parts of `url`; without a path, `/predict` is meant.

    Raises:
        InvalidInputError: `url-invalid`.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _invalid(url, str(error)) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _invalid(url, "it does not begin with http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise _invalid(url.rpartition("@")[2], "a user or password does not belong in a URL")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise _invalid(url, "it holds characters that must be percent-encoded")
    if port == 0:
        raise _invalid(url, "port 0 cannot be called")
    path = parts.path if parts.path not in {"", "/"} else "/predict"
    secure = parts.scheme == "https"
    return Target(
        secure, parts.hostname, port or (443 if secure else 80), path + (f"?{parts.query}" if parts.query else "")
    )


def _invalid(url: str, reason: str) -> InvalidInputError:
    return InvalidInputError(
        "url-invalid", f"{url[:200]!r} cannot be called: {reason}", next_step="name it as http://127.0.0.1:8000"
    )


def schedule(step: Step, arrivals: Arrivals, seed: int) -> Floats:
    """When each request of a step starts: seconds from the start of the step, ascending, all below its duration.

    Poisson arrivals are drawn with their number given, `step.requests` times independent and uniform: the intended rate
    is then exact and two runs are comparable.
    """
    count = step.requests
    if arrivals == "constant":
        return np.arange(count) / count * step.duration_s
    shares = np.sort(np.random.default_rng(seed).random(count))
    if step.start_rate is None or step.start_rate == step.rate:
        return shares * step.duration_s
    # Where the rate rises evenly from a to b, the share of requests until t is (a t + (b - a) t² / 2d) / ((a + b) d/2).
    start, end = step.start_rate, step.rate
    root = np.sqrt(start * start + shares * (end * end - start * start))
    return (root - start) / (end - start) * step.duration_s
