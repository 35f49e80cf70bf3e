"""The load generator, a process of its own: `python -P -m specweave.operations.load_testing.engine PLAN FOLDER`.

It reads a plan (JSON), writes `summary.json`, of each step as soon as it is done `step-<k>.npz` with the moments of
every request and `step-<k>.json`, and lines of progress (JSON) on standard error. A failure is one JSON object on
standard error and exit status 1. On SIGTERM or SIGINT it starts no more requests, waits a second for answers, writes
what it has and ends with status 143.
"""

import asyncio
import json
import os
import platform
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import uvloop

from specweave.errors import SpecweaveError
from specweave.operations.load_testing.calibration import calibrate
from specweave.operations.load_testing.crew import Crew
from specweave.operations.load_testing.outcomes import Outcome
from specweave.operations.load_testing.plan import Plan, Search, Step, parse_target
from specweave.operations.load_testing.recent import Recent
from specweave.operations.load_testing.run import Report
from specweave.operations.load_testing.server_process import ServerProcesses
from specweave.operations.load_testing.statistics import is_worth_repeating, summarize
from specweave.operations.load_testing.summary import TERMINATED_STATUS, Calibration, ServerSample, StepSummary, Summary

_FEWEST_WARM_UP, _MOST_WARM_UP, _WARM_UP_RATE = 40, 200, 100.0
_SETTLED_FACTOR, _SETTLED_SLACK_S = 2.0, 0.002
_SETTLE_DEADLINE_S = 15.0
_CALIBRATION_OF_SEARCH = 20_000.0
_MOST_SAMPLES = 120


class Engine:
    """Does a plan.

    Args:
        plan: what is done.
        path: the plan as a file.
        folder: for the results.
        environment: see `Worker`.
    """

    def __init__(self, plan: Plan, path: Path, folder: Path, environment: Mapping[str, str]) -> None:
        self._plan, self._folder = plan, folder
        self._crew = Crew(plan, path, folder, environment)
        self._server = ServerProcesses(parse_target(plan.url))
        self._unhurried_s = 0.0
        self._is_sending = self._is_interrupted = False

    async def conduct(self) -> bool:
        """Run all steps, or search; leave what came of each as soon as it is done.

        Returns:
            Whether it was done, false where `interrupt` ended it.

        Raises:
            EngineError: `service-unreachable`, `host-unknown`, `certificate-refused`, `load-generator-failed`.
        """
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # noqa: S101 - narrows the type: this is a coroutine of a task
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._interrupt, task)
        try:
            await self._crew.start()
            calibration = await self._calibrate()
            _leave(self._folder / "summary.json", Summary(_versions(), calibration))
            await self._warm_up()
            await (self._search(self._plan.search) if self._plan.search else self._go_through())
        except asyncio.CancelledError:
            if not self._is_interrupted:
                raise
        finally:
            await self._crew.close()
        return not self._is_interrupted

    def _interrupt(self, task: "asyncio.Task[bool]") -> None:
        self._is_interrupted = True
        if self._is_sending:
            self._crew.halt(interrupted=True)
        else:
            task.cancel()

    async def _calibrate(self) -> Calibration | None:
        if self._plan.calibration_port is None:
            return None
        rates = [step.rate for step in self._plan.steps]
        return await calibrate(self._crew, max(rates, default=_CALIBRATION_OF_SEARCH))

    async def _go_through(self) -> None:
        """The steps of the plan, until one has no correct answer at all."""
        total = sum(step.duration_s for step in self._plan.steps)
        before = 0.0
        for number, step in enumerate(self._plan.steps):
            part = (before / total, step.duration_s / total)
            summary, moments = await self._measure(number, step, part=part)
            before += step.duration_s
            measured = None if summary.interrupted else summarize(step, moments, summary, slow_s=self._plan.timeout_s)
            if measured and self._plan.repeat_disturbed and is_worth_repeating(measured):
                summary, moments = await self._measure(number, step, part=(before / total, 0.0), again=True)
            if self._is_interrupted or not (moments["outcome"] == Outcome.CORRECT).any():
                return

    async def _search(self, wanted: Search) -> None:
        from specweave.operations.load_testing.search import RateSearch  # noqa: PLC0415 - only a search judges here

        search, number = RateSearch(wanted), 0
        slow_s = wanted.latency_p95_ms / 1e3
        while step := search.next():
            summary, moments = await self._measure(number, step, give_up_s=slow_s)
            number += 1
            if self._is_interrupted:
                return
            search.learn(summarize(step, moments, summary, slow_s=slow_s))

    async def _warm_up(self) -> None:
        """Every body once, of many the first ones, at a low rate; what an answer takes when nothing is under way.

        Only this process sends, of several workers: that may be a part of the bodies, more than once.
        """
        await self._crew.own.pool.reach()
        search = self._plan.search
        first = Step(search.start, search.duration_s) if search else self._plan.steps[0]
        await self._crew.prepare(self._plan.connections or first.connections)
        self._unhurried_s = await self._probe(min(max(len(self._plan.corpus), _FEWEST_WARM_UP), _MOST_WARM_UP))

    async def _settle(self) -> None:
        """Wait until the service answers as it did at first: overload lasts longer than its cause."""
        limit = self._unhurried_s * _SETTLED_FACTOR + _SETTLED_SLACK_S
        deadline = time.monotonic() + _SETTLE_DEADLINE_S
        while await self._probe(_FEWEST_WARM_UP) > limit and time.monotonic() < deadline:
            pass

    async def _probe(self, count: int) -> float:
        run = await self._crew.own.probe([index / _WARM_UP_RATE for index in range(count)])
        return float(np.median(np.subtract(run.done, run.due)))

    async def _measure(
        self,
        number: int,
        step: Step,
        *,
        part: tuple[float, float] | None = None,
        give_up_s: float | None = None,
        again: bool = False,
    ) -> tuple[StepSummary, dict[str, Any]]:
        """Run one step and keep its moments; `part` is where it lies in the whole: what was before, and its share."""
        connections = self._plan.connections or step.connections
        if (number and self._plan.settle) or again:
            await self._settle()
        await self._crew.prepare(connections)
        self._server.find()
        server = self._server.sample()
        samples: list[ServerSample] = []
        sampling = asyncio.create_task(_sample(self._server, samples, max(1.0, step.duration_s / _MOST_SAMPLES)))
        started, self._is_sending = time.monotonic(), True
        try:
            accounts, moments = await self._crew.send(step, number, _reporting(step, part), give_up_s=give_up_s)
        finally:
            self._is_sending = False
            sampling.cancel()
        server_after = self._server.sample()
        cuts = [account.cut_after_s for account in accounts if account.cut_after_s is not None]
        summary = StepSummary(
            seconds=time.monotonic() - started,
            cpu_seconds=sum(account.cpu_seconds for account in accounts),
            busiest_cpu_seconds=max(account.cpu_seconds for account in accounts),
            connections=connections,
            reconnects=sum(account.reconnects for account in accounts),
            longest_queue=sum(account.longest_queue for account in accounts),
            samples={cause: sample for account in reversed(accounts) for cause, sample in account.samples.items()},
            rate=step.rate,
            duration_s=step.duration_s,
            repeated=again,
            cut_after_s=max(cuts, default=None),
            interrupted=any(account.interrupted for account in accounts),
            server=(server, *samples, server_after) if server and server_after else (),
        )
        if len(moments["due"]) and not (again and summary.interrupted):
            # Its account comes last: where there is one, the moments are whole.
            (self._folder / f"step-{number}.json").unlink(missing_ok=True)
            np.savez(self._folder / f"step-{number}.npz", **moments)
            _leave(self._folder / f"step-{number}.json", summary)
        return summary, moments


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "uvloop": version("uvloop"),
        "httptools": version("httptools"),
    }


