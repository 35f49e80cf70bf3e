"""Answers whose right value nobody knows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.operations.load_testing.answer_form import AnswerForm, find_form_fault
from specweave.operations.load_testing.answers import find_fault
from specweave.operations.load_testing.plan import Exchange

CLASSES = AnswerForm(("bad", "good"))
FLAGS = AnswerForm((False, True))
GRADES = AnswerForm((1, 2, 3))
VALUE, VALUES = AnswerForm(), AnswerForm(width=2)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["bad", "good", "x"]), inner),
)


@pytest.mark.parametrize(
    ("form", "answer"),
    [
        (CLASSES, {"prediction": "bad", "model_version": "0043-v1"}),
        (CLASSES, {"prediction": "bad", "probability": 0}),
        (CLASSES, {"prediction": "good", "probability": 1.0}),
        (CLASSES, {"prediction": "good", "probabilities": {"good": 0.3334, "bad": 0.6667}}),
        (FLAGS, {"prediction": True, "probabilities": {"false": 0.25, "true": 0.75}}),
        (GRADES, {"prediction": 2, "probabilities": {"1": 0.2, "2": 0.5, "3": 0.3}}),
        (VALUE, {"prediction": -3}),
        (VALUE, {"prediction": 2.5e300}),
        (VALUES, {"prediction": [1, 2.5]}),
        (AnswerForm(("bad", "good"), rows=2), {"predictions": [{"prediction": "bad"}, {"prediction": "good"}]}),
    ],
)
def test_what_a_signature_promises_is_right(form: AnswerForm, answer: dict[str, object]) -> None:
    assert find_form_fault(answer, form) is None


@pytest.mark.parametrize(
    ("form", "answer", "fault"),
    [
        (CLASSES, {}, "prediction is missing"),
        (CLASSES, {"prediction": "fair"}, "prediction is 'fair', none of the classes"),
        (CLASSES, {"prediction": {"a": "b" * 1_000}}, "none of the classes"),
        (CLASSES, {"prediction": "bad", "probability": 1.2}, "probability is 1.2, not from 0 to 1"),
        (CLASSES, {"prediction": "bad", "probability": None}, "probability is None, not from 0 to 1"),
        (CLASSES, {"prediction": "bad", "probability": True}, "probability is True, not from 0 to 1"),
        (CLASSES, {"prediction": "bad", "probabilities": [0.5, 0.5]}, "not one for each class"),
        (VALUE, {"prediction": 10**400}, "no finite number"),
        (VALUES, {"prediction": [1.5, -(10**400)]}, "not 2 finite numbers"),
        (CLASSES, {"prediction": "bad", "probabilities": {"bad": 1.0}}, "not one for each class"),
        (CLASSES, {"prediction": "bad", "probabilities": {"bad": 1.5, "good": -0.5}}, "not from 0 to 1"),
        (CLASSES, {"prediction": "bad", "probabilities": {"bad": 0.3, "good": 0.3}}, "are 0.6 in sum"),
        (FLAGS, {"prediction": 1}, "prediction is 1, none of the classes"),
        (GRADES, {"prediction": True}, "prediction is True, none of the classes"),
        (VALUE, {"prediction": "7"}, "prediction is '7', no finite number"),
        (VALUE, {"prediction": float("inf")}, "prediction is inf, no finite number"),
        (VALUE, {"prediction": False}, "prediction is False, no finite number"),
        (VALUES, {"prediction": [1]}, "prediction is [1], not 2 finite numbers"),
        (VALUES, {"prediction": [1, None]}, "not 2 finite numbers"),
        (AnswerForm(rows=2), {}, "predictions is missing"),
        (AnswerForm(rows=2), {"predictions": 2}, "predictions is 2, no array"),
        (AnswerForm(rows=2), {"predictions": [{"prediction": 1}]}, "predictions has 1 answers to 2 rows"),
        (AnswerForm(rows=1), {"predictions": [7]}, "7 is no JSON object"),
        (AnswerForm(rows=1), {"predictions": [{}]}, "prediction is missing"),
    ],
)
def test_what_is_not_as_promised_is_explained(form: AnswerForm, answer: dict[str, object], fault: str) -> None:
    found = find_form_fault(answer, form)
    assert found is not None
    assert fault in found
    assert len(found) < 200


@given(
    st.dictionaries(st.sampled_from(["prediction", "predictions", "probability", "probabilities"]), JSON),
    st.sampled_from([CLASSES, FLAGS, GRADES, VALUE, VALUES, AnswerForm(rows=1)]),
)
def test_any_answer_is_judged(answer: dict[str, object], form: AnswerForm) -> None:
    fault = find_form_fault(answer, form)
    assert fault is None or fault


def test_the_form_counts_beside_the_values_that_are_known() -> None:
    exchange = Exchange("{}", {"model": "credit"}, form=CLASSES)
    assert find_fault(b'{"model": "credit", "prediction": "good"}', exchange, 1e-5, 1.0) is None
    assert find_fault(b'{"model": "debit", "prediction": "good"}', exchange, 1e-5, 1.0) is not None
    assert find_fault(b'{"model": "credit", "prediction": "?"}', exchange, 1e-5, 1.0) is not None
