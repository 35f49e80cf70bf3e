"""Where latency begins to grow faster than the rate, and what the service has run out of there: two sentences.

A service is *saturated* where it answers fewer requests a second than come: its queue then grows as long as they come.
By Little's law (Little, Operations Research 9, 1961) the requests under way at once are the rate times what each takes.
By the utilization law (Denning and Buzen, Computing Surveys 10, 1978) a processor is full at the rate whose inverse is
the processor time of one request.
"""

from collections.abc import Mapping, Sequence

from specweave.files.quoting import code_span
from specweave.operations.load_testing.judgement import Judgement
from specweave.operations.load_testing.outcomes import Outcome, name
from specweave.operations.load_testing.statistics import ServerUse, StepMeasurement
from specweave.operations.load_testing.wording import figure, milliseconds
from specweave.project import SloSettings

# A gap this clear is no chance of the arrivals.
_SATURATED = 0.95
_FULL, _BUSY = 0.85, 0.6
# Where so little of the machine is idle, programs may have been in each other's way, whichever core they had.
_IDLE = 0.3
# Of a limit that lies between two rates so far apart little is known.
WIDE = 1.5
# Which figure tells of the latency, where the first of them is known.
_FIGURES = {"p95": "P95", "p50": "P50", "p99": "P99", "maximum": "the longest latency"}
_CLIENT_ERRORS = range(400, 500)
# Request Timeout, Too Early, Too Many Requests.
_OF_OVERLOAD = frozenset({408, 425, 429})
_NOT_AS_PROMISED = frozenset({name(Outcome.WRONG_ANSWER), name(Outcome.MALFORMED)})


def explain_knee(
    steps: Sequence[StepMeasurement], judgement: Judgement, slo: SloSettings, machine: Mapping[str, str]
) -> list[str]:
    """Where the knee lies, and why there; nothing where no step was judged.

    Args:
        steps: as measured.
        judgement: what follows from them.
        slo: against which.
        machine: its `cores` say how many there are.
    """
    judged = sorted(zip(steps, judgement.verdicts, strict=True), key=lambda pair: pair[0].rate)
    within = [step for step, verdict in judged if verdict == "within" and step.rate == judgement.max_rps_within_slo]
    beyond = [step for step, verdict in judged if verdict == "beyond" and step.rate == judgement.first_rps_beyond_slo]
    known = machine.get("cores", "")
    cores = int(known) if known.isdecimal() else 1
    held = within[-1] if within else None
    if beyond and held is None and (cause := _refusal(beyond[0], slo)):
        failing = (
            f"Of the requests at {beyond[0].rate:g} RPS {beyond[0].error_rate:.2%} fail, most by {code_span(cause)}"
        )
        return [
            f"{failing}: that is about what is asked or answered, not about how much.",
            "Where the knee lies is not known before it is mended.",
        ]
    if beyond and is_spike(steps):
        return [_burst(steps[0], beyond[-1]), _cause(steps[0], beyond[-1], slo, cores)]
    if beyond:
        return [_between(held, beyond[0]), _cause(held, beyond[0], slo, cores)]
    if held is None:
        return []
    first = _spike_held(steps, held) if is_spike(steps) else [_none_found(judged[0][0], held)]
    return [*first, _room(held, cores)]


def _refusal(step: StepMeasurement, slo: SloSettings) -> str | None:
    """What most requests failed by, where that has nothing to do with the rate."""
    if not step.failures or step.failures[0].count <= slo.error_rate * step.requests:
        return None
    cause = step.failures[0].cause
    status = cause.removeprefix("status ")
    refused = status.isdecimal() and int(status) in _CLIENT_ERRORS and int(status) not in _OF_OVERLOAD
    return cause if refused or cause in _NOT_AS_PROMISED else None


def is_spike(steps: Sequence[StepMeasurement]) -> bool:
    """Whether a rate was tested before another and again after it: then the two tell of recovery, and of no knee."""
    return len({step.rate for step in steps}) < len(steps)


def _between(held: StepMeasurement | None, beyond: StepMeasurement) -> str:
    if held is None:
        return f"Already the lowest rate, {beyond.rate:g} RPS, is beyond the SLO: {_state(beyond)}."
    is_wide = beyond.rate > WIDE * held.rate
    between = "`--find-max` tests rates between them" if is_wide else "rates between them were not tested"
    return f"The knee lies between {held.rate:g} and {beyond.rate:g} RPS{_with(', where', held, beyond)}; {between}."


def _burst(usual: StepMeasurement, beyond: StepMeasurement) -> str:
    if beyond.rate == usual.rate:
        return f"After the spike the service no longer holds {usual.rate:g} RPS{_with(':', usual, beyond)}."
    return f"The spike to {beyond.rate:g} RPS is more than the service holds{_with(':', usual, beyond)}."


def _spike_held(steps: Sequence[StepMeasurement], held: StepMeasurement) -> list[str]:
    usual = steps[0]
    if held.rate <= usual.rate:
        return []
    return [f"The service holds the spike to {held.rate:g} RPS{_with(':', usual, held)}."]


