"""What a model says about one row, before it becomes an answer."""

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

ValueT = TypeVar("ValueT")

_DIGITS = 6


class Outcome(msgspec.Struct, Generic[ValueT], frozen=True, gc=False):
    """What a model says about one row.

    Attributes:
        prediction: the label of a class, or the value of a regression (a list of values for several targets).
        probabilities: one for each class in the order of the signature; empty where the model gives none.
    """

    prediction: ValueT
    probabilities: Sequence[float] = ()


def most_probable(probabilities: Sequence[float]) -> int:
    """The place of the largest probability, the first of equals after rounding to 6 digits.

    Converted trees sum their votes in another order than the estimator does; without the rounding a tie would
    fall to a different class by the last bit of a float.

    >>> most_probable([0.49999999, 0.50000001])
    0
    """
    if len(probabilities) == 2:  # noqa: PLR2004 - the common case, four times as fast as the general one
        return 1 if round(probabilities[1], _DIGITS) > round(probabilities[0], _DIGITS) else 0
    rounded = [round(probability, _DIGITS) for probability in probabilities]
    return rounded.index(max(rounded))
