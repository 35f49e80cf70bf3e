"""Whether a step was within the objective, by the rule of `/ml:load-test`."""

from collections.abc import Mapping, Sequence

WITHIN, BEYOND, UNKNOWN = "yes", "no", "unknown: too few requests"
# Were 5 % of all requests slower, 59 in a row would be faster in one test of twenty.
FEWEST_SAMPLES = 59


def judge(found: Mapping[str, float | None], requests: int, slo: tuple[float, float]) -> str:
    """What the table says of a step: by P95 and share of errors, without a P95 by the slowest request.

    Args:
        found: figures of the step.
        requests: how many they are of.
        slo: highest P95 in milliseconds, and share of errors.
    """
    if (found["error_rate"] or 0.0) > slo[1]:
        return BEYOND
    if requests < FEWEST_SAMPLES:
        return UNKNOWN
    decisive = found["p95"] if found["p95"] is not None else found["max"]
    return WITHIN if decisive is not None and decisive <= slo[0] else BEYOND


def passes(verdicts: Sequence[str]) -> bool:
    """Whether a rate was held, and none was not."""
    return WITHIN in verdicts and BEYOND not in verdicts
