"""The search for the highest rate within the SLO, against services whose limit is known."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.operations.load_testing.servers import RIGHT, serve, steady

from specweave.command import Context
from specweave.errors import InvalidInputError
from specweave.host import RealHost
from specweave.operations.load_testing import Exchange, Plan, Search, Step, run_load_test
from specweave.operations.load_testing.judgement import judge
from specweave.operations.load_testing.plan import schedule
from specweave.operations.load_testing.search import MOST_PROBES, RateSearch, by_rate
from specweave.operations.load_testing.statistics import Generator, Percentiles, StepMeasurement, summarize
from specweave.operations.load_testing.summary import StepSummary
from specweave.project import Project, SloSettings

SLO = SloSettings(latency_p95_ms=100, error_rate=0.01)


def probe(rate: float, p95: float, *, spread: float = 0.0, lateness: float = 0.1) -> StepMeasurement:
    latency = Percentiles(6_000, p95 / 2, p95, p95 * 1.5, p95 * 2)
    late = Percentiles(6_000, 0.0, 0.0, lateness, lateness)
    return StepMeasurement(
        rate=rate, duration_s=10, requests=6_000, correct=6_000, achieved_rate=rate, error_rate=0, latency=latency,
        p95_interval=(p95 - spread, p95 + spread), service_time=latency, failures=(),
        generator=Generator(late, 0.1, late, 0, 10, 0),
    )  # fmt: skip


def searched(start: float, measure: Callable[[float], StepMeasurement]) -> list[StepMeasurement]:
    """All probes of a whole search."""
    search, made = RateSearch(Search(start, 10, SLO.latency_p95_ms, SLO.error_rate)), []
    while step := search.next():
        made.append(measure(step.rate))
        search.learn(made[-1])
    return made


@given(st.floats(2, 90_000), st.floats(1, 90_000))
def test_the_search_ends_with_a_narrow_bracket_around_the_limit(limit: float, start: float) -> None:
    made = searched(start, lambda rate: probe(rate, 10 if rate <= limit else 500))
    found = judge(by_rate(made), SLO)
    assert found.max_rps_within_slo is not None
    assert found.first_rps_beyond_slo is not None
    assert found.max_rps_within_slo <= limit < found.first_rps_beyond_slo
    assert found.first_rps_beyond_slo <= found.max_rps_within_slo * 1.07 or found.max_rps_within_slo < 100
    assert len(made) <= 40


def test_a_rate_at_which_chance_may_decide_is_probed_three_times_and_the_median_decides() -> None:
    answers = iter([103.0, 90.0, 95.0])
    made = searched(800, lambda rate: probe(rate, next(answers), spread=20) if rate == 800 else probe(rate, 500))
    assert [found.latency.p95 for found in made if found.rate == 800] == [103, 90, 95]
    assert judge(by_rate(made), SLO).max_rps_within_slo == 800
    assert [found.latency.p95 for found in by_rate(made) if found.rate == 800] == [95]


def test_a_rate_near_the_slo_with_too_few_requests_for_an_interval_is_probed_again_and_longer() -> None:
    def short(rate: float) -> StepMeasurement:
        return msgspec.structs.replace(probe(rate, 80 if rate <= 40 else 500), p95_interval=None)

    search, asked = RateSearch(Search(40, 10, SLO.latency_p95_ms, SLO.error_rate)), []
    while step := search.next():
        asked.append((step.rate, step.duration_s))
        search.learn(short(step.rate))
    assert asked[:4] == [(40, 10), (40, 25), (40, 25), (80, 10)]
    assert [rate for rate, _ in asked].count(80) == 1, "far beyond it is beyond"


@pytest.mark.parametrize(
    ("random", "service_s", "theory"),
    [
        # P95 of the time in an M/M/1 queue is -ln 0.05 / (service rate - arrival rate).
        (True, 0.010, 100 - 2.9957 / 0.1),
        (True, 0.002, 500 - 2.9957 / 0.1),
        (False, 0.010, 84.6),  # M/D/1, of two million simulated requests at each of 14 rates
    ],
)
def test_the_limit_of_a_queue_is_found_where_theory_has_it(random: bool, service_s: float, theory: float) -> None:
    draw, found = np.random.default_rng(1), []

    def measure(step: Step) -> StepMeasurement:
        due = schedule(step, "poisson", int(draw.integers(2**31)))
        service = draw.exponential(service_s, len(due)) if random else np.full(len(due), service_s)
        backlog = np.cumsum(np.concatenate([[0.0], service[:-1] - np.diff(due)]))
        took = backlog - np.minimum.accumulate(np.minimum(backlog, 0.0)) + service
        moments = {
            "due": due, "released": due, "sent": due, "done": due + took, "outcome": np.ones(len(due), int),
        }  # fmt: skip
        account = StepSummary(step.duration_s, 0.1, 8, 0, 0, {}, step.rate, step.duration_s)
        return summarize(step, moments, account, slow_s=SLO.latency_p95_ms / 1e3)

    for _ in range(9):
        search, made = RateSearch(Search(50, 10, SLO.latency_p95_ms, SLO.error_rate)), []
        while step := search.next():
            made.append(measure(step))
            search.learn(made[-1])
        found.append(judge(by_rate(made), SLO).max_rps_within_slo or 0.0)
    assert np.median(found) == pytest.approx(theory, rel=0.06)
    assert np.std(found) < 0.08 * theory


def test_a_rate_at_which_the_generator_was_the_limit_ends_the_search_and_is_not_held_against_the_service() -> None:
    made = searched(100, lambda rate: probe(rate, 10 if rate < 1_000 else 150, lateness=0.1 if rate < 1_000 else 90))
    found = judge(by_rate(made), SLO)
    assert (found.max_rps_within_slo, found.first_rps_beyond_slo) == (800, None)
    assert [step.rate for step in made].count(1_600) == 3


def test_a_service_that_holds_nothing_is_found_out_by_halving() -> None:
    made = searched(16, lambda rate: probe(rate, 500))
    assert [step.rate for step in made] == [16, 8, 4, 2, 1]
    assert judge(by_rate(made), SLO).max_rps_within_slo is None


@given(st.integers(0, 2**31))
def test_a_service_of_whims_ends_the_search_all_the_same(seed: int) -> None:
    random = np.random.default_rng(seed)
    made = searched(10, lambda rate: probe(rate, float(random.choice([10, 99, 101, 400])), spread=5))
    assert len(made) <= MOST_PROBES


@pytest.mark.measures
def test_the_limit_of_a_real_server_is_found_and_a_hopeless_probe_is_cut_short(tmp_path: Path) -> None:
    # One connection at a time and 4 ms each: 250 a second is all there is.
    context = Context(Project(tmp_path), RealHost())
    with serve(steady(0.004)) as server:
        plan = Plan(server.url, (), (Exchange(json.dumps({}), RIGHT),), Search(100, 1.0, 100, 0.01), connections=1)
        measured = run_load_test(context, plan, slow_s=0.1)
    found = judge(measured.steps, SLO)
    assert found.max_rps_within_slo is not None
    assert found.max_rps_within_slo < 260
    assert found.first_rps_beyond_slo is not None
    assert any(step.cut and step.duration_s < 1.0 for step in measured.steps if step.rate >= 400)
    assert [step.rate for step in measured.steps] == sorted({step.rate for step in measured.steps})


@pytest.mark.parametrize("plan", ["neither", "both"])
def test_a_plan_has_steps_or_a_search(plan: str) -> None:
    search = Search(10, 1, 100, 0.01) if plan == "both" else None
    steps = (Step(10, 1),) if plan == "both" else ()
    with pytest.raises(InvalidInputError):
        Plan("http://127.0.0.1:1", steps, (Exchange("{}"),), search).check()
