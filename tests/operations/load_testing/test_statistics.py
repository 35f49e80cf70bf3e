"""Exact quantiles, and what the moments of a step amount to."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.operations.load_testing.judgement import judge
from specweave.operations.load_testing.outcomes import Outcome
from specweave.operations.load_testing.plan import Step
from specweave.operations.load_testing.statistics import Floats, p95_interval, percentiles, summarize
from specweave.operations.load_testing.summary import ServerSample, StepSummary
from specweave.project import SloSettings


@given(st.integers(1_000, 3_000), st.integers(0, 6), st.integers(0, 2**31))
def test_a_percentile_is_the_smallest_value_that_its_share_does_not_exceed(count: int, digits: int, seed: int) -> None:
    values = np.random.default_rng(seed).exponential(0.02, count).round(digits)  # few digits: many equal values
    found = percentiles(values)
    milliseconds = values * 1e3
    for share, value in ((0.5, found.p50), (0.95, found.p95), (0.99, found.p99)):
        assert value is not None
        assert (milliseconds <= value).mean() >= share
        assert (milliseconds < value).mean() < share
    assert found.maximum == milliseconds.max()


@pytest.mark.parametrize(
    ("count", "known"),
    [(0, ""), (1, "p50"), (199, "p50"), (200, "p50 p95"), (999, "p50 p95"), (1_000, "p50 p95 p99")],
)
def test_a_percentile_is_not_given_where_there_are_too_few_samples(count: int, known: str) -> None:
    found = percentiles(np.linspace(0, 1, count))
    assert found.samples == count
    assert " ".join(name for name in ("p50", "p95", "p99") if getattr(found, name) is not None) == known


def queue(load: float, count: int, seed: int) -> Floats:
    """Time in a system of one server, random arrivals, random service of 1 s at the mean (M/M/1), by Lindley."""
    random = np.random.default_rng(seed)
    between, service = random.exponential(1 / load, count), random.exponential(1.0, count)
    backlog = np.cumsum(np.concatenate([[0.0], service[:-1] - between[1:]]))
    waited: Floats = backlog - np.minimum.accumulate(np.minimum(backlog, 0.0)) + service
    return waited


@pytest.mark.parametrize(("load", "count", "least"), [(0.5, 2_000, 90), (0.7, 20_000, 90), (0.8, 6_000, 92)])
def test_the_interval_of_p95_holds_the_truth_about_as_often_as_it_says_though_requests_wait_together(
    load: float, count: int, least: int
) -> None:
    # Time in an M/M/1 queue is exponential with the rate 1 - load; its P95 is -ln 0.05 / (1 - load).
    truth = -np.log(0.05) / (1 - load) * 1e3
    held = 0
    for seed in range(100):
        low, high = p95_interval(queue(load, count, seed)) or (0.0, 0.0)
        held += low <= truth <= high
    assert least <= held <= 99, "an interval that always holds it is too wide"
    assert p95_interval(np.ones(999)) is None


def test_the_interval_of_p95_is_what_its_formula_says_and_never_below_zero() -> None:
    # P95 of the runs: 1 to 5 s, of all: 5 s. t of 4 degrees of freedom is 2.776445.
    half = 2.776445 * ((16 + 9 + 4 + 1) / 4 / 5) ** 0.5
    assert p95_interval(np.repeat([1.0, 2, 3, 4, 5], 200)) == pytest.approx(((5 - half) * 1e3, (5 + half) * 1e3))
    low, high = p95_interval(np.repeat([1.0, 1, 1, 1, 100], 200)) or (-1.0, -1.0)
    assert (low, high > 100_000) == (0, True)


def test_each_request_counts_once_and_every_figure_comes_from_its_own_moments() -> None:
    moments = {
        "due": np.array([0.0, 1.0, 2.0, 3.0]),
        "released": np.array([0.001, 1.002, 2.0, 3.0]),
        "sent": np.array([0.101, 1.002, 2.0, np.nan]),
        "done": np.array([0.2, 1.05, 2.001, 5.0]),
        "outcome": np.array([Outcome.CORRECT, Outcome.CORRECT, 503, Outcome.TIMEOUT]),
    }
    summary = StepSummary(5.0, 1.0, 8, 2, 1, {"status 503": "busy"}, 1, 4)
    step = summarize(Step(1, 4), moments, summary, slow_s=0.1)
    assert (step.requests, step.correct, step.error_rate) == (4, 2, 0.5)
    assert step.achieved_rate == pytest.approx(0.5)
    assert step.latency.samples == 3
    assert step.latency.p50 == pytest.approx(200)
    assert step.latency.maximum == pytest.approx(2_000)
    assert step.service_time.maximum == pytest.approx(99)
    assert [(failure.cause, failure.count, failure.sample) for failure in step.failures] == [
        ("status 503", 1, "busy"),
        ("timeout", 1, ""),
    ]
    assert step.generator.lateness.maximum == pytest.approx(2)
    assert step.generator.waiting.maximum == pytest.approx(100)
    assert step.generator.cpu == pytest.approx(0.2)


@pytest.mark.parametrize(("failed", "total"), [(3, 300), (1, 100), (7, 700), (0, 300)])
def test_the_share_of_errors_that_an_slo_allows_is_not_beyond_it_by_its_last_bits(failed: int, total: int) -> None:
    due = np.arange(total) / 100
    outcome = np.full(total, int(Outcome.CORRECT))
    outcome[:failed] = 503
    moments = {"due": due, "released": due, "sent": due, "done": due + 0.01, "outcome": outcome}
    summary = StepSummary(5.0, 1.0, 8, 2, 1, {}, 100, total / 100)
    step = summarize(Step(100, total / 100), moments, summary, slow_s=0.1)
    assert step.error_rate == failed / total
    (verdict,) = judge([step], SloSettings(latency_p95_ms=100, error_rate=0.01)).verdicts
    assert verdict == "within"


def test_memory_that_grows_steadily_shows_as_a_trend_after_the_service_has_settled() -> None:
    due = np.arange(90) * 1.0
    moments = {"due": due, "released": due, "sent": due, "done": due + 0.01, "outcome": np.ones(90, int)}
    # It fills 300 MB in the first half minute, then leaks 0.1 MB a second.
    samples = tuple(
        ServerSample(1_000.0 + second, 2, second * 0.1, round(1e6 * (min(second, 30) * 10 + second * 0.1)))
        for second in range(91)
    )
    summary = StepSummary(90.0, 1.0, 4, 0, 0, {}, 1, 90, server=samples)
    used = summarize(Step(1, 90), moments, summary, slow_s=1).server
    assert used is not None
    assert used.memory_trend_mb_per_hour == pytest.approx(360, rel=0.01)
    assert used.memory_growth_mb == pytest.approx(309)
    assert used.cpu == pytest.approx(0.1)
    assert used.cpu_us_per_request == pytest.approx(9 / 90 * 1e6)
    short = msgspec.structs.replace(summary, server=samples[:30])
    used = summarize(Step(1, 90), moments, short, slow_s=1).server
    assert used is not None
    assert used.memory_trend_mb_per_hour is None


def test_a_failure_that_callers_had_to_wait_for_counts_in_the_latency_with_its_own_time() -> None:
    due = np.arange(1_000) / 100
    took = np.full(1_000, 0.01)
    outcome = np.full(1_000, int(Outcome.CORRECT))
    took[:60], outcome[:60] = 9.0, 503
    took[60:90], outcome[60:90] = 0.001, 429
    moments = {"due": due, "released": due, "sent": due, "done": due + took, "outcome": outcome}
    step = summarize(Step(100, 10), moments, StepSummary(19.0, 1.0, 8, 0, 1, {}, 100, 10), slow_s=0.1)
    assert step.error_rate == pytest.approx(0.09)
    assert step.latency.samples == 970, "the quick failures would flatter"
    assert step.latency.p50 == pytest.approx(10)
    assert step.latency.p99 is None, "970 samples are too few for P99"
    assert step.latency.p95 == step.latency.maximum == pytest.approx(9_000)
    assert step.service_time.maximum == pytest.approx(10)
    (verdict,) = judge([step], SloSettings(latency_p95_ms=100, error_rate=0.1)).verdicts
    assert verdict == "beyond"


def test_requests_under_way_at_once_are_their_rate_times_what_each_takes() -> None:
    due = np.arange(1_000) / 100
    moments = {"due": due, "released": due, "sent": due, "done": due + 0.25, "outcome": np.full(1_000, Outcome.CORRECT)}
    step = summarize(Step(100, 10), moments, StepSummary(10.3, 1.0, 8, 0, 1, {}, 100, 10), slow_s=1)
    assert step.concurrency == pytest.approx(100 * 0.25, rel=0.03), "Little's law"


def test_what_others_used_of_the_machine_is_told_from_what_service_and_generator_used() -> None:
    due = np.arange(1_000) / 100
    moments = {"due": due, "released": due, "sent": due, "done": due, "outcome": np.full(1_000, Outcome.CORRECT)}
    before, after = ServerSample(0.0, 1, 5.0, 10, 100.0), ServerSample(10.0, 1, 9.0, 10, 112.0)
    summary = StepSummary(10.0, 1.0, 8, 0, 1, {}, 100, 10, server=(before, after))
    used = summarize(Step(100, 10), moments, summary, slow_s=1).server
    assert used is not None
    assert used.others_cpu == pytest.approx((12 - 4 - 1) / 10)
    samples = tuple(msgspec.structs.replace(sample, machine_cpu_s=0.0) for sample in summary.server)
    unknown = msgspec.structs.replace(summary, server=samples)
    used = summarize(Step(100, 10), moments, unknown, slow_s=1).server
    assert used is not None
    assert used.others_cpu is None
