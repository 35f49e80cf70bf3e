"""The figures of a step, from what a tool told of it: its totals and percentiles, or each of its requests."""

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from specweave.operations.load_testing.archive import histogram, timeline
from specweave.operations.load_testing.plan import MAX_REQUESTS
from specweave.operations.load_testing.statistics import (
    SAMPLES_FOR_P95,
    SAMPLES_FOR_P99,
    Failure,
    Percentiles,
    StepMeasurement,
    p95_interval,
    percentiles,
)
from specweave.operations.load_testing.wording import one_line

Loop = Literal["open", "closed", "unknown"]

LONGEST_MS = 86_400_000.0
MOST_REQUESTS = 1e12
_LOWEST_RATE, _HIGHEST_RATE = 1e-3, 1e9
_SHORTEST_S = 1e-3
_FIGURES = 3
# What is missing from the latencies may all be slow; a percentile is kept where that moves it by a tenth of its tail.
_MISSING_OF_TAIL = 0.1
_MOST_CAUSES, _LONGEST_CAUSE = 20, 80


class NotUnderstoodError(ValueError):
    """The content is not what its format promises.

    Args:
        reason: what is wrong with it.
        line: where, from 1 on; None where no line is to blame.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.line = line


class ImportedResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What another load generator measured.

    Attributes:
        tool: its name.
        version: of it; None where the result does not tell.
        format: which of its formats it is.
        loop: `open` where requests leave on a schedule, whether or not answers come; `closed` where each waits for the
            answer before it, which hides stalls of the service.
        counted_from: what its latencies count from.
        target: where the requests went; None where it does not tell.
        steps: one for each rate.
        remarks: what a reader must know of the figures, one sentence each.
    """

    tool: str
    format: str
    loop: Loop
    counted_from: str
    steps: tuple[StepMeasurement, ...]
    version: str | None = None
    target: str | None = None
    remarks: tuple[str, ...] = ()


