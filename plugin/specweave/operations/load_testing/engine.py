"""The load generator, a process of its own: `python -P -m specweave.operations.load_testing.engine PLAN FOLDER`.

It reads a plan (JSON), writes `step-<k>.npz` with the moments of every request, `summary.json`, and lines of progress
(JSON) on standard error. A failure is one JSON object on standard error and exit status 1.
"""

import asyncio
import gc
import json
import os
import platform
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import uvloop

from specweave.errors import SpecweaveError
from specweave.operations.load_testing.calibration import calibrate
from specweave.operations.load_testing.connection import Pool
from specweave.operations.load_testing.outcomes import EngineError, Outcome
from specweave.operations.load_testing.plan import Exchange, Plan, Search, Step, Target, parse_target, schedule
from specweave.operations.load_testing.recent import Recent
from specweave.operations.load_testing.redaction import redact
from specweave.operations.load_testing.run import Report, Request, Run
from specweave.operations.load_testing.server_process import ServerProcesses
from specweave.operations.load_testing.statistics import is_worth_repeating, summarize
from specweave.operations.load_testing.summary import Calibration, ServerSample, StepSummary, Summary

_WARM_UP_REQUESTS, _WARM_UP_RATE = 40, 100.0
_SETTLED_FACTOR, _SETTLED_SLACK_S = 2.0, 0.002
_SETTLE_DEADLINE_S = 15.0
_CALIBRATION_OF_SEARCH = 20_000.0
_MOST_SAMPLES = 120


def render_requests(target: Target, corpus: Sequence[Exchange], headers: Mapping[str, str]) -> tuple[Request, ...]:
    """The requests as they go over the wire.

    Raises:
        EngineError: `header-invalid`.
    """
    lines = [f"POST {target.path} HTTP/1.1", f"Host: {target.authority}", "User-Agent: specweave-load-test"]
    lines += ["Accept: application/json", "Content-Type: application/json"]
    for name, value in headers.items():
        if not (name + value).isprintable() or not (name + value).isascii():
            raise EngineError("header-invalid", f"the value of header {name!r} holds characters that HTTP forbids")
        lines.append(f"{name}: {value}")
    head = "\r\n".join(lines)
    requests = []
    for exchange in corpus:
        body = exchange.body.encode()
        requests.append(Request(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body, exchange))
    return tuple(requests)


def _say_nothing(_fraction: float, _done: int, _failed: int, _recent: Recent | None) -> None:
    """Warming up is no news."""


