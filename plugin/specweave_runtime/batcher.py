"""Rows of many requests predicted together, without waiting for company.

Whenever the worker is free it takes all rows that wait. Under load the batches grow by themselves; an idle service
answers a lone row at once, for there is no timer.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from specweave_runtime.outcomes import Outcome
from specweave_runtime.predictors import Row

Outcomes = list[Outcome[Any]]


class Batcher:
    """Runs a predictor in one worker thread.

    Args:
        many: predicts rows; called from the worker thread only.
        limit: most rows in one call, unless a single request has more.
    """

    def __init__(self, many: Callable[[Sequence[Row]], Outcomes], limit: int) -> None:
        self._many = many
        self._limit = limit
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="predict")
        self._waiting: list[tuple[Sequence[Row], asyncio.Future[Outcomes]]] = []
        self._occupied = False

    async def predict(self, rows: Sequence[Row]) -> Outcomes:
        """The outcomes of rows, in their order."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcomes] = loop.create_future()
        self._waiting.append((rows, future))
        if not self._occupied:
            self._occupied = True
            # Not now but at the end of this turn of the loop: whatever has arrived by then goes with it.
            loop.call_soon(self._start, loop)
        return await future

    def close(self) -> None:
        """Let the worker finish what it has, and end it."""
        self._worker.shutdown()

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        jobs: list[tuple[Sequence[Row], asyncio.Future[Outcomes]]] = []
        rows: list[Row] = []
        while self._waiting and (not jobs or len(rows) + len(self._waiting[0][0]) <= self._limit):
            job = self._waiting.pop(0)
            jobs.append(job)
            rows.extend(job[0])
        if not jobs:
            self._occupied = False
            return
        work = self._worker.submit(self._many, rows)
        work.add_done_callback(lambda done: loop.call_soon_threadsafe(self._finish, loop, jobs, done))

    def _finish(
        self,
        loop: asyncio.AbstractEventLoop,
        jobs: list[tuple[Sequence[Row], "asyncio.Future[Outcomes]"]],
        work: "Future[Outcomes]",
    ) -> None:
        start = 0
        for rows, future in jobs:
            if not future.done():  # the client may have gone
                if error := work.exception():
                    future.set_exception(error)
                else:
                    future.set_result(work.result()[start : start + len(rows)])
            start += len(rows)
        loop.call_soon(self._start, loop)
