"""Rows of many requests, predicted together without waiting for company."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from specweave_runtime.batcher import Batcher, TurnBatcher
from specweave_runtime.errors import RequestError
from specweave_runtime.outcomes import Outcome
from specweave_runtime.predictors import Row

DEADLINE_S = 30


class Model:
    """Remembers what it was asked, and answers only when it is let."""

    def __init__(self) -> None:
        self.calls: list[list[Row]] = []
        self.threads: set[str] = set()
        self.gate = threading.Event()
        self.entered = threading.Event()

    inline = True

    def one(self, row: Row) -> Outcome[object]:
        return self.many([row])[0]

    def many(self, rows: Sequence[Row]) -> list[Outcome[object]]:
        self.calls.append(list(rows))
        self.threads.add(threading.current_thread().name)
        self.entered.set()
        assert self.gate.wait(DEADLINE_S)
        if ("bad",) in rows:
            raise ValueError("no answer")
        return [Outcome(row[0]) for row in rows]


async def called(model: Model) -> None:
    """Wait until the worker is inside the model."""
    assert await asyncio.to_thread(model.entered.wait, DEADLINE_S)


def test_a_lone_row_is_predicted_at_once() -> None:
    model = Model()
    model.gate.set()
    batcher = Batcher(model.many, 100)
    assert asyncio.run(batcher.predict([(1,)])) == [Outcome(1)]
    assert model.calls == [[(1,)]]
    batcher.close()


def test_rows_that_come_meanwhile_are_predicted_together_each_gets_its_own() -> None:
    model = Model()

    async def scene() -> list[list[Outcome[object]]]:
        batcher = Batcher(model.many, 100)
        first = asyncio.create_task(batcher.predict([(0,)]))
        await called(model)
        rest = [asyncio.create_task(batcher.predict([(number,), (-number,)])) for number in range(1, 5)]
        await asyncio.sleep(0)
        model.gate.set()
        return await asyncio.gather(first, *rest)

    answers = asyncio.run(scene())
    assert answers == [[Outcome(0)], *([Outcome(number), Outcome(-number)] for number in range(1, 5))]
    assert [len(call) for call in model.calls] == [1, 8]
    assert len(model.threads) == 1


def test_a_call_has_no_more_rows_than_the_limit_unless_one_request_has() -> None:
    model = Model()
    model.gate.set()

    async def scene() -> None:
        batcher = Batcher(model.many, 3)
        await asyncio.gather(*(batcher.predict([(number,)] * 2) for number in range(3)), batcher.predict([(9,)] * 5))

    asyncio.run(scene())
    assert [len(call) for call in model.calls] == [2, 2, 2, 5]


def test_a_failure_reaches_those_it_concerns_and_the_next_rows_are_predicted() -> None:
    model = Model()
    model.gate.set()

    async def scene() -> None:
        batcher = Batcher(model.many, 100)
        with pytest.raises(ValueError, match="no answer"):
            await batcher.predict([("bad",)])
        assert await batcher.predict([("good",)]) == [Outcome("good")]

    asyncio.run(scene())


def test_a_failure_is_that_of_one_request_and_not_of_those_predicted_with_it() -> None:
    model = Model()

    async def scene() -> list[list[Outcome[object]] | BaseException]:
        batcher = Batcher(model.many, 100)
        first = asyncio.create_task(batcher.predict([("first",)]))
        await called(model)
        rest = [asyncio.create_task(batcher.predict([(word,), (word,)])) for word in ("good", "bad", "better")]
        await asyncio.sleep(0)
        model.gate.set()
        return await asyncio.gather(first, *rest, return_exceptions=True)

    first, good, bad, better = asyncio.run(scene())
    assert isinstance(bad, ValueError)
    assert (first, good, better) == ([Outcome("first")], [Outcome("good")] * 2, [Outcome("better")] * 2)


def test_when_too_many_rows_wait_the_next_are_turned_away_until_there_is_room() -> None:
    model = Model()

    async def scene() -> None:
        batcher = Batcher(model.many, 2)
        first = asyncio.create_task(batcher.predict([(0,)]))
        await called(model)
        waiting = [asyncio.create_task(batcher.predict([(number,)] * 2)) for number in range(10)]
        await asyncio.sleep(0)
        with pytest.raises(RequestError) as refusal:
            await batcher.predict([(99,)])
        assert (refusal.value.status, refusal.value.error.code) == (503, "overloaded")
        assert (b"retry-after", b"1") in refusal.value.headers
        model.gate.set()
        await asyncio.gather(first, *waiting)
        assert await batcher.predict([(99,)]) == [Outcome(99)]

    asyncio.run(scene())


def test_a_client_that_leaves_takes_nobody_with_it() -> None:
    model = Model()

    async def scene() -> None:
        batcher = Batcher(model.many, 100)
        leaving = asyncio.create_task(batcher.predict([(1,)]))
        await called(model)
        staying = asyncio.create_task(batcher.predict([(2,)]))
        await asyncio.sleep(0)
        leaving.cancel()
        model.gate.set()
        assert await staying == [Outcome(2)]

    asyncio.run(scene())


def test_the_rows_of_one_turn_of_the_loop_are_predicted_together_in_its_own_thread() -> None:
    model = Model()
    model.gate.set()

    async def scene() -> list[Outcome[object]]:
        turns = TurnBatcher(model)
        alone = await turns.predict((0,))
        return [alone, *await asyncio.gather(*(turns.predict((number,)) for number in range(1, 5)))]

    assert asyncio.run(scene()) == [Outcome(number) for number in range(5)]
    assert [len(call) for call in model.calls] == [1, 4]
    assert model.threads == {threading.current_thread().name}


def test_a_row_that_the_model_does_not_take_fails_alone_among_those_of_its_turn() -> None:
    model = Model()
    model.gate.set()

    async def scene() -> list[Outcome[object] | BaseException]:
        turns = TurnBatcher(model)
        return await asyncio.gather(
            *(turns.predict((word,)) for word in ("good", "bad", "better")), return_exceptions=True
        )

    good, bad, better = asyncio.run(scene())
    assert isinstance(bad, ValueError)
    assert (good, better) == (Outcome("good"), Outcome("better"))


def test_a_client_that_leaves_within_a_turn_takes_nobody_with_it() -> None:
    model = Model()
    model.gate.set()

    async def scene() -> None:
        turns = TurnBatcher(model)
        leaving, staying = asyncio.create_task(turns.predict((1,))), asyncio.create_task(turns.predict((2,)))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await staying == Outcome(2)
        with pytest.raises(asyncio.CancelledError):
            await leaving

    asyncio.run(scene())
