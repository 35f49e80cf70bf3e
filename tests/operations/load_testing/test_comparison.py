"""Two measurements of one thing: better, worse, or noise."""

import msgspec
import numpy as np
import pytest

from specweave.operations.load_testing.comparison import Earlier, compare, earlier_steps
from specweave.operations.load_testing.outcomes import Outcome
from specweave.operations.load_testing.plan import Step
from specweave.operations.load_testing.statistics import StepMeasurement, summarize
from specweave.operations.load_testing.summary import StepSummary


def measured(milliseconds: float, seed: int, count: int = 5_000) -> StepMeasurement:
    """A step whose latencies are random around `milliseconds`."""
    due = np.arange(count) / 1_000
    took = np.random.default_rng(seed).gamma(9, milliseconds / 9_000, count)
    moments = {
        "due": due, "released": due, "sent": due, "done": due + took,
        "outcome": np.full(count, int(Outcome.CORRECT)),
    }  # fmt: skip
    return summarize(Step(1_000, count / 1_000), moments, StepSummary(5.0, 1.0, 8, 0, 0, {}, 1_000, 5), slow_s=1.0)


def kept(step: StepMeasurement) -> tuple[Earlier, ...]:
    """As a report holds it and it is read again."""
    return earlier_steps({"steps": [{**msgspec.to_builtins(step), "verdict": "within"}]})


@pytest.mark.parametrize(("before", "now", "verdict"), [(10, 8, "better"), (8, 10, "worse")])
def test_a_clear_difference_is_named(before: float, now: float, verdict: str) -> None:
    (change,) = compare(kept(measured(before, 1)), [measured(now, 2)])
    assert change.verdict == verdict
    assert change.low < change.difference < change.high
    assert change.difference == pytest.approx(change.now - change.before)


def test_a_test_in_which_the_generator_was_late_is_no_comparison() -> None:
    (change,) = compare(kept(measured(10, 1)), [measured(20, 2)], {1_000.0})
    assert change.verdict == "disturbed"


def test_two_runs_of_one_service_differ_by_noise_nearly_always() -> None:
    verdicts = [compare(kept(measured(10, seed)), [measured(10, seed + 1)])[0].verdict for seed in range(0, 200, 2)]
    assert verdicts.count("noise") >= 88


def test_what_has_no_interval_or_another_rate_is_not_compared() -> None:
    short, long = measured(10, 1, count=500), measured(10, 2)
    assert compare(kept(short), [long]) == ()
    assert compare(kept(long), [short]) == ()
    assert compare((), [long]) == ()


@pytest.mark.parametrize("data", [{}, {"steps": 3}, {"steps": [{"rate": "x"}]}, {"steps": [None]}])
def test_data_of_another_form_are_no_earlier_steps(data: dict[str, object]) -> None:
    assert earlier_steps(data) == ()
