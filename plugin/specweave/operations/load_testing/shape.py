"""What load is asked for, and the steps that it comes to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from specweave.errors import InvalidInputError
from specweave.operations.load_testing.arrival_log import read_arrivals
from specweave.operations.load_testing.plan import Arrivals, Floats, Search, Step
from specweave.project import SloSettings

_LONGEST_REPLAY_S = 86_400.0

Lengthening = Literal["`--duration`", "`--soak`", "log"]


class Load(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The load that somebody asked for.

    Attributes:
        rates: requests a second, each a step.
        duration_s: of each step.
        arrivals: how requests are spread over a step.
        find_max: search the highest rate within the SLO, from the one of `rates` on, instead of going through them.
        soak: hold the one rate for all of `duration_s`.
        spike: go from the one rate to this one and back, without a pause.
        replay: a log whose requests are sent again at the moments at which they came; see `arrival_log`. `rates` and
            `arrivals` then say nothing, and no more than the first `duration_s` are played.
        speed: how many times as fast.
        timeout_s, connections, workers, ca_file: see `Plan`.
    """

    rates: tuple[float, ...]
    duration_s: float
    arrivals: Arrivals = "poisson"
    find_max: bool = False
    soak: bool = False
    spike: float | None = None
    replay: str | None = None
    speed: float = 1.0
    timeout_s: float = 10.0
    connections: int | None = None
    workers: int = 1
    ca_file: str | None = None

    @property
    def lengthened_by(self) -> Lengthening:
        """What a longer one of gives more requests at the same rates."""
        if self.replay is not None:
            return "log"
        return "`--soak`" if self.soak else "`--duration`"


class Shape(msgspec.Struct, frozen=True):
    """Parts of a plan, see `Plan`; `moments` of a replay, see `run_load_test`."""

    steps: tuple[Step, ...]
    search: Search | None = None
    settle: bool = True
    moments: Floats | None = None


def shape(load: Load, slo: SloSettings) -> Shape:
    """The steps of a load, or the search.

    Raises:
        InvalidInputError: `arguments-conflict`, `arrival-log-invalid`.
    """
    if load.replay is not None:
        return _replay(Path(load.replay), load)
    if load.find_max and load.spike is not None:
        raise _conflict("--find-max and --spike are two different tests")
    if load.find_max:
        if load.arrivals == "ramp":
            raise _conflict("--find-max holds each rate; --arrivals ramp does not")
        return Shape(
            (), Search(_only_rate(load.rates, "--find-max"), load.duration_s, slo.latency_p95_ms, slo.error_rate)
        )
    if load.spike is not None:
        return Shape(_spike(load.rates, load.spike, load), settle=False)
    rates = [_only_rate(load.rates, "--soak")] if load.soak else sorted(set(load.rates))
    if load.arrivals == "ramp":
        return Shape(tuple(Step(rate, load.duration_s, start) for start, rate in zip([0, *rates], rates, strict=False)))
    return Shape(tuple(Step(rate, load.duration_s) for rate in rates))


def _replay(log: Path, load: Load) -> Shape:
    if load.find_max or load.spike is not None:
        raise _conflict("--replay takes the rate of each moment from the log")
    moments = read_arrivals(log, load.speed)
    played = moments[moments < load.duration_s]
    # The last request is followed by the same time as any, on average.
    duration_s = min(load.duration_s, float(moments[-1]) * len(moments) / (len(moments) - 1))
    if duration_s > _LONGEST_REPLAY_S:
        raise InvalidInputError(
            "load-test-plan-invalid",
            f"{log.name} would be played for {duration_s / _LONGEST_REPLAY_S:,.3g} days; a load test takes one at most",
            next_step="play it faster with --speed, or its beginning alone with --duration",
        )
    return Shape((Step(len(played) / duration_s, duration_s),), moments=played)


def _spike(rates: Sequence[float], peak: float, load: Load) -> tuple[Step, ...]:
    base = _only_rate(rates, "--spike")
    if peak <= base:
        raise _conflict(f"a spike to {peak:g} is no more than {base:g} RPS", "give a higher --spike or a lower --rps")
    return tuple(Step(rate, load.duration_s) for rate in (base, peak, base))


def _only_rate(rates: Sequence[float], option: str) -> float:
    if len(set(rates)) > 1:
        does = "holds" if option == "--soak" else "starts from"
        raise _conflict(f"{option} {does} one rate", "give one --rps, such as --rps 50")
    return rates[0]


def _conflict(message: str, next_step: str = "leave one of them out") -> InvalidInputError:
    return InvalidInputError("arguments-conflict", message, next_step=next_step)
