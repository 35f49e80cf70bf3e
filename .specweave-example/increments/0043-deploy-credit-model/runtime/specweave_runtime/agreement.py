"""When an answer is the estimator's: the one rule of the parity gate, the start of a service and every test over HTTP.

Standard library only: the supervisor's smoke test needs it.
"""

from collections.abc import Mapping, Sequence


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

    Integers are labels, and are compared exactly.

    >>> agrees([0.2000001], [0.2], 1e-5, 1.0), agrees(True, 1, 1e-5, 1.0), agrees([1, 2], [1], 1e-5, 1.0)
    (True, False, False)
    """
    if isinstance(expected, bool) or isinstance(given, bool):
        return given is expected
    if isinstance(expected, float):
        return isinstance(given, int | float) and near(given, expected, tolerance, scale)
    if isinstance(expected, list | tuple):
        return (
            isinstance(given, list | tuple)
            and len(given) == len(expected)
            and all(agrees(one, other, tolerance, scale) for one, other in zip(given, expected, strict=True))
        )
    if isinstance(expected, Mapping):
        return (
            isinstance(given, dict)
            and given.keys() == expected.keys()
            and all(agrees(given[key], value, tolerance, scale) for key, value in expected.items())
        )
    return given == expected


def class_name(label: object) -> str:
    """The name of a class as a key in JSON.

    >>> class_name("good"), class_name(2), class_name(True)
    ('good', '2', 'true')
    """
    return str(label).lower() if isinstance(label, bool) else str(label)


def by_class(classes: Sequence[object], probabilities: Sequence[float]) -> dict[str, float]:
    """Probabilities under the names of their classes, as a service answers them.

    >>> by_class(["bad", "good"], [0.4, 0.6])
    {'bad': 0.4, 'good': 0.6}
    """
    return dict(zip(map(class_name, classes), probabilities, strict=True))
