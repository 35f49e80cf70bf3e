"""Logs whose requests are sent again."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from specweave.errors import InvalidInputError
from specweave.operations.load_testing.arrival_log import read_arrivals
from specweave.operations.load_testing.shape import Load, shape
from specweave.project import SloSettings
from specweave_runtime.request_log import RequestLog

START = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def answered(after_s: float, took_ms: float, method: str = "POST") -> str:
    time = (START + timedelta(seconds=after_s)).isoformat()
    return json.dumps({"time": time, "method": method, "path": "/predict", "status": 200, "duration_ms": took_ms})


def test_a_services_request_log_says_when_requests_came_and_not_when_they_were_answered(log: Path) -> None:
    lines = [answered(2.0, 1_500), answered(1.0, 100), answered(1.5, 0.0, "GET"), answered(4.0, 0.0), ""]
    log.write_text("\n".join(lines))
    assert read_arrivals(log) == pytest.approx([0.0, 0.4, 3.5])


def test_what_the_runtime_writes_is_read(log: Path) -> None:
    with log.open("wb") as stream:
        for _ in range(3):
            RequestLog(stream).write("POST", "/predict", 200, 0.0, rows=1, version="v1", error=None)
    assert len(read_arrivals(log)) == 3


def test_an_access_log_of_whole_seconds_is_spread_over_each_second(log: Path) -> None:
    line = '10.0.0.1 - ann [20/Nov/2026:21:00:{:02d} +0000] "{} /predict HTTP/1.1" 200 61 "-" "curl"\n'
    log.write_text("".join(line.format(number // 100, "POST") for number in range(300)) + line.format(9, "GET"))
    offsets = read_arrivals(log)
    assert len(offsets) == 300
    assert len(np.unique(offsets)) == 300
    assert 2.0 < offsets[-1] <= 3.0
    assert (np.diff(offsets) >= 0).all()
    assert (read_arrivals(log) == offsets).all(), "the same each time"


@pytest.mark.parametrize(
    "lines",
    [
        ["2026-11-20T21:00:00.25Z GET", "2026-11-20T22:00:01.75+01:00 POST"],
        ["2026-11-20 21:00:00,250 INFO called", "2026-11-20 21:00:01,750 INFO called"],
        ["1795208400.25 a b", "1795208401.75"],
        ["1795208400250,/predict", "1795208401750,/predict"],
    ],
)
def test_a_moment_may_come_first_in_each_line(log: Path, lines: list[str]) -> None:
    log.write_text("\n".join(lines))
    assert read_arrivals(log) == pytest.approx([0.0, 1.5])


def test_speed_brings_the_requests_nearer_to_each_other(log: Path) -> None:
    log.write_text("1795208400.5\n1795208404.5\n1795208402.5\n")
    assert read_arrivals(log, 4.0).tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("2026-11-20T21:00:00.5Z\nnothing\n", 2),
        ('{"time": "yesterday"}\n', 1),
        ('{"path": "/predict"}\n', 1),
        ("[40/Nov/2026:21:00:00 +0000]\n", 1),
        ("2026-11-20T21:00:00Z\n", None),
        ("", None),
    ],
)
def test_a_log_that_cannot_be_played_is_refused_with_the_line(log: Path, text: str, line: int | None) -> None:
    log.write_text(text)
    with pytest.raises(InvalidInputError) as caught:
        read_arrivals(log)
    assert caught.value.code == "arrival-log-invalid"
    assert caught.value.details.get("line") == line


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_played_or_refused(log: Path, content: bytes) -> None:
    log.write_bytes(content)
    with suppress(InvalidInputError):
        offsets = read_arrivals(log)
        assert offsets[0] == 0
        assert np.isfinite(offsets).all()


@given(st.lists(st.floats(0, 1e6, allow_nan=False), min_size=2, max_size=50))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_moments_that_were_written_are_read_again(log: Path, seconds: list[float]) -> None:
    moments = sorted((START + timedelta(seconds=value)) for value in seconds)
    log.write_text("".join(f"{moment.isoformat(timespec='microseconds')}\n" for moment in moments))
    if moments[0] == moments[-1] or all(moment.microsecond == 0 for moment in moments):
        return
    expected = [(moment - moments[0]).total_seconds() for moment in moments]
    assert read_arrivals(log) == pytest.approx(expected, abs=1e-5)


def test_a_replay_is_one_step_at_the_mean_rate_of_what_is_played(log: Path) -> None:
    log.write_text("".join(f"{1795208400.5 + number / 10}\n" for number in range(101)))
    whole = shape(Load(rates=(), duration_s=float("inf"), replay=str(log)), SloSettings())
    assert whole.steps[0].rate == pytest.approx(10)
    assert whole.steps[0].requests == 101
    assert whole.moments is not None
    part = shape(Load(rates=(), duration_s=2.05, replay=str(log), speed=2.0), SloSettings())
    assert part.moments is not None
    assert len(part.moments) == part.steps[0].requests == 42
    assert part.steps[0].duration_s == 2.05