class Engine:
    """Does a plan."""

    def __init__(self, plan: Plan, folder: Path, environment: Mapping[str, str]) -> None:
        self._plan, self._folder = plan, folder
        target = parse_target(plan.url)
        headers = {name: environment[variable] for name, variable in plan.header_variables.items()}
        self._secrets = tuple(headers.values())
        self._requests = render_requests(target, plan.corpus, headers)
        self._pool = Pool(target)
        self._server = ServerProcesses(target)
        self._unhurried_s = 0.0

    async def conduct(self) -> Summary:
        """Run all steps, or search.

        Raises:
            EngineError: `service-unreachable`.
        """
        try:
            calibration = await self._calibrate()
            await self._warm_up()
            doing = self._searched(self._plan.search) if self._plan.search else self._planned()
            steps = [summary async for summary in doing]
        finally:
            await self._pool.close()
        versions = {
            "python": platform.python_version(),
            "uvloop": version("uvloop"),
            "httptools": version("httptools"),
        }
        return Summary(tuple(steps), versions, calibration)

    async def _calibrate(self) -> Calibration | None:
        if self._plan.calibration_port is None:
            return None
        target = Target(secure=False, host="127.0.0.1", port=self._plan.calibration_port, path="/")
        rates = [step.rate for step in self._plan.steps]
        # No key is sent to a server that is not the one under test.
        requests = render_requests(target, [Exchange(exchange.body) for exchange in self._plan.corpus], {})
        return await calibrate(target, requests, max(rates, default=_CALIBRATION_OF_SEARCH))

    async def _planned(self) -> AsyncIterator[StepSummary]:
        """The steps of the plan, until one has no correct answer at all."""
        total = sum(step.duration_s for step in self._plan.steps)
        before = 0.0
        for number, step in enumerate(self._plan.steps):
            part = (before / total, step.duration_s / total)
            summary, moments = await self._measure(number, step, part=part)
            before += step.duration_s
            measured = summarize(step, moments, summary, slow_s=self._plan.timeout_s)
            if self._plan.repeat_disturbed and is_worth_repeating(measured):
                summary, moments = await self._measure(number, step, part=(before / total, 0.0), again=True)
            yield summary
            if not (moments["outcome"] == Outcome.CORRECT).any():
                return

    async def _searched(self, wanted: Search) -> AsyncIterator[StepSummary]:
        from specweave.operations.load_testing.search import RateSearch  # noqa: PLC0415 - only a search judges here

        search, number = RateSearch(wanted), 0
        slow_s = wanted.latency_p95_ms / 1e3
        while step := search.next():
            summary, moments = await self._measure(number, step, give_up_s=slow_s)
            number += 1
            yield summary
            search.learn(summarize(step, moments, summary, slow_s=slow_s))

    async def _warm_up(self) -> None:
        """Every body at least once, at a low rate; what an answer takes when nothing else is under way."""
        await self._pool.reach()
        search = self._plan.search
        first = Step(search.start, search.duration_s) if search else self._plan.steps[0]
        await self._pool.resize(self._plan.connections or first.connections)
        count = max(len(self._requests), _WARM_UP_REQUESTS)
        self._unhurried_s = await self._probe(count)

    async def _settle(self) -> None:
        """Wait until the service answers as it did at first: overload lasts longer than its cause."""
        limit = self._unhurried_s * _SETTLED_FACTOR + _SETTLED_SLACK_S
        deadline = time.monotonic() + _SETTLE_DEADLINE_S
        while await self._probe(_WARM_UP_REQUESTS) > limit and time.monotonic() < deadline:
            pass

    async def _probe(self, count: int) -> float:
        run = self._run([index / _WARM_UP_RATE for index in range(count)])
        await run.finish()
        return float(np.median(np.subtract(run.done, run.due)))

    def _run(self, offsets: Sequence[float], report: Report = _say_nothing, *, give_up_s: float | None = None) -> Run:
        return Run(
            self._pool,
            self._requests,
            offsets,
            tolerance=self._plan.tolerance,
            scale=self._plan.scale,
            timeout_s=self._plan.timeout_s,
            give_up_s=give_up_s,
            report=report,
        )

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
        await self._pool.resize(connections)
        self._server.find()
        offsets = schedule(step, self._plan.arrivals, self._plan.seed + number).tolist()
        gc.collect()
        gc.freeze()
        gc.disable()
        server = self._server.sample()
        samples: list[ServerSample] = []
        sampling = asyncio.create_task(_sample(self._server, samples, max(1.0, step.duration_s / _MOST_SAMPLES)))
        dialled, cpu, started = self._pool.dialled, time.process_time(), time.monotonic()
        try:
            run = self._run(offsets, _reporting(step, part), give_up_s=give_up_s)
            await run.finish()
        finally:
            gc.enable()
            gc.unfreeze()
            sampling.cancel()
        server_after = self._server.sample()
        summary = StepSummary(
            seconds=time.monotonic() - started,
            cpu_seconds=time.process_time() - cpu,
            connections=connections,
            reconnects=self._pool.dialled - dialled,
            longest_queue=run.longest_queue,
            samples={cause: redact(sample, self._secrets) for cause, sample in run.samples.items()},
            rate=step.rate,
            duration_s=step.duration_s,
            repeated=again,
            cut_after_s=run.cut_after_s,
            server=(server, *samples, server_after) if server and server_after else (),
        )
        arrays: dict[str, Any] = {
            name: np.asarray(getattr(run, name)) - run.start for name in ("due", "released", "done")
        }
        sent = np.asarray(run.sent)
        arrays["sent"] = np.where(sent > 0, sent - run.start, np.nan)
        arrays["outcome"] = np.asarray(run.outcome)
        np.savez(self._folder / f"step-{number}.npz", **arrays)
        return summary, arrays


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
    folder = Path(arguments[1])
    try:
        plan = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=Plan)
        plan.check()
        if plan.cores and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, plan.cores)
        engine = Engine(plan, folder, os.environ)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            summary = runner.run(engine.conduct())
    except SpecweaveError as error:
        print(json.dumps({"error": error.as_dict()}), file=sys.stderr, flush=True)  # noqa: T201 - the engine's protocol
        return 1
    except BrokenPipeError:
        os._exit(1)  # the starter was killed; an orderly exit would complain about the same pipe again
    (folder / "summary.json").write_bytes(msgspec.json.encode(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
