"""The workers of a load test together: the engine's own process, and more of them where the plan says so."""

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from specweave.operations.load_testing.outcomes import EngineError
from specweave.operations.load_testing.plan import Plan, Step
from specweave.operations.load_testing.recent import Recent
from specweave.operations.load_testing.run import Report
from specweave.operations.load_testing.worker import (
    Account,
    Halt,
    Order,
    Part,
    Prepare,
    Ready,
    Reply,
    Tally,
    Worker,
    file_of,
    say_nothing,
)

_WORKER = "specweave.operations.load_testing.worker"
_LEAD_S = 0.02
# Orders reach the other processes, and they make their schedules, before it begins.
_LEAD_OF_SEVERAL_S = 0.3
_NAMES = ("due", "released", "sent", "done", "outcome")


class _Remote:
    """A worker in a process of its own.

    Attributes:
        done, failed: requests of its part that ended so far.
    """

    def __init__(self, process: asyncio.subprocess.Process, index: int, folder: Path) -> None:
        self._process, self._index, self._folder = process, index, folder
        self.done = self.failed = 0

    def tell(self, order: Order) -> None:
        assert self._process.stdin is not None  # noqa: S101 - narrows the type: stdin=PIPE was given
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")

    async def prepare(self, order: Prepare) -> None:
        self.tell(order)
        await self._reply()

    async def send(self, part: Part) -> tuple[Account, dict[str, Any]]:
        self.done = self.failed = 0
        self.tell(part)
        account = await self._reply()
        assert isinstance(account, Account)  # noqa: S101 - the protocol: a part is answered by its account
        path = file_of(self._folder, self._index)
        with np.load(path) as found:
            moments = dict(found)
        path.unlink()
        return account, moments

    async def _reply(self) -> Ready | Account:
        assert self._process.stdout is not None  # noqa: S101 - narrows the type: stdout=PIPE was given
        while line := await self._process.stdout.readline():
            reply = msgspec.json.decode(line, type=Reply)
            if not isinstance(reply, Tally):
                return reply  # type: ignore[no-any-return] # it was decoded as one of the union
            self.done, self.failed = reply.done, reply.failed
        status = await self._process.wait()
        raise EngineError("load-generator-failed", f"worker {self._index} of the load generator ended with {status}")

    async def close(self) -> None:
        assert self._process.stdin is not None  # noqa: S101 - narrows the type: stdin=PIPE was given
        self._process.stdin.close()
        await self._process.wait()


class Crew:
    """All workers of a plan; they send one schedule together.

    Args:
        plan: what is done.
        path: the plan as a file, for the other processes.
        folder: for what they leave.
        environment: see `Worker`.
    """

    def __init__(self, plan: Plan, path: Path, folder: Path, environment: Mapping[str, str]) -> None:
        self._plan, self._path, self._folder = plan, path, folder
        self.own = Worker(plan, folder, environment)
        self._others: list[_Remote] = []

    async def start(self) -> None:
        """Start the other processes."""
        for index in range(1, self._plan.workers):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", _WORKER, str(self._path), str(self._folder), str(index)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            self._others.append(_Remote(process, index, self._folder))

    async def prepare(self, connections: int, *, trial: bool = False) -> None:
        """Have so many connections in all.

        Raises:
            EngineError: `load-generator-failed` where a worker is gone.
        """
        order = Prepare(connections, trial)
        await asyncio.gather(self.own.prepare(order), *(other.prepare(order) for other in self._others))

    async def send(
        self,
        step: Step,
        number: int = 0,
        report: Report = say_nothing,
        *,
        give_up_s: float | None = None,
        trial: bool = False,
    ) -> tuple[list[Account], dict[str, Any]]:
        """Send a step.

        Returns:
            An account of each worker, and the moments of all requests in the order in which they were due, with
            `worker`, the index of the one that sent it.

        Raises:
            EngineError: `load-generator-failed` where a worker is gone.
        """
        start = time.monotonic() + (_LEAD_OF_SEVERAL_S if self._others else _LEAD_S)
        part = Part(step, number, start, give_up_s, trial)
        sending = [asyncio.ensure_future(self.own.send(part, self._joined(report, step.requests)))]
        sending += [asyncio.ensure_future(other.send(part)) for other in self._others]
        for task in sending:
            task.add_done_callback(self._pass_on)
        try:
            sent = await asyncio.gather(*sending)
        finally:
            for task in sending:
                task.cancel()
            await asyncio.gather(*sending, return_exceptions=True)
        return [account for account, _ in sent], _merged([found for _, found in sent])

    def halt(self, *, interrupted: bool) -> None:
        """Start no more requests of the step that is under way."""
        self.own.halt(interrupted=interrupted)
        for other in self._others:
            other.tell(Halt(interrupted))

    async def close(self) -> None:
        """End the other processes and close every connection."""
        await asyncio.gather(*(other.close() for other in self._others))
        await self.own.close()

    def _pass_on(self, sent: "asyncio.Future[tuple[Account, dict[str, Any]]]") -> None:
        # Where one sees that the step is hopeless, the others need not go on.
        if not sent.cancelled() and sent.exception() is None:
            account, _ = sent.result()
            if account.cut_after_s is not None and not account.interrupted:
                self.halt(interrupted=False)

    def _joined(self, report: Report, requests: int) -> Report:
        def joined(fraction: float, done: int, failed: int, recent: Recent | None) -> None:
            if not self._others:
                report(fraction, done, failed, recent)
                return
            done += sum(other.done for other in self._others)
            failed += sum(other.failed for other in self._others)
            if recent:
                # Every worker sends as much as this one.
                recent = msgspec.structs.replace(recent, rate=recent.rate * self._plan.workers)
            report(min(1.0, done / requests), done, failed, recent)

        return joined


def _merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    worker = np.repeat(np.arange(len(parts), dtype=np.uint8), [len(part["due"]) for part in parts])
    together = {name: np.concatenate([part[name] for part in parts]) for name in _NAMES}
    order = np.argsort(together["due"], kind="stable")
    return {name: values[order] for name, values in {**together, "worker": worker}.items()}
