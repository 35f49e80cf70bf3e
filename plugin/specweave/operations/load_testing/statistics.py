"""What the moments of a step's requests amount to. Exact quantiles of all values; never averages of percentiles."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from specweave.operations.load_testing.archive import Interval, histogram, timeline
from specweave.operations.load_testing.outcomes import Outcome, name
from specweave.operations.load_testing.plan import Step
from specweave.operations.load_testing.student import two_sided
from specweave.operations.load_testing.summary import ServerSample, StepSummary

SAMPLES_FOR_P95, SAMPLES_FOR_P99 = 200, 1_000
SAMPLES_FOR_INTERVAL = 1_000
# The fewer, the longer each: at 0.8 load of one server 6,000 requests in 10 are still too much alike (86 % coverage).
_BATCHES = 5
SECONDS_FOR_TREND, _SAMPLES_FOR_TREND = 60.0, 20
# Of the generator itself, lateness at P99; below a millisecond nobody reads it off a table of milliseconds.
MAX_LATENESS_MS, MAX_LATENESS_OF_P50, NOTICEABLE_LATENESS_MS = 5.0, 0.1, 1.0
MAX_GENERATOR_CPU = 0.85

Floats = NDArray[np.float64]


class Percentiles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of durations, in milliseconds; None where there are too few samples for it.

    Attributes:
        samples: how many values they are of.
        p50, p95, p99: the smallest value that at least that share of all values does not exceed; p95 of 200 samples
            at least, p99 of 1,000.
        maximum: the largest value.
    """

    samples: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    maximum: float | None = None


class Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Requests that failed in one way, with the first of them in words."""

    cause: str
    count: int
    sample: str


class Generator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How well the engine kept its schedule.

    Attributes:
        lateness: between the intended start and the moment the engine got to the request; of several workers the worst
            of each figure.
        cpu: share of one core that it used, 0 to 1; of several workers the busiest.
        waiting: between that moment and the sending, for want of a free connection; counted in the latency.
        longest_queue: most requests that waited for a connection at once.
        connections, reconnects: dialled before the step, and again during it.
    """

    lateness: Percentiles
    cpu: float
    waiting: Percentiles
    longest_queue: int
    connections: int
    reconnects: int


class ServerUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the service used of its machine during a step.

    Attributes:
        processes: how many it has.
        cpu: share of one core that they used together; 2.0 is two whole cores.
        cpu_us_per_request: processor microseconds for each answer.
        memory_mb: resident set at the end, megabytes (10^6 bytes).
        memory_growth_mb: by how much it grew during the step.
        others_cpu: share of one core that other programs of the machine used meanwhile, without the load generator;
            what the hypervisor took away counts as theirs. None where it is not known.
        memory_trend_mb_per_hour: how it went over the last two thirds of a step of a minute or more (least squares); at
            first a service fills its buffers.
    """

    processes: int
    cpu: float
    cpu_us_per_request: float
    memory_mb: float
    memory_growth_mb: float
    others_cpu: float | None = None
    memory_trend_mb_per_hour: float | None = None


class StepMeasurement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rate as measured.

    Attributes:
        rate: intended requests a second.
        duration_s: intended seconds.
        requests: how many were due; each ended in one way or another.
        correct: how many got the right answer in time.
        achieved_rate: correct answers a second, until the last of them.
        error_rate: share of requests that failed, 0 to 1.
        latency: from the intended start to the end of the answer, of the requests that were answered correctly, of
            those that timed out, which count with the timeout, and of those that failed only after `slow_s` of
            `summarize`: their callers waited too. Quick failures would flatter and are in the error rate alone.
        p95_interval: 95 % confidence interval of the latency's P95, milliseconds; see `p95_interval`.
        service_time: from the sending, correct answers only.
        concurrency: how many requests were under way at once, on average over the step: by Little's law the rate at
            which they ended times the time that each took. None where it is not known.
        cut: the step was ended early, because so many requests waited that it could only be beyond the SLO;
            `duration_s` and `requests` are those until then.
        interrupted: the test was ended in the middle of this step; as with `cut`.
        histogram: the latencies as an HdrHistogram, see `archive`.
        timeline: how they went.
        repeated: the generator was disturbed the first time, and this is the second.
        server: what the service used; None where it does not run on this machine.
        failures: by cause, most frequent first.
        generator: how well the engine kept its schedule; None where another tool sent the requests.
    """

    rate: float
    duration_s: float
    requests: int
    correct: int
    achieved_rate: float
    error_rate: float
    latency: Percentiles
    p95_interval: tuple[float, float] | None
    service_time: Percentiles
    failures: tuple[Failure, ...]
    generator: Generator | None
    histogram: str = ""
    timeline: tuple[Interval, ...] = ()
    concurrency: float | None = None
    cut: bool = False
    interrupted: bool = False
    repeated: bool = False
    server: ServerUse | None = None


