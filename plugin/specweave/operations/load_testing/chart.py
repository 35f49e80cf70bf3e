"""Latency against the rate and over time, as small SVGs: latency on a logarithmic axis, the SLO as a line."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from specweave.files import rendering
from specweave.operations.load_testing.archive import Interval
from specweave.operations.load_testing.judgement import Judgement
from specweave.operations.load_testing.knee import is_spike
from specweave.operations.load_testing.statistics import StepMeasurement
from specweave.operations.load_testing.wording import milliseconds, time_span
from specweave.project import SloSettings

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 736, 52, 356
_LEGEND_STEP, _SLO_ENTRY = 66, 160
_SHORTEST_MS = 0.01
_NARROWEST_TICK = 52
_NARROWEST_LABEL = 44
_QUANTILES = (("p50", "P50"), ("p95", "P95"), ("p99", "P99"))
_OVER_TIME = (("p50", "P50"), ("p95", "P95"), ("p99", "Max"))
_ROOMY = 60
_TIME_TICKS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 21_600)
_MOST_TIME_TICKS = 10


@dataclass(frozen=True, slots=True)
class _Mark:
    """A value in the drawing: where it lies on the axis, in milliseconds, and what is said of it."""

    x: float
    value: float
    hollow: bool
    text: str
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What is drawn; `lines` are a style and marks that are joined, `loose` ones are not."""

    title: str
    caption: str
    description: str
    legend: Sequence[tuple[str, str]]
    lines: Sequence[tuple[str, Sequence[_Mark]]]
    x_ticks: Sequence[dict[str, object]]
    separators: Sequence[float] = ()
    knee: tuple[float, float] | None = None
    loose: bool = False


