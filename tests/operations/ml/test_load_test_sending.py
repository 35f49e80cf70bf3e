"""`ml load-test` with the options that say how requests are sent: a replay, workers, a certificate, time limits."""

import os

import pytest
from tests.operations.load_testing.servers import serve
from tests.operations.ml.credit_service import identity, service

from specweave import arguments
from specweave.command import Context
from specweave.errors import SpecweaveError
from specweave.increments.store import Increment
from specweave.operations.load_test_request import LoadTestRequest
from specweave.operations.load_test_result import LoadTestResult
from specweave.operations.ml.load_test import COMMAND

pytestmark = pytest.mark.measures


def run(context: Context, **values: object) -> LoadTestResult:
    """Without the arrivals that other tests name: a replay has its own."""
    result = COMMAND.run(arguments.validate(LoadTestRequest, {"increment": "0001", **values}), context)
    assert isinstance(result, LoadTestResult)
    return result


def test_a_log_is_played_at_its_own_moments_and_faster(context: Context, increment: Increment) -> None:
    log = context.project.root / "service.log"
    log.write_text("".join(f"{1795208400 + number / 40}\n" for number in range(120)))
    with serve(service(identity(context))) as server:
        result = run(context, replay="service.log", speed=4, url=server.url, timeout="5s", connections=3)
    assert [step.requests for step in result.steps] == [120]
    assert result.steps[0].rps == pytest.approx(160, rel=0.02)
    assert result.passed
    assert "the log has too few requests for that percentile" in result.text()
    assert "--duration" not in result.text()


def test_two_workers_report_one_load_test(context: Context, increment: Increment) -> None:
    with serve(service(identity(context))) as server:
        result = run(context, rps=100, duration=1, workers=2, url=server.url)
    assert [(step.rps, step.requests) for step in result.steps] == [(100, 100)]


def test_as_many_workers_are_taken_as_there_are_cores_also_where_none_can_be_kept_on_one(
    context: Context, increment: Increment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on macOS.
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert run(context, rps=100, duration=1, workers=4, url="http://127.0.0.1:1", dry_run=True).planned
    with pytest.raises(SpecweaveError, match="this machine gives 4"):
        run(context, rps=100, duration=1, workers=5, url="http://127.0.0.1:1", dry_run=True)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"replay": "a.log", "rps": 10}, "arguments-conflict"),
        ({"replay": "a.log", "find_max": True}, "arguments-conflict"),
        ({"replay": "a.log", "engine": "locust"}, "arguments-conflict"),
        ({"speed": 2}, "arguments-conflict"),
        ({"replay": "no-such.log"}, "log-not-found"),
        ({"replay": "/etc/passwd"}, "path-outside-project"),
        ({"replay": "a.log"}, "arrival-log-invalid"),
        ({"workers": 64}, "workers-too-many"),
        ({"ca_file": "a.log"}, "ca-file-invalid"),
        ({"ca_file": "no-such.pem"}, "ca-file-invalid"),
        ({"url": "https://no-such-host.invalid"}, "host-unknown"),
    ],
)
def test_what_cannot_be_sent_so_is_refused(
    context: Context, increment: Increment, values: dict[str, object], code: str
) -> None:
    (context.project.root / "a.log").write_text("hello\n")
    with pytest.raises(SpecweaveError) as caught:
        run(context.with_approval(), **{"url": "http://127.0.0.1:1", **values})
    assert caught.value.code == code
