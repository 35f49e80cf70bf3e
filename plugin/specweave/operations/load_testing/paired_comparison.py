"""Two services loaded in turn, pair by pair of short blocks: better, worse, or noise.

Both blocks of a pair have the same schedule and bodies, and lie side by side in time: what the machine and the arrivals
do to one they do to the other, and it drops out of the difference. What is left between two pairs is what chance does,
and the interval is made of that alone: however requests hang together within a block, pairs are independent.

A difference is that of the figures of all blocks together. Its interval is by sectioning (Asmussen and Glynn,
Stochastic Simulation, 2007, III.5) over the pairs: what the differences of the single pairs differ from it, and
Student's t with one degree of freedom less than pairs. All intervals of a comparison hold together with 95 %
(Bonferroni): with twenty differences at 95 % each, one would be beyond chance by chance alone.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from typing import Literal, NamedTuple

import msgspec

from specweave.operations.load_testing import archive
from specweave.operations.load_testing.statistics import (
    MAX_GENERATOR_CPU,
    MAX_LATENESS_MS,
    SAMPLES_FOR_INTERVAL,
    SAMPLES_FOR_P95,
    SAMPLES_FOR_P99,
    StepMeasurement,
)
from specweave.operations.load_testing.student import two_sided

Figure = Literal["p50_ms", "p95_ms", "p99_ms", "error_rate", "cpu_us_per_request"]
Verdict = Literal["better", "worse", "noise", "too-few", "disturbed"]

LEVEL = 0.95
FEWEST_PAIRS = 4
# Half of what a P95 wants to be said: that of a block is not, it only shows how much the P95 of all varies.
BLOCK_FOR_P95 = 100
_FEWEST_IN_BLOCK: Mapping[Figure, int] = {"p50_ms": 20, "p95_ms": BLOCK_FOR_P95, "p99_ms": 1_000}
_FEWEST: Mapping[Figure, int] = {"p50_ms": 1, "p95_ms": SAMPLES_FOR_P95, "p99_ms": SAMPLES_FOR_P99}
_SHARES: Mapping[Figure, float] = {"p50_ms": 50.0, "p95_ms": 95.0, "p99_ms": 99.0}


class Pair(NamedTuple):
    """One block of each service at one rate, made one after the other."""

    first: StepMeasurement
    second: StepMeasurement


class Difference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One figure of two services at one rate; smaller is better in each.

    Attributes:
        rate: requests a second.
        figure: latency in milliseconds, error rate from 0 to 1, or processor microseconds a request.
        first, second: of all blocks together; None where there are too few samples for it.
        difference: second - first; None where it cannot be told from chance: too few samples, or pairs.
        low, high: its interval; those of a whole comparison hold together with 95 %.
        pairs: of how many.
        verdict: of the second: `noise` where the interval holds zero, `too-few` where there is none, `disturbed` where
            that is because the generator was late.
    """

    rate: float
    figure: Figure
    first: float | None
    second: float | None
    difference: float | None
    low: float | None
    high: float | None
    pairs: int
    verdict: Verdict


class _Estimate(NamedTuple):
    """What is known of a difference before all of them are; `error` is its standard error, None for no interval."""

    rate: float
    figure: Figure
    first: float | None
    second: float | None
    error: float | None
    pairs: int
    disturbed: int


def compare_pairs(pairs: Sequence[Pair]) -> tuple[Difference, ...]:
    """The differences between two services, by rate, ascending, and figure.

    A pair counts only where the generator was on time in both of its blocks. An error rate is left out where neither
    had an error, processor time where a service's is not known.

    Args:
        pairs: in any order; blocks of one rate are equally long.
    """
    estimates = [
        estimate
        for rate in sorted({pair.first.rate for pair in pairs})
        for estimate in _estimates(rate, [pair for pair in pairs if pair.first.rate == rate])
    ]
    stated = sum(estimate.error is not None for estimate in estimates)
    return tuple(_difference(estimate, stated) for estimate in estimates)


