"""Which answers are right."""

import doctest
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.operations.load_testing import answers
from specweave.operations.load_testing.answers import agrees, find_fault
from specweave.operations.load_testing.plan import Exchange

GOLDEN = Exchange("{}", {"prediction": "good"}, {"probabilities": [0.25, 0.75], "probability": 0.75})

documents = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(-1e6, 1e6) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def test_the_example_in_the_documentation_is_true() -> None:
    assert doctest.testmod(answers).failed == 0


@given(documents)
def test_a_document_agrees_with_itself(document: object) -> None:
    assert agrees(document, document, 0.0)
    assert agrees(json.loads(json.dumps(document)), document, 0.0)


@given(st.floats(-1e6, 1e6), st.floats(0, 1e-3), st.floats(0, 0.99))
def test_numbers_agree_within_the_tolerance_and_not_beyond(value: float, tolerance: float, share: float) -> None:
    allowed = tolerance * max(1.0, abs(value))
    assert agrees(value + share * allowed, value, tolerance) or share * allowed == 0
    assert not agrees(value + 1.01 * allowed + 1e-6, value, tolerance)


@pytest.mark.parametrize(
    "answer",
    [
        {"prediction": "good"},
        {"prediction": "good", "model_version": "0043-v1"},
        {"prediction": "good", "probability": 0.7500001},
        {"prediction": "good", "probabilities": {"bad": 0.25, "good": 0.75}},
        {"prediction": "good", "probabilities": [0.25, 0.75]},
    ],
)
def test_every_form_of_the_right_answer_is_right(answer: object) -> None:
    assert find_fault(json.dumps(answer).encode(), GOLDEN, 1e-5) is None


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ({}, "prediction is missing"),
        ({"prediction": "bad"}, "prediction is 'bad', expected 'good'"),
        ({"prediction": None}, "prediction is None"),
        ({"prediction": "good", "probability": 0.76}, "probability is 0.76"),
        ({"prediction": "good", "probability": True}, "probability is True"),
        ({"prediction": "good", "probabilities": {"good": 0.75, "bad": 0.25}}, "probabilities is"),
        ({"prediction": "good", "probabilities": {"good": 0.75}}, "probabilities is"),
    ],
)
def test_a_wrong_answer_is_explained(answer: object, fault: str) -> None:
    found = find_fault(json.dumps(answer).encode(), GOLDEN, 1e-5)
    assert found is not None
    assert fault in found


@pytest.mark.parametrize("answer", [b"", b"[]", b"null", b'"good"', b"{", b"\xff", b"<html>"])
def test_what_is_no_json_object_is_malformed(answer: bytes) -> None:
    with pytest.raises(ValueError, match="no JSON object"):
        find_fault(answer, GOLDEN, 1e-5)
