"""The engine under measure: the highest rate that it holds, its memory over a million requests."""

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from servers import BODY, CLIENT_CORES
from timetable import ANSWER

from specweave.command import Context, Progress
from specweave.host import RealHost
from specweave.operations.load_testing import Exchange, Plan, Step, run_load_test
from specweave.operations.load_testing.plan import MAX_RATE, Arrivals
from specweave.operations.load_testing.statistics import StepMeasurement
from specweave.project import Project

HELD_LATENESS_MS = 1.0
CONNECTIONS = 64
_TIMEOUT_S = 2.0
_TRIES = _MISSED = 2
_ENGINE = "specweave.operations.load_testing.engine"


def plan(port: int, step: Step, *, arrivals: Arrivals = "constant", connections: int | None = CONNECTIONS) -> Plan:
    """One step against a port of this machine, every answer checked for its values, from the client's core."""
    return Plan(
        url=f"http://127.0.0.1:{port}/predict",
        steps=(step,),
        corpus=(Exchange(BODY, ANSWER),),
        arrivals=arrivals,
        connections=connections,
        timeout_s=_TIMEOUT_S,
        cores=CLIENT_CORES,
    )


def measure(wanted: Plan, report: Callable[[Progress], None] = lambda _progress: None) -> StepMeasurement:
    """The one step of a plan; `report` hears of its progress."""
    with tempfile.TemporaryDirectory() as folder:
        context = Context(Project(Path(folder)), RealHost()).with_report(report)
        (step,) = run_load_test(context, wanted, slow_s=wanted.timeout_s).steps
    return step


def is_held(step: StepMeasurement) -> bool:
    """Whether every request left within a millisecond of its time, at P99, and got its right answer."""
    lateness = step.generator.lateness.p99
    return lateness is not None and lateness < HELD_LATENESS_MS and step.correct == step.requests


def cpu_us(step: StepMeasurement) -> float:
    """Processor microseconds of the engine for each request, its checks and bookkeeping included."""
    return step.generator.cpu * step.duration_s / step.requests * 1e6


def climb(port: int, rates: Sequence[float], seconds: float) -> list[StepMeasurement]:
    """A measurement at each rate, until two in a row are not held, each in as many tries as it takes up to two.

    What else runs on the machine only ever makes the engine late, so one try that holds shows that it can.
    """
    found: list[StepMeasurement] = []
    for rate in rates:
        found.append(_best(port, rate, seconds))
        if not any(map(is_held, found[-_MISSED:])) and len(found) >= _MISSED:
            break
    return found


def _best(port: int, rate: float, seconds: float) -> StepMeasurement:
    tries = []
    for _ in range(_TRIES):
        tries.append(measure(plan(port, Step(rate, seconds))))
        if is_held(tries[-1]):
            break
    return min(tries, key=lambda step: step.generator.lateness.p99 or float("inf"))


def highest_held(port: int, *, coarse: float, fine: float, seconds: float) -> list[StepMeasurement]:
    """What was measured on the way to the highest rate held, ascending: by steps of `coarse`, then of `fine`.

    Nothing is measured beyond 100,000 a second, the highest rate that a plan may ask for.
    """
    climbed = climb(port, [coarse * number for number in range(1, round(MAX_RATE / coarse) + 1)], seconds)
    held = max((step.rate for step in climbed if is_held(step)), default=0.0)
    between = [held + fine * number for number in range(1, round(coarse / fine))]
    refined = climb(port, [rate for rate in between if rate <= MAX_RATE], seconds)
    return sorted([*climbed, *refined], key=lambda step: step.rate)


@dataclass
class Footprint:
    """What the engine's processes held while requests went out, second by second.

    Attributes:
        rss: bytes of resident memory.
        descriptors: open files.
    """

    rss: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    @property
    def growth_mb(self) -> float:
        """From the first tenth of the samples to the last tenth, of the medians, in 10^6 bytes."""
        tenth = max(1, len(self.rss) // 10)
        return (statistics.median(self.rss[-tenth:]) - statistics.median(self.rss[:tenth])) / 1e6

    @property
    def leaked(self) -> int:
        """Descriptors that were open at the end and not at the beginning."""
        return self.descriptors[-1] - self.descriptors[0]

    def look(self, _progress: Progress) -> None:
        """Take a sample; the engine says how far it is when the first request is sent, and each second from then on."""
        children = psutil.Process().children(recursive=True)
        # Not the keeper that holds the engine on its leash, which has the same words behind its own.
        engines = [process for process in children if process.cmdline()[2:4] == ["-m", _ENGINE]]
        self.rss.append(sum(process.memory_info().rss for process in engines))
        self.descriptors.append(sum(process.num_fds() for process in engines))


def footprint(port: int, step: Step) -> tuple[StepMeasurement, Footprint]:
    """One step, and what the engine held from its first request to its last."""
    seen = Footprint()
    return measure(plan(port, step), seen.look), seen
