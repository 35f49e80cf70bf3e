"""The search for the highest rate within the SLO: up by doubling, then between the two rates by halving their ratio.

A probe whose interval of P95 holds the SLO decides nothing by itself: the rate is then probed three times, and the
probe with the median P95 decides. So it is where there were too few requests for an interval and P95 is near the SLO;
the second and the third probe then take as long as an interval wants. A rate at which the generator was the limit ends
the search, for nothing above it can be known. It knows neither sockets nor clocks: the engine asks it for the next
rate, and tells it what came of it.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import median_low

from specweave.operations.load_testing.judgement import judge
from specweave.operations.load_testing.plan import MAX_RATE, Search, Step
from specweave.operations.load_testing.statistics import SAMPLES_FOR_INTERVAL, SAMPLES_FOR_P95, StepMeasurement
from specweave.project import SloSettings

LOWEST_RATE = 1.0
_PROBES_OF_A_CLOSE_RATE = 3
# So far P95 of some hundred requests strays at 0.7 load of one server.
_NEAR = 1.6
_ENOUGH = 1.06
_FIGURES = 3
LONGEST_S = 60.0
MOST_PROBES = 60


class RateSearch:
    """Which rate is probed next.

    Args:
        search: where to begin, for how long each rate is held, and against which SLO.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self._slo = SloSettings(latency_p95_ms=search.latency_p95_ms, error_rate=search.error_rate)
        self._probes: dict[float, list[StepMeasurement]] = {}
        self._held: float | None = None
        self._failed: float | None = None
        self._rate: float | None = _rounded(search.start)

    def next(self) -> Step | None:
        """The next probe; None when the answer is known as well as it will be."""
        probes = sum(map(len, self._probes.values()))
        if self._rate is None or probes >= MOST_PROBES:
            return None
        # Without so many samples there is no P95 to decide by, or no interval where it is close.
        samples = SAMPLES_FOR_INTERVAL if self._probes.get(self._rate) else SAMPLES_FOR_P95
        needed_s = min(LONGEST_S, samples / self._rate)
        return Step(self._rate, max(self._search.duration_s, needed_s))

    def learn(self, probe: StepMeasurement) -> None:
        """What came of the probe that `next` gave."""
        made = self._probes.setdefault(probe.rate, [])
        made.append(probe)
        if len(made) < _PROBES_OF_A_CLOSE_RATE and (len(made) > 1 or self._is_close(probe)):
            return
        verdict = judge([decisive(made)], self._slo).verdicts[0]
        if verdict == "within":
            self._held = probe.rate
        elif verdict == "beyond":
            self._failed = probe.rate
        else:
            self._rate = None
            return
        self._rate = self._following()

    def _is_close(self, probe: StepMeasurement) -> bool:
        """Whether chance may have decided: by latency alone, for a share of errors beyond the SLO is beyond it."""
        if judge([probe], self._slo).verdicts[0] == "generator-limited":
            return True
        if probe.cut or probe.error_rate > self._slo.error_rate:
            return False
        latency = _decisive(probe)
        low, high = probe.p95_interval or (latency / _NEAR, latency * _NEAR)
        return low <= self._slo.latency_p95_ms <= high

    def _following(self) -> float | None:
        held, failed = self._held, self._failed
        if failed is None:
            rate = _rounded(min(MAX_RATE, 2 * (held or self._search.start)))
            return rate if rate != held else None
        if held is None:
            return _rounded(failed / 2) if failed > LOWEST_RATE else None
        between = _rounded(sqrt(held * failed))
        return None if failed <= held * _ENOUGH or between in {held, failed} else between


def decisive(probes: Sequence[StepMeasurement]) -> StepMeasurement:
    """Of several probes of one rate, the one with the median P95; a P95 that is not known counts by the maximum."""
    latencies = [_decisive(probe) for probe in probes]
    return probes[latencies.index(median_low(latencies))]


def _decisive(probe: StepMeasurement) -> float:
    return probe.latency.p95 if probe.latency.p95 is not None else probe.latency.maximum or 0.0


def by_rate(probes: Sequence[StepMeasurement]) -> tuple[StepMeasurement, ...]:
    """One measurement for each rate, ascending: the one that decided."""
    grouped: Mapping[float, list[StepMeasurement]] = {rate: [] for rate in sorted({probe.rate for probe in probes})}
    for probe in probes:
        grouped[probe.rate].append(probe)
    return tuple(decisive(made) for made in grouped.values())


def _rounded(rate: float) -> float:
    return max(LOWEST_RATE, float(f"{rate:.{_FIGURES}g}"))
