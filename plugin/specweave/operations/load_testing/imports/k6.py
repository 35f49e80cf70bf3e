"""k6: its summary (`--summary-export`, `handleSummary`, the machine-readable one) and its points (`--out json`).

Metrics: https://grafana.com/docs/k6/latest/using-k6/metrics/reference/. `http_req_failed` counts failures as its
`passes`. A test of several scenarios, as `ml load-test --generate` makes it, has a step for each: in a summary where
its thresholds name the scenarios and those name their rates, in points where they do not overlap in time.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from specweave.operations.load_testing.imports.figures import (
    ImportedResult,
    NotUnderstoodError,
    Requests,
    Told,
    cause_of,
    demanded,
    measured_step,
    number,
    steps_or_none,
    told_step,
)
from specweave.operations.load_testing.imports.lines import Lines
from specweave.operations.load_testing.statistics import StepMeasurement
from specweave.operations.load_testing.wording import one_line

_DURATION, _FAILED, _DROPPED, _CHECKS = "http_req_duration", "http_req_failed", "dropped_iterations", "checks"
_COUNTED_FROM = "the sending of a request"
_STEP = re.compile(
    r"http_req_duration\{scenario:(?P<scenario>step_(?P<place>\d{1,6})_at_(?P<rate>\d{1,6}(?:_\d{1,9})?)_rps)\}"
)
_LOOP = (
    "The result does not tell which executor k6 used: requests leave on a schedule only with an arrival-rate one; with "
    "any other each user waits for an answer, and what a stall of the service delays is not counted."
)
_SCHEDULED = "k6 counts what it dropped for want of virtual users apart; those requests count as failed here."

Metrics = Mapping[str, Mapping[str, Any]]


def is_summary(document: dict[str, Any]) -> bool:
    """Whether a JSON document is a summary of k6."""
    return _metrics(document) is not None


def read_summary(document: dict[str, Any]) -> ImportedResult:
    """A summary.

    Raises:
        NotUnderstoodError: figures are missing or cannot be.
    """
    metrics = _metrics(document) or {}
    made = [found for name in metrics if (found := _STEP.fullmatch(name))]
    made.sort(key=lambda found: int(found["place"]))
    steps = [step for found in made if (step := _scenario(metrics, found)) is not None]
    remarks = [_SCHEDULED if made else _LOOP]
    if not made and (checks := _counter(metrics, _CHECKS, "fails")):
        remarks.append(f"k6 counted {checks:,.0f} failed checks, which are in no error rate here.")
    if not made and _counter(metrics, _DROPPED, "count"):
        remarks.append(_SCHEDULED)
    return ImportedResult(
        tool="k6",
        version=_version(document),
        format="summary",
        loop="open" if made else "unknown",
        counted_from=_COUNTED_FROM,
        steps=steps_or_none(steps) if made else (_whole(document, metrics),),
        remarks=(*remarks, "Latencies are of all requests that were answered, failed ones too."),
    )


def _metrics(document: Mapping[str, Any]) -> Metrics | None:
    """Metric → its values, of any of the three forms; None for another document."""
    found = document.get("metrics")
    results = document.get("results")
    if isinstance(results, dict) and isinstance(results.get("metrics"), list):
        found = {str(metric.get("name")): metric for metric in results["metrics"] if isinstance(metric, dict)}
    if not isinstance(found, dict) or not ({"http_reqs", _DURATION} & found.keys()):
        return None
    metrics = {str(name): metric for name, metric in found.items() if isinstance(metric, dict)}
    return {
        name: values if isinstance(values := metric.get("values"), dict) else metric for name, metric in metrics.items()
    }


def _whole(document: Mapping[str, Any], metrics: Metrics) -> StepMeasurement:
    made = demanded(metrics.get("http_reqs", {}), "count", "http_reqs")
    dropped = _counter(metrics, _DROPPED, "count")
    failed = _failed(metrics.get(_FAILED, {}))
    return told_step(
        requests=made + dropped,
        duration_s=_duration_s(document, metrics["http_reqs"], made),
        failures={"failed request": failed, "not sent": dropped},
        latency=_told(metrics.get(_DURATION, {})),
        samples=made,
        missing=dropped,
    )


def _scenario(metrics: Metrics, found: re.Match[str]) -> StepMeasurement | None:
    """A step of the script that `ml load-test --generate` makes: one check a request; None where it was not reached."""
    scenario, rate = found["scenario"], float(found["rate"].replace("_", "."))
    values = metrics[found[0]]
    made = number(values, "count")
    if made is None:
        raise NotUnderstoodError(f"{found[0]} has no count; k6 tells it where summaryTrendStats names it")
    if not made or not rate:
        return None
    dropped = _counter(metrics, f"{_DROPPED}{{scenario:{scenario}}}", "count")
    failed = _counter(metrics, f"{_CHECKS}{{scenario:{scenario}}}", "fails")
    return told_step(
        requests=made + dropped,
        duration_s=(made + dropped) / rate,
        failures={"failed check": min(failed, made), "not sent": dropped},
        latency=_told(values),
        samples=made,
        missing=dropped,
        rate=rate,
    )


def _told(values: Mapping[str, Any]) -> Told:
    p50 = number(values, "med")
    return Told(
        p50 if p50 is not None else number(values, "p(50)"),
        number(values, "p(95)"),
        number(values, "p(99)"),
        number(values, "max"),
    )


def _failed(values: Mapping[str, Any]) -> float:
    passes = number(values, "passes")
    return passes if passes is not None else number(values, "matches") or 0.0


def _counter(metrics: Metrics, name: str, key: str) -> float:
    return number(metrics.get(name, {}), key) or 0.0


def _duration_s(document: Mapping[str, Any], requests: Mapping[str, Any], made: float) -> float:
    for part, key, factor in (("state", "testRunDurationMs", 1e-3), ("config", "duration", 1.0)):
        section = document.get(part)
        if isinstance(section, dict) and (told := number(section, key)):
            return told * factor
    rate = demanded(requests, "rate", "http_reqs")
    return made / rate if rate else 0.0


def _version(document: Mapping[str, Any]) -> str | None:
    metadata = document.get("metadata")
    version = metadata.get("k6Version") if isinstance(metadata, dict) else None
    return one_line(version, 40) or None if isinstance(version, str) else None


class _Tags(msgspec.Struct):
    scenario: str = ""
    status: str = ""
    expected_response: str = "true"
    error: str = ""
    url: str = ""


class _Data(msgspec.Struct):
    time: datetime
    value: float
    tags: _Tags | None = None


class _Point(msgspec.Struct):
    metric: str
    type: str
    data: _Data


class _Line(msgspec.Struct):
    metric: str
    type: str


def is_point(line: bytes) -> bool:
    """Whether a line is one that `--out json` writes."""
    try:
        return msgspec.json.decode(line, type=_Line).type in {"Metric", "Point"}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


def read_points(lines: Lines, slow_s: float) -> ImportedResult:
    """The points of a test, of which only requests and what was dropped are looked at.

    Raises:
        NotUnderstoodError: a line is no point, or there are no requests.
    """
    scenarios: dict[str, Requests] = {}
    dropped: dict[str, int] = {}
    target: str | None = None
    for line in lines:
        try:
            kind = msgspec.json.decode(line, type=_Line)
            if kind.type != "Point" or kind.metric not in {_DURATION, _DROPPED}:
                continue
            data = msgspec.json.decode(line, type=_Point).data
            tags = data.tags or _Tags()
            if kind.metric == _DROPPED:
                dropped[tags.scenario] = dropped.get(tags.scenario, 0) + int(data.value)
                continue
            latency_s = data.value / 1e3
            # k6 gives a request the time of its end.
            start_s = data.time.timestamp() - latency_s
            scenarios.setdefault(tags.scenario, Requests.none()).add(start_s, latency_s, _cause(tags))
            target = target or one_line(tags.url, 200) or None
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
            raise NotUnderstoodError(f"it is no point of k6: {error}", lines.number) from error
    unsent = sum(dropped.values())
    return ImportedResult(
        tool="k6",
        format="points",
        loop="open" if unsent else "unknown",
        counted_from=_COUNTED_FROM,
        target=target,
        steps=_steps(scenarios, dropped, slow_s),
        remarks=(_SCHEDULED if unsent else _LOOP,),
    )


def _cause(tags: _Tags) -> str | None:
    if tags.expected_response != "false":
        return None
    return cause_of(tags.error, int(tags.status) if tags.status.isdecimal() and len(tags.status) == 3 else 0)  # noqa: PLR2004 - digits of an HTTP status


def _steps(scenarios: Mapping[str, Requests], dropped: Mapping[str, int], slow_s: float) -> tuple[StepMeasurement, ...]:
    by_start = sorted(scenarios.items(), key=lambda scenario: min(scenario[1].start))
    ends = [max(made.start) for _, made in by_start]
    apart = all(end < min(made.start) for end, (_, made) in zip(ends, by_start[1:], strict=False))
    if apart and by_start:
        return tuple(measured_step(made, slow_s=slow_s, unsent=dropped.get(name, 0)) for name, made in by_start)
    together = Requests.none()
    for made in scenarios.values():
        for place, (start, latency) in enumerate(zip(made.start, made.latency, strict=True)):
            together.add(start, latency, made.causes.get(place))
    return (measured_step(together, slow_s=slow_s, unsent=sum(dropped.values())),)
