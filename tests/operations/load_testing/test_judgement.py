"""Which rates a service holds, and what is said of it."""

import msgspec
import pytest

from specweave.operations.load_testing.judgement import instances, judge, recommendation
from specweave.operations.load_testing.statistics import Failure, Generator, Percentiles, StepMeasurement, is_disturbed
from specweave.project import SloSettings

SLO = SloSettings(latency_p95_ms=100, error_rate=0.01)


def step(
    rate: float,
    p95: float = 20,
    *,
    requests: int = 6_000,
    errors: int = 0,
    lateness_p99: float = 0.2,
    cpu: float = 0.1,
    maximum: float | None = None,
) -> StepMeasurement:
    known = p95 if requests >= 200 else None
    latency = Percentiles(requests - errors, p95 / 2, known, None, maximum if maximum is not None else p95 * 2)
    lateness = Percentiles(requests, 0.05, 0.1, lateness_p99, lateness_p99)
    return StepMeasurement(
        rate=rate,
        duration_s=60,
        requests=requests,
        correct=requests - errors,
        achieved_rate=rate,
        error_rate=errors / requests,
        latency=latency,
        p95_interval=None,
        service_time=latency,
        failures=(Failure("timeout", errors, ""),) if errors else (),
        generator=Generator(lateness, cpu, lateness, 0, 10, 0),
    )


def test_the_highest_rate_within_the_slo_is_recommended() -> None:
    found = judge([step(10), step(50), step(100, 70), step(500, 250, errors=72), step(1000, 800, errors=510)], SLO)
    assert found.passed
    assert found.max_rps_within_slo == 100
    assert found.first_rps_beyond_slo == 500
    assert recommendation(found, SLO) == (
        "Recommendation: Deploy with max 100 RPS per instance",
        "Target: <100ms P95 latency (achieved at 100 RPS)",
    )


def test_a_rate_that_is_only_held_above_a_failed_one_is_not_held() -> None:
    found = judge([step(10), step(50, 300), step(100)], SLO)
    assert found.max_rps_within_slo == 10


def test_a_rate_that_is_held_before_a_spike_and_not_after_it_is_not_held() -> None:
    found = judge([step(50), step(400, 300), step(50, 150)], SLO)
    assert found.verdicts == ("within", "beyond", "beyond")
    assert not found.passed
    assert judge([step(50), step(400, 300), step(50)], SLO).max_rps_within_slo == 50


def test_no_rate_within_the_slo_is_not_passed() -> None:
    found = judge([step(100, 101), step(500)], SLO)
    assert not found.passed
    assert found.max_rps_within_slo is None
    assert "do not deploy" in recommendation(found, SLO)[0]


def test_where_every_rate_is_held_no_limit_is_claimed() -> None:
    found = judge([step(10), step(1000)], SLO)
    assert found.first_rps_beyond_slo is None
    assert "at least" in recommendation(found, SLO)[0]


@pytest.mark.parametrize(("errors", "verdict"), [(60, "within"), (61, "beyond")])
def test_the_error_rate_is_part_of_the_slo(errors: int, verdict: str) -> None:
    assert judge([step(100, errors=errors)], SLO).verdicts == (verdict,)


@pytest.mark.parametrize("trouble", [{"lateness_p99": 151}, {"lateness_p99": 160, "cpu": 0.86}])
def test_a_limit_of_the_generator_is_never_given_as_the_services(trouble: dict[str, float]) -> None:
    found = judge([step(10), step(5_000, 400, **trouble)], SLO)
    assert found.verdicts == ("within", "generator-limited")
    assert found.first_rps_beyond_slo is None
    assert found.disturbed == (5_000,)


def test_a_latency_that_the_lateness_of_the_generator_cannot_explain_is_the_services() -> None:
    found = judge([step(10), step(5_000, 400, lateness_p99=149)], SLO)
    assert found.verdicts == ("within", "beyond")
    assert found.first_rps_beyond_slo == 5_000
    assert found.disturbed == (5_000,)


def test_a_late_generator_cannot_make_a_step_pass_but_a_step_that_passes_nevertheless_is_shown() -> None:
    found = judge([step(100, 40, lateness_p99=9)], SLO)
    assert found.verdicts == ("within",)
    assert found.disturbed == (100,)


@pytest.mark.parametrize(
    ("requests", "maximum", "verdict"), [(58, 1, "undecided"), (59, 99, "within"), (59, 101, "beyond")]
)
def test_with_few_samples_the_slowest_decides(requests: int, maximum: float, verdict: str) -> None:
    assert judge([step(1, requests=requests, maximum=maximum)], SLO).verdicts == (verdict,)


def test_a_service_that_never_answers_rightly_passes_no_slo_however_generous() -> None:
    generous = SloSettings(latency_p95_ms=1e6, error_rate=1.0)
    assert judge([step(10, requests=600, errors=600)], generous).verdicts == ("beyond",)


@pytest.mark.parametrize(
    ("steps", "advice"),
    [
        ([step(100, 400)], "do not deploy"),
        ([step(100, 400, lateness_p99=160)], "repeat on a quieter machine"),
        ([step(1, requests=20)], "too few requests to judge"),
        ([step(100), step(500, 400, lateness_p99=160)], "100 RPS per instance (at least; above it the load generator"),
    ],
)
def test_the_recommendation_says_what_stood_in_the_way(steps: list[StepMeasurement], advice: str) -> None:
    assert advice in recommendation(judge(steps, SLO), SLO)[0]


def test_what_is_held_at_a_higher_rate_is_held_where_too_few_requests_were_sent() -> None:
    found = judge([step(1, requests=5, maximum=3), step(50), step(5_000, 400, lateness_p99=149)], SLO)
    assert found.verdicts[0] == "undecided"
    assert (found.passed, found.max_rps_within_slo) == (True, 50)


@pytest.mark.parametrize(
    ("target", "count"), [(1, 1), (80, 1), (80.1, 2), (160, 2), (240, 3), (1_000, 13), (100_000, 1_250)]
)
def test_each_instance_bears_at_most_eight_tenths_of_what_one_held(target: float, count: int) -> None:
    assert instances(judge([step(100), step(500, 400)], SLO), target) == count


def test_a_test_that_was_interrupted_passes_nothing_and_recommends_nothing() -> None:
    found = judge([step(100)], SLO, interrupted=True)
    assert not found.passed
    assert recommendation(found, SLO) == (
        "Recommendation: none; the test was interrupted",
        "Target: <100ms P95 latency (until then 100 RPS were shown to hold it)",
    )
    assert instances(found, 1_000) is None


@pytest.mark.parametrize(("requests", "late"), [(6_000, True), (999, False), (200, False), (199, True)])
def test_one_late_request_of_a_few_hundred_does_not_call_a_rate_disturbed(requests: int, late: bool) -> None:
    # P99 of a thousand, P95 of some hundred, and the slowest of fewer, which decides the verdict there too.
    measured = step(100, requests=requests)
    lateness = Percentiles(requests, 0.1, 0.4 if requests >= 200 else None, 6.0 if requests >= 1_000 else None, 6.0)
    generator = msgspec.structs.replace(measured.generator, lateness=lateness)
    assert is_disturbed(msgspec.structs.replace(measured, generator=generator)) == late
