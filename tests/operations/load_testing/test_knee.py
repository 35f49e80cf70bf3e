"""Where the knee lies and why: two sentences from the figures."""

from dataclasses import dataclass, field

import msgspec
import pytest

from specweave.operations.load_testing.archive import Interval
from specweave.operations.load_testing.judgement import judge
from specweave.operations.load_testing.knee import explain_knee
from specweave.operations.load_testing.statistics import Failure, Generator, Percentiles, ServerUse, StepMeasurement
from specweave.project import SloSettings

SLO = SloSettings(latency_p95_ms=100, error_rate=0.01)


@dataclass(frozen=True, kw_only=True)
class Was:
    """What differs between the steps of these tests."""

    p95: float = 20.0
    achieved: float | None = None
    errors: float = 0.0
    cpu: float | None = 0.3
    processes: int = 1
    others: float | None = 0.1
    concurrency: float | None = None
    timeline: tuple[Interval, ...] = field(default=())


def step(rate: float, was: Was) -> StepMeasurement:
    requests = round(rate * 60)
    correct = round(requests * (1 - was.errors))
    lateness = Percentiles(requests, 0.05, 0.1, 0.2, 0.3)
    latency = Percentiles(correct, was.p95 / 2, was.p95, was.p95, was.p95)
    return StepMeasurement(
        rate=rate,
        duration_s=60,
        requests=requests,
        correct=correct,
        achieved_rate=was.achieved or correct / 60,
        error_rate=was.errors,
        latency=latency,
        p95_interval=None,
        service_time=latency,
        failures=(Failure("status 503", requests - correct, ""),) if was.errors else (),
        generator=Generator(lateness, 0.1, lateness, 0, 10, 0),
        concurrency=was.concurrency,
        timeline=was.timeline,
        server=None
        if was.cpu is None
        else ServerUse(was.processes, was.cpu, was.cpu / (was.achieved or rate) * 1e6, 100, 0, was.others),
    )


def said(*steps: StepMeasurement, cores: str = "2") -> list[str]:
    return explain_knee(steps, judge(steps, SLO), SLO, {"cores": cores})


def test_a_service_without_processor_time_is_saturated_by_it() -> None:
    overload = Was(p95=9_000, achieved=900, cpu=0.99, concurrency=4_000)
    between, why = said(step(500, Was(p95=12, cpu=0.55, concurrency=3)), step(1_000, overload))
    assert between == (
        "The knee lies between 500 and 1000 RPS, where P95 goes from 12ms to 9000ms; "
        "`--find-max` tests rates between them."
    )
    assert "9000ms; rates between them were not tested." in said(step(700, Was(p95=12)), step(1_000, overload))[0]
    assert why == (
        "It is saturated: of 1,000 requests a second it answers 900, and the rest queue up; 4,000 requests are under "
        "way at once, 3 at 500 RPS; its processor is the limit: 1,100 µs a request on one core allow about 909 RPS."
    )


@pytest.mark.parametrize(
    ("was", "why"),
    [
        (
            Was(p95=900, achieved=800, cpu=0.2),
            "is busy to 20% of one core only, so what they wait for is something else",
        ),
        (Was(p95=900, achieved=800, cpu=0.5, others=1.2), "and other programs used 120%: they may be the limit"),
        (Was(p95=900, achieved=800, cpu=0.7), "is busy to 70% of one core: what comes in bursts waits for it"),
        (Was(p95=900, achieved=800, cpu=None), "what it used of its machine is not known here"),
        (Was(p95=900, cpu=0.4), "It is not saturated: it answers all of them, but later"),
        (
            Was(errors=0.3),
            "It fails, most by `status 503`; its processor is busy to 30% of one core, and what it answers",
        ),
        (Was(p95=900, errors=0.3), "It fails and is late, most by `status 503`"),
    ],
)
def test_what_the_service_lacks_is_told_from_what_it_only_seems_to(was: Was, why: str) -> None:
    assert why in said(step(500, Was()), step(1_000, was))[1]


def test_processes_beyond_the_cores_add_nothing_to_what_is_full() -> None:
    busy = Was(p95=900, achieved=800, cpu=0.98, processes=4)
    assert "its processor is the limit" in said(step(500, Was()), step(1_000, busy))[1]
    assert "is busy to 98% of 4 cores only" in said(step(500, Was()), step(1_000, busy), cores="16")[1]


def test_a_service_that_is_slow_from_the_first_request_on_is_not_called_saturated() -> None:
    # Each answer takes 5 s, so the last comes 5 s after the end: 1,000 a second all the same.
    slow = (Interval(0.0, 1_000, 5_000.0, 5_000.0, 5_000.0),)
    was = Was(p95=5_000, achieved=1_000 * 60 / 65, timeline=slow)
    assert "It is not saturated" in said(step(500, Was()), step(1_000, was))[1]
    queue = (Interval(0.0, 1_000, 20.0, 20.0, 20.0),)
    was = Was(p95=5_000, achieved=1_000 * 60 / 65, timeline=queue)
    assert "It is saturated" in said(step(500, Was()), step(1_000, was))[1]