class _Axis:
    """A logarithmic scale from values to pixels."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self._low, self._start = math.log10(low), start
        self._per_decade = (end - start) / (math.log10(high) - self._low)

    def __call__(self, value: float) -> float:
        return round(self._start + (math.log10(value) - self._low) * self._per_decade, 1)


def rate_chart(steps: Sequence[StepMeasurement], judgement: Judgement, slo: SloSettings) -> bytes:
    """P50, P95 and P99 of each rate, with the interval of P95; both axes logarithmic."""
    rates = [step.rate for step in steps]
    x = _Axis(min(rates) / 1.25, max(rates) * 1.25, _LEFT, _RIGHT)
    judged = sorted(zip(steps, judgement.verdicts, strict=True), key=lambda pair: pair[0].rate)
    held, beyond = judgement.max_rps_within_slo, judgement.first_rps_beyond_slo
    drawing = _Drawing(
        title="Latency by request rate",
        caption="requests per second (log scale; bar: 95 % interval of P95; hollow: not shown to be within the SLO)",
        description="; ".join(
            f"{step.rate:g} RPS: "
            + ", ".join(f"{label} {milliseconds(getattr(step.latency, style))}" for style, label in _QUANTILES)
            for step in steps
        ),
        legend=_QUANTILES,
        lines=[
            (
                style,
                [
                    _Mark(
                        x(step.rate),
                        value,
                        verdict != "within",
                        f"{label} at {step.rate:g} RPS: {milliseconds(value)}",
                        step.p95_interval if style == "p95" else None,
                    )
                    for step, verdict in judged
                    if (value := getattr(step.latency, style)) is not None
                ],
            )
            for style, label in _QUANTILES
        ],
        x_ticks=_spaced([{"at": x(rate), "text": f"{rate:g}"} for rate in sorted(set(rates))]),
        knee=(x(held), x(beyond)) if held and beyond and beyond > held and not is_spike(steps) else None,
        # A line through what was tested before a spike and after it would say that one follows the other.
        loose=is_spike(steps),
    )
    return _drawn(drawing, slo)


def time_chart(steps: Sequence[StepMeasurement], slo: SloSettings) -> bytes:
    """P50, P95 and the slowest of each part of time, one step after the other."""
    total = sum(step.duration_s for step in steps)
    width = (_RIGHT - _LEFT) / total
    starts = [_LEFT + width * before for before in accumulate((step.duration_s for step in steps), initial=0.0)]
    alike = len({step.duration_s for step in steps}) == 1
    spans = f"{time_span(steps[0].duration_s)} each" if alike and len(steps) > 1 else f"{time_span(total)} in all"
    drawing = _Drawing(
        title="Latency over time",
        caption=f"time{', one rate after the other' * (len(steps) > 1)}: {spans} (hollow: P95 above the SLO)",
        description="; ".join(f"{step.rate:g} RPS: slowest {milliseconds(step.latency.maximum)}" for step in steps),
        legend=_OVER_TIME,
        lines=[
            (style, marks)
            for style, label in _OVER_TIME
            for step, start in zip(steps, starts, strict=False)
            for marks in _unbroken(step, start, width, (style, label), slo)
        ],
        x_ticks=_spaced(
            [
                {"at": round(start + width * step.duration_s / 2, 1), "text": f"{step.rate:g} RPS"}
                for step, start in zip(steps, starts, strict=False)
            ]
        )
        if len(steps) > 1
        else _time_ticks(total, width),
        separators=[round(start, 1) for start in starts[1:-1]],
    )
    return _drawn(drawing, slo)


def _unbroken(
    step: StepMeasurement, start: float, width: float, series: tuple[str, str], slo: SloSettings
) -> Iterable[list[_Mark]]:
    """The marks of one step; where a part has no value, the line is interrupted."""
    style, label = series
    marks: list[_Mark] = []
    half = step.duration_s / len(step.timeline) / 2 if step.timeline else 0.0
    for part in step.timeline:
        value = _part_value(part, style)
        if value is None:
            if marks:
                yield marks
            marks = []
            continue
        at = round(start + width * (part.start_s + half), 1)
        said = f"{label} at {part.start_s:.3g} s of {step.rate:g} RPS: {milliseconds(value)}"
        marks.append(_Mark(at, value, style == "p95" and value > slo.latency_p95_ms, said))
    if marks:
        yield marks


def _part_value(part: Interval, style: str) -> float | None:
    return {"p50": part.p50, "p95": part.p95, "p99": part.maximum}[style]


def _drawn(drawing: _Drawing, slo: SloSettings) -> bytes:
    marks = [mark for _, marks in drawing.lines for mark in marks]
    values = [*(mark.value for mark in marks), slo.latency_p95_ms]
    low, high, y_marks = _decades([max(value, _SHORTEST_MS) for value in values])
    y = _Axis(low, high, _BOTTOM, _TOP)
    first_entry = _RIGHT - _LEGEND_STEP * len(drawing.legend) + 12
    written = {
        "title": drawing.title,
        "caption": drawing.caption,
        "width": _WIDTH,
        "height": _HEIGHT,
        "left": _LEFT,
        "right": _RIGHT,
        "top": _TOP,
        "bottom": _BOTTOM,
        "description": drawing.description,
        "legend": [
            {"style": style, "text": text, "x": first_entry + _LEGEND_STEP * place}
            for place, (style, text) in enumerate(drawing.legend)
        ],
        "x_ticks": drawing.x_ticks,
        "y_ticks": [{"at": y(mark), "text": f"{mark:g}"} for mark in y_marks],
        "separators": drawing.separators,
        "knee": _knee(drawing.knee),
        "slo": {
            "at": y(slo.latency_p95_ms),
            "text": f"SLO: P95 {slo.latency_p95_ms:g} ms",
            "x": first_entry - _SLO_ENTRY,
        },
        "radius": 4 if len(marks) <= _ROOMY else 1.5,
        "lines": [
            {"style": style, "joined": not drawing.loose, "points": [_point(mark, y, (low, high)) for mark in marks]}
            for style, marks in drawing.lines
        ],
    }
    return rendering.render("chart", written)["latency.svg"]


def _point(mark: _Mark, y: _Axis, between: tuple[float, float]) -> dict[str, object]:
    # An interval may reach down to zero; the drawing does not follow it there.
    low, high = between
    bounds = None if mark.bounds is None else [y(min(max(bound, low), high)) for bound in mark.bounds]
    value = max(mark.value, _SHORTEST_MS)
    return {"x": mark.x, "y": y(value), "within": not mark.hollow, "text": mark.text, "bounds": bounds}


def _knee(between: tuple[float, float] | None) -> dict[str, object] | None:
    if between is None:
        return None
    start, end = between
    width = round(end - start, 1)
    return {"x": start, "width": width, "middle": round(start + width / 2, 1), "labelled": width >= _NARROWEST_LABEL}


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


def _time_ticks(total_s: float, width: float) -> list[dict[str, object]]:
    pause = next((pause for pause in _TIME_TICKS_S if total_s / pause <= _MOST_TIME_TICKS), _TIME_TICKS_S[-1])
    return [
        {"at": round(_LEFT + width * at, 1), "text": time_span(at)} for at in range(0, math.floor(total_s) + 1, pause)
    ]