def is_disturbed(step: StepMeasurement) -> bool:
    """Whether the generator was late or short of processor time, as far as is known.

    Late is more than 5 ms at P99, or more than a tenth of the latency's P50 where that is a millisecond or more; short
    of processor time is more than 85 % of its core. Below 1,000 requests P95 stands for P99; below 200 the slowest
    does, which there decides the verdict too.
    """
    allowed = min(MAX_LATENESS_MS, max(NOTICEABLE_LATENESS_MS, MAX_LATENESS_OF_P50 * (step.latency.p50 or 0.0)))
    return _exceeds(step.generator, allowed)


def is_worth_repeating(step: StepMeasurement) -> bool:
    """Whether the generator was late by more than 5 ms at P99, or used more than 85 % of its core.

    A step that is late by less is marked, and not done again: it would cost its whole time, and decide nothing.
    """
    return _exceeds(step.generator, MAX_LATENESS_MS)


def _exceeds(generator: Generator | None, lateness_ms: float) -> bool:
    if generator is None:
        return False
    lateness = generator.lateness
    late = next((value for value in (lateness.p99, lateness.p95, lateness.maximum) if value is not None), 0.0)
    return late > lateness_ms or generator.cpu > MAX_GENERATOR_CPU


def percentiles(seconds: Floats) -> Percentiles:
    """Exact quantiles of durations given in seconds."""
    if not len(seconds):
        return Percentiles(0)
    values = np.asarray(seconds) * 1e3
    p50, p95, p99 = np.quantile(values, [0.5, 0.95, 0.99], method="inverted_cdf").tolist()
    return Percentiles(
        samples=len(values),
        p50=p50,
        p95=p95 if len(values) >= SAMPLES_FOR_P95 else None,
        p99=p99 if len(values) >= SAMPLES_FOR_P99 else None,
        maximum=float(values.max()),
    )


def p95_interval(seconds: Floats) -> tuple[float, float] | None:
    """95 % confidence interval of P95, milliseconds; None below 1,000 samples.

    Batch means: the values are cut into 5 runs of neighbours, and what the P95 of the runs differ from the P95 of all
    gives the width (sectioning; Asmussen and Glynn, Stochastic Simulation, 2007, III.5). Requests that wait in one
    queue are alike, so intervals from order statistics, which take them for independent, would be too narrow. On
    simulated queues of one server (M/M/1) with 6,000 requests it holds the truth in 93 % of the runs or more at up to
    0.7 load, in 92 % at 0.8, in 79 % at 0.9: near the knee only a longer step helps.

    Args:
        seconds: in the order of the schedule.
    """
    if len(seconds) < SAMPLES_FOR_INTERVAL:
        return None
    values = np.asarray(seconds) * 1e3
    p95 = float(np.quantile(values, 0.95, method="inverted_cdf"))
    runs = [np.quantile(run, 0.95, method="inverted_cdf") for run in np.array_split(values, _BATCHES)]
    spread = float(np.square(np.subtract(runs, p95)).sum()) / (_BATCHES - 1)
    half = two_sided(0.95, _BATCHES - 1) * (spread / _BATCHES) ** 0.5
    return max(0.0, p95 - half), p95 + half


