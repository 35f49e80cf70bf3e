"""What a report says in sentences beside its tables."""

import msgspec
import pytest
from tests.operations.load_testing.test_judgement import step

from specweave.operations.load_testing.explanation import explain, explain_instances
from specweave.operations.load_testing.judgement import judge
from specweave.operations.load_testing.measurement import Measurement
from specweave.operations.load_testing.shape import Lengthening
from specweave.operations.load_testing.statistics import StepMeasurement
from specweave.project import SloSettings

SLO = SloSettings(latency_p95_ms=100, error_rate=0.01)


def said(*steps: StepMeasurement) -> str:
    return " ".join(explain(Measurement(steps, {"cores": "2"}, {}), judge(steps, SLO), SLO))


def with_interval(measured: StepMeasurement, low: float, high: float) -> StepMeasurement:
    return msgspec.structs.replace(measured, p95_interval=(low, high))


def test_a_rate_that_went_worse_than_a_higher_one_is_called_disturbed() -> None:
    odd = with_interval(step(500, 400), 350, 450)
    assert "1000 RPS went better than 500 RPS" in said(step(100), odd, with_interval(step(1_000, 150), 120, 180))
    assert "went better" not in said(step(100), odd, with_interval(step(1_000, 380), 340, 420)), "that may be chance"


def test_a_rate_that_was_ended_early_says_so() -> None:
    cut = msgspec.structs.replace(step(5_000, 400), cut=True, duration_s=2.5)
    assert "5000 RPS were ended after 2.5 s" in said(step(100), cut)


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (
            1_000,
            "run 13 instances, each on a machine like this: 76.9 RPS each, 77% of what one held. With one of them away",
        ),
        (
            160,
            "each, 80% of what one held. With one of them away the others bear 160 RPS each, beyond what one held.",
        ),
        (
            20,
            "run 1 instance, each on a machine like this: 20 RPS each, 20% of what one held; a second one bears it",
        ),
    ],
)
def test_the_instances_for_a_rate_are_said_with_the_room_that_they_leave(target: float, sentence: str) -> None:
    assert sentence in explain_instances(judge([step(100), step(140, 400)], SLO), target)


def test_where_no_limit_was_found_the_number_of_instances_is_enough_and_fewer_may_do() -> None:
    said = explain_instances(judge([step(100)], SLO), 1_000)
    assert said.startswith("For 1000 RPS 13 instances are enough, each on a machine like this: 76.9 RPS each, 77%")
    assert "of what one held; fewer may do, as no limit was found. With one" in said
    assert "For 20 RPS 1 instance is enough" in explain_instances(judge([step(100)], SLO), 20)
    far = explain_instances(judge([step(100), step(900, 400)], SLO), 1_000)
    assert "fewer may do, as no rate between 100 and 900 RPS was tested" in far


@pytest.mark.parametrize(
    ("lengthened_by", "advice", "narrowed"),
    [
        ("`--duration`", "P99 needs 1,000); use a longer `--duration`.", "side; a longer `--duration` narrows"),
        ("`--soak`", "P99 needs 1,000); use a longer `--soak`.", "side; a longer `--soak` narrows"),
        ("log", "n/a: the log has too few requests for that percentile", "side; a longer log narrows"),
        (None, "P99 needs 1,000).", "fall on its other side."),
    ],
)
def test_the_advice_for_more_requests_is_one_that_this_test_can_follow(
    lengthened_by: Lengthening | None, advice: str, narrowed: str
) -> None:
    few = with_interval(step(100, requests=300), 90, 110)
    few = msgspec.structs.replace(few, latency=msgspec.structs.replace(few.latency, p99=None))
    measured = Measurement((few,), {}, {}, lengthened_by=lengthened_by)
    lines = " ".join(explain(measured, judge([few], SLO), SLO))
    assert advice in lines
    assert narrowed in lines
    assert lengthened_by == "`--duration`" or "--duration" not in lines


def test_what_a_tool_did_not_tell_is_not_put_down_to_too_few_requests() -> None:
    full, few = step(100), step(50, requests=100)
    untold = msgspec.structs.replace(full, latency=msgspec.structs.replace(full.latency, p95=None, p99=9.0))
    short = msgspec.structs.replace(few, latency=msgspec.structs.replace(few.latency, p95=None, p99=None))
    only = said(untold)
    assert "n/a of P95 where there were enough requests: the tool that sent them did not tell it." in only
    assert "too few" not in only
    assert "n/a" not in said(msgspec.structs.replace(full, latency=msgspec.structs.replace(full.latency, p99=9.0)))
    both = said(short, untold)
    assert "too few requests for that percentile" in both
    assert "n/a of P95 where there were enough requests" in both


def test_without_a_rate_that_is_held_no_number_of_instances_is_given() -> None:
    assert "is not known" in explain_instances(judge([step(100, 400)], SLO), 1_000)
