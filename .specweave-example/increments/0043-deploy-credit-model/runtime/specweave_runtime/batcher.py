"""Rows of many requests predicted together, without waiting for company.

`Batcher` has a worker thread: whenever that is free it takes all rows that wait. `TurnBatcher` predicts in the event
loop itself, at the end of a turn, what arrived in that turn. Under load the batches grow by themselves; an idle
service answers a lone row at once, for there is no timer. A request whose rows the model does not take fails alone.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from specweave_runtime.errors import RequestError
from specweave_runtime.outcomes import Outcome
from specweave_runtime.predictors import Predictor, Row

Outcomes = list[Outcome[Any]]
Many = Callable[[Sequence[Row]], Outcomes]
Job = tuple[Sequence[Row], "asyncio.Future[Outcomes]"]

# So many calls' worth of rows may wait: who comes later would have given up before the answer.
_WAITING_CALLS = 10


class Batcher:
    """Runs a predictor in one worker thread.

    Args:
        many: predicts rows; called from the worker thread only.
        limit: most rows in one call, unless a single request has more; ten times as many may wait.
    """

    def __init__(self, many: Many, limit: int) -> None:
        self._many = many
        self._limit = limit
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="predict")
        self._waiting: deque[Job] = deque()
        self._waiting_rows = 0
        self._occupied = False

    async def predict(self, rows: Sequence[Row]) -> Outcomes:
        """The outcomes of rows, in their order.

        Raises:
            RequestError: 503 where too many rows wait already.
            Exception: what the predictor raised for these rows alone.
        """
        if self._waiting_rows >= self._limit * _WAITING_CALLS:
            message = f"{self._waiting_rows} rows wait already; ask again later"
            raise RequestError(503, "overloaded", message, headers=((b"retry-after", b"1"),))
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcomes] = loop.create_future()
        self._waiting.append((rows, future))
        self._waiting_rows += len(rows)
        if not self._occupied:
            self._occupied = True
            # Not now but at the end of this turn of the loop: whatever has arrived by then goes with it.
            loop.call_soon(self._start, loop)
        return await future

    def close(self) -> None:
        """Let the worker finish what it has, and end it."""
        self._worker.shutdown()

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        jobs: list[Job] = []
        size = 0
        while self._waiting and (not jobs or size + len(self._waiting[0][0]) <= self._limit):
            job = self._waiting.popleft()
            jobs.append(job)
            size += len(job[0])
        self._waiting_rows -= size
        if not jobs:
            self._occupied = False
            return
        work = self._worker.submit(_answers, self._many, [rows for rows, _ in jobs])
        work.add_done_callback(lambda done: loop.call_soon_threadsafe(self._finish, loop, jobs, done))

    def _finish(
        self, loop: asyncio.AbstractEventLoop, jobs: list[Job], work: "Future[list[Outcomes | Exception]]"
    ) -> None:
        _settle(jobs, work.result())
        loop.call_soon(self._start, loop)


class TurnBatcher:
    """Runs a predictor whose rows take microseconds, in the event loop.

    Predicting the rows of a turn together spares each of them the way through caches that the network has emptied:
    a call of onnxruntime takes five times as long between two requests as it does in a loop of its own.

    Args:
        predictor: called from the thread of the event loop only.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._waiting: list[Job] = []

    async def predict(self, row: Row) -> Outcome[Any]:
        """The outcome of a row.

        Raises:
            Exception: what the predictor raised for this row alone.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcomes] = loop.create_future()
        self._waiting.append(((row,), future))
        if len(self._waiting) == 1:
            loop.call_soon(self._answer)
        return (await future)[0]

    def _answer(self) -> None:
        jobs, self._waiting = self._waiting, []
        _settle(jobs, _answers(self._outcomes, [rows for rows, _ in jobs]))

    def _outcomes(self, rows: Sequence[Row]) -> Outcomes:
        return [self._predictor.one(rows[0])] if len(rows) == 1 else self._predictor.many(rows)


def _answers(many: Many, requests: Sequence[Sequence[Row]]) -> list[Outcomes | Exception]:
    """What each request gets; where all together fail, each is asked alone."""
    try:
        outcomes = many([row for rows in requests for row in rows])
    except Exception as error:  # noqa: BLE001 - whatever it is, it goes to the request that it concerns
        if len(requests) == 1:
            return [error]
        return [answer for rows in requests for answer in _answers(many, [rows])]
    answers: list[Outcomes | Exception] = []
    start = 0
    for rows in requests:
        answers.append(outcomes[start : start + len(rows)])
        start += len(rows)
    return answers


def _settle(jobs: Sequence[Job], answers: Sequence[Outcomes | Exception]) -> None:
    for (_, future), answer in zip(jobs, answers, strict=True):
        if future.done():  # the client may have gone
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