def summarize(
    step: Step, moments: Mapping[str, NDArray[np.generic]], summary: StepSummary, *, slow_s: float
) -> StepMeasurement:
    """The figures of one step.

    Args:
        step: as planned.
        moments: `due`, `released`, `sent` (NaN: never), `done` in seconds from the start of the step, `outcome`, and
            `worker`, the process that sent it, where there were several.
        summary: the engine's own account.
        slow_s: a failure that took longer than this, in seconds, counts in the latency.
    """
    due, released, sent, done = (np.asarray(moments[key], np.float64) for key in ("due", "released", "sent", "done"))
    outcome = np.asarray(moments["outcome"], np.int64)
    correct, was_sent = outcome == Outcome.CORRECT, ~np.isnan(sent)
    waited_for = correct | (outcome == Outcome.TIMEOUT) | (done - due > slow_s)
    latency = done - due
    count = int(correct.sum())
    duration_s = step.duration_s if summary.cut_after_s is None else summary.cut_after_s
    until = max(duration_s, float(done[correct].max())) if count else duration_s
    causes = Counter(name(int(value)) for value in outcome[~correct])
    return StepMeasurement(
        rate=step.rate,
        duration_s=duration_s,
        requests=len(due),
        correct=count,
        achieved_rate=count / until,
        concurrency=float(latency.sum()) / max(duration_s, float(done.max())),
        error_rate=(len(due) - count) / len(due),
        latency=percentiles(latency[waited_for]),
        p95_interval=p95_interval(latency[waited_for]),
        histogram=histogram(latency[waited_for]),
        timeline=timeline(due[waited_for], latency[waited_for], duration_s),
        service_time=percentiles((done - sent)[correct]),
        failures=tuple(
            Failure(cause, number, summary.samples.get(cause, "")) for cause, number in causes.most_common()
        ),
        generator=Generator(
            lateness=_worst([percentiles((released - due)[of_worker]) for of_worker in _by_worker(moments)]),
            cpu=(summary.busiest_cpu_seconds or summary.cpu_seconds) / summary.seconds,
            waiting=percentiles((sent - released)[was_sent]),
            longest_queue=summary.longest_queue,
            connections=summary.connections,
            reconnects=summary.reconnects,
        ),
        cut=summary.cut_after_s is not None and not summary.interrupted,
        interrupted=summary.interrupted,
        repeated=summary.repeated,
        server=_server_use(summary, len(due)),
    )


def _by_worker(moments: Mapping[str, NDArray[np.generic]]) -> list[NDArray[np.bool_]]:
    workers = moments.get("worker", np.zeros(len(moments["due"])))
    return [workers == worker for worker in np.unique(workers)]


def _worst(of_workers: Sequence[Percentiles]) -> Percentiles:
    """The worst of each figure: a worker that was late is not hidden among others that were not."""

    def worst(figure: str) -> float | None:
        return max((value for each in of_workers if (value := getattr(each, figure)) is not None), default=None)

    return Percentiles(min(each.samples for each in of_workers), *map(worst, ("p50", "p95", "p99", "maximum")))


def _server_use(summary: StepSummary, requests: int) -> ServerUse | None:
    if not summary.server:
        return None
    before, after = summary.server[0], summary.server[-1]
    cpu_s = after.cpu_s - before.cpu_s
    elsewhere_s = after.machine_cpu_s - before.machine_cpu_s - cpu_s - summary.cpu_seconds
    return ServerUse(
        processes=after.processes,
        cpu=cpu_s / summary.seconds,
        cpu_us_per_request=cpu_s / requests * 1e6,
        memory_mb=after.memory_bytes / 1e6,
        memory_growth_mb=(after.memory_bytes - before.memory_bytes) / 1e6,
        others_cpu=max(0.0, elsewhere_s / summary.seconds) if after.machine_cpu_s else None,
        memory_trend_mb_per_hour=_memory_trend(summary.server),
    )


def _memory_trend(samples: Sequence[ServerSample]) -> float | None:
    settled = [sample for sample in samples if sample.at - samples[0].at >= (samples[-1].at - samples[0].at) / 3]
    if samples[-1].at - samples[0].at < SECONDS_FOR_TREND or len(settled) < _SAMPLES_FOR_TREND:
        return None
    hours = [(sample.at - samples[0].at) / 3_600 for sample in settled]
    slope, _ = np.polyfit(hours, [sample.memory_bytes / 1e6 for sample in settled], 1)
    return float(slope)
