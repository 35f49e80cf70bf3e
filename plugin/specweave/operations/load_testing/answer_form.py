"""What every answer of a service must look like, whatever was asked: for requests whose right answer nobody knows."""

import sys
from collections.abc import Mapping

import msgspec

from specweave_runtime.agreement import class_name

# Services round: four decimals of each of ten classes.
_SUM_TOLERANCE = 1e-3
_ROUNDING = 1e-6
_SHOWN = 80


class AnswerForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the signature of a model promises.

    Attributes:
        classes: one of which the prediction is; empty for a regression, whose prediction is a finite number.
        width: numbers in the prediction of a regression; more than 1 are an array.
        rows: of a request for many rows, whose answer has so many `predictions`; None for one row.
    """

    classes: tuple[str | int | float | bool, ...] = ()
    width: int = 1
    rows: int | None = None


def find_form_fault(document: Mapping[str, object], form: AnswerForm) -> str | None:
    """What of an answer is not as promised, or None.

    Probabilities are looked at where they are given: of every class, from 0 to 1, 1 in sum within 0.001; or that of the
    second of two classes.

    Args:
        document: the answer.
        form: what was promised.
    """
    if form.rows is None:
        return _fault(document, form)
    predictions = document.get("predictions")
    if not isinstance(predictions, list):
        return "predictions is missing" if predictions is None else f"predictions is {_shown(predictions)}, no array"
    if len(predictions) != form.rows:
        return f"predictions has {len(predictions)} answers to {form.rows} rows"
    for prediction in predictions:
        fault = _fault(prediction, form) if isinstance(prediction, dict) else f"{_shown(prediction)} is no JSON object"
        if fault:
            return fault
    return None


def _fault(document: Mapping[str, object], form: AnswerForm) -> str | None:
    if "prediction" not in document:
        return "prediction is missing"
    prediction = document["prediction"]
    if not form.classes:
        return _fault_of_value(prediction, form.width)
    # To Python, true is 1.
    if prediction not in form.classes or isinstance(prediction, bool) is not isinstance(form.classes[0], bool):
        return f"prediction is {_shown(prediction)}, none of the classes"
    if "probability" in document and not _is_share(document["probability"]):
        return f"probability is {_shown(document['probability'])}, not from 0 to 1"
    return _fault_of_probabilities(document["probabilities"], form) if "probabilities" in document else None


def _fault_of_value(prediction: object, width: int) -> str | None:
    if width == 1:
        return None if _is_finite(prediction) else f"prediction is {_shown(prediction)}, no finite number"
    if not isinstance(prediction, list) or len(prediction) != width or not all(map(_is_finite, prediction)):
        return f"prediction is {_shown(prediction)}, not {width} finite numbers"
    return None


def _fault_of_probabilities(probabilities: object, form: AnswerForm) -> str | None:
    if not isinstance(probabilities, dict) or probabilities.keys() != set(map(class_name, form.classes)):
        return f"probabilities is {_shown(probabilities)}, not one for each class"
    if not all(map(_is_share, probabilities.values())):
        return f"probabilities is {_shown(probabilities)}, not from 0 to 1"
    total = sum(probabilities.values())
    return None if abs(total - 1) <= _SUM_TOLERANCE else f"the probabilities are {total:.6g} in sum"


def _is_finite(value: object) -> bool:
    # An integer has no end in JSON; one that is no float is no number of any model.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -_ROUNDING <= value <= 1 + _ROUNDING


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
