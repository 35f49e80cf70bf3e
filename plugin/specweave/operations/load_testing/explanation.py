"""What the figures of a load test say, in sentences."""

from collections.abc import Sequence
from itertools import pairwise

from specweave.operations.counting import counted
from specweave.operations.load_testing.judgement import HEADROOM, Judgement, instances
from specweave.operations.load_testing.knee import WIDE, explain_knee
from specweave.operations.load_testing.measurement import Measurement
from specweave.operations.load_testing.statistics import (
    MAX_GENERATOR_CPU,
    MAX_LATENESS_MS,
    SAMPLES_FOR_P95,
    SAMPLES_FOR_P99,
    StepMeasurement,
)
from specweave.operations.load_testing.summary import Calibration
from specweave.operations.load_testing.wording import figure, interval, milliseconds, time_span
from specweave.project import SloSettings


def summarize_knee(
    measurement: Measurement, judgement: Judgement, slo: SloSettings, target_rps: float | None = None
) -> list[str]:
    """What a reader wants first: where the knee lies and why, and how many instances a rate needs.

    Args:
        measurement: what was measured.
        judgement: what follows from it.
        slo: against which.
        target_rps: requests a second that all instances together are to bear, if that was asked.
    """
    knee = explain_knee(measurement.steps, judgement, slo, measurement.machine)
    lines = [" ".join(knee)] if knee else []
    return lines if target_rps is None else [*lines, explain_instances(judgement, target_rps)]


def explain(measurement: Measurement, judgement: Judgement, slo: SloSettings) -> list[str]:
    """What else the figures say, a sentence each."""
    steps, held = measurement.steps, judgement.max_rps_within_slo
    lines: list[str] = []
    if held is not None and not judgement.interrupted:
        lines.append(
            f"For steady operation plan {figure(held * HEADROOM)} RPS per instance ({HEADROOM:.0%} of it): bursts and "
            "restarts need room."
        )
    lines += (
        _ended_early(steps) + _contradictions(steps, judgement) + _latencies(measurement, slo) + _over_time(steps, slo)
    )
    return lines + _generator(measurement, judgement) + _unknown(measurement)


def explain_instances(judgement: Judgement, target_rps: float) -> str:
    """How many instances a rate needs, and how much room they leave."""
    count, held = instances(judgement, target_rps), judgement.max_rps_within_slo
    if count is None or held is None:
        return (
            f"How many instances {target_rps:g} RPS need is not known: this test shows no rate that one of them holds."
        )
    each, beyond = target_rps / count, judgement.first_rps_beyond_slo
    known = beyond is not None and beyond <= WIDE * held
    number, verb = counted(count, "instance"), "is" if count == 1 else "are"
    said = (
        f"For {target_rps:g} RPS run {number}" if known else f"For {target_rps:g} RPS {number} {verb} enough"
    ) + f", each on a machine like this: {figure(each)} RPS each, {each / held:.0%} of what one held"
    if count == 1:
        return f"{said}; a second one bears it while the first restarts."
    if not known:
        why = "no limit was found" if beyond is None else f"no rate between {held:g} and {beyond:g} RPS was tested"
        said += f"; fewer may do, as {why}"
    left = target_rps / (count - 1)
    held_still = "within" if left <= held else "beyond"
    return f"{said}. With one of them away the others bear {figure(left)} RPS each, {held_still} what one held."


def _ended_early(steps: Sequence[StepMeasurement]) -> list[str]:
    return [
        f"{step.rate:g} RPS were ended after {time_span(step.duration_s)}: so many requests waited that the rate could "
        "only be beyond the SLO."
        for step in steps
        if step.cut
    ]


def _contradictions(steps: Sequence[StepMeasurement], judgement: Judgement) -> list[str]:
    """Rates that went clearly better than a lower one that was beyond: then that one was disturbed."""
    lowest = next((step for step in steps if step.rate == judgement.first_rps_beyond_slo), None)
    if lowest is None or lowest.p95_interval is None:
        return []
    return [
        f"{step.rate:g} RPS went better than {lowest.rate:g} RPS, by more than chance: something disturbed the lower "
        "rate; run it again before you believe where the knee lies."
        for step in steps
        if step.rate > lowest.rate
        and step.p95_interval is not None
        and step.p95_interval[1] < lowest.p95_interval[0]
        and step.error_rate <= lowest.error_rate
    ]


def _latencies(measurement: Measurement, slo: SloSettings) -> list[str]:
    # The latency is of the correct answers and of the failures that callers had to wait for; of other tools, which tell
    # no single request, it is of whatever they counted.
    lines = [
        f"At {step.rate:g} RPS {late} requests failed later than the SLO allows, or timed out; the latency holds their "
        "time."
        for step in measurement.steps
        if step.histogram and (late := step.latency.samples - step.correct) > 0
    ]
    narrowed = f"; a longer {measurement.lengthened_by} narrows it" if measurement.lengthened_by else ""
    return lines + [
        f"At {step.rate:g} RPS the SLO lies within the interval of P95 ({interval(step.p95_interval)}): another run "
        f"may fall on its other side{narrowed}."
        for step in measurement.steps
        if step.p95_interval and step.p95_interval[0] <= slo.latency_p95_ms <= step.p95_interval[1]
    ]


def _over_time(steps: Sequence[StepMeasurement], slo: SloSettings) -> list[str]:
    """What a long step, or one after a spike, says by its course."""
    lines = [
        f"At {step.rate:g} RPS over {time_span(step.duration_s)} the memory of the service went by "
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
                again = f"again after {time_span(slow[-1].start_s + width)}"
            lines.append(f"After the {before.rate:g} RPS, {after.rate:g} RPS were within the SLO's latency {again}.")
    return lines


def _generator(measurement: Measurement, judgement: Judgement) -> list[str]:
    lines = _generator_limit(measurement.steps, measurement.calibration)
    if judgement.disturbed:
        rates = ", ".join(f"{rate:g}" for rate in judgement.disturbed)
        lines.append(
            f"The load generator itself was late or short of processor time at {rates} RPS; the latencies there are "
            "upper bounds."
        )
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


def _unknown(measurement: Measurement) -> list[str]:
    enough = {"p50": 1, "p95": SAMPLES_FOR_P95, "p99": SAMPLES_FOR_P99}
    unknown = [
        (step.latency.samples >= least, name.upper())
        for name, least in enough.items()
        for step in measurement.steps
        if getattr(step.latency, name) is None
    ]
    untold = dict.fromkeys(name for suffices, name in unknown if suffices)
    limits = f"P95 needs {SAMPLES_FOR_P95:,}, P99 needs {SAMPLES_FOR_P99:,}"
    lines = []
    if any(not suffices for suffices, _ in unknown):
        if measurement.lengthened_by == "log":
            lines.append(f"n/a: the log has too few requests for that percentile ({limits}).")
        else:
            remedy = f"; use a longer {measurement.lengthened_by}" if measurement.lengthened_by else ""
            lines.append(f"n/a: too few requests for that percentile ({limits}){remedy}.")
    if untold:
        named = " and ".join(untold)
        lines.append(f"n/a of {named} where there were enough requests: the tool that sent them did not tell it.")
    return lines
