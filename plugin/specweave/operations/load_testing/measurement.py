"""Runs the engine as a process of its own and turns what it recorded into figures."""

import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import numpy as np

from specweave.command import Context
from specweave.errors import OperationError
from specweave.host import tool_python
from specweave.operations.load_testing.plan import Plan, Step
from specweave.operations.load_testing.progress import follow
from specweave.operations.load_testing.search import LONGEST_S, MOST_PROBES, by_rate
from specweave.operations.load_testing.statistics import StepMeasurement, summarize
from specweave.operations.load_testing.summary import Calibration, Summary

_ENGINE = "specweave.operations.load_testing.engine"
_CALIBRATION_SERVER = "specweave.operations.load_testing.calibration_server"
_GRACE_S = 120.0
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
    """

    steps: tuple[StepMeasurement, ...]
    machine: dict[str, str]
    versions: dict[str, str]
    calibration: Calibration | None = None
    interrupted: str | None = None


def run_load_test(context: Context, plan: Plan, *, slow_s: float, calibrated: bool = False) -> Measurement:
    """Measure a service that is ready.

    Args:
        context: its host runs the engine, its `report` hears of the progress.
        plan: what to do.
        slow_s: what the service may take, in seconds; a request that failed later than that counts in the latency.
        calibrated: learn first what the generator can send on time, in half a second.

    Raises:
        InvalidInputError: the plan cannot be run.
        OperationError: `service-unreachable`, or `load-generator-failed`.
    """
    plan.check()
    with tempfile.TemporaryDirectory(prefix="specweave-load-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        if calibrated:
            plan = stack.enter_context(_calibration_server(context, plan, folder))
        path = folder / "plan.json"
        path.write_bytes(msgspec.json.encode(plan))
        held = (
            [max(LONGEST_S, plan.search.duration_s)] * MOST_PROBES
            if plan.search
            else [step.duration_s for step in plan.steps]
        )
        longest = sum(duration_s + plan.timeout_s + _PAUSE_BETWEEN_STEPS_S for duration_s in held)
        completed = context.host.run(
            # Neither the caller's directory nor the project may stand in for a module of the tool's.
            [tool_python(), "-P", "-m", _ENGINE, str(path), str(folder)],
            cwd=folder,
            timeout_s=longest + _GRACE_S,
            on_line=follow(context.report),
        )
        if completed.returncode != 0:
            raise _failure(completed.stderr, completed.returncode)
        summary = msgspec.json.decode((folder / "summary.json").read_bytes(), type=Summary)
        steps = []
        for number, account in enumerate(summary.steps):
            with np.load(folder / f"step-{number}.npz") as moments:
                step = Step(account.rate, account.duration_s)
                steps.append(summarize(step, dict(moments), account, slow_s=slow_s))
    return Measurement(
        by_rate(steps) if plan.search else tuple(steps), describe_machine(), summary.versions, summary.calibration
    )


@contextmanager
def _calibration_server(context: Context, plan: Plan, folder: Path) -> Iterator[Plan]:
    port = context.host.free_port()
    argv = [tool_python(), "-P", "-m", _CALIBRATION_SERVER, str(port)]
    cores, _ = split_cores()
    with context.host.attached(argv, cwd=folder, log=folder / "calibration.log", cores=cores):
        yield msgspec.structs.replace(plan, calibration_port=port)


def split_cores() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Cores for the server and cores for the engine, apart where there is more than one; both empty for anywhere."""
    if not hasattr(os, "sched_getaffinity"):
        return (), ()
    cores = sorted(os.sched_getaffinity(0))
    return (tuple(cores[:-1]), tuple(cores[-1:])) if len(cores) > 1 else ((), ())


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
