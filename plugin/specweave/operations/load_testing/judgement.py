"""What a measurement says of the service: which rates it holds within its SLO, and what to recommend.

A step is judged

- `within`: P95 and error rate are within the SLO. A request that failed later than the SLO allows counts in P95 with
  its own time, for whoever waits for an error waits too. Lateness of the generator is part of every latency, so it
  cannot make a step pass. With fewer than 200 samples there is no P95; then the slowest of them must be within the SLO,
  and there must be at least 59 (were 5 % of all requests slower, 59 in a row would be faster in one test of twenty).
- `beyond`: one of them is not.
- `generator-limited`: P95 is beyond, but the generator was late or had no processor time left, and that may be why: its
  lateness may be part of a latency twice, when the request was sent and when the answer was read. (Where arrivals
  are late by at most L, no queue that serves in order answers later by more than L.) It says nothing of the service.
- `undecided`: too few samples to say.
- `p95-unknown`: another tool's result tells no P95, and what it tells (P50, P99, the slowest) does not decide.

The service holds a rate when that step is within and no lower one is beyond: what is held at a higher rate is held at a
lower one that could not be judged. A test passes when a rate is held, for one of several looks for the highest. A test
that neither holds a rate nor finds one beyond is inconclusive: it shows nothing, and takes nothing back.
"""

from collections.abc import Sequence
from math import ceil, inf
from typing import Literal

import msgspec

from specweave.operations.load_testing.statistics import SAMPLES_FOR_P95, Percentiles, StepMeasurement, is_disturbed
from specweave.project import SloSettings

Verdict = Literal["within", "beyond", "generator-limited", "undecided", "p95-unknown"]

FEWEST_SAMPLES = 59
HEADROOM = 0.8


class Judgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What follows from the steps.

    Attributes:
        passed: see the module's text.
        verdicts: one for each step, in their order.
        max_rps_within_slo: highest rate held, None when none is.
        first_rps_beyond_slo: lowest rate that the service did not hold, None when none was found.
        disturbed: rates at which the generator was late or short of processor time, whatever the verdict.
        interrupted: the test was ended before its plan was done; then it shows nothing.
    """

    passed: bool
    verdicts: tuple[Verdict, ...]
    max_rps_within_slo: float | None
    first_rps_beyond_slo: float | None
    disturbed: tuple[float, ...]
    interrupted: bool = False


def judge(steps: Sequence[StepMeasurement], slo: SloSettings, *, interrupted: bool = False) -> Judgement:
    """Judge the steps of one measurement; a rate that has several steps is held where each of them holds it.

    Args:
        steps: as measured.
        slo: against which.
        interrupted: the test was ended before its plan was done; it does not pass then.
    """
    verdicts = [(step.rate, _verdict(step, slo)) for step in steps]
    beyond = [rate for rate, verdict in verdicts if verdict == "beyond"]
    below = [rate for rate, verdict in verdicts if verdict == "within" and rate < min(beyond, default=inf)]
    held = max(below, default=None)
    return Judgement(
        passed=held is not None and not interrupted,
        verdicts=tuple(verdict for _, verdict in verdicts),
        max_rps_within_slo=held,
        first_rps_beyond_slo=min(beyond, default=None),
        disturbed=tuple(step.rate for step in steps if is_disturbed(step)),
        interrupted=interrupted,
    )


def _verdict(step: StepMeasurement, slo: SloSettings) -> Verdict:
    if not step.correct or step.error_rate > slo.error_rate:
        return "beyond"
    if step.latency.samples < FEWEST_SAMPLES:
        return "undecided"
    at_least, at_most = _decisive(step.latency)
    if at_most <= slo.latency_p95_ms:
        return "within"
    if at_least <= slo.latency_p95_ms:
        return "p95-unknown"
    lateness = step.generator.lateness.maximum or 0.0 if step.generator else 0.0
    if is_disturbed(step) and at_least - 2 * lateness <= slo.latency_p95_ms:
        return "generator-limited"
    return "beyond"


def _decisive(latency: Percentiles) -> tuple[float, float]:
    """Between which values the latency lies that decides: P95, or of too few samples the slowest."""
    told = latency.p95
    if told is None and latency.samples < SAMPLES_FOR_P95:
        told = latency.maximum
    if told is not None:
        return told, told
    above = latency.p99 if latency.p99 is not None else latency.maximum
    return latency.p50 or 0.0, inf if above is None else above


def recommendation(judgement: Judgement, slo: SloSettings) -> tuple[str, str]:
    """Two lines for people: what to deploy with, and how the target was met."""
    target = f"Target: <{slo.latency_p95_ms:g}ms P95 latency"
    held, beyond = judgement.max_rps_within_slo, judgement.first_rps_beyond_slo
    if judgement.interrupted:
        until_then = "nothing was" if held is None else f"until then {held:g} RPS were"
        return "Recommendation: none; the test was interrupted", f"{target} ({until_then} shown to hold it)"
    if held is None and beyond is not None:
        advice = "Recommendation: do not deploy; no tested rate is within the SLO"
        return advice, f"{target} (not achieved at {beyond:g} RPS)"
    if held is None:
        reason = "the load generator was the limit, repeat on a quieter machine"
        if "p95-unknown" in judgement.verdicts:
            reason = "the result does not tell P95 or what it lies between"
        elif "generator-limited" not in judgement.verdicts:
            reason = "too few requests to judge"
        return f"Recommendation: none; {reason}", f"{target} (not shown)"
    advice = f"Recommendation: Deploy with max {held:g} RPS per instance"
    if beyond is None:
        limited = "generator-limited" in judgement.verdicts
        advice += f" (at least; {'above it the load generator was the limit' if limited else 'no limit was found'})"
    return advice, f"{target} (achieved at {held:g} RPS)"


def instances(judgement: Judgement, target_rps: float) -> int | None:
    """How many instances bear so many requests a second, each with 0.8 of the highest rate that one held.

    None where no rate was held, or the test was interrupted. That instances add up is an assumption: each on a machine
    like the one of the test, and nothing that they share is the limit.
    """
    if judgement.max_rps_within_slo is None or judgement.interrupted:
        return None
    # A quotient that is whole but for the last bits of its floats is that whole number.
    return max(1, ceil(round(target_rps / (HEADROOM * judgement.max_rps_within_slo), 9)))


def judged_steps(steps: Sequence[StepMeasurement], judgement: Judgement) -> list[dict[str, object]]:
    """The steps as a report keeps them: all that was measured, and `verdict`."""
    return [
        {**msgspec.to_builtins(step), "verdict": verdict}
        for step, verdict in zip(steps, judgement.verdicts, strict=True)
    ]
