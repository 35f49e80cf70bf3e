"""When an answer is the estimator's: the one rule of the parity gate, the start of a service and every test over HTTP.

Standard library only: the supervisor's smoke test needs it.
"""

from collections.abc import Mapping


def near(given: float, expected: float, tolerance: float, scale: float) -> bool:
    """Whether a number is the expected one.

    Args:
        given: the number.
        expected: the estimator's.
        tolerance: allowed difference as a share of the expected number.
        scale: below this size the difference is measured against `scale`; 1 makes it absolute for probabilities.

    >>> near(1e6 + 1, 1e6, 1e-5, 1.0), near(0.0, 5e-6, 1e-5, 1e-8), near(0.500001, 0.5, 1e-5, 1.0)
    (True, False, True)
    """
    return abs(given - expected) <= tolerance * max(abs(expected), scale)


def agrees(given: object, expected: object, tolerance: float, scale: float) -> bool:
    """Whether a JSON value is the expected one: fractions by `near`, all else exactly, true being no number.

    Integers are labels, and are compared exactly. An object where a list is expected is compared by its values, in
    their order.

    >>> agrees({"good": 0.2000001}, [0.2], 1e-5, 1.0), agrees(True, 1, 1e-5, 1.0), agrees([1, 2], [1], 1e-5, 1.0)
    (True, False, False)
    """
    if isinstance(expected, bool) or isinstance(given, bool):
        return given is expected
    if isinstance(expected, float):
        return isinstance(given, int | float) and near(given, expected, tolerance, scale)
    if isinstance(expected, list | tuple):
        values = list(given.values()) if isinstance(given, dict) else given
        return (
            isinstance(values, list | tuple)
            and len(values) == len(expected)
            and all(agrees(one, other, tolerance, scale) for one, other in zip(values, expected, strict=True))
        )
    if isinstance(expected, Mapping):
        return (
            isinstance(given, dict)
            and given.keys() == expected.keys()
            and all(agrees(given[key], value, tolerance, scale) for key, value in expected.items())
        )
    return given == expected
