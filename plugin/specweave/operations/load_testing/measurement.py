"""Runs the engine as a process of its own and turns what it recorded into figures."""

import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import count
from pathlib import Path

import msgspec
import numpy as np

from specweave.command import Context
from specweave.errors import OperationError, Terminated
from specweave.host import tool_python
from specweave.operations.load_testing.plan import Floats, Plan, Step
from specweave.operations.load_testing.progress import follow
from specweave.operations.load_testing.search import LONGEST_S, MOST_PROBES, by_rate
from specweave.operations.load_testing.shape import Lengthening
from specweave.operations.load_testing.statistics import StepMeasurement, summarize
from specweave.operations.load_testing.summary import TERMINATED_STATUS, Calibration, StepSummary, Summary
from specweave.operations.load_testing.worker import MOMENTS

_ENGINE = "specweave.operations.load_testing.engine"
_CALIBRATION_SERVER = "specweave.operations.load_testing.calibration_server"
_GRACE_S = 120.0
# An interrupted engine waits a second for answers, and writes what it has.
_END_S = 8.0
CANCELLED = "cancelled"
_CTRL_C, _TERMINATED = "ctrl-c", "terminated"
_PAUSE_BETWEEN_STEPS_S = 20.0


class Measurement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a load test measured.

    Attributes:
        steps: as planned, fewer when a step had no correct answer at all; of a search one for each rate, ascending.
        machine: processor, cores, system.
        versions: of what generated the load.
        calibration: what the generator can send on time, where that was tried.
        interrupted: why it ended before its plan did (`ctrl-c`, `terminated`, `cancelled`, `load generator killed by
            signal 9`), None where it did not; steps are then those that were done, and what was done of the last one.
        lengthened_by: what gives it more requests at the same rates; None where nothing here does.
    """

    steps: tuple[StepMeasurement, ...]
    machine: dict[str, str]
    versions: dict[str, str]
    calibration: Calibration | None = None
    interrupted: str | None = None
    lengthened_by: Lengthening | None = "`--duration`"


def run_load_test(
    context: Context, plan: Plan, *, slow_s: float, calibrated: bool = False, moments: Floats | None = None
) -> Measurement:
    """Measure a service that is ready.

    Whoever interrupts it, by ctrl-C, SIGTERM or a receiver of progress that raises `cancelled`, gets what was measured
    until then, as does whoever loses the engine; see `Measurement.interrupted` and `end_interrupted`. Where nothing was
    measured yet, the interruption is raised.

    Args:
        context: its host runs the engine, its `report` hears of the progress.
        plan: what to do.
        slow_s: what the service may take, in seconds; a request that failed later than that counts in the latency.
        calibrated: learn first what the generator can send on time, in half a second.
        moments: of a replay, when each request starts: seconds from the start of its step, ascending.

    Raises:
        InvalidInputError: the plan cannot be run.
        OperationError: `service-unreachable`, `host-unknown`, `certificate-refused`, or `load-generator-failed`.
    """
    plan.check()
    with tempfile.TemporaryDirectory(prefix="specweave-load-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        if moments is not None:
            np.save(folder / MOMENTS, moments)
        with _calibration_server(context, plan, folder) if calibrated else nullcontext(plan) as whole_plan:
            stop = _run_engine(context, whole_plan, folder)
        steps = tuple(_measured_steps(folder, slow_s))
        if stop is not None and not steps:
            raise stop
        summary = msgspec.json.decode((folder / "summary.json").read_bytes(), type=Summary)
    return Measurement(
        by_rate(steps) if plan.search else steps,
        describe_machine(),
        summary.versions,
        summary.calibration,
        None if stop is None else reason(stop),
    )


def end_interrupted(why: str | None, page: str = "") -> None:
    """End as the test did: does nothing where it was whole.

    Args:
        why: see `Measurement.interrupted`.
        page: what was measured until then, for whoever stopped it; empty where it is not written down.

    Raises:
        KeyboardInterrupt: for ctrl-C; `Terminated` for SIGTERM, too.
        OperationError: `cancelled`, or `load-generator-failed`.
    """
    kept = f"what was measured until then is in {page}" if page else ""
    if why == _CTRL_C:
        raise KeyboardInterrupt(kept)
    if why == _TERMINATED:
        raise Terminated(kept)
    if why == CANCELLED:
        raise OperationError(CANCELLED, "; ".join(filter(None, ("the load test was cancelled", kept))))
    if why is not None:
        raise OperationError(
            "load-generator-failed",
            "; ".join(filter(None, (f"the load test ended early: {why}", kept))),
            next_step="run it again",
        )


def reason(stop: BaseException) -> str:
    """What `Measurement.interrupted` says of an end before time."""
    if isinstance(stop, KeyboardInterrupt):
        return _TERMINATED if isinstance(stop, Terminated) else _CTRL_C
    assert isinstance(stop, OperationError)  # noqa: S101 - narrows the type: `_run_engine` gives no other
    return CANCELLED if stop.code == CANCELLED else stop.message


def _run_engine(context: Context, plan: Plan, folder: Path) -> KeyboardInterrupt | OperationError | None:
    """Run the engine; what ended it early, None where nothing did.

    Raises:
        OperationError: as the engine said.
    """
    path = folder / "plan.json"
    path.write_bytes(msgspec.json.encode(plan))
    held = (
        [max(LONGEST_S, plan.search.duration_s)] * MOST_PROBES
        if plan.search
        else [step.duration_s for step in plan.steps] * (2 if plan.repeat_disturbed else 1)
    )
    longest = sum(duration_s + plan.timeout_s + _PAUSE_BETWEEN_STEPS_S for duration_s in held)
    try:
        completed = context.host.run(
            # Neither the caller's directory nor the project may stand in for a module of the tool's.
            [tool_python(), "-P", "-m", _ENGINE, str(path), str(folder)],
            cwd=folder,
            timeout_s=longest + _GRACE_S,
            on_line=follow(context.report),
            end_s=_END_S,
        )
    except KeyboardInterrupt as stop:
        return stop
    except OperationError as stop:
        if stop.code != CANCELLED:
            raise
        return stop
    if completed.returncode == 0:
        return None
    if completed.returncode < 0 or completed.returncode == TERMINATED_STATUS:
        by = "SIGTERM" if completed.returncode > 0 else f"signal {-completed.returncode}"
        return OperationError("load-generator-failed", f"load generator killed by {by}", next_step="run it again")
    failure = _failure(completed.stderr, completed.returncode)
    if failure.code != "load-generator-failed":
        raise failure
    return failure


def _measured_steps(folder: Path, slow_s: float) -> Iterator[StepMeasurement]:
    for number in count():
        path = folder / f"step-{number}.json"
        if not path.exists():
            return
        account = msgspec.json.decode(path.read_bytes(), type=StepSummary)
        with np.load(path.with_suffix(".npz")) as moments:
            yield summarize(Step(account.rate, account.duration_s), dict(moments), account, slow_s=slow_s)


@contextmanager
def _calibration_server(context: Context, plan: Plan, folder: Path) -> Iterator[Plan]:
    port = context.host.free_port()
    argv = [tool_python(), "-P", "-m", _CALIBRATION_SERVER, str(port)]
    cores, _ = split_cores(plan.workers)
    with context.host.attached(argv, cwd=folder, log=folder / "calibration.log", cores=cores):
        yield msgspec.structs.replace(plan, calibration_port=port)


def count_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def split_cores(workers: int = 1) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Cores for the server, and one for each worker of the engine, apart where there are enough.

    With as many workers as cores the server may run anywhere; both are empty where there is one core alone, and where
    the system keeps no process on a core.
    """
    if not hasattr(os, "sched_getaffinity"):
        return (), ()
    cores = sorted(os.sched_getaffinity(0))
    return (tuple(cores[:-workers]), tuple(cores[-workers:])) if len(cores) > 1 else ((), ())


def describe_machine() -> dict[str, str]:
    """Processor, cores, system: what figures are worth nothing without."""
    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if sys.platform == "linux" and information.exists():
        for line in information.read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    return {
        "processor": processor,
        "cores": str(os.cpu_count() or 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def _failure(stderr: str, returncode: int) -> OperationError:
    lines = [line for line in stderr.splitlines() if line.strip()]
    try:
        error = json.loads(lines[-1])["error"]
    except (ValueError, KeyError, TypeError, IndexError):
        last = lines[-1] if lines else "it said nothing"
        return OperationError("load-generator-failed", f"the load generator ended with status {returncode}: {last}")
    return OperationError(error["code"], error["message"], next_step=error["next_step"], details=error["details"])
