"""What is kept of a step's latencies: a histogram that can be merged with others, and how they went over time."""

from collections.abc import Iterable

import msgspec
import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHORTEST_US, LONGEST_US, FIGURES = 1, 3_600_000_000, 3
MOST_INTERVALS = 60
_FEWEST_FOR_P95 = 20


class Interval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a step, by the intended start of its requests; latencies in milliseconds.

    Attributes:
        start_s: from the start of the step.
        requests: how many were due.
        p50, p95, maximum: of those; P95 of 20 at least. One interval is a glance, not a measurement.
    """

    start_s: float
    requests: int
    p50: float | None
    p95: float | None
    maximum: float | None


def histogram(seconds: Floats) -> str:
    """Durations as an HdrHistogram in its V2 encoding (compressed, base64): microseconds, three significant figures.

    Args:
        seconds: durations; what is beyond a microsecond to an hour counts as that limit.
    """
    kept = HdrHistogram(SHORTEST_US, LONGEST_US, FIGURES)
    values = np.clip(np.rint(np.asarray(seconds) * 1e6), SHORTEST_US, LONGEST_US).astype(np.int64)
    for value, count in zip(*(column.tolist() for column in np.unique(values, return_counts=True)), strict=True):
        kept.record_value(value, count)
    encoded: bytes = kept.encode()
    return encoded.decode("ascii")


def merged(histograms: Iterable[str]) -> HdrHistogram:
    """One histogram of several; its values are microseconds."""
    whole = HdrHistogram(SHORTEST_US, LONGEST_US, FIGURES)
    for encoded in histograms:
        whole.decode_and_add(encoded)
    return whole


def timeline(due: Floats, latency: Floats, duration_s: float) -> tuple[Interval, ...]:
    """How latency went over a step, second by second, or in 60 parts where it is longer.

    Args:
        due: intended starts, seconds from the start of the step, ascending.
        latency: of each of these requests, seconds.
        duration_s: of the step.
    """
    width = max(1.0, duration_s / MOST_INTERVALS)
    edges = np.arange(0.0, duration_s, width)
    places = np.searchsorted(due, [*edges, np.inf])
    found = []
    for start, first, end in zip(edges.tolist(), places[:-1], places[1:], strict=True):
        values = np.sort(latency[first:end]) * 1e3
        count = len(values)
        p50, p95 = np.quantile(values, [0.5, 0.95], method="inverted_cdf").tolist() if count else (None, None)
        maximum = float(values[-1]) if count else None
        found.append(Interval(start, count, p50, p95 if count >= _FEWEST_FOR_P95 else None, maximum))
    return tuple(found)
