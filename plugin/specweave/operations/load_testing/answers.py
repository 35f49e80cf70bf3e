"""Whether an answer is the right one."""

import msgspec

from specweave.operations.load_testing.answer_form import find_form_fault
from specweave.operations.load_testing.plan import Exchange
from specweave.operations.load_testing.wording import one_line
from specweave_runtime.agreement import agrees

_EXCERPT = 200


def excerpt(answer: bytes) -> str:
    """The beginning of an answer, for a report: one line, without anything that a terminal obeys."""
    text = one_line(answer[:_EXCERPT].decode("utf-8", "replace"), _EXCERPT)
    return text + ("…" if len(answer) > _EXCERPT else "")


def find_fault(answer: bytes, exchange: Exchange, tolerance: float, scale: float) -> str | None:
    """What is wrong with a JSON answer, or None.

    Args:
        answer: the body.
        exchange: what is expected; other fields of the answer are not looked at.
        tolerance: allowed difference of numbers; see `specweave_runtime.agreement.near`.
        scale: size below which it is measured against this.

    Raises:
        ValueError: the answer is no JSON object.
    """
    try:
        document = msgspec.json.decode(answer, type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"no JSON object: {error}") from error
    for field, value in exchange.expected.items():
        if field not in document:
            return f"{field} is missing"
        if not _is_right(document[field], value, tolerance, scale):
            return f"{field} is {_shortened(document[field])}, expected {value!r}"
    for field, value in exchange.expected_if_given.items():
        if field in document and not _is_right(document[field], value, tolerance, scale):
            return f"{field} is {_shortened(document[field])}, expected {value!r}"
    return find_form_fault(document, exchange.form) if exchange.form else None


def _is_right(given: object, expected: object, tolerance: float, scale: float) -> bool:
    try:
        return agrees(given, expected, tolerance, scale)
    except OverflowError:
        return False  # an integer beyond every float


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _EXCERPT else text[:_EXCERPT] + "…"
