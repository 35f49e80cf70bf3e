"""Drives Locust with a plan: a master and workers, on this machine and on others, and reads what they recorded.

The workers send as the engine does, on the schedule of the plan and whether or not answers came, and record the same
moments of every request; so the figures are made by the same code. Locust is slower: some hundred requests a second of
a worker are on time, and by how much the rest is late is in the figures. Not known of it: what it can send on time
(it is not calibrated), so a step that it sent late is marked, and not repeated.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from specweave.command import Context, Progress
from specweave.errors import OperationError
from specweave.host import Completed
from specweave.operations.load_testing.measurement import CANCELLED, Measurement, describe_machine, reason
from specweave.operations.load_testing.plan import Plan, Step, parse_target
from specweave.operations.load_testing.progress import follow
from specweave.operations.load_testing.server_process import ServerProcesses
from specweave.operations.load_testing.statistics import StepMeasurement, summarize
from specweave.operations.load_testing.summary import ServerSample, StepSummary

LOCAL = "local"
_LOOPBACK, _EVERYWHERE = "127.0.0.1", "*"
_CONNECT_S, _CONNECT_ELSEWHERE_S = 60.0, 600.0
_PAUSE_BETWEEN_STEPS_S, _GRACE_S = 30.0, 120.0
_SUMMARY = "summary.json"
# Exit statuses of the master: all within the SLO, some beyond.
_DONE = frozenset({0, 1})
_LOG_LINES = 5
_HEADS = ("Machine", "Run there, in a copy of load-tests/")
# libev's epoll wakes up to a millisecond late, its select does not.
_ENVIRONMENT = {"GEVENT_BACKEND": "select", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": ""}


@dataclass(frozen=True, slots=True)
class Swarm:
    """What drives the load.

    Attributes:
        python: interpreter of an environment that has Locust.
        folder: with `locustfile.py` and the modules that it imports.
        places: of each worker, `local` or the name of another machine.
        connect_s: how long the workers may take to be there, seconds; ten minutes by default where a person starts
            some, else one minute.
    """

    python: Path
    folder: Path
    places: tuple[str, ...]
    connect_s: float | None = None

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """The other machines."""
        return tuple(place for place in self.places if place != LOCAL)


class _Account(msgspec.Struct, frozen=True):
    """What the master says of a step; see `StepSummary`. Clocks are `time.monotonic()` of this machine."""

    rate: float
    duration_s: float
    began: float
    ended: float
    seconds: float
    cpu_seconds: float
    busiest_cpu_seconds: float
    connections: int
    reconnects: int
    longest_queue: int
    samples: dict[str, str]


class _Summary(msgspec.Struct, frozen=True):
    steps: tuple[_Account, ...]
    versions: dict[str, str]


def run_locust(context: Context, plan: Plan, swarm: Swarm, *, slow_s: float) -> Measurement:
    """Measure a service that is ready, with Locust.

    Args:
        context: its host runs master and local workers, its `report` hears of the progress, and of the command that
            starts each worker elsewhere.
        plan: what to do; it has steps.
        swarm: who does it.
        slow_s: what the service may take, in seconds; a request that failed later than that counts in the latency.

    Returns:
        The steps that were done; where it was interrupted, or a worker was lost, it says so.

    Raises:
        InvalidInputError: the plan cannot be run.
        HostError: `host-unknown`.
        KeyboardInterrupt: it was interrupted before the first step was done; as with `run_load_test`.
        OperationError: `workers-missing` where not all came in time, `worker-lost`, `service-unreachable`,
            `host-unknown`, `certificate-refused`, `load-generator-failed`.
    """
    plan.check()
    results = swarm.folder / "results"
    results.mkdir()
    (swarm.folder / "plan.json").write_bytes(msgspec.json.encode(plan))
    port = context.host.free_port()
    server = _Watched(plan)
    logs = [swarm.folder / f"worker-{number}.log" for number, place in enumerate(swarm.places) if place == LOCAL]
    with ExitStack() as stack:
        for log in logs:
            argv = [*_locust(swarm), "--worker", "--master-host", _LOOPBACK, "--master-port", str(port)]
            stack.enter_context(
                context.host.attached(argv, cwd=swarm.folder, log=log, env=_ENVIRONMENT, cores=plan.cores)
            )
        commands = [(place, command(context, place, port)) for place in swarm.elsewhere]
        for place, told in commands:
            # A terminal shows the newest message alone, and cuts it; its rows are whole.
            context.report(Progress(f"on {place}, in a copy of load-tests/: {told}", rows=(_HEADS, *commands)))
        stop = _lead(context, plan, swarm, port=port, results=results, server=server)
    if stop is None or _has_steps(results):
        return _read(results, server, slow_s=slow_s, interrupted=None if stop is None else reason(stop))
    if isinstance(stop, OperationError) and stop.code == "workers-missing":
        raise _missing(swarm, logs)
    raise stop


def command(context: Context, place: str, port: int) -> str:
    """What a person runs on another machine, in a copy of `load-tests/`, to start a worker there.

    Raises:
        HostError: `host-unknown`.
    """
    address = context.host.address_towards(place)
    return (
        "GEVENT_BACKEND=select uv run --no-project --with-requirements requirements.txt -- "
        f"locust --worker --master-host {address} --master-port {port}"
    )


def _locust(swarm: Swarm) -> list[str]:
    return [str(swarm.python), "-P", "-m", "locust", "-f", "locustfile.py", "--loglevel", "WARNING"]


def _lead(
    context: Context, plan: Plan, swarm: Swarm, *, port: int, results: Path, server: "_Watched"
) -> KeyboardInterrupt | OperationError | None:
    """Run the master; what ended it early, None where nothing did."""
    reached = {_LOOPBACK if place == LOCAL else context.host.address_towards(place) for place in swarm.places}
    bound = reached.pop() if len(reached) == 1 else _EVERYWHERE
    connect_s = swarm.connect_s or (_CONNECT_ELSEWHERE_S if swarm.elsewhere else _CONNECT_S)
    argv = [*_locust(swarm), "--headless", "--only-summary", "--master"]
    argv += ["--master-bind-host", bound, "--master-bind-port", str(port)]
    argv += ["--expect-workers", str(len(swarm.places)), "--expect-workers-max-wait", f"{connect_s:.0f}"]
    held = sum(step.duration_s + plan.timeout_s + _PAUSE_BETWEEN_STEPS_S for step in plan.steps)
    try:
        completed = context.host.run(
            argv,
            cwd=swarm.folder,
            env={**_ENVIRONMENT, "LOAD_TEST_RESULTS": str(results)},
            timeout_s=connect_s + held + _GRACE_S,
            on_line=follow(context.report),
            on_wait=server.look,
        )
    except KeyboardInterrupt as stop:
        return stop
    except OperationError as stop:
        if stop.code != CANCELLED:
            raise
        return stop
    return None if completed.returncode in _DONE and _has_steps(results) else _failure(completed)


class _Watched:
    """What the service uses of this machine meanwhile, once a second."""

    def __init__(self, plan: Plan) -> None:
        self._server = ServerProcesses(parse_target(plan.url))
        self._server.find()
        self._samples: list[ServerSample] = []

    def look(self) -> None:
        """Take a sample."""
        sample = self._server.sample()
        if sample:
            self._samples.append(sample)

    def during(self, account: _Account) -> tuple[ServerSample, ...]:
        """The samples from the last before the step to the first after it."""
        before = [sample for sample in self._samples if sample.at <= account.began][-1:]
        inside = [sample for sample in self._samples if account.began < sample.at < account.ended]
        after = [sample for sample in self._samples if sample.at >= account.ended][:1]
        return (*before, *inside, *after) if before and after else ()


def _has_steps(results: Path) -> bool:
    path = results / _SUMMARY
    return path.is_file() and bool(msgspec.json.decode(path.read_bytes(), type=_Summary).steps)


def _read(results: Path, server: _Watched, *, slow_s: float, interrupted: str | None = None) -> Measurement:
    summary = msgspec.json.decode((results / _SUMMARY).read_bytes(), type=_Summary)
    steps: list[StepMeasurement] = []
    for number, account in enumerate(summary.steps):
        with np.load(results / f"step-{number}.npz") as moments:
            told = StepSummary(
                seconds=account.seconds,
                cpu_seconds=account.cpu_seconds,
                busiest_cpu_seconds=account.busiest_cpu_seconds,
                connections=account.connections,
                reconnects=account.reconnects,
                longest_queue=account.longest_queue,
                samples=account.samples,
                rate=account.rate,
                duration_s=account.duration_s,
                server=server.during(account),
            )
            steps.append(summarize(Step(account.rate, account.duration_s), dict(moments), told, slow_s=slow_s))
    return Measurement(tuple(steps), describe_machine(), summary.versions, interrupted=interrupted)


def _failure(completed: Completed) -> OperationError:
    for line in completed.stderr.splitlines():
        try:
            error: Mapping[str, str] = json.loads(line)["error"]
        except (ValueError, KeyError, TypeError):
            continue
        return OperationError(error["code"], error["message"], next_step=_NEXT_STEPS.get(error["code"], ""))
    if "Gave up waiting for workers" in completed.stderr:
        return OperationError("workers-missing", "not all of the workers came in time")
    said = _end(completed.stderr) or "it said nothing"
    return OperationError("load-generator-failed", f"Locust ended with status {completed.returncode}: {said}")


def _missing(swarm: Swarm, logs: Sequence[Path]) -> OperationError:
    missing = f" on {', '.join(swarm.elsewhere)}" if swarm.elsewhere else ""
    said = _end("\n".join(log.read_text("utf-8", "replace") for log in logs if log.exists()))
    return OperationError(
        "workers-missing",
        f"not all of the {len(swarm.places)} workers came in time{missing}" + (f": {said}" if said else ""),
        next_step="start the workers with the command that is said for each, while the master waits",
    )


def _end(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines()[-_LOG_LINES:])[-500:]


_NEXT_STEPS = {
    "worker-lost": "see why it ended, and give the other machines the time and the memory that it takes",
    "key-missing": "put the key into the environment of each worker, then run the command again",
    "service-unreachable": "see that the service can be reached from every worker",
    "certificate-refused": "name the authority that vouches for the service with --ca-file",
    "host-unknown": "see that every worker can resolve the name",
}
