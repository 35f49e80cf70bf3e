"""What load is asked for, and the steps that it comes to."""

from collections.abc import Sequence

import msgspec

from specweave.errors import InvalidInputError
from specweave.operations.load_testing.plan import Arrivals, Search, Step
from specweave.project import SloSettings


class Load(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The load that somebody asked for.

    Attributes:
        rates: requests a second, each a step.
        duration_s: of each step.
        arrivals: how requests are spread over a step.
        find_max: search the highest rate within the SLO, from the lowest of `rates` on, instead of going through them.
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
    spike: float | None = None
    replay: str | None = None
    speed: float = 1.0
    timeout_s: float = 10.0
    connections: int | None = None
    workers: int = 1
    ca_file: str | None = None


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parts of a plan, see `Plan`."""

    steps: tuple[Step, ...]
    search: Search | None = None
    settle: bool = True


def shape(load: Load, slo: SloSettings) -> Shape:
    """The steps of a load, or the search.

    Raises:
        InvalidInputError: `arguments-conflict`.
    """
    if load.find_max and load.spike is not None:
        raise _conflict("--find-max and --spike are two different tests")
    if load.find_max:
        if load.arrivals == "ramp":
            raise _conflict("--find-max holds each rate; --arrivals ramp does not")
        return Shape((), Search(min(load.rates), load.duration_s, slo.latency_p95_ms, slo.error_rate))
    if load.spike is not None:
        return Shape(_spike(load.rates, load.spike, load), settle=False)
    rates = sorted(set(load.rates))
    if load.arrivals == "ramp":
        return Shape(tuple(Step(rate, load.duration_s, start) for start, rate in zip([0, *rates], rates, strict=False)))
    return Shape(tuple(Step(rate, load.duration_s) for rate in rates))


def _spike(rates: Sequence[float], peak: float, load: Load) -> tuple[Step, ...]:
    if len(set(rates)) > 1:
        raise _conflict("--spike starts from one rate", "give one --rps, such as --rps 50")
    base = rates[0]
    if peak <= base:
        raise _conflict(f"a spike to {peak:g} is no more than {base:g} RPS", "give a higher --spike or a lower --rps")
    return tuple(Step(rate, load.duration_s) for rate in (base, peak, base))


def _conflict(message: str, next_step: str = "leave one of them out") -> InvalidInputError:
    return InvalidInputError("arguments-conflict", message, next_step=next_step)
