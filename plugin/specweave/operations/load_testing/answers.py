"""Whether an answer is the right one."""

from collections.abc import Mapping

import msgspec

from specweave.operations.load_testing.plan import Exchange

_EXCERPT = 200


def excerpt(answer: bytes) -> str:
    """The beginning of an answer, for a report."""
    text = answer[:_EXCERPT].decode("utf-8", "replace")
    return text + ("…" if len(answer) > _EXCERPT else "")


def find_fault(answer: bytes, exchange: Exchange, tolerance: float) -> str | None:
    """What is wrong with a JSON answer, or None.

    Args:
        answer: the body.
        exchange: what is expected; other fields of the answer are not looked at.
        tolerance: allowed difference of numbers, absolute up to 1 and relative beyond.

    Raises:
        ValueError: the answer is no JSON object.
    """
    try:
        document = msgspec.json.decode(answer, type=dict[str, object])
    except msgspec.MsgspecError as error:
        raise ValueError(f"no JSON object: {error}") from error
    for field, value in exchange.expected.items():
        if field not in document:
            return f"{field} is missing"
        if not agrees(document[field], value, tolerance):
            return f"{field} is {document[field]!r}, expected {value!r}"
    for field, value in exchange.expected_if_given.items():
        if field in document and not agrees(document[field], value, tolerance):
            return f"{field} is {document[field]!r}, expected {value!r}"
    return None


def agrees(actual: object, expected: object, tolerance: float) -> bool:
    """Whether two JSON values are equal, numbers within `tolerance`, true being no number.

    An object that is expected as a list is compared by its values, in their order.

    >>> agrees({"good": 0.2000001}, {"good": 0.2}, 1e-5), agrees(True, 1, 1e-5), agrees([1, 2], [1], 1e-5)
    (True, False, False)
    """
    if isinstance(expected, bool) or isinstance(actual, bool):
        return actual is expected
    if isinstance(expected, int | float):
        return isinstance(actual, int | float) and abs(actual - expected) <= tolerance * max(1.0, abs(expected))
    if isinstance(expected, list | tuple):
        if isinstance(actual, dict):
            actual = list(actual.values())
        return (
            isinstance(actual, list)
            and len(actual) == len(expected)
            and all(agrees(one, other, tolerance) for one, other in zip(actual, expected, strict=True))
        )
    if isinstance(expected, Mapping):
        return (
            isinstance(actual, dict)
            and actual.keys() == expected.keys()
            and all(agrees(actual[key], value, tolerance) for key, value in expected.items())
        )
    return actual == expected