def test_errors_are_part_of_the_knee_where_there_are_any() -> None:
    assert "and the share of errors from 0.00% to 30.00%;" in said(step(500, Was()), step(1_000, Was(errors=0.3)))[0]


def test_where_the_lowest_rate_is_beyond_no_knee_is_claimed() -> None:
    assert said(step(500, Was(p95=300)), step(1_000, Was(p95=900)))[0] == (
        "Already the lowest rate, 500 RPS, is beyond the SLO: P95 is 300ms, and no request fails."
    )


@pytest.mark.parametrize(
    ("cause", "refused"),
    [
        ("status 422", True),
        ("status 404", True),
        ("wrong answer", True),
        ("malformed answer", True),
        ("status 429", False),
        ("status 503", False),
        ("timeout", False),
    ],
)
def test_what_fails_at_any_rate_is_no_knee(cause: str, refused: bool) -> None:
    failing = msgspec.structs.replace(step(500, Was(errors=0.3)), failures=(Failure(cause, 9_000, ""),))
    first, second = said(failing, step(1_000, Was()))
    assert first.startswith("Of the requests at 500 RPS 30.00% fail, most by" if refused else "Already the lowest rate")
    assert ("is not known before it is mended" in second) is refused
    # Where a lower rate goes well, it is the rate after all.
    failing = msgspec.structs.replace(step(1_000, Was(errors=0.3)), failures=(Failure(cause, 18_000, ""),))
    assert said(step(500, Was()), failing)[0].startswith("The knee lies between")


def test_where_no_rate_is_beyond_the_room_that_is_left_is_estimated() -> None:
    none_found, room = said(step(100, Was(p95=9)), step(1_000, Was(p95=14, cpu=0.4)))
    assert none_found == (
        "No knee was found up to 1000 RPS: from 100 RPS to there P95 goes from 9.0ms to 14ms, and no request fails."
    )
    assert room == (
        "It is not saturated: 40% of one core, 400 µs a request; at this price its processor is full at about 2,500 "
        "RPS, which is an estimate."
    )
    assert "nearly saturated: 90% of one core" in said(step(1_000, Was(cpu=0.9)))[1]
    assert "not known" in said(step(1_000, Was(cpu=None)))[1]


def test_one_rate_shows_no_knee() -> None:
    assert said(step(1_000, Was(p95=14)))[0] == "One rate shows no knee: at 1000 RPS P95 is 14ms, and no request fails."


def test_nothing_is_said_where_nothing_could_be_judged() -> None:
    assert not said(step(0.5, Was(p95=14)))


def test_a_spike_is_told_by_the_rate_before_it() -> None:
    usual, peak = Was(p95=9), Was(p95=900, achieved=700, cpu=0.99)
    burst, why = said(step(50, usual), step(1_000, peak), step(50, Was(p95=4)))
    assert burst == "The spike to 1000 RPS is more than the service holds: P95 goes from 9.0ms to 900ms."
    assert "its processor is the limit" in why
    stuck = said(step(50, usual), step(1_000, Was()), step(50, Was(p95=300)))[0]
    assert stuck == "After the spike the service no longer holds 50 RPS: P95 goes from 9.0ms to 300ms."


def test_a_spike_that_is_held_is_told_as_that_and_not_as_a_knee() -> None:
    steps = [step(50, Was(p95=9)), step(1_000, Was(p95=14, cpu=0.4)), step(50, Was(p95=8))]
    held, room = said(*steps)
    assert held == "The service holds the spike to 1000 RPS: P95 goes from 9.0ms to 14ms."
    assert "40% of one core" in room
    few = [
        msgspec.structs.replace(each, latency=msgspec.structs.replace(each.latency, p95=None, p99=None, samples=150))
        for each in steps
    ]
    assert said(*few)[0] == "The service holds the spike to 1000 RPS: P50 goes from 4.5ms to 7.0ms."
    few[1] = msgspec.structs.replace(few[1], latency=Percentiles(10, 4.0))
    assert "knee" not in " ".join(said(*few)), "the spike itself was not judged"


def test_what_is_not_known_of_latency_is_left_out_of_the_sentences() -> None:
    silent = msgspec.structs.replace(step(1_000, Was(errors=1.0)), latency=Percentiles(0))
    between = said(step(500, Was()), silent)[0]
    assert between.startswith(
        "The knee lies between 500 and 1000 RPS, where the share of errors goes from 0.00% to 100"
    )
    assert said(silent)[0] == "Already the lowest rate, 1000 RPS, is beyond the SLO: 100.00% of the requests fail."