def _with(joint: str, low: StepMeasurement, high: StepMeasurement) -> str:
    """What became of latency and errors, as far as both rates tell it, after `joint`; empty where neither does."""
    risen = [_rise(low, high)] if _told(low, high) else []
    if low.error_rate or high.error_rate:
        begin = "" if risen else "goes "
        risen.append(f"the share of errors {begin}from {low.error_rate:.2%} to {high.error_rate:.2%}")
    return f"{joint} {' and '.join(risen)}" if risen else ""


def _rise(low: StepMeasurement, high: StepMeasurement) -> str:
    name = _told(low, high)
    before, after = (milliseconds(getattr(step.latency, name)) for step in (low, high))
    return f"{_FIGURES[name]} goes from {before} to {after}"


def _told(*steps: StepMeasurement) -> str:
    """The first figure of latency that all of them tell; empty where there is none."""
    return next((name for name in _FIGURES if all(getattr(step.latency, name) is not None for step in steps)), "")


def _state(step: StepMeasurement) -> str:
    name = _told(step)
    latency = f"{_FIGURES[name]} is {milliseconds(getattr(step.latency, name))}, and " if name else ""
    return f"{latency}{_failing(step)}"


def _cause(held: StepMeasurement | None, step: StepMeasurement, slo: SloSettings, cores: int) -> str:
    offered = step.requests / step.duration_s
    at_once = ""
    if step.concurrency is not None:
        before = f", {figure(held.concurrency)} at {held.rate:g} RPS" if held and held.concurrency is not None else ""
        at_once = f"; {figure(step.concurrency)} requests are under way at once{before}"
    late = (step.latency.p95 or 0.0) > slo.latency_p95_ms
    if step.error_rate > slo.error_rate and step.failures:
        said = f"It fails{' and is late' * late}, most by {code_span(step.failures[0].cause)}"
    elif _is_saturated(step):
        said = (
            f"It is saturated: of {figure(offered)} requests a second it answers {figure(step.achieved_rate)}, and the "
            "rest queue up"
        )
    else:
        said = "It is not saturated: it answers all of them, but later"
    return f"{said}{at_once}; {_limit(step, cores, late=late)}."


def _is_saturated(step: StepMeasurement) -> bool:
    """Whether the answers came more slowly than the requests, over the step and until the last of them."""
    if step.cut:
        return True
    if not step.achieved_rate:
        return False
    # What one answer takes when nothing waits yet is no sign of a queue, however long it is.
    unhurried_s = (step.timeline[0].p50 or 0.0) / 1e3 if step.timeline else 0.0
    answering_s = max(step.duration_s, step.correct / step.achieved_rate - unhurried_s)
    return step.correct / answering_s < _SATURATED * step.requests / step.duration_s


def _limit(step: StepMeasurement, cores: int, *, late: bool) -> str:
    used = step.server
    if used is None:
        return "what it used of its machine is not known here"
    room = _room_of(used, cores)
    engine = step.generator.cpu if step.generator else 0.0
    if used.cpu >= _FULL * room:
        return (
            f"its processor is the limit: {used.cpu_us_per_request:,.0f} µs a request on {_counted(room, 'core')} "
            f"allow about {figure(_capacity(used, room))} RPS"
        )
    busy = f"its processor is busy to {used.cpu:.0%} of {_counted(room, 'core')}"
    others = used.others_cpu or 0.0
    idle = cores - used.cpu - others - engine
    if used.cpu + others >= _FULL * room and idle < _IDLE * cores:
        return f"{busy}, and other programs used {others:.0%}: they may be the limit, repeat on a quieter machine"
    if not late:
        return f"{busy}, and what it answers is not late: it refuses or breaks, it does not queue"
    if used.cpu >= _BUSY * room:
        return f"{busy}: what comes in bursts waits for it"
    return f"{busy} only, so what they wait for is something else: a lock, a pool, a disk, another service"


def _none_found(lowest: StepMeasurement, held: StepMeasurement) -> str:
    if lowest.rate == held.rate:
        return f"One rate shows no knee: at {held.rate:g} RPS {_state(held)}."
    risen = f"{_rise(lowest, held)}, and " if _told(lowest, held) else ""
    return f"No knee was found up to {held.rate:g} RPS: from {lowest.rate:g} RPS to there {risen}{_failing(held)}."


def _room(held: StepMeasurement, cores: int) -> str:
    used = held.server
    if used is None:
        return (
            "How far the service is from saturation is not known: what it uses of its machine cannot be seen from here."
        )
    room = _room_of(used, cores)
    state = "nearly saturated" if used.cpu >= _FULL * room else "not saturated"
    return (
        f"It is {state}: {used.cpu:.0%} of {_counted(room, 'core')}, {used.cpu_us_per_request:,.0f} µs a request; at "
        f"this price its processor is full at about {figure(_capacity(used, room))} RPS, which is an estimate."
    )


def _room_of(used: ServerUse, cores: int) -> int:
    # The generator has a core of its own where there are several.
    return min(used.processes, max(1, cores - 1))


def _capacity(used: ServerUse, room: int) -> float:
    return room * 1e6 / used.cpu_us_per_request if used.cpu_us_per_request else float("inf")


def _counted(number: int, name: str) -> str:
    return f"one {name}" if number == 1 else f"{number} {name}s"


def _failing(step: StepMeasurement) -> str:
    return f"{step.error_rate:.2%} of the requests fail" if step.error_rate else "no request fails"
