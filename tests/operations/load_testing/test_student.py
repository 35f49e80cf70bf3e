"""Student's t, against scipy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from specweave.operations.load_testing.student import two_sided


@given(st.floats(0.01, 0.9999), st.integers(1, 200))
def test_a_value_stays_within_it_with_the_probability_asked_for(level: float, degrees: int) -> None:
    assert two_sided(level, degrees) == pytest.approx(stats.t.ppf((1 + level) / 2, degrees), rel=1e-9)
