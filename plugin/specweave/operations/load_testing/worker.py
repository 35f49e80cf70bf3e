"""One of the processes that send a schedule: `python -P -m specweave.operations.load_testing.worker PLAN FOLDER INDEX`.

The engine is worker 0 itself; each other one takes orders on standard input, one JSON object a line, answers on
standard output, and ends when its input does. Worker k of W sends each W-th request of a step, from the k-th on, so
what leaves together is one schedule.
"""

import asyncio
import gc
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import uvloop

from specweave.operations.load_testing.connection import Pool
from specweave.operations.load_testing.outcomes import EngineError
from specweave.operations.load_testing.plan import Exchange, Floats, Plan, Step, Target, parse_target, schedule
from specweave.operations.load_testing.recent import Recent
from specweave.operations.load_testing.redaction import redact
from specweave.operations.load_testing.run import Report, Request, Run

MOMENTS = "moments.npy"
_LINE_BYTES = 1_048_576


class Prepare(msgspec.Struct, frozen=True, tag="prepare"):
    """Have so many connections; `trial`: to the calibration server."""

    connections: int
    trial: bool = False


class Part(msgspec.Struct, frozen=True, tag="part"):
    """A step, of which each worker sends its part.

    Attributes:
        number: of the step in the plan.
        start: of the schedule, `time.monotonic()`, which all processes of a machine share.
        give_up_s: see `Run`.
        trial: to the calibration server, evenly spaced.
    """

    step: Step
    number: int
    start: float
    give_up_s: float | None = None
    trial: bool = False


class Halt(msgspec.Struct, frozen=True, tag="halt"):
    """Start no more requests: the test was interrupted, or it is clear how the step will end."""

    interrupted: bool


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The connections are there, as far as the service accepts them."""


class Tally(msgspec.Struct, frozen=True, tag="tally"):
    """So many requests have ended, and so many of them not well."""

    done: int
    failed: int


class Account(msgspec.Struct, frozen=True, tag="account"):
    """What the moments of a worker's part do not say; see `StepSummary`."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    reconnects: int = 0
    longest_queue: int = 0
    samples: dict[str, str] = {}
    cut_after_s: float | None = None
    interrupted: bool = False


Order = Prepare | Part | Halt
Reply = Ready | Tally | Account


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


def say_nothing(_fraction: float, _done: int, _failed: int, _recent: Recent | None) -> None:
    """Warming up is no news."""


