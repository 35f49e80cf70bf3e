"""Latency percentiles against the rate, as the values of a small SVG: both axes logarithmic, the SLO as a line."""

import math
from collections.abc import Sequence

from specweave.operations.load_testing.judgement import Judgement
from specweave.operations.load_testing.statistics import StepMeasurement
from specweave.project import SloSettings

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 736, 52, 356
_LEGEND_X, _LEGEND_STEP = 468, 66
_SHORTEST_MS = 0.01
_NARROWEST_TICK = 44
_QUANTILES = (("p50", "P50"), ("p95", "P95"), ("p99", "P99"))


class _Axis:
    """A logarithmic scale from values to pixels."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self._low, self._start = math.log10(low), start
        self._per_decade = (end - start) / (math.log10(high) - self._low)

    def __call__(self, value: float) -> float:
        return round(self._start + (math.log10(value) - self._low) * self._per_decade, 1)


def chart_values(steps: Sequence[StepMeasurement], judgement: Judgement, slo: SloSettings) -> dict[str, object]:
    """The values of `templates/load-test/latency.svg.j2`."""
    points = [
        (style, step.rate, max(value, _SHORTEST_MS), verdict == "within")
        for step, verdict in zip(steps, judgement.verdicts, strict=True)
        for style, _ in _QUANTILES
        if (value := getattr(step.latency, style)) is not None
    ]
    durations = [value for _, _, value, _ in points]
    low, high, y_marks = _decades([*durations, slo.latency_p95_ms])
    rates = [step.rate for step in steps]
    x = _Axis(min(rates) / 1.25, max(rates) * 1.25, _LEFT, _RIGHT)
    y = _Axis(low, high, _BOTTOM, _TOP)
    lines = [
        {
            "style": style,
            "points": [
                {"x": x(rate), "y": y(value), "within": within, "text": f"{label} at {rate:g} RPS: {value:.3g} ms"}
                for name, rate, value, within in sorted(points, key=lambda point: point[1])
                if name == style
            ],
        }
        for style, label in _QUANTILES
    ]
    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "left": _LEFT,
        "right": _RIGHT,
        "top": _TOP,
        "bottom": _BOTTOM,
        "description": "; ".join(
            f"{step.rate:g} RPS: " + ", ".join(f"{label} {_number(step, style)}" for style, label in _QUANTILES)
            for step in steps
        ),
        "legend": [
            {"style": style, "text": text, "x": _LEGEND_X + _LEGEND_STEP * place}
            for place, (style, text) in enumerate((*_QUANTILES, ("slo", "SLO P95")))
        ],
        "x_ticks": _spaced([{"at": x(rate), "text": f"{rate:g}"} for rate in sorted(rates)]),
        "y_ticks": [{"at": y(mark), "text": f"{mark:g}"} for mark in y_marks],
        "slo": {"at": y(slo.latency_p95_ms), "text": f"SLO: P95 {slo.latency_p95_ms:g} ms"},
        "lines": lines,
    }


def _number(step: StepMeasurement, style: str) -> str:
    value = getattr(step.latency, style)
    return "n/a" if value is None else f"{value:.3g} ms"


def _decades(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """A range of 1, 2, 5 steps around the values with some air, and the marks in it."""
    low, high = min(values) / 1.5, max(values) * 1.5
    marks = [
        digit * 10.0**power
        for power in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
        for digit in (1, 2, 5)
    ]
    inside = [mark for mark in marks if low <= mark <= high]
    if high / low > 1_000:  # noqa: PLR2004 - beyond three decades only their beginnings have room
        inside = [mark for mark in inside if round(math.log10(mark), 9).is_integer()]
    return low, high, inside


def _spaced(ticks: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    kept: list[dict[str, object]] = []
    for tick in ticks:
        if not kept or float(str(tick["at"])) - float(str(kept[-1]["at"])) >= _NARROWEST_TICK:
            kept.append(tick)
    return kept
