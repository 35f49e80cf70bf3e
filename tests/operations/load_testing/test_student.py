"""Student's t."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.operations.load_testing.student import two_sided


@pytest.mark.parametrize(
    ("level", "degrees", "table"),
    [(0.95, 1, 12.7062), (0.95, 3, 3.18245), (0.99, 3, 5.84091), (0.95, 4, 2.77645), (0.95, 9, 2.26216),
     (0.998, 9, 4.29681), (0.9, 10, 1.81246), (0.95, 30, 2.04227), (0.999, 120, 3.37345)],
)  # fmt: skip
def test_it_is_that_of_the_tables(level: float, degrees: int, table: float) -> None:
    assert two_sided(level, degrees) == pytest.approx(table, rel=1e-5)


@given(st.floats(0.01, 0.9999))
def test_with_one_and_two_degrees_of_freedom_it_is_what_the_formula_says(level: float) -> None:
    assert two_sided(level, 1) == pytest.approx(math.tan(math.pi / 2 * level), rel=1e-9)
    assert two_sided(level, 2) == pytest.approx(level * math.sqrt(2 / (1 - level * level)), rel=1e-9)