def block_seconds(duration_s: float) -> tuple[int, float]:
    """Into how many pairs a duration is cut, and how long each block of them is, in seconds.

    An even number, from 4 to 10, of blocks of a second at least, as far as the duration allows.
    """
    pairs = min(10, max(FEWEST_PAIRS, int(duration_s) // 2 * 2))
    return pairs, duration_s / pairs


def balanced_order(rounds: int, seed: int) -> tuple[bool, ...]:
    """For each round whether the second service goes first: in one of each two, drawn (ABBA or BAAB)."""
    draw = random.Random(seed)  # noqa: S311 - an order, no secret
    order = [swapped for _ in range(0, rounds, 2) for swapped in draw.choice([(False, True), (True, False)])]
    return tuple(order[:rounds])


def was_late(block: StepMeasurement) -> bool:
    """Whether the generator was late by more than 5 ms, or short of processor time.

    At P99 or, in a block with too few requests for that, at P95 or P50: one late request of thirty is chance, which
    hits both services alike.
    """
    generator = block.generator
    if generator is None:
        return False
    known = (generator.lateness.p99, generator.lateness.p95, generator.lateness.p50)
    late = next((value for value in known if value is not None), 0.0)
    return late > MAX_LATENESS_MS or generator.cpu > MAX_GENERATOR_CPU


def _estimates(rate: float, pairs: Sequence[Pair]) -> list[_Estimate]:
    kept = [pair for pair in pairs if not any(map(was_late, pair))]
    disturbed = len(pairs) - len(kept)
    found = list(_latencies(rate, kept, disturbed))
    if any(step.error_rate for pair in kept for step in pair):
        shares = [(_failed(pair.first), _failed(pair.second)) for pair in kept]
        found.append(_ratio(rate, "error_rate", shares, [_requests(pair) for pair in kept], disturbed))
    if kept and all(step.server is not None for pair in kept for step in pair):
        used = [(_processor_us(pair.first), _processor_us(pair.second)) for pair in kept]
        found.append(_ratio(rate, "cpu_us_per_request", used, [_requests(pair) for pair in kept], disturbed))
    return found


def _latencies(rate: float, pairs: Sequence[Pair], disturbed: int) -> Iterator[_Estimate]:
    blocks = [[_quantiles([step.histogram])[1] for step in pair] for pair in pairs]
    sides = [_quantiles([pair[side].histogram for pair in pairs]) for side in (0, 1)]
    fewest = [min(step.latency.samples for step in pair) for pair in pairs]
    for figure in _SHARES:
        first, second = (found[figure] if count >= _FEWEST[figure] else None for count, found in sides)
        error = None
        if (
            first is not None
            and second is not None
            and len(pairs) >= FEWEST_PAIRS
            and min(fewest) >= _FEWEST_IN_BLOCK[figure]
            and (figure == "p50_ms" or sum(fewest) >= SAMPLES_FOR_INTERVAL)
        ):
            error = _error([other[figure] - one[figure] for one, other in blocks], second - first)
        yield _Estimate(rate, figure, first, second, error, len(pairs), disturbed)


def _ratio(
    rate: float,
    figure: Figure,
    amounts: Sequence[tuple[float, float]],
    requests: Sequence[tuple[int, int]],
    disturbed: int,
) -> _Estimate:
    """Of what adds up: sums over all blocks, divided by the requests."""
    whole = [sum(amount[side] for amount in amounts) / sum(count[side] for count in requests) for side in (0, 1)]
    single = [amount[1] / count[1] - amount[0] / count[0] for amount, count in zip(amounts, requests, strict=True)]
    error = _error(single, whole[1] - whole[0]) if len(single) >= FEWEST_PAIRS else None
    return _Estimate(rate, figure, whole[0], whole[1], error, len(amounts), disturbed)


def _error(single: Sequence[float], whole: float) -> float:
    return sqrt(sum((value - whole) ** 2 for value in single) / (len(single) - 1) / len(single))


def _difference(found: _Estimate, stated: int) -> Difference:
    if found.error is None or found.first is None or found.second is None:
        verdict: Verdict = "disturbed" if found.disturbed and found.pairs < FEWEST_PAIRS else "too-few"
        return Difference(found.rate, found.figure, found.first, found.second, None, None, None, found.pairs, verdict)
    difference = found.second - found.first
    half = two_sided(1 - (1 - LEVEL) / stated, found.pairs - 1) * found.error
    verdict = "noise" if abs(difference) <= half else "worse" if difference > 0 else "better"
    low, high = difference - half, difference + half
    return Difference(found.rate, found.figure, found.first, found.second, difference, low, high, found.pairs, verdict)


def _quantiles(histograms: Sequence[str]) -> tuple[int, Mapping[Figure, float]]:
    """How many values there are, and their quantiles in milliseconds, to three figures; zero where there is none."""
    whole = archive.merged(histograms)
    found = whole.get_percentile_to_value_dict(list(_SHARES.values()))
    return whole.total_count, {figure: found.get(share, 0) / 1e3 for figure, share in _SHARES.items()}


def _requests(pair: Pair) -> tuple[int, int]:
    return pair.first.requests, pair.second.requests


def _failed(step: StepMeasurement) -> float:
    return float(step.requests - step.correct)


def _processor_us(step: StepMeasurement) -> float:
    return 0.0 if step.server is None else step.server.cpu_us_per_request * step.requests
