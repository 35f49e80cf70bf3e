"""Servers that misbehave: every request is counted, under the right cause, and nothing is left behind."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil
import pytest
from tests.operations.load_testing.bad_servers import (
    CAUSES,
    CLOSED,
    MALFORMED,
    REFUSED,
    RESET,
    TIMEOUT,
    TOO_LARGE,
    Misbehaviour,
    answer_twice,
    garbage_after,
    misbehave,
    never_reading,
    refusing_half_of_the_time,
    talking_first,
)
from tests.operations.load_testing.servers import RIGHT, as_told, serve

from specweave.command import Context, Progress
from specweave.host import RealHost
from specweave.operations.load_testing import Exchange, Plan, Step, run_load_test
from specweave.operations.load_testing.statistics import StepMeasurement
from specweave.project import Project

pytestmark = pytest.mark.measures

# So long that a busy machine keeps within it.
TIMEOUT_S = 20.0
ENGINE = "specweave.operations.load_testing.engine"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(project=Project(tmp_path), host=RealHost())


def kinds(*causes: str | None) -> list[str]:
    return [kind for kind, cause in CAUSES.items() if cause in causes]


def asked_for(some: Iterable[str]) -> tuple[Exchange, ...]:
    return tuple(Exchange(json.dumps({"kind": kind}), RIGHT) for kind in some)


def measure(
    context: Context, port: int, step: Step, corpus: tuple[Exchange, ...] = (Exchange("{}", RIGHT),), **changes: object
) -> StepMeasurement:
    settings = {"arrivals": "constant", "connections": 32, "timeout_s": TIMEOUT_S, **changes}
    url = f"http://127.0.0.1:{port}/predict"
    (found,) = run_load_test(context, Plan(url, (step,), corpus, **settings), slow_s=TIMEOUT_S).steps
    assert found.requests == found.correct + sum(failure.count for failure in found.failures)
    assert all(len(failure.sample) < 400 for failure in found.failures)
    assert not engines()
    return found


def failures(step: StepMeasurement) -> dict[str, int]:
    return {failure.cause: failure.count for failure in step.failures}


def engines() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [process for process in children if process.cmdline()[2:4] == ["-m", ENGINE]]


def test_each_breach_of_http_or_json_is_counted_under_its_cause_and_spoils_no_other_answer(context: Context) -> None:
    some, rounds = [kind for kind in CAUSES if CAUSES[kind] not in {TOO_LARGE, TIMEOUT}], 3
    with serve(misbehave) as server:
        step = measure(context, server.port, Step(75, len(some) * rounds / 75), asked_for(some))
    expected = Counter(CAUSES[kind] for kind in some)
    assert step.correct == expected.pop(None) * rounds
    assert failures(step) == {cause: count * rounds for cause, count in expected.items()}


def test_an_answer_without_end_is_left_in_time(context: Context) -> None:
    some = kinds(TOO_LARGE)
    seen: list[int] = []
    watched = context.with_report(lambda _progress: seen.extend(engine.memory_info().rss for engine in engines()))
    with serve(misbehave) as server:
        step = measure(watched, server.port, Step(20, len(some) / 10), asked_for(some), connections=8)
    assert failures(step) == {TOO_LARGE: 2 * len(some)}
    assert seen
    assert max(seen) < 200e6, "each of them would have been 100 MB"


def test_an_answer_that_does_not_come_to_its_end_times_out(context: Context) -> None:
    some = kinds(TIMEOUT)
    with serve(misbehave) as server:
        corpus = asked_for([*some, "created"])
        step = measure(context, server.port, Step(120, 0.5), corpus, connections=128, timeout_s=1.5)
    assert failures(step) == {TIMEOUT: 60 - step.correct}
    assert step.correct == 10, "one in six was answered"
    assert {failure.sample for failure in step.failures} == {"the answer did not come in time"}


@pytest.mark.parametrize("guest", [talking_first, never_reading])
def test_a_port_where_no_http_is_spoken_ends_in_a_report(context: Context, guest: Callable[[], object]) -> None:
    with guest() as port:
        step = measure(context, port, Step(50, 0.4), connections=4, timeout_s=0.5)
    assert step.correct == 0
    assert failures(step).keys() <= {TIMEOUT, MALFORMED}


@pytest.mark.parametrize("misbehaviour", [answer_twice, garbage_after])
def test_what_nobody_asked_for_is_never_taken_for_the_answer_to_the_next_request(
    context: Context, misbehaviour: Misbehaviour
) -> None:
    # One connection, so that the next request waits for it.
    with serve(misbehaviour) as server:
        step = measure(context, server.port, Step(400, 0.5), connections=1)
    assert step.correct
    assert failures(step).keys() <= {MALFORMED, CLOSED, RESET}


def test_a_service_that_refuses_half_of_the_time_has_its_refusals_counted(context: Context) -> None:
    # The engine warms up with 40 requests; a service that is not there at all is a coded error.
    with refusing_half_of_the_time(0.15, after=45) as server:
        step = measure(context, server.port, Step(100, 1.2), connections=4)
    assert step.correct
    assert failures(step)[REFUSED]
    assert failures(step).keys() <= {REFUSED, RESET, CLOSED}


def test_hundreds_of_broken_connections_leave_no_descriptor_open(context: Context) -> None:
    opened: list[int] = []

    def look(_progress: Progress) -> None:
        opened.extend(engine.num_fds() for engine in engines())

    corpus = asked_for(["reset", "cut", "no-http", "status-500", "right-then-close", "too-large"])
    with serve(as_told) as server:
        step = measure(context.with_report(look), server.port, Step(300, 2.2), corpus, connections=8)
    assert step.generator.reconnects >= 350
    assert len(opened) >= 3
    # Its own dozen, eight connections, and those being dialled or closed.
    assert max(opened) < 60
