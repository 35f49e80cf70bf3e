"""From the load that is asked for to the steps it comes to."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.errors import InvalidInputError
from specweave.operations.load_testing.plan import Step, schedule
from specweave.operations.load_testing.shape import Load, Shape, shape
from specweave.project import SloSettings

SLO = SloSettings()


def test_rates_are_gone_through_from_the_lowest_each_once() -> None:
    form = shape(Load(rates=(100, 10, 100), duration_s=5), SLO)
    assert form.steps == (Step(10, 5), Step(100, 5))
    assert form.settle


def test_a_spike_goes_up_and_back_without_a_pause() -> None:
    form = shape(Load(rates=(50,), duration_s=5, spike=400), SLO)
    assert [step.rate for step in form.steps] == [50, 400, 50]
    assert not form.settle


def test_a_soak_and_a_search_take_one_rate() -> None:
    assert shape(Load(rates=(50,), duration_s=5, soak=True), SLO).steps == (Step(50, 5),)
    search = shape(Load(rates=(50, 50), duration_s=5, find_max=True), SLO).search
    assert search is not None
    assert search.start == 50


def test_a_ramp_begins_where_the_last_one_ended() -> None:
    form = shape(Load(rates=(100, 300), duration_s=10, arrivals="ramp"), SLO)
    assert [(step.start_rate, step.rate, step.requests) for step in form.steps] == [(0, 100, 500), (100, 300, 2_000)]


@given(st.floats(0, 500), st.floats(1, 500), st.integers(0, 99))
def test_the_rate_of_a_ramp_rises_evenly(start: float, end: float, seed: int) -> None:
    step = Step(end, 60.0, start)
    offsets = schedule(step, "ramp", seed)
    assert len(offsets) == step.requests
    assert (np.diff(offsets) >= 0).all()
    assert offsets[0] >= 0
    assert offsets[-1] <= 60
    # At mean rates a and b of its halves, the first half has (3 a + b) of 4 (a + b) requests.
    expected = step.requests * (3 * start + end) / (4 * (start + end))
    assert abs((offsets < 30).sum() - expected) <= 5 * np.sqrt(step.requests) + 1


@pytest.mark.parametrize(
    "load",
    [
        Load(rates=(10,), duration_s=5, find_max=True, spike=100),
        Load(rates=(10,), duration_s=5, find_max=True, arrivals="ramp"),
        Load(rates=(10, 20), duration_s=5, spike=100),
        Load(rates=(10, 20), duration_s=5, find_max=True),
        Load(rates=(10, 20), duration_s=5, soak=True),
        Load(rates=(100,), duration_s=5, spike=100),
    ],
)
def test_loads_that_contradict_themselves_are_refused(load: Load) -> None:
    with pytest.raises(InvalidInputError) as caught:
        shape(load, SLO)
    assert caught.value.code == "arguments-conflict"
    assert caught.value.next_step


def test_a_log_of_more_than_a_day_is_played_faster_or_in_part(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text("2026-11-01T00:00:00.5Z\n2026-11-03T00:00:00Z\n2026-11-20T00:00:00Z\n")

    def played(duration_s: float, speed: float = 1.0) -> Shape:
        return shape(Load(rates=(), duration_s=duration_s, arrivals="replay", replay=str(log), speed=speed), SLO)

    with pytest.raises(InvalidInputError, match=r"access.log would be played for 28\.5 days") as refused:
        played(float("inf"))
    assert refused.value.code == "load-test-plan-invalid"
    assert played(float("inf"), speed=1_000).steps[0].requests == 3
    assert played(60.0).steps[0].duration_s == 60
