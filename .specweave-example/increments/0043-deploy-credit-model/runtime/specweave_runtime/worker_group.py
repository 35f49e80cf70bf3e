"""The workers of one release, kept alive: as many as the release asks for. Standard library only."""

import asyncio
import logging
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from specweave_runtime.worker_process import Release, Worker, WorkerError, describe

_BACKOFF_S, _BACKOFF_MOST_S = 0.5, 30.0
# A worker that lived this long had started well: its next failure is a new one.
_LIVED_S = 60.0
# What a request under way may take at the end of a worker, and a little.
_GRACE_S = 35.0

log = logging.getLogger("specweave.supervisor")


class Group:
    """The workers of one release.

    Args:
        release: what they serve.
        listener: the public listening socket.
        settings: variables that the deploying person set for the service.
        output: file for what the workers write.
        on_failure: told the reason whenever a worker that was up has ended, and whenever its restart failed.
    """

    def __init__(
        self,
        release: Release,
        listener: socket.socket,
        settings: Mapping[str, str],
        output: Path,
        on_failure: Callable[["Group", str], None],
    ) -> None:
        self.release = release
        self.settings = dict(settings)
        self.accepting = False
        self._leaving = False
        self._listener = listener
        self._output = output
        self._on_failure = on_failure
        self._within_s = 0.0
        self._metrics: tempfile.TemporaryDirectory[str] | None = None
        self._workers: list[Worker] = []
        self._keepers: list[asyncio.Task[None]] = []

    @property
    def up(self) -> bool:
        """Whether every worker is ready."""
        return bool(self._workers) and all(worker.up for worker in self._workers)

    def describe(self) -> list[dict[str, object]]:
        """Each worker, for `status`."""
        standing = "leaving" if self._leaving else "accepting" if self.accepting else "loaded"
        return [
            {
                "release": self.release.name,
                "pid": worker.pid,
                "port": worker.port,
                "state": standing if worker.up else "restarting",
            }
            for worker in self._workers
        ]

    async def start(self, within_s: float) -> None:
        """Start all workers and wait until each is ready.

        Args:
            within_s: what loading may take, seconds; holds for later restarts too.

        Raises:
            WorkerError: one is not ready, and why; none runs then.
        """
        self._within_s = within_s
        if self.release.workers > 1:
            # The counters of all processes are added up in files, those of this start alone.
            self._metrics = tempfile.TemporaryDirectory(prefix="specweave-metrics-")
        self._workers = [self._new() for _ in range(self.release.workers)]
        ends = await asyncio.gather(*(worker.start(within_s) for worker in self._workers), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                await self._kill()
                raise end
        self._keepers = [asyncio.create_task(self._keep(slot)) for slot in range(len(self._workers))]

    async def smoke_test(self) -> int:
        """Ask every worker for its golden rows; how many were asked of each.

        Raises:
            WorkerError: an answer is not the expected one.
        """
        return min(await asyncio.gather(*(worker.smoke_test() for worker in self._workers)))

    async def accept(self) -> None:
        """Take connections from the public socket.

        Raises:
            WorkerError: no worker does.
        """
        self.accepting = True
        reasons = await self._tell("accept", "accepting")
        if len(reasons) == len(self._workers):
            self.accepting = False
            raise WorkerError(reasons[0])

    async def drain(self) -> None:
        """Take no more connections; what was taken is answered, and the workers stay."""
        self.accepting = False
        await self._tell("drain", "draining")

    async def stop(self, within_s: float) -> None:
        """End the workers.

        Args:
            within_s: how long clients with an idle connection have to come back to it and be told to leave, seconds.
        """
        self.accepting, self._leaving = False, True
        await self._release_keepers()
        await asyncio.gather(*(worker.stop(within_s, _GRACE_S) for worker in self._workers if worker.pid))
        self._forget_metrics()

    async def _tell(self, command: str, answer: str) -> list[str]:
        ends = await asyncio.gather(*(worker.tell(command, answer) for worker in self._workers), return_exceptions=True)
        reasons = []
        for end in ends:
            if isinstance(end, WorkerError):
                reasons.append(str(end))
            elif isinstance(end, BaseException):
                raise end
        return reasons

    async def _keep(self, slot: int) -> None:
        delay = 0.0
        while True:
            began = time.monotonic()
            status = await self._workers[slot].ended()
            if time.monotonic() - began > _LIVED_S:
                delay = 0.0
            self._forget_gauges(self._workers[slot].pid)
            self._on_failure(self, f"a worker of release {self.release.name} ended with {describe(status)}")
            while not self._workers[slot].up:
                await asyncio.sleep(delay)
                delay = min(max(_BACKOFF_S, delay * 2), _BACKOFF_MOST_S)
                self._workers[slot] = self._new()
                try:
                    await self._workers[slot].start(self._within_s)
                    if self.accepting:
                        await self._workers[slot].tell("accept", "accepting")
                except WorkerError as error:
                    # One that is ready and does not accept would stay idle for ever.
                    await self._workers[slot].kill()
                    self._forget_gauges(self._workers[slot].pid)
                    self._on_failure(self, f"a worker of release {self.release.name} did not restart: {error}")

    def _new(self) -> Worker:
        shared = {"PROMETHEUS_MULTIPROC_DIR": self._metrics.name} if self._metrics else {}
        return Worker(self.release, self._listener, {**self.settings, **shared}, self._output)

    async def _release_keepers(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        for keeper in self._keepers:
            with suppress(asyncio.CancelledError):
                await keeper
        self._keepers = []

    async def _kill(self) -> None:
        await asyncio.gather(*(worker.kill() for worker in self._workers))
        self._forget_metrics()

    def _forget_gauges(self, pid: int) -> None:
        # As mark_process_dead() of prometheus_client, which is not at hand here: what the process counted stays
        # counted, what it showed of the present is no more.
        if self._metrics is not None:
            for path in Path(self._metrics.name).glob(f"gauge_live*_{pid}.db"):
                path.unlink(missing_ok=True)

    def _forget_metrics(self) -> None:
        if self._metrics is not None:
            self._metrics.cleanup()
