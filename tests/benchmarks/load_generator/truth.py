"""What latencies a schedule and a server's timetable make true, and what generators say of them."""

import threading
import time
from dataclasses import dataclass

import httpx
import numpy as np
from numpy.typing import NDArray
from own import measure, plan
from servers import BODY, clocked

from specweave.operations.load_testing import Step
from specweave.operations.load_testing.archive import merged
from specweave.operations.load_testing.plan import Arrivals, schedule
from specweave.operations.load_testing.statistics import StepMeasurement

SERVICE_S = 0.005
FREEZE_EVERY_S, FREEZE_S = 5.0, 0.5
_CONNECTIONS = 256
_THREADS = 4
_TRIES = 2
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}

Quantiles = dict[str, float]


@dataclass
class Comparison:
    """The same quantiles in milliseconds: as they must be, as the engine reports them, as a closed loop does."""

    true: Quantiles
    reported: Quantiles
    closed_loop: Quantiles

    def error_ms(self, name: str) -> float:
        """How far the engine was off, milliseconds."""
        return abs(self.reported[name] - self.true[name])

    def is_right(self, name: str) -> bool:
        """Whether that is less than 2 % or 0.3 ms."""
        return self.error_ms(name) < max(0.3, 0.02 * self.true[name])


def compare(rate: float, seconds: float, *, arrivals: Arrivals, freezes: bool, closed_s: float) -> Comparison:
    """The engine, and after it a closed loop for `closed_s`, against a server of 5 ms that freezes or does not.

    Where the engine was not right it tries once more: what else runs on the machine makes answers late that were not.
    """
    every_s, freeze_s = (FREEZE_EVERY_S, FREEZE_S) if freezes else (0.0, 0.0)
    with clocked(service_s=SERVICE_S, every_s=every_s, freeze_s=freeze_s) as server:
        closed = closed_loop(server.url, closed_s)
    for _ in range(_TRIES):
        with clocked(service_s=SERVICE_S, every_s=every_s, freeze_s=freeze_s) as server:
            wanted = plan(server.port, Step(rate, seconds), arrivals=arrivals, connections=_CONNECTIONS)
            step = measure(wanted)
        true = server.latencies(schedule(Step(rate, seconds), arrivals, wanted.seed))
        found = Comparison(quantiles(true), _reported(step), quantiles(closed))
        if all(map(found.is_right, SHARES)):
            break
    return found


def _reported(step: StepMeasurement) -> Quantiles:
    kept = merged([step.histogram])
    reported = {name: kept.get_value_at_percentile(share * 100) / 1e3 for name, share in SHARES.items()}
    # The histogram has three figures; what is known exactly is taken exactly.
    for name in ("p50", "p95", "p99"):
        exact = getattr(step.latency, name)
        assert exact is not None, "too few requests for that quantile"
        reported[name] = exact
    return reported


def closed_loop(url: str, seconds: float) -> NDArray[np.float64]:
    """What people write by hand: threads that each wait for an answer before they send again. Latencies, seconds."""
    found: list[float] = []

    def client() -> None:
        until = time.monotonic() + seconds
        with httpx.Client(trust_env=False) as session:
            while (started := time.monotonic()) < until:
                session.post(url, content=BODY, headers={"Content-Type": "application/json"})
                found.append(time.monotonic() - started)

    threads = [threading.Thread(target=client) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return np.asarray(found)


def quantiles(seconds: NDArray[np.float64]) -> Quantiles:
    """In milliseconds, of all values."""
    values = np.quantile(seconds * 1e3, list(SHARES.values()), method="inverted_cdf")
    return dict(zip(SHARES, values.tolist(), strict=True))