class Told(msgspec.Struct, frozen=True):
    """Percentiles that a tool told, in milliseconds; None where it did not."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    maximum: float | None = None


@dataclass(slots=True)
class Requests:
    """Each request of a step, in the order of a file.

    Attributes:
        start: seconds since the epoch, or since any one moment.
        latency: seconds.
        causes: why a request failed, by its place; those that are not there were right.
    """

    start: "array[float]"
    latency: "array[float]"
    causes: dict[int, str]

    @classmethod
    def none(cls) -> "Requests":
        """Nothing yet."""
        return cls(array("d"), array("d"), {})

    def add(self, start_s: float, latency_s: float, cause: str | None) -> None:
        """One more.

        Raises:
            NotUnderstoodError: a number that no request has, or too many of them.
        """
        if not (0 <= latency_s * 1e3 <= LONGEST_MS and isfinite(start_s)):
            raise NotUnderstoodError(f"a request cannot have started at {start_s:g} s and taken {latency_s:g} s")
        if len(self.start) >= MAX_REQUESTS:
            raise NotUnderstoodError(f"it holds more than {MAX_REQUESTS:,} requests")
        if cause is not None:
            self.causes[len(self.start)] = cause
        self.start.append(start_s)
        self.latency.append(latency_s)


def told_step(
    *,
    requests: float,
    duration_s: float,
    failures: Mapping[str, float],
    latency: Told,
    samples: float | None = None,
    missing: float = 0,
    rate: float | None = None,
) -> StepMeasurement:
    """A step of which only totals and percentiles are known.

    Args:
        requests: that were sent, and those that should have been and were not.
        duration_s: in which they were.
        failures: cause → how many of them failed.
        latency: as told.
        samples: how many requests the percentiles are of; None for all.
        missing: how many requests have no latency in them, though a caller would have waited.
        rate: that was intended; None for what was achieved.

    Raises:
        NotUnderstoodError: the numbers do not fit together.
    """
    failed = sum(failures.values())
    if not 1 <= requests <= MOST_REQUESTS:
        raise NotUnderstoodError("it holds no requests" if requests < 1 else f"{requests:g} requests are too many")
    if not 0 <= failed <= requests:
        raise NotUnderstoodError(f"of {requests:,.0f} requests {failed:,.0f} cannot have failed")
    duration_s = _plausible_duration(duration_s)
    count = int(requests if samples is None else samples)
    known = _without_missing(latency, missing / requests)
    return StepMeasurement(
        rate=_rounded(requests / duration_s if rate is None else rate),
        duration_s=duration_s,
        requests=int(requests),
        correct=int(requests - failed),
        achieved_rate=(requests - failed) / duration_s,
        error_rate=failed / requests,
        latency=Percentiles(
            samples=count,
            p50=_plausible(known.p50),
            p95=_plausible(known.p95) if count >= SAMPLES_FOR_P95 else None,
            p99=_plausible(known.p99) if count >= SAMPLES_FOR_P99 else None,
            maximum=_plausible(known.maximum),
        ),
        p95_interval=None,
        service_time=Percentiles(0),
        failures=tuple(Failure(cause, int(number), "") for cause, number in failures.items() if number),
        generator=None,
    )


def measured_step(made: Requests, *, slow_s: float, unsent: int = 0, rate: float | None = None) -> StepMeasurement:
    """A step of which each request is known.

    Latencies are of the requests that were right, and of those that failed only after `slow_s`, as in our own tests.

    Args:
        made: the requests.
        slow_s: seconds that the service may take.
        unsent: requests that should have been sent and were not.
        rate: that was intended; None for what was achieved.

    Raises:
        NotUnderstoodError: there are none.
    """
    if not made.start:
        raise NotUnderstoodError("it holds no requests")
    start, latency = np.frombuffer(made.start), np.frombuffer(made.latency)
    failed = np.zeros(len(start), bool)
    failed[list(made.causes)] = True
    order = np.argsort(start, kind="stable")
    start, latency, failed = start[order] - start[order[0]], latency[order], failed[order]
    total = len(start) + unsent
    # Between so many requests lie one fewer gaps.
    span_s = float(start[-1]) * len(start) / (len(start) - 1) if len(start) > 1 else float(latency[0])
    duration_s = _plausible_duration(max(_SHORTEST_S, round(span_s, 6)))
    waited = ~failed | (latency > slow_s)
    until = max(duration_s, float((start + latency)[~failed].max(initial=0.0)))
    correct = len(start) - len(made.causes)
    causes = Counter(made.causes.values())
    if unsent:
        causes["not sent"] = unsent
    return StepMeasurement(
        rate=_rounded(total / duration_s if rate is None else rate),
        duration_s=duration_s,
        requests=total,
        correct=correct,
        achieved_rate=correct / until,
        error_rate=(total - correct) / total,
        latency=_with_unsent(latency[waited], unsent),
        p95_interval=None if unsent else p95_interval(latency[waited]),
        service_time=Percentiles(0),
        failures=tuple(Failure(cause, number, "") for cause, number in causes.most_common(_MOST_CAUSES)),
        generator=None,
        histogram="" if unsent else histogram(latency[waited]),
        timeline=timeline(start[waited], latency[waited], duration_s),
    )


def _with_unsent(seconds: NDArray[np.float64], unsent: int) -> Percentiles:
    """Percentiles in which what was not sent took forever; None where they fall on that."""
    known = percentiles(np.append(seconds, np.full(unsent, np.inf)))
    values = {name: getattr(known, name) for name in ("p50", "p95", "p99", "maximum")}
    finite = {name: value if value is None or isfinite(value) else None for name, value in values.items()}
    return msgspec.structs.replace(known, samples=len(seconds), **finite)


def _without_missing(told: Told, share: float) -> Told:
    if not share:
        return told
    return Told(
        p50=told.p50 if share <= 0.5 * _MISSING_OF_TAIL else None,
        p95=told.p95 if share <= 0.05 * _MISSING_OF_TAIL else None,
        p99=told.p99 if share <= 0.01 * _MISSING_OF_TAIL else None,
    )


def cause_of(text: str, status: int) -> str:
    """How a request failed, in a few words that many share."""
    return f"status {status}" if status >= 100 else one_line(text, _LONGEST_CAUSE) or "failed"  # noqa: PLR2004 - the lowest HTTP status


def number(document: Mapping[str, Any], key: str) -> float | None:
    """A finite number that is not negative, or None where the key has none."""
    value = document.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_REQUESTS:
        return None
    return float(value)


def demanded(document: Mapping[str, Any], key: str, where: str) -> float:
    """A number that must be there.

    Raises:
        NotUnderstoodError: it is not.
    """
    found = number(document, key)
    if found is None:
        raise NotUnderstoodError(f"{where} has no number {key}")
    return found


def milliseconds(text: str) -> float:
    """`10us`, `1.5ms`, `2.00s`, `1.20m`, `0.5h` in milliseconds.

    Raises:
        NotUnderstoodError: it is none of them.
    """
    for unit, factor in (("us", 1e-3), ("ms", 1.0), ("s", 1e3), ("m", 6e4), ("h", 3.6e6)):
        figure = text.removesuffix(unit)
        if figure != text and figure.replace(".", "", 1).isdecimal() and figure.isascii():
            return float(figure) * factor
    raise NotUnderstoodError(f"{text[:40]!r} is no duration")


def _plausible(value: float | None) -> float | None:
    if value is not None and not 0 <= value <= LONGEST_MS:
        raise NotUnderstoodError(f"no request takes {value:g} ms")
    return value


def _plausible_duration(duration_s: float) -> float:
    if not 0 < duration_s <= LONGEST_MS:
        raise NotUnderstoodError(f"no test takes {duration_s:g} s")
    return duration_s


def _rounded(rate: float) -> float:
    if not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
        raise NotUnderstoodError(f"{rate:g} requests a second cannot be")
    return float(f"{rate:.{_FIGURES}g}")


def steps_or_none(steps: Sequence[StepMeasurement]) -> tuple[StepMeasurement, ...]:
    """The steps, of which there must be one.

    Raises:
        NotUnderstoodError: there is none.
    """
    if not steps:
        raise NotUnderstoodError("it holds no requests")
    return tuple(steps)
