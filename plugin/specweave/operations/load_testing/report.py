"""What people read of a load test: the table, the report, the chart."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from specweave.files import rendering
from specweave.operations.load_testing.chart import rate_chart, time_chart
from specweave.operations.load_testing.comparison import Change
from specweave.operations.load_testing.judgement import (
    HEADROOM,
    Judgement,
    recommendation,
)
from specweave.operations.load_testing.measurement import Measurement
from specweave.operations.load_testing.statistics import (
    MAX_GENERATOR_CPU,
    MAX_LATENESS_MS,
    MAX_LATENESS_OF_P50,
    SAMPLES_FOR_P99,
    Generator,
    Percentiles,
    ServerUse,
    StepMeasurement,
)
from specweave.operations.load_testing.summary import Calibration
from specweave.project import SloSettings

_VERDICTS = {
    "within": "yes",
    "beyond": "no",
    "generator-limited": "unknown: generator was the limit",
    "undecided": "unknown: too few requests",
    "p95-unknown": "unknown: no P95 in the result",
}
# A gap this clear is no chance of the arrivals.
_SATURATED = 0.9
_PROCESSOR_BOUND = 0.85
_TENTHS_BELOW_MS = 10
_HUNDREDTHS_BELOW_MS = 1


def milliseconds(value: float | None, timeout_ms: float | None = None) -> str:
    """`45ms`, `4.2ms`, `0.31ms`; `n/a` where it is not known; `>10000ms` where only the timeout is known."""
    if value is None:
        return "n/a"
    if timeout_ms is not None and value >= timeout_ms:
        return f">{timeout_ms:.0f}ms"
    digits = 2 if value < _HUNDREDTHS_BELOW_MS else 1 if value < _TENTHS_BELOW_MS else 0
    return f"{value:.{digits}f}ms"


def render_report(
    measurement: Measurement,
    judgement: Judgement,
    slo: SloSettings,
    *,
    title: str,
    timeout_s: float | None,
    remarks: Sequence[str],
    conditions: Mapping[str, str],
    earlier: str = "",
    changes: Sequence[Change] = (),
) -> tuple[str, dict[str, bytes]]:
    """The report in markdown and its charts, by the suffix of their attachments.

    Args:
        measurement: what was measured.
        judgement: what follows from it.
        slo: against which.
        title: which model and version.
        timeout_s: of each request; None where it is not known.
        remarks: what a reader must know of this run; markdown, one sentence each.
        conditions: name → value of what the figures depend on, beside machine and versions.
        earlier: the measurement that this one is compared with, if there is one.
        changes: what became of it.
    """
    advice, target = recommendation(judgement, slo)
    timeout_ms = None if timeout_s is None else timeout_s * 1e3
    rows = [
        _row(step, _VERDICTS[verdict], step.rate in judgement.disturbed, timeout_ms)
        for step, verdict in zip(measurement.steps, judgement.verdicts, strict=True)
    ]
    values = {
        "title": title,
        "recommendation": f"**{advice}**",
        "target": target,
        "rows": rows,
        "over_time": any(step.timeline for step in measurement.steps),
        "slo_latency": f"{slo.latency_p95_ms:g} ms",
        "slo_error_rate": f"{slo.error_rate:.2%}",
        "explanation": [*explain(measurement, judgement, slo), *remarks],
        "earlier": earlier,
        "changes": [_change(change) for change in changes],
        "failures": [
            {"rate": f"{step.rate:g}", "cause": failure.cause, "count": failure.count, "sample": failure.sample}
            for step in measurement.steps
            for failure in step.failures
        ],
        "lateness_limit": f"{MAX_LATENESS_MS:g} ms at P99, or {MAX_LATENESS_OF_P50:.0%} of the P50 of the latency,",
        "cpu_limit": f"{MAX_GENERATOR_CPU:.0%}",
        "conditions": [
            *conditions.items(),
            *measurement.machine.items(),
            ("load generator", ", ".join(f"{name} {version}" for name, version in measurement.versions.items())),
        ],
    }
    files = rendering.render("load-test", values)
    charts = {".svg": rate_chart(measurement.steps, judgement, slo)}
    if values["over_time"]:
        charts["-over-time.svg"] = time_chart(measurement.steps, slo)
    return files["report.md"].decode(), charts


def explain(measurement: Measurement, judgement: Judgement, slo: SloSettings) -> list[str]:
    """What the table says, in sentences."""
    steps = measurement.steps
    held, beyond = judgement.max_rps_within_slo, judgement.first_rps_beyond_slo
    lines: list[str] = []
    if held is not None and beyond is not None and beyond > held:
        lines.append(f"The limit lies between {held:g} and {beyond:g} RPS; rates between them were not tested.")
    if held is not None:
        lines.append(
            f"For steady operation plan {held * HEADROOM:g} RPS per instance ({HEADROOM:.0%} of it): bursts and "
            "restarts need room."
        )
    for step, verdict in zip(steps, judgement.verdicts, strict=True):
        if verdict == "beyond" and step.achieved_rate < _SATURATED * step.requests / step.duration_s:
            lines.append(
                f"At {step.rate:g} RPS the service is saturated: it answers {step.achieved_rate:.0f} a second, the "
                "rest waits or fails."
            )
    lines += [
        _bottleneck(step, step.server)
        for step, verdict in zip(steps, judgement.verdicts, strict=True)
        if verdict == "beyond" and step.rate == beyond and step.server is not None
    ]
    # The latency is of the correct answers and of the failures that callers had to wait for.
    lines += [
        f"At {step.rate:g} RPS {late} requests failed later than the SLO allows, or timed out; the latency holds their "
        "time."
        for step in steps
        if (late := step.latency.samples - step.correct) > 0
    ]
    lines += [
        f"At {step.rate:g} RPS the SLO lies within the interval of P95 ({_interval(step.p95_interval)}): another run "
        "may fall on its other side; a longer `--duration` narrows it."
        for step in steps
        if step.p95_interval and step.p95_interval[0] <= slo.latency_p95_ms <= step.p95_interval[1]
    ]
    lines += _over_time(steps, slo)
    lines += _generator_limit(steps, measurement.calibration)
    if judgement.disturbed:
        rates = ", ".join(f"{rate:g}" for rate in judgement.disturbed)
        lines.append(
            f"The load generator itself was late or short of processor time at {rates} RPS; "
            "the latencies there are upper bounds."
        )
    unknown = [step.latency.samples for step in steps if step.latency.p99 is None]
    if any(samples < SAMPLES_FOR_P99 for samples in unknown):
        lines.append(
            "n/a: too few requests for that percentile (P95 needs 200, P99 needs 1,000); use a longer `--duration`."
        )
    if any(samples >= SAMPLES_FOR_P99 for samples in unknown):
        lines.append("n/a: the tool that sent the requests does not tell it.")
    return lines


def _over_time(steps: Sequence[StepMeasurement], slo: SloSettings) -> list[str]:
    """What a long step, or one after a spike, says by its course."""
    lines = [
        f"At {step.rate:g} RPS over {step.duration_s / 60:.3g} minutes the memory of the service went by "
        f"{step.server.memory_trend_mb_per_hour:+.1f} MB an hour, after a first third to settle."
        for step in steps
        if step.server and step.server.memory_trend_mb_per_hour is not None
    ]
    for before, after in pairwise(steps):
        if after.rate < before.rate and after.timeline:
            slow = [part for part in after.timeline if (part.p95 or part.maximum or 0.0) > slo.latency_p95_ms]
            width = after.duration_s / len(after.timeline)
            again = "never again" if len(slow) == len(after.timeline) else "at once"
            if slow and len(slow) < len(after.timeline):
                again = f"again after {slow[-1].start_s + width:.3g} s"
            lines.append(f"After the {before.rate:g} RPS, {after.rate:g} RPS were within the SLO's latency {again}.")
    return lines


def _generator_limit(steps: Sequence[StepMeasurement], found: Calibration | None) -> list[str]:
    if found is None:
        return []
    said = f"lateness P99 {milliseconds(found.lateness_p99_ms)}, {found.cpu:.0%} of its core"
    if found.lateness_p99_ms > MAX_LATENESS_MS or found.cpu > MAX_GENERATOR_CPU:
        return [
            f"The load generator itself is too slow here for {found.rate:g} RPS ({said}): this machine is too busy."
        ]
    beyond = [f"{step.rate:g}" for step in steps if step.rate > found.rate]
    if not beyond:
        return []
    line = (
        f"Just before, the load generator sent {found.rate:g} RPS on time to a server that does nothing ({said}), and "
        f"not more: what is beyond the SLO at {', '.join(beyond)} RPS may be its own doing."
    )
    return [line]


def _bottleneck(step: StepMeasurement, used: ServerUse) -> str:
    count = f"{used.processes} process" + ("es" if used.processes > 1 else "")
    said = f"At {step.rate:g} RPS its {count} used {used.cpu:.0%} of a core"
    if used.cpu >= _PROCESSOR_BOUND * used.processes:
        return f"{said}: the processor is the limit; more workers on more cores, or a cheaper model, raise it."
    return f"{said}: the processor is not the limit; look at what requests wait for."


def _change(change: Change) -> dict[str, str]:
    return {
        "rate": f"{change.rate:g}",
        "before": milliseconds(change.before),
        "now": milliseconds(change.now),
        "difference": f"{change.difference:+.2f}ms",
        "interval": f"{change.low:+.2f} to {change.high:+.2f}ms",
        "verdict": change.verdict,
    }


def _server(used: ServerUse) -> dict[str, object]:
    return {
        "processes": used.processes,
        "cpu": f"{used.cpu:.0%}",
        "cpu_us": f"{used.cpu_us_per_request:,.0f}",
        "memory": f"{used.memory_mb:,.0f}",
        "growth": f"{used.memory_growth_mb:+,.1f}",
    }


def _interval(bounds: tuple[float, float] | None) -> str:
    return "n/a" if bounds is None else f"{milliseconds(bounds[0]).removesuffix('ms')} to {milliseconds(bounds[1])}"


def _cells(prefix: str, values: Percentiles, limit: float | None) -> dict[str, str]:
    return {f"{prefix}{name}": milliseconds(getattr(values, name), limit) for name in ("p50", "p95", "p99", "maximum")}


def _generator(generator: Generator) -> dict[str, object]:
    return {
        "connections": generator.connections,
        "reconnects": generator.reconnects,
        "longest_queue": generator.longest_queue,
        "cpu": f"{generator.cpu:.0%}",
        **_cells("late_", generator.lateness, None),
    }


def _row(step: StepMeasurement, verdict: str, disturbed: bool, timeout_ms: float | None) -> dict[str, object]:
    return {
        "rate": f"{step.rate:g}",
        "achieved": f"{step.achieved_rate:.1f}" if step.achieved_rate < 100 else f"{step.achieved_rate:.0f}",  # noqa: PLR2004 - three figures
        "error_rate": f"{step.error_rate:.2%}",
        "verdict": verdict,
        "generator": None if step.generator is None else _generator(step.generator),
        "disturbed": ", ".join(["repeated"] * step.repeated + ["disturbed"] * disturbed),
        "p95_interval": _interval(step.p95_interval),
        "server": None if step.server is None else _server(step.server),
        **_cells("", step.latency, timeout_ms),
        **_cells("service_", step.service_time, None),
    }
