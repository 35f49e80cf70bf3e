"""Latency against the rate and over time, as small SVGs: latency on a logarithmic axis, the SLO as a line."""

import math
from collections.abc import Sequence

from specweave.files import rendering
from specweave.operations.load_testing.judgement import Judgement
from specweave.operations.load_testing.statistics import StepMeasurement
from specweave.project import SloSettings

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 736, 52, 356
_LEGEND_X, _LEGEND_STEP = 468, 66
_SHORTEST_MS = 0.01
_NARROWEST_TICK = 44
_QUANTILES = (("p50", "P50"), ("p95", "P95"), ("p99", "P99"))
_OVER_TIME = (("p50", "P50"), ("p95", "P95"), ("p99", "Max"))
_ROOMY = 60


class _Axis:
    """A logarithmic scale from values to pixels."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self._low, self._start = math.log10(low), start
        self._per_decade = (end - start) / (math.log10(high) - self._low)

    def __call__(self, value: float) -> float:
        return round(self._start + (math.log10(value) - self._low) * self._per_decade, 1)


def rate_chart(steps: Sequence[StepMeasurement], judgement: Judgement, slo: SloSettings) -> bytes:
    """P50, P95 and P99 of each rate; both axes logarithmic."""
    points = [
        (style, step.rate, max(value, _SHORTEST_MS), verdict == "within")
        for step, verdict in zip(steps, judgement.verdicts, strict=True)
        for style, _ in _QUANTILES
        if (value := getattr(step.latency, style)) is not None
    ]
    rates = [step.rate for step in steps]
    x = _Axis(min(rates) / 1.25, max(rates) * 1.25, _LEFT, _RIGHT)
    return _drawn(
        "Latency by request rate",
        "requests per second (log scale; hollow: not within the SLO)",
        "; ".join(
            f"{step.rate:g} RPS: " + ", ".join(f"{label} {_number(step, style)}" for style, label in _QUANTILES)
            for step in steps
        ),
        [
            (style, x(rate), value, within, f"{label} at {rate:g} RPS: {value:.3g} ms")
            for style, label in _QUANTILES
            for name, rate, value, within in sorted(points, key=lambda point: point[1])
            if name == style
        ],
        _spaced([{"at": x(rate), "text": f"{rate:g}"} for rate in sorted(rates)]),
        _QUANTILES,
        slo,
    )


def time_chart(steps: Sequence[StepMeasurement], slo: SloSettings) -> bytes:
    """P50, P95 and the slowest of each second, one step after the other."""
    total = sum(step.duration_s for step in steps)
    width = (_RIGHT - _LEFT) / total
    points: list[tuple[str, float, float, bool, str]] = []
    ticks: list[dict[str, object]] = []
    before = 0.0
    for step in steps:
        ticks.append({"at": round(_LEFT + before * width, 1), "text": f"{step.rate:g} RPS"})
        for interval in step.timeline:
            at = round(_LEFT + (before + interval.start_s) * width, 1)
            for style, value in (("p50", interval.p50), ("p95", interval.p95), ("p99", interval.maximum)):
                if value is not None:
                    label = dict(_OVER_TIME)[style]
                    said = f"{label} at {interval.start_s:g} s of {step.rate:g} RPS: {value:.3g} ms"
                    points.append((style, at, max(value, _SHORTEST_MS), value <= slo.latency_p95_ms, said))
        before += step.duration_s
    description = f"{len(points)} values over {total:g} s"
    caption = "time, one rate after the other (hollow: above the SLO)"
    return _drawn("Latency over time", caption, description, points, _spaced(ticks), _OVER_TIME, slo)


def _drawn(  # noqa: PLR0917 - private; the parts of a drawing
    title: str,
    caption: str,
    description: str,
    points: Sequence[tuple[str, float, float, bool, str]],
    x_ticks: Sequence[dict[str, object]],
    legend: Sequence[tuple[str, str]],
    slo: SloSettings,
) -> bytes:
    low, high, marks = _decades([*(point[2] for point in points), slo.latency_p95_ms])
    y = _Axis(low, high, _BOTTOM, _TOP)
    values = {
        "title": title,
        "caption": caption,
        "width": _WIDTH,
        "height": _HEIGHT,
        "left": _LEFT,
        "right": _RIGHT,
        "top": _TOP,
        "bottom": _BOTTOM,
        "description": description,
        "legend": [
            {"style": style, "text": text, "x": _LEGEND_X + _LEGEND_STEP * place}
            for place, (style, text) in enumerate((*legend, ("slo", "SLO P95")))
        ],
        "x_ticks": x_ticks,
        "y_ticks": [{"at": y(mark), "text": f"{mark:g}"} for mark in marks],
        "slo": {"at": y(slo.latency_p95_ms), "text": f"SLO: P95 {slo.latency_p95_ms:g} ms"},
        "radius": 4 if len(points) <= _ROOMY else 1.5,
        "lines": [
            {
                "style": style,
                "points": [
                    {"x": at, "y": y(value), "within": within, "text": text}
                    for name, at, value, within, text in points
                    if name == style
                ],
            }
            for style, _ in legend
        ],
    }
    return rendering.render("chart", values)["latency.svg"]


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
