"""The one rule by which answers are compared."""

import doctest
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave_runtime import agreement
from specweave_runtime.agreement import agrees, near

documents = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(-1e6, 1e6) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def test_the_examples_in_the_documentation_are_true() -> None:
    assert doctest.testmod(agreement).failed == 0


@given(documents)
def test_a_document_agrees_with_itself(document: object) -> None:
    assert agrees(document, document, 0.0, 1.0)
    assert agrees(json.loads(json.dumps(document)), document, 0.0, 1.0)


@given(st.floats(-1e6, 1e6), st.floats(0, 1e-3), st.floats(1e-6, 1e3), st.floats(0, 0.99))
def test_numbers_agree_within_the_tolerance_and_not_beyond(
    value: float, tolerance: float, scale: float, share: float
) -> None:
    allowed = tolerance * max(scale, abs(value))
    assert near(value + share * allowed, value, tolerance, scale) or share * allowed < 1e-9
    assert not near(value + 1.01 * allowed + 1e-6, value, tolerance, scale)


def test_a_small_regression_is_no_answer_of_nothing() -> None:
    assert not agrees(0.0, 5e-6, 1e-5, 5e-8)


@pytest.mark.parametrize(("given", "expected"), [(100_001, 100_000), (1.5, 1), (True, 1), (1, True), ("1", 1)])
def test_a_label_is_compared_exactly(given: object, expected: object) -> None:
    assert not agrees(given, expected, 1e-5, 1.0)


def test_the_supervisor_needs_the_standard_library_only() -> None:
    code = "import sys, specweave_runtime.smoke_test; assert not {'msgspec', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
