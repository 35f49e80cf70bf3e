"""What a measurement says of the service: which rates it holds within its SLO, and what to recommend.

A step is judged

- `within`: P95 and error rate are within the SLO. Lateness of the generator is part of every latency, so it cannot make
  a step pass. With fewer than 200 samples there is no P95; then the slowest request must be within the SLO, and there
  must be at least 59 (were 5 % of all requests slower, 59 in a row would be faster in one test of twenty).
- `beyond`: one of them is not.
- `generator-limited`: beyond, but the generator was late or had no processor time left; it says nothing of the service.
- `undecided`: too few samples to say.

The service holds a rate when that step and every lower one are within. A test of several rates passes when the lowest
is held, for it looks for the highest; a test of one rate passes when that rate is held.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from specweave.operations.load_testing.statistics import Percentiles, StepMeasurement
from specweave.project import SloSettings

Verdict = Literal["within", "beyond", "generator-limited", "undecided"]

FEWEST_SAMPLES = 59
MAX_LATENESS_OF_SLO = 0.05
MAX_GENERATOR_CPU = 0.85
HEADROOM = 0.8


class Judgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What follows from the steps.

    Attributes:
        passed: see the module's text.
        verdicts: one for each step, in their order.
        max_rps_within_slo: highest rate held, None when not even the lowest is.
        first_rps_beyond_slo: lowest rate that the service did not hold, None when none was found.
        disturbed: rates at which the generator was late or short of processor time, whatever the verdict.
    """

    passed: bool
    verdicts: tuple[Verdict, ...]
    max_rps_within_slo: float | None
    first_rps_beyond_slo: float | None
    disturbed: tuple[float, ...]


def judge(steps: Sequence[StepMeasurement], slo: SloSettings) -> Judgement:
    """Judge the steps of one measurement."""
    verdicts = {step.rate: _verdict(step, slo) for step in steps}
    held: float | None = None
    for rate in sorted(verdicts):
        if verdicts[rate] != "within":
            break
        held = rate
    beyond = [rate for rate, verdict in verdicts.items() if verdict == "beyond"]
    return Judgement(
        passed=held is not None,
        verdicts=tuple(verdicts[step.rate] for step in steps),
        max_rps_within_slo=held,
        first_rps_beyond_slo=min(beyond, default=None),
        disturbed=tuple(step.rate for step in steps if generator_was_limit(step, slo)),
    )


def generator_was_limit(step: StepMeasurement, slo: SloSettings) -> bool:
    """Whether the engine itself was late by more than 5 % of the SLO, or used more than 85 % of its core."""
    lateness = _tail(step.generator.lateness, 0.99)
    return lateness > MAX_LATENESS_OF_SLO * slo.latency_p95_ms or step.generator.cpu > MAX_GENERATOR_CPU


def _verdict(step: StepMeasurement, slo: SloSettings) -> Verdict:
    if not step.correct or step.error_rate > slo.error_rate:
        within = False
    elif step.requests < FEWEST_SAMPLES:
        return "undecided"
    else:
        within = _tail(step.latency, 0.95) <= slo.latency_p95_ms
    if within:
        return "within"
    return "generator-limited" if generator_was_limit(step, slo) else "beyond"


def _tail(values: Percentiles, quantile: float) -> float:
    """The quantile where it is known, else the maximum."""
    known = values.p99 if quantile > 0.95 else values.p95  # noqa: PLR2004 - the two that there are
    return known if known is not None else values.maximum or 0.0


def recommendation(judgement: Judgement, slo: SloSettings) -> tuple[str, str]:
    """Two lines for people: what to deploy with, and how the target was met."""
    target = f"Target: <{slo.latency_p95_ms:g}ms P95 latency"
    held, beyond = judgement.max_rps_within_slo, judgement.first_rps_beyond_slo
    if held is None:
        if "generator-limited" in judgement.verdicts:
            return (
                "Recommendation: none; the load generator was the limit, repeat on a quieter machine",
                f"{target} (not shown)",
            )
        if beyond is None:
            return "Recommendation: none; too few requests to judge, use a longer --duration", f"{target} (not shown)"
        return (
            "Recommendation: do not deploy; no tested rate is within the SLO",
            f"{target} (not achieved at {beyond:g} RPS)",
        )
    if beyond is None:
        return (
            f"Recommendation: Deploy with max {held:g} RPS per instance (at least; no limit was found)",
            f"{target} (achieved at {held:g} RPS)",
        )
    return f"Recommendation: Deploy with max {held:g} RPS per instance", f"{target} (achieved at {held:g} RPS)"
