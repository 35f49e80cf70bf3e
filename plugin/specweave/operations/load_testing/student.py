"""Student's t distribution, as far as intervals need it."""

from math import cos, pi, sin, sqrt, tan

_HALVINGS = 60


def two_sided(level: float, degrees: int) -> float:
    """The t that a value of Student's distribution stays within, either side of zero, with this probability.

    Args:
        level: probability, between 0 and 1: 0.95.
        degrees: of freedom, 1 at least.
    """
    low, high = 0.0, pi / 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, degrees) < level else (low, middle)
    return sqrt(degrees) * tan(low)


def _within(angle: float, degrees: int) -> float:
    """The probability of staying within t = √degrees tan(angle): Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    odd = degrees % 2
    term = cos(angle) if odd else 1.0
    total = term if degrees > 1 else 0.0
    for power in range(2 + odd, degrees - 1, 2):
        term *= (power - 1) / power * cos(angle) ** 2
        total += term
    return 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total