class Worker:
    """Sends its part of each step.

    Args:
        plan: the whole.
        folder: where the moments of a replay lie.
        environment: holds the values of headers.
        index: which of the plan's workers, from 0.

    Raises:
        EngineError: `header-invalid`.
        InvalidInputError: `ca-file-invalid`.
    """

    def __init__(self, plan: Plan, folder: Path, environment: Mapping[str, str], index: int = 0) -> None:
        self._plan, self._index = plan, index
        target = parse_target(plan.url)
        headers = {name: environment[variable] for name, variable in plan.header_variables.items()}
        self._secrets = tuple(headers.values())
        self._requests = self._of_mine(render_requests(target, plan.corpus, headers))
        self._moments: Floats | None = np.load(folder / MOMENTS) if plan.arrivals == "replay" else None
        self._run: Run | None = None
        self.pool = Pool(target, plan.ca_file)
        trial = Target(secure=False, host="127.0.0.1", port=plan.calibration_port or 1, path="/")
        # No key is sent to a server that is not the one under test.
        self._trial_requests = self._of_mine(render_requests(trial, [Exchange(each.body) for each in plan.corpus], {}))
        self.trial_pool = Pool(trial)

    def _of_mine(self, requests: Sequence[Request]) -> tuple[Request, ...]:
        # Request i of the step has body i of the corpus, whoever sends it.
        count = len(requests)
        return tuple(requests[(self._index + number * self._plan.workers) % count] for number in range(count))

    async def prepare(self, order: Prepare) -> None:
        """Have this worker's share of the connections."""
        share = -(-order.connections // self._plan.workers)
        await (self.trial_pool if order.trial else self.pool).resize(share)

    async def probe(self, offsets: Sequence[float]) -> Run:
        """Send these requests, whatever the plan says."""
        run = self._new_run(np.asarray(offsets), time.monotonic() + 0.01)
        await run.finish()
        return run

    async def send(self, part: Part, report: Report = say_nothing) -> tuple[Account, dict[str, Any]]:
        """Send this worker's part of a step.

        Returns:
            The account, and `due`, `released`, `sent` (NaN: never), `done` in seconds from the start of the step, and
            `outcome`, each one value a request.
        """
        offsets = self._offsets(part)[self._index :: self._plan.workers]
        if not len(offsets):
            return Account(), {name: np.empty(0) for name in ("due", "released", "sent", "done", "outcome")}
        gc.collect()
        gc.freeze()
        gc.disable()
        pool = self.trial_pool if part.trial else self.pool
        dialled, cpu = pool.dialled, time.process_time()
        try:
            self._run = run = self._new_run(offsets, part.start, report, part=part)
            await run.finish()
        finally:
            self._run = None
            gc.enable()
            gc.unfreeze()
        account = Account(
            seconds=time.monotonic() - run.start,
            cpu_seconds=time.process_time() - cpu,
            reconnects=pool.dialled - dialled,
            longest_queue=run.longest_queue,
            samples={cause: redact(sample, self._secrets) for cause, sample in run.samples.items()},
            cut_after_s=run.cut_after_s,
            interrupted=run.interrupted,
        )
        return account, moments(run)

    def halt(self, *, interrupted: bool) -> None:
        """Start no more requests of the step that is under way."""
        if self._run:
            self._run.halt(interrupted=interrupted)

    async def close(self) -> None:
        """Close every connection."""
        await self.pool.close()
        await self.trial_pool.close()

    def _offsets(self, part: Part) -> Floats:
        if part.trial:
            return schedule(part.step, "constant", 0)
        if self._moments is not None:
            return self._moments
        return schedule(part.step, self._plan.arrivals, self._plan.seed + part.number)

    def _new_run(self, offsets: Floats, start: float, report: Report = say_nothing, part: Part | None = None) -> Run:
        trial = part is not None and part.trial
        return Run(
            self.trial_pool if trial else self.pool,
            self._trial_requests if trial else self._requests,
            offsets,
            start=start,
            tolerance=self._plan.tolerance,
            scale=self._plan.scale,
            timeout_s=self._plan.timeout_s,
            give_up_s=part.give_up_s if part else None,
            report=report,
        )


def moments(run: Run) -> dict[str, Any]:
    """The moments of each request as arrays, see `Worker.send`."""
    found: dict[str, Any] = {name: np.asarray(getattr(run, name)) - run.start for name in ("due", "released", "done")}
    sent = np.asarray(run.sent)
    found["sent"] = np.where(sent > 0, sent - run.start, np.nan)
    found["outcome"] = np.asarray(run.outcome)
    return found


def file_of(folder: Path, index: int) -> Path:
    """Where a worker leaves the moments of its part, until the engine has read them."""
    return folder / f"worker-{index}.npz"


async def _serve(worker: Worker, folder: Path, index: int) -> None:
    reader = asyncio.StreamReader(limit=_LINE_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tasks: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        order = msgspec.json.decode(line, type=Order)
        if isinstance(order, Halt):
            worker.halt(interrupted=order.interrupted)
            continue
        task = loop.create_task(_obey(worker, order, folder, index))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        # It begins before the next order is read, which may be there already, and end it.
        await asyncio.sleep(0)


async def _obey(worker: Worker, order: Prepare | Part, folder: Path, index: int) -> None:
    if isinstance(order, Prepare):
        await worker.prepare(order)
        _reply(Ready())
        return
    account, found = await worker.send(order, lambda _fraction, done, failed, _recent: _reply(Tally(done, failed)))
    np.savez(file_of(folder, index), **found)
    _reply(account)


def _reply(reply: Reply) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(reply) + b"\n")
    sys.stdout.buffer.flush()


def main(arguments: Sequence[str]) -> None:
    """Take orders until there are no more, for the plan in file `arguments[0]`, as worker number `arguments[2]`."""
    folder, index = Path(arguments[1]), int(arguments[2])
    plan = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=Plan)
    if plan.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [plan.cores[index % len(plan.cores)]])
    uvloop.run(_serve(Worker(plan, folder, os.environ, index), folder, index))
    # Whoever gave the orders is gone or done; connections that are open need no farewell.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
