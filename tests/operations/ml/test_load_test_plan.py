"""`ml load-test --dry-run` says what would be sent; `--target-rps` how many instances bear a rate."""

from pathlib import Path

import pytest
from tests.operations.load_testing.servers import serve
from tests.operations.ml.credit_service import identity, run, service

from specweave import arguments
from specweave.command import Context
from specweave.errors import InvalidInputError, NotFoundError, SpecweaveError
from specweave.increments import store
from specweave.increments.store import Increment
from specweave.operations.load_test_request import LoadTestRequest
from specweave.operations.ml.load_test import COMMAND


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_dry_run_says_what_would_be_sent_and_sends_and_writes_nothing(context: Context, increment: Increment) -> None:
    before = files(context.project.root)
    with serve(service(identity(context))) as server:
        result = run(context, rps="10,50", duration="30s", url=server.url, dry_run=True, header="X-Tenant=HOME")
        assert server.connections == 0
    assert files(context.project.root) == before
    assert result.passed
    assert (result.steps, result.report) == ([], "")
    assert [(step.rps, step.duration_s, step.requests) for step in result.planned] == [(10, 30, 300), (50, 30, 1_500)]
    assert result.revision == store.revision(increment)
    text = result.text()
    assert "Would send 1,800 requests in 1 min, and pauses in which queues drain, to a service at" in text
    assert f"{server.url}; nothing was sent." in text
    assert "| 50 | 30 | 1,500 | 50 |" in text
    assert "golden rows of credit 0001-v1 in turn; headers X-Tenant from the environment." in text
    assert "Arrivals: constant; timeout 10 s; sent by specweave." in text
    assert "It would leave reports/001-load-test.md" in text


def test_a_dry_run_of_a_search_says_how_it_begins(context: Context, increment: Increment) -> None:
    result = run(context, find_max=True, rps=20, url="http://127.0.0.1:1", dry_run=True)
    assert result.recommendation.startswith(
        "Would search the highest rate within the SLO, from 20 RPS on, 10 s at each, in a service at http://127.0.0.1:1"
    )


def test_a_dry_run_of_a_log_says_what_of_it_would_be_sent(context: Context, increment: Increment) -> None:
    log = context.project.root / "calls.log"
    log.write_text("".join(f"2026-11-20T12:00:{second:02}.5Z\n" for second in (0, 1, 2, 4)))
    request = {"increment": "0001", "replay": "calls.log", "url": "http://127.0.0.1:1", "dry_run": True}
    text = COMMAND.run(arguments.validate(LoadTestRequest, request), context).text()
    assert "Would send 4 requests in" in text
    assert "Arrivals: as in calls.log;" in text
    assert "pauses" not in text, "there is one step"


def test_a_dry_run_of_a_log_counts_what_is_no_prediction_and_what_comes_too_late(
    context: Context, increment: Increment
) -> None:
    log = context.project.root / "access.log"
    methods = ["POST", "GET", "POST", "POST", "POST", "POST", "POST", "POST"]
    log.write_text(
        "".join(
            f'::1 - - [20/Nov/2026:12:00:{second:02} +0000] "{method} /predict HTTP/1.1" 200 1\n'
            for second, method in enumerate(methods)
        )
    )

    def foreseen(**values: object) -> str:
        request = {"increment": "0001", "replay": "access.log", "url": "http://127.0.0.1:1", "dry_run": True, **values}
        return COMMAND.run(arguments.validate(LoadTestRequest, request), context).text()

    text = foreseen()
    assert "7 of 8 lines of access.log are played; the others are no predictions." in text
    row = next(line for line in text.splitlines() if line.endswith("| 7 | 4 |"))
    rate, seconds = row.split("|")[1:3]
    assert all(len(figures.strip().replace(".", "").lstrip("0")) <= 3 for figures in (rate, seconds))
    text = foreseen(duration="3s")
    assert " lines of access.log are played; the others are no predictions or come after `--duration`." in text
    assert "| 3 |" in text, "no more than that is played"
    assert "lines of" not in foreseen(replay=made(context, "POST")), "all are played"
    assert " in 7" in foreseen(duration="60s") or " in 8" in foreseen(duration="60s"), "a log may be shorter"


def made(context: Context, method: str) -> str:
    lines = (f'::1 - - [20/Nov/2026:12:00:{second:02} +0000] "{method} / HTTP/1.1" 200 1\n' for second in range(5))
    (context.project.root / "whole.log").write_text("".join(lines))
    return "whole.log"


def test_a_dry_run_for_another_machine_shows_the_question_and_asks_nobody(
    context: Context, increment: Increment
) -> None:
    values = {"increment": "0001", "rps": 100, "duration": "60s", "url": "https://credit.example", "dry_run": True}
    request = arguments.validate(LoadTestRequest, values)
    assert COMMAND.approval is not None
    assert COMMAND.approval(request, context) is None
    assert (
        "A person would be asked first: Send 6,000 requests, up to 100 a second, to https://credit.example"
        in COMMAND.run(request, context).text()
    )


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({}, "service-missing"),
        ({"environment": "staging"}, "environment-not-deployed"),
        ({"url": "ftp://credit.example"}, "url-invalid"),
        ({"generate": True}, "arguments-conflict"),
        ({"compare": "0001-v1,0001-v2"}, "arguments-conflict"),
    ],
)
def test_what_could_not_be_run_is_refused_by_the_dry_run_too(
    context: Context, increment: Increment, values: dict[str, object], code: str
) -> None:
    with pytest.raises(SpecweaveError) as caught:
        run(context, dry_run=True, **values)
    assert isinstance(caught.value, (InvalidInputError, NotFoundError))
    assert caught.value.code == code


@pytest.mark.measures
def test_the_instances_that_a_rate_needs_are_in_the_result_and_in_the_report(
    context: Context, increment: Increment
) -> None:
    with serve(service(identity(context))) as server:
        result = run(context, rps=100, duration=1, url=server.url, target_rps=1_000)
    assert result.instances == 13
    page = (context.project.root / result.report).read_text()
    assert "For 1000 RPS 13 instances are enough" in page
    assert "For 1000 RPS 13 instances are enough" in result.text()