def _leave(path: Path, document: msgspec.Struct) -> None:
    """Write a result whole: it may be read after this process was killed."""
    draft = path.with_suffix(".draft")
    draft.write_bytes(msgspec.json.encode(document))
    draft.replace(path)


async def _sample(server: ServerProcesses, samples: list[ServerSample], pause_s: float) -> None:
    while True:
        await asyncio.sleep(pause_s)
        if sample := server.sample():
            samples.append(sample)


def _reporting(step: Step, part: tuple[float, float] | None) -> Report:
    """What writes lines of progress; a search does not know how far it has come."""

    def report(fraction: float, done: int, failed: int, recent: Recent | None) -> None:
        line = {
            "rate": step.rate,
            "duration_s": step.duration_s,
            "requests": step.requests,
            "done": done,
            "failed": failed,
            "fraction": None if part is None else round(part[0] + fraction * part[1], 4),
            "recent": None if recent is None else msgspec.to_builtins(recent),
        }
        print(json.dumps(line), file=sys.stderr, flush=True)  # noqa: T201 - the engine's protocol

    return report


def main(arguments: Sequence[str]) -> int:
    """Do the plan in file `arguments[0]`, results into folder `arguments[1]`; the exit status."""
    path, folder = Path(arguments[0]), Path(arguments[1])
    try:
        plan = msgspec.json.decode(path.read_bytes(), type=Plan)
        plan.check()
        if plan.cores and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, plan.cores[:1] if plan.workers > 1 else plan.cores)
        engine = Engine(plan, path, folder, os.environ)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            is_done = runner.run(engine.conduct())
        if not is_done:
            print(json.dumps({"interrupted": True}), file=sys.stderr, flush=True)  # noqa: T201 - the engine's protocol
    except SpecweaveError as error:
        print(json.dumps({"error": error.as_dict()}), file=sys.stderr, flush=True)  # noqa: T201 - the engine's protocol
        return 1
    except BrokenPipeError:
        # The starter was killed, and nobody will read the results. An orderly exit would complain about the same pipe.
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)
    return 0 if is_done else TERMINATED_STATUS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
