"""What people read of a load test: the table, the report, the chart."""

from collections.abc import Mapping, Sequence

from specweave.files import rendering
from specweave.operations.load_testing.chart import rate_chart, time_chart
from specweave.operations.load_testing.comparison import Change
from specweave.operations.load_testing.explanation import explain, summarize_knee
from specweave.operations.load_testing.judgement import (
    Judgement,
    recommendation,
)
from specweave.operations.load_testing.measurement import Measurement
from specweave.operations.load_testing.statistics import (
    MAX_GENERATOR_CPU,
    MAX_LATENESS_MS,
    MAX_LATENESS_OF_P50,
    NOTICEABLE_LATENESS_MS,
    Generator,
    Percentiles,
    ServerUse,
    StepMeasurement,
    is_disturbed,
)
from specweave.operations.load_testing.wording import achieved, figure, interval, milliseconds, time_span
from specweave.project import SloSettings

_VERDICTS = {
    "within": "yes",
    "beyond": "no",
    "generator-limited": "unknown: generator was the limit",
    "undecided": "unknown: too few requests",
    "p95-unknown": "unknown: no P95 in the result",
}


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
    target_rps: float | None = None,
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
        target_rps: requests a second that all instances together are to bear, if that was asked.
    """
    advice, target = recommendation(judgement, slo)
    timeout_ms = None if timeout_s is None else timeout_s * 1e3
    rows = [
        _row(step, _VERDICTS[verdict], is_disturbed(step), timeout_ms)
        for step, verdict in zip(measurement.steps, judgement.verdicts, strict=True)
    ]
    values = {
        "title": title,
        "partial": _partial(measurement),
        "recommendation": f"**{advice}**",
        "target": target,
        "summary": summarize_knee(measurement, judgement, slo, target_rps),
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
        "lateness_limit": f"{MAX_LATENESS_MS:g} ms at P99 ({MAX_LATENESS_OF_P50:.0%} of the latency's P50 where that "
        f"is less, but {NOTICEABLE_LATENESS_MS:g} ms at least)",
        "repeat_limit": f"{MAX_LATENESS_MS:g} ms",
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


def _partial(measurement: Measurement) -> str:
    if measurement.interrupted is None:
        return ""
    done = time_span(sum(step.duration_s for step in measurement.steps))
    return f"the test was interrupted ({measurement.interrupted}) after {done} of load"


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
        "others": "n/a" if used.others_cpu is None else f"{used.others_cpu:.0%}",
    }


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
        "achieved": achieved(step.achieved_rate),
        "error_rate": f"{step.error_rate:.2%}",
        "verdict": verdict,
        "generator": None if step.generator is None else _generator(step.generator),
        "disturbed": ", ".join(
            ["repeated"] * step.repeated + ["disturbed"] * disturbed + ["ended early"] * (step.cut or step.interrupted)
        ),
        "concurrency": "n/a" if step.concurrency is None else figure(step.concurrency),
        "p95_interval": interval(step.p95_interval),
        "server": None if step.server is None else _server(step.server),
        **_cells("", step.latency, timeout_ms),
        **_cells("service_", step.service_time, None),
    }
