"""Two measurements of one thing, rate by rate: better, worse, or noise."""

from collections.abc import Collection, Mapping, Sequence
from math import hypot
from typing import Any, Literal

import msgspec

from specweave.operations.load_testing.statistics import StepMeasurement

Verdict = Literal["better", "worse", "noise", "disturbed"]


class Earlier(msgspec.Struct, frozen=True):
    """What is kept of a step in an earlier report; other figures there are passed over."""

    rate: float
    latency: Mapping[str, Any]
    p95_interval: tuple[float, float] | None = None


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """P95 at one rate, then and now, in milliseconds.

    Attributes:
        difference: now - before, with its 95 % confidence interval `low` to `high`.
        verdict: `noise` where the interval holds zero; `disturbed` where the generator was late in one of the two.
    """

    rate: float
    before: float
    now: float
    difference: float
    low: float
    high: float
    verdict: Verdict


def compare(
    before: Sequence[Earlier], now: Sequence[StepMeasurement], disturbed: Collection[float] = ()
) -> tuple[Change, ...]:
    """The changes at the rates that both have with an interval.

    The two runs are independent, so the half-widths of their intervals add up as squares.

    Args:
        before: the steps of the earlier one.
        now: those of the present one.
        disturbed: rates at which the generator was late in one of the two.
    """
    earlier = {step.rate: step for step in before}
    changes = []
    for step in now:
        then = earlier.get(step.rate)
        if then is None or then.p95_interval is None or step.p95_interval is None or step.latency.p95 is None:
            continue
        old = then.latency.get("p95")
        if not isinstance(old, (int, float)):
            continue
        difference = step.latency.p95 - old
        half = hypot(then.p95_interval[1] - old, step.p95_interval[1] - step.latency.p95)
        verdict: Verdict = "noise"
        if step.rate in disturbed:
            verdict = "disturbed"
        elif abs(difference) > half:
            verdict = "worse" if difference > 0 else "better"
        changes.append(
            Change(step.rate, old, step.latency.p95, difference, difference - half, difference + half, verdict)
        )
    return tuple(changes)


def earlier_steps(data: Mapping[str, Any]) -> tuple[Earlier, ...]:
    """The steps in the data of an earlier report; none where that is of another form."""
    try:
        return msgspec.convert(data.get("steps"), type=tuple[Earlier, ...])
    except msgspec.ValidationError:
        return ()
