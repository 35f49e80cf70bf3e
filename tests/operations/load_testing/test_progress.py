"""What people see of a load test that runs: the generator's lines as progress."""

import json
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.command import Progress
from specweave.operations.load_testing.progress import follow
from specweave.operations.load_testing.recent import Recent, recent


def line(rate: float, done: int, *, p95: float | None = None, failed: int = 0) -> str:
    lately = None if p95 is None else {"rate": rate, "p50_ms": 1.0, "p95_ms": p95, "late_ms": 0.08}
    moment = {"rate": rate, "duration_s": 10.0, "requests": round(10 * rate), "done": done, "failed": failed}
    return json.dumps({**moment, "fraction": done / (10 * rate), "recent": lately, "something new": 1})


def seen(*lines: str) -> list[Progress]:
    moments: list[Progress] = []
    on_line = follow(moments.append)
    for one in lines:
        on_line(one)
    return moments


def test_a_line_says_how_far_the_step_is_and_how_it_goes_just_now() -> None:
    (moment,) = seen(line(100, 250, p95=4.2, failed=3))
    assert moment.message == "100 RPS for 10 s: 250 of 1000 answered, 3 failed, P50 1.0ms, P95 4.2ms"
    assert moment.fraction == 0.25
    assert moment.rows[1:] == (("100", "10", "250 of 1,000", "100", "1.0ms", "4.2ms", "3", "0.08ms"),)


def test_the_steps_that_ended_stay_in_the_table_also_one_that_is_done_again() -> None:
    moments = seen(line(10, 40), line(10, 100, p95=2), line(50, 0), line(50, 500, p95=3), line(50, 20))
    assert [row[2] for row in moments[-1].rows[1:]] == ["100 of 100", "500 of 500", "20 of 500"]
    assert moments[-1].rows[2][5] == "3.0ms"
    assert {len(row) for row in moments[-1].rows} == {8}


def test_the_table_has_room_on_a_terminal_however_many_steps_there_are() -> None:
    assert len(seen(*[line(rate, 1) for rate in range(1, 100)])[-1].rows) <= 14


@given(st.text() | st.integers().map(str) | st.just('{"rate": "x"}'))
def test_any_other_line_is_let_be(text: str) -> None:
    assert not seen(text)


def moments(*values: float) -> "array[float]":
    return array("d", values)


def test_what_ended_lately_is_told_from_what_ended_before_and_what_has_not() -> None:
    due, released = moments(1.0, 2.0, 2.1, 2.2), moments(1.5, 2.001, 2.102, 2.2)
    done = moments(9.0, 2.010, 2.130, 0.0)
    found = recent(due, released, done, (1, 3), 0.5)
    assert found is not None
    assert (found.rate, found.p50_ms, found.p95_ms, found.late_ms) == pytest.approx((4, 10, 30, 2))
    assert recent(due, released, done, (3, 3), 0.5) is None


def test_of_very_many_only_some_are_looked_at() -> None:
    count = 100_000
    due = array("d", range(count))
    done = array("d", (moment + 0.005 for moment in due))
    found = recent(due, due, done, (0, count), 1.0)
    assert found == Recent(count, pytest.approx(5), pytest.approx(5), 0)
