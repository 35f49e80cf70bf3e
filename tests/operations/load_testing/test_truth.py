"""Reported latencies against those that the schedule and a server's timetable make true, computed beside the engine."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.operations.load_testing.timetable import ANSWER, clocked

from specweave.command import Context
from specweave.host import RealHost
from specweave.operations.load_testing import Exchange, Plan, Step, run_load_test
from specweave.operations.load_testing.archive import merged
from specweave.operations.load_testing.measurement import split_cores
from specweave.operations.load_testing.plan import Arrivals, schedule
from specweave.project import Project

pytestmark = pytest.mark.measures

SHARES = np.array([0.5, 0.95, 0.99, 0.999])
DEADLINE_S = 60.0
SERVER_CORES, ENGINE_CORES = split_cores()

Quantiles = np.ndarray[tuple[int], np.dtype[np.float64]]


def reported_and_true(
    folder: Path, step: Step, arrivals: Arrivals, *, every_s: float = 0.0, freeze_s: float = 0.0
) -> tuple[Quantiles, Quantiles]:
    """P50, P95, P99 and P99.9 in milliseconds, as the engine measured them and as they had to be."""
    context = Context(Project(folder), RealHost())
    with clocked(service_s=0.005, every_s=every_s, freeze_s=freeze_s, cores=SERVER_CORES) as server:
        exchange = Exchange('{"features": {}}', ANSWER)
        plan = Plan(server.url, (step,), (exchange,), arrivals=arrivals, connections=256, cores=ENGINE_CORES, seed=7)
        (measured,) = run_load_test(context, plan, slow_s=10).steps
    assert measured.correct == measured.requests == step.requests
    true = np.quantile(server.latencies(schedule(step, arrivals, plan.seed)) * 1e3, SHARES, method="inverted_cdf")
    kept = merged([measured.histogram])
    reported = np.array([kept.get_value_at_percentile(share * 100) / 1e3 for share in SHARES])
    for place, name in enumerate(("p50", "p95", "p99")):
        assert getattr(measured.latency, name) == pytest.approx(reported[place], rel=2e-3)
    # Nothing makes an answer come sooner than it left. Allowed: the histogram's three figures, the first request's way.
    assert (reported >= true * 0.998 - 0.1).all(), (reported, true)
    return reported, true


def eventually_near(measured: Callable[[], tuple[Quantiles, Quantiles]], allowed: Quantiles) -> None:
    """A busy machine only ever makes an answer late: what the engine added itself would be in every repetition."""
    end = time.monotonic() + DEADLINE_S
    while True:
        reported, true = measured()
        if (reported <= true + allowed).all():
            return
        assert time.monotonic() < end, (reported, true)


def test_a_server_of_exactly_five_milliseconds_is_reported_as_such(tmp_path: Path) -> None:
    step = Step(1_000, 1.5)
    eventually_near(lambda: reported_and_true(tmp_path, step, "poisson"), np.array([5.0, 10.0, 20.0, 60.0]))


def test_a_freeze_is_reported_with_all_that_it_delayed(tmp_path: Path) -> None:
    # Of 1,200 requests 30 % come while nobody reads; a loop that waits for answers would have sent one in each freeze.
    def measured() -> tuple[Quantiles, Quantiles]:
        reported, true = reported_and_true(tmp_path, Step(400, 3.0), "constant", every_s=1.0, freeze_s=0.3)
        assert true[1] > 200
        return reported, true

    eventually_near(measured, np.array([5.0, 20.0, 20.0, 60.0]))
