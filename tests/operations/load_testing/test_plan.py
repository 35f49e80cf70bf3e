"""Schedules and addresses."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.errors import InvalidInputError
from specweave.operations.load_testing.plan import Arrivals, Step, parse_target, schedule

steps = st.builds(Step, st.floats(0.1, 5_000), st.floats(0.01, 2.0))


@given(steps, st.sampled_from(["constant", "poisson"]), st.integers(0, 2**31))
def test_a_schedule_holds_the_intended_number_of_starts_in_order_within_the_step(
    step: Step, arrivals: Arrivals, seed: int
) -> None:
    offsets = schedule(step, arrivals, seed)
    assert len(offsets) == step.requests
    assert (np.diff(offsets) >= 0).all()
    assert offsets[0] >= 0
    assert offsets[-1] < step.duration_s


def test_constant_arrivals_are_evenly_spaced() -> None:
    assert schedule(Step(4, 1.0), "constant", 0).tolist() == [0, 0.25, 0.5, 0.75]


def test_poisson_arrivals_have_exponential_gaps_and_repeat_by_their_seed() -> None:
    step = Step(1_000, 20)
    gaps = np.diff(schedule(step, "poisson", 7))
    # Mean and standard deviation of an exponential distribution are equal; even spacing would have a deviation of 0.
    assert gaps.mean() == pytest.approx(1e-3, rel=0.01)
    assert gaps.std() == pytest.approx(1e-3, rel=0.05)
    assert (schedule(step, "poisson", 7) == schedule(step, "poisson", 7)).all()
    assert (schedule(step, "poisson", 7) != schedule(step, "poisson", 8)).any()


@pytest.mark.parametrize(
    ("url", "base", "path"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "/predict"),
        ("http://localhost:8000/", "http://localhost:8000", "/predict"),
        ("http://localhost:8000/v2/score?full=1", "http://localhost:8000", "/v2/score?full=1"),
        ("https://models.example", "https://models.example", "/predict"),
        ("http://[::1]:8000/predict", "http://[::1]:8000", "/predict"),
    ],
)
def test_an_address_without_a_path_means_predict(url: str, base: str, path: str) -> None:
    target = parse_target(url)
    assert (target.base, target.path) == (base, path)


@given(st.text(max_size=60) | st.from_regex(r"https?://[a-z\[:@.]{1,9}(:[0-9]{1,6})?(/.{0,9})?", fullmatch=True))
def test_any_text_is_an_address_or_an_error_of_ours(text: str) -> None:
    with suppress(InvalidInputError):
        target = parse_target(text)
        assert target.path.startswith("/")
        assert 0 < target.port < 65_536
