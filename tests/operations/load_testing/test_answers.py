"""Which answers are right."""

import json

import pytest

from specweave.operations.load_testing.answers import excerpt, find_fault
from specweave.operations.load_testing.plan import Exchange

GOLDEN = Exchange("{}", {"prediction": "good"}, {"probabilities": {"bad": 0.25, "good": 0.75}, "probability": 0.75})


@pytest.mark.parametrize(
    "answer",
    [
        {"prediction": "good"},
        {"prediction": "good", "model_version": "0043-v1"},
        {"prediction": "good", "probability": 0.7500001},
        {"prediction": "good", "probabilities": {"bad": 0.25, "good": 0.75}},
        {"prediction": "good", "probabilities": {"good": 0.75, "bad": 0.25}},
    ],
)
def test_every_form_of_the_right_answer_is_right(answer: object) -> None:
    assert find_fault(json.dumps(answer).encode(), GOLDEN, 1e-5, 1.0) is None


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ({}, "prediction is missing"),
        ({"prediction": "bad"}, "prediction is 'bad', expected 'good'"),
        ({"prediction": None}, "prediction is None"),
        ({"prediction": "good", "probability": 0.76}, "probability is 0.76"),
        ({"prediction": "good", "probability": True}, "probability is True"),
        ({"prediction": "good", "probabilities": {"bad": 0.75, "good": 0.25}}, "probabilities is"),
        ({"prediction": "good", "probabilities": [0.25, 0.75]}, "probabilities is"),
        ({"prediction": "good", "probabilities": {"good": 0.75}}, "probabilities is"),
    ],
)
def test_a_wrong_answer_is_explained(answer: object, fault: str) -> None:
    found = find_fault(json.dumps(answer).encode(), GOLDEN, 1e-5, 1.0)
    assert found is not None
    assert fault in found


@pytest.mark.parametrize("answer", [b"", b"[]", b"null", b'"good"', b"{", b"\xff", b"<html>"])
def test_what_is_no_json_object_is_malformed(answer: bytes) -> None:
    with pytest.raises(ValueError, match="no JSON object"):
        find_fault(answer, GOLDEN, 1e-5, 1.0)


def test_a_small_value_is_compared_by_its_own_scale() -> None:
    small = Exchange("{}", {"prediction": 5e-6})
    assert find_fault(b'{"prediction": 0.0}', small, 1e-5, 5e-8) == "prediction is 0.0, expected 5e-06"
    assert find_fault(b'{"prediction": 5.00000000001e-6}', small, 1e-5, 5e-8) is None


def test_an_answer_too_deep_to_be_read_is_no_json_object() -> None:
    with pytest.raises(ValueError, match="no JSON object"):
        find_fault(b'{"prediction":' * 50_000 + b"1" + b"}" * 50_000, GOLDEN, 1e-5, 1.0)


def test_a_long_wrong_value_is_shown_in_part() -> None:
    fault = find_fault(json.dumps({"prediction": "x" * 500_000}).encode(), GOLDEN, 1e-5, 1.0)
    assert fault is not None
    assert len(fault) < 300
    assert "expected 'good'" in fault


@pytest.mark.parametrize("number", [10**400, -(10**400)])
def test_an_integer_beyond_every_float_is_a_wrong_answer(number: int) -> None:
    exchange = Exchange("{}", {"prediction": 1.5}, {"probabilities": {"bad": 0.5}})
    fault = find_fault(json.dumps({"prediction": number}).encode(), exchange, 1e-5, 1.0)
    assert fault is not None
    assert fault.endswith("expected 1.5")
    answer = json.dumps({"prediction": 1.5, "probabilities": {"bad": number}}).encode()
    assert find_fault(answer, exchange, 1e-5, 1.0) is not None


def test_what_a_report_shows_of_an_answer_cannot_steer_a_terminal() -> None:
    assert excerpt(b"\x1b]0;owned\x07busy\r\n\xc2\x9b31m \xe2\x80\xaenoitcerid") == "]0;owned busy 31m noitcerid"
    assert excerpt(b"x" * 300) == "x" * 200 + "…"
