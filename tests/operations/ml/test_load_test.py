"""`ml load-test` by its own door, against small servers that answer as a generated service does."""

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.operations.load_testing.servers import answer, serve
from tests.operations.ml.credit_service import SLO_MS, identity, run, service

from specweave import arguments, load_test_model
from specweave.command import Context
from specweave.errors import GateError, InvalidInputError, NotFoundError, OperationError, SpecweaveError
from specweave.host import RealHost
from specweave.increments import evidence, store
from specweave.increments.content import Content
from specweave.increments.store import Increment
from specweave.operations import local_deployment
from specweave.operations.load_test_request import LoadTestRequest
from specweave.operations.local_deployment import Condition, releases
from specweave.operations.local_deployment.releases import Release
from specweave.operations.ml.load_test import COMMAND
from specweave.project import Project

pytestmark = pytest.mark.measures


def test_a_service_within_its_slo_passes_and_leaves_table_chart_and_figures(
    context: Context, increment: Increment
) -> None:
    with serve(service(identity(context), service_s=0.005)) as server:
        result = run(context, rps=200, duration="1s", url=f"http://127.0.0.1:{server.port}")
    assert result.passed
    assert result.max_rps_within_slo == 200
    (step,) = result.steps
    assert (step.requests, step.error_rate, step.verdict) == (200, 0, "within")
    assert step.p50_ms is not None
    assert step.p95_ms is not None
    assert step.max_ms is not None
    assert 5 <= step.p50_ms <= step.p95_ms <= step.max_ms
    text = result.text()
    assert "| RPS | Achieved | Latency P50 | Latency P95 | Latency P99 | Max | Error Rate |" in text
    assert "Deploy with max 200 RPS per instance" in text
    assert "Target: <5000ms P95 latency (achieved at 200 RPS)" in text

    report = evidence.newest(increment, "load-test", package_digest=identity(context))
    assert report is not None
    assert report.passed
    assert report.data["steps"][0]["latency"]["p50"] == pytest.approx(step.p50_ms)
    assert report.data["max_rps_within_slo"] == 200
    page = (context.project.root / result.report).read_text()
    assert "![Latency by rate](001-load-test.svg)" in page
    assert "| 200 |" in page
    chart = (context.project.root / result.report).with_suffix(".svg").read_text()
    assert chart.startswith("<svg ")
    assert "SLO: P95 5000 ms" in chart


def test_the_highest_of_several_rates_within_the_slo_is_found(context: Context, increment: Increment) -> None:
    # Callers of a fast service open more connections: beyond 150, every other answer turns into an error.
    def overloaded(number: int) -> bool:
        return server.connections > 150 and number % 2 == 1

    with serve(service(identity(context), service_s=0.02, overloaded=overloaded)) as server:
        result = run(context, rps="100,60,600", duration=1, url=server.url)
    assert result.passed, result.text()
    assert result.max_rps_within_slo == 100
    assert [step.verdict for step in result.steps][:2] == ["within", "within"]
    assert "status 503" in result.steps[2].errors
    assert result.steps[2].verdict == "beyond"
    page = (context.project.root / result.report).read_text()
    assert "overloaded" in page, "a sample of each failure is in the report"


def test_the_highest_rate_is_searched_on_request(context: Context, increment: Increment) -> None:
    def overloaded(number: int) -> bool:
        return server.connections > 150 and number % 2 == 1

    with serve(service(identity(context), service_s=0.02, overloaded=overloaded)) as server:
        result = run(context, find_max=True, rps=100, duration=1, url=server.url)
    assert result.passed, result.text()
    assert [step.rps for step in result.steps] == sorted({step.rps for step in result.steps})
    assert {100, 200} <= {step.rps for step in result.steps}
    assert result.max_rps_within_slo is not None
    assert 100 <= result.max_rps_within_slo < 200
    assert "The knee lies between" in (context.project.root / result.report).read_text()


def test_a_spike_shows_how_long_the_service_takes_to_recover(context: Context, increment: Increment) -> None:
    with serve(service(identity(context), service_s=0.002)) as server:
        result = run(context, rps=100, spike=300, duration=1, url=server.url)
    assert [step.rps for step in result.steps] == [100, 300, 100]
    assert result.passed
    assert "After the 300 RPS, 100 RPS were within the SLO's latency at once." in result.notes


def test_a_soak_is_one_rate_for_its_time(context: Context, increment: Increment) -> None:
    with serve(service(identity(context))) as server:
        result = run(context, soak="2s", url=server.url)
    assert [(step.rps, step.requests) for step in result.steps] == [(50, 100)]
    assert "use a longer `--soak`." in result.text()
    for others in ({"duration": "5s"}, {"rps": "10,20"}):
        with pytest.raises(InvalidInputError) as caught:
            run(context, soak="2s", url="http://127.0.0.1:1", **others)
        assert caught.value.code == "arguments-conflict"


def test_a_second_test_is_compared_with_the_first_where_it_was_made_in_the_same_way(
    context: Context, increment: Increment
) -> None:
    with serve(service(identity(context))) as server:
        first = run(context, rps=500, duration=2, url=server.url)
        run(context, rps=50, duration=1, url=server.url)  # says nothing of 500, and hides nothing
        second = run(context, rps=500, duration=2, url=server.url)
        otherwise = run(context, rps=500, duration=2, url=server.url, arrivals="poisson")
    interval = first.steps[0].p95_interval_ms
    assert interval is not None
    assert interval[0] <= (first.steps[0].p95_ms or 0) <= interval[1]
    pages = [(context.project.root / result.report).read_text() for result in (first, second, otherwise)]
    assert ["Against the test before" in page for page in pages] == [False, True, False]
    assert "credit 0001-v1 in 0001-deploy-credit, report 001" in pages[1]


def test_errors_that_callers_have_to_wait_for_count_in_the_latency(context: Context, increment: Increment) -> None:
    document = increment.folder / "deployment.yaml"
    document.write_text(document.read_text().replace(f"{SLO_MS}, error_rate: 0.01", "100, error_rate: 0.5"))
    quick = service(identity(context))

    async def slowly_overloaded(body: dict[str, object], writer: asyncio.StreamWriter, number: int) -> None:
        if body and number % 10 == 0:
            await asyncio.sleep(0.4)
            writer.write(answer({}, status="503 Service Unavailable"))
        else:
            await quick(body, writer, number)

    with serve(slowly_overloaded) as server:
        result = run(context, rps=300, duration=1, url=server.url)
    (step,) = result.steps
    assert step.errors.keys() == {"status 503"}
    assert step.error_rate == pytest.approx(0.1, abs=0.01), "within the SLO"
    assert step.p95_ms is not None
    assert step.p95_ms >= 400
    assert not result.passed
    assert "failed later than the SLO allows" in " ".join(result.notes)


def test_wrong_answers_are_errors_and_do_not_pass(context: Context, increment: Increment) -> None:
    with serve(service(identity(context), wrong=True)) as server:
        result = run(context, rps=100, duration=1, url=server.url)
    assert not result.passed
    assert result.steps[0].errors == {"wrong answer": 100}
    assert "do not deploy" in result.recommendation
    report = evidence.newest(increment, "load-test")
    assert report is not None
    assert not report.passed


def test_a_service_with_another_model_is_measured_but_is_no_evidence_for_the_package(
    context: Context, increment: Increment
) -> None:
    with serve(service("f" * 64, wrong=True)) as server:
        result = run(context, rps=100, duration=1, url=server.url)
    assert result.steps[0].error_rate == 0, "the answers of another model are not compared"
    assert result.version is None
    assert evidence.newest(increment, "load-test", package_digest=identity(context)) is None
    assert evidence.newest(increment, "load-test") is not None


def test_a_service_that_is_not_ready_is_refused_and_nothing_is_recorded(context: Context, increment: Increment) -> None:
    with serve(service(identity(context), ready=False)) as server, pytest.raises(OperationError) as caught:
        run(context, rps=100, duration=1, url=server.url)
    assert caught.value.code == "service-not-ready"
    assert "the model is being loaded" in caught.value.message
    assert evidence.newest(increment, "load-test") is None


def test_an_address_where_nobody_listens_is_refused(context: Context, increment: Increment) -> None:
    with pytest.raises(OperationError) as caught:
        run(context, rps=100, duration=1, url=f"http://127.0.0.1:{context.host.free_port()}")
    assert caught.value.code == "service-not-ready"


def test_a_service_that_is_not_ours_is_measured_by_the_form_of_its_answers(
    context: Context, increment: Increment
) -> None:
    async def foreign(body: dict[str, object], writer: asyncio.StreamWriter, _number: int) -> None:
        writer.write(answer({"score": 0.5}) if body else answer({}, status="404 Not Found"))

    with serve(foreign) as server:
        result = run(context, rps=100, duration=1, url=server.url)
    assert result.passed
    assert result.version is None
    assert "no evidence for the package" in (context.project.root / result.report).read_text()


@pytest.mark.parametrize("status", ["500 Internal Server Error", "302 Found"])
def test_a_service_that_does_not_take_a_request_is_refused(context: Context, increment: Increment, status: str) -> None:
    async def broken(body: dict[str, object], writer: asyncio.StreamWriter, _number: int) -> None:
        location = f"Location: {elsewhere.url}\r\n"
        writer.write(answer({}, status=status if body else "404 Not Found", headers=location))

    with serve(service(identity(context))) as elsewhere, serve(broken) as server:
        with pytest.raises(OperationError) as caught:
            run(context, rps=100, duration=1, url=server.url)
        assert elsewhere.connections == 0, "redirects are never followed"
    assert caught.value.code == "service-not-ready"


def test_a_service_that_demands_a_key_is_told_apart(
    context: Context, increment: Increment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", "never sent to a named address")
    ready = service(identity(context))

    async def demanding(body: dict[str, object], writer: asyncio.StreamWriter, number: int) -> None:
        if body and "X-API-Key: s3cret\r\n" not in server.heads[-1].replace("x-api-key", "X-API-Key"):
            writer.write(answer({}, status="401 Unauthorized"))
        else:
            await ready(body, writer, number)

    with serve(demanding) as server:
        with pytest.raises(OperationError) as caught:
            run(context, rps=100, duration=1, url=server.url)
        assert caught.value.code == "service-unauthorized"
        assert not any("never sent" in head for head in server.heads)
        monkeypatch.setenv("SPECWEAVE_API_KEY", "s3cret")
        result = run(context, rps=100, duration=1, url=server.url)
    assert result.passed
    report = context.project.root / result.report
    for path in report.parent.iterdir():
        assert "s3cret" not in path.read_text()


@pytest.mark.parametrize("rps", [0, -5, "nan", 1e9, "1e9", "", "ten", [], [10, 0], True, None, "inf"])
def test_a_rate_that_makes_no_sense_is_refused(context: Context, rps: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        run(context, rps=rps)
    assert caught.value.code == "argument-invalid"
    assert "rps" in caught.value.message


@pytest.mark.parametrize(
    ("rps", "expected"), [("10,50,100", (10, 50, 100)), (100, (100,)), ([10, 50.5], (10, 50.5)), ("100", (100,))]
)
def test_rates_are_taken_as_text_number_or_list(rps: object, expected: tuple[float, ...]) -> None:
    assert arguments.validate(LoadTestRequest, {"rps": rps}).rps == expected


def test_more_requests_than_memory_holds_are_refused(context: Context, increment: Increment) -> None:
    with pytest.raises(InvalidInputError) as caught:
        run(context, rps=100_000, duration="1h", url="http://127.0.0.1:1")
    assert caught.value.code == "load-test-plan-invalid"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://LOCALHOST/predict", "http://[::1]:9", None])
def test_nobody_is_asked_about_this_machine(context: Context, increment: Increment, url: str | None) -> None:
    assert COMMAND.approval is not None
    assert COMMAND.approval(LoadTestRequest(increment="0001", url=url), context) is None


@pytest.mark.parametrize(
    "host",
    [
        "credit.example",
        "192.0.2.7",
        "0.0.0.0",  # noqa: S104 - called, not listened on
        "127.1",
        "[2001:db8::1]",
        "localhost.example",
        "127.0.0.1.example",
    ],
)
def test_a_person_is_asked_before_another_machine_is_loaded(
    context: Context, increment: Increment, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    assert COMMAND.approval is not None
    request = LoadTestRequest(increment="0001", rps=(100, 10), duration=60, url=f"https://{host}/predict")
    question = f"Send 6,600 requests, up to 100 a second, to https://{host}, whose owner has agreed to it"
    assert COMMAND.approval(request, context) == f"{question}?"
    monkeypatch.setenv("SPECWEAVE_API_KEY", "s3cret")
    assert COMMAND.approval(request, context) == f"{question}, each with what is in SPECWEAVE_API_KEY?"


def test_another_machine_is_called_only_after_a_yes(context: Context, increment: Increment) -> None:
    with serve(service(identity(context))) as server:
        url = f"http://0.0.0.0:{server.port}"  # leads to this machine, but does not say so
        for refused in (
            lambda: run(context, rps=100, duration=1, url=url),
            lambda: load_test_model(url, 100, 1, increment="0001", project=context.project.root),
        ):
            with pytest.raises(GateError) as caught:
                refused()
            assert caught.value.code == "approval-required"
        assert server.connections == 0
        assert run(replace(context, approved=True), rps=100, duration=1, url=url).passed
        assert load_test_model(url, 100, 1, increment="0001", approve=True, project=context.project.root).passed


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"url": "ftp://credit.example"}, "url-invalid"),
        ({"url": "http://credit.example", "rps": 100_000, "duration": "1h"}, "load-test-plan-invalid"),
        ({"url": "http://credit.example", "increment": "0077"}, "increment-not-found"),
    ],
)
def test_nobody_is_asked_about_what_cannot_be_run(
    context: Context, increment: Increment, values: dict[str, object], code: str
) -> None:
    assert COMMAND.approval is not None
    request = arguments.validate(LoadTestRequest, {"increment": "0001", **values})
    with pytest.raises(SpecweaveError) as caught:
        COMMAND.approval(request, context)
    assert caught.value.code == code


def test_two_places_at_once_are_refused(context: Context, increment: Increment) -> None:
    with pytest.raises(InvalidInputError) as caught:
        run(context, url="http://127.0.0.1:1", environment="staging")
    assert caught.value.code == "arguments-conflict"


@pytest.mark.parametrize("replaced", [False, True])
def test_a_deployment_that_another_took_over_meanwhile_is_not_shown(
    context: Context, increment: Increment, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    moments = iter(["2026-11-20T12:00:00Z", "2026-11-20T12:00:01Z" if replaced else "2026-11-20T12:00:00Z"])
    release = Release(increment.folder, increment.id, "credit", "0001-v1", "", "", "", "2026-11-20T12:00:00Z")
    content = Content({"api/main.py": "0" * 64})
    with serve(service(identity(context))) as server:
        found = Condition("staging", "credit", "running", active=release, address=f"http://127.0.0.1:{server.port}")
        monkeypatch.setattr(local_deployment, "examine", lambda *_: replace(found, since=next(moments)))
        monkeypatch.setattr(releases, "content_of", lambda _: content)
        result = run(context, rps=100, duration=1, environment="staging")
    report = evidence.newest(increment, "load-test")
    assert report is not None
    assert (report.package is None, report.data["content"]) == (replaced, None if replaced else content.digest)
    assert (result.version is None, "Another release took over" in result.text()) == (replaced, replaced)


@pytest.mark.parametrize(
    ("environment", "code"), [("staging", "environment-not-deployed"), ("moon", "environment-not-found")]
)
def test_an_environment_without_a_deployment_is_refused(
    context: Context, increment: Increment, environment: str, code: str
) -> None:
    with pytest.raises(NotFoundError) as caught:
        run(context, environment=environment)
    assert caught.value.code == code


def test_without_an_api_the_next_step_is_to_make_one(context: Context, increment: Increment) -> None:
    with pytest.raises(NotFoundError) as caught:
        run(context)
    assert caught.value.code == "service-missing"


def test_the_default_rates_are_those_of_the_documentation() -> None:
    request = LoadTestRequest()
    assert request.rps == (10, 50, 100, 500, 1000)
    assert request.duration == 60


TRAINING = """
import joblib, pandas
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
rows = pandas.DataFrame({"age": range(20, 70), "income": [1000 + 37 * i % 900 for i in range(50)]})
status = ["good" if age > 40 else "bad" for age in rows.age]
joblib.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, status), "credit.joblib")
rows.assign(status=status).to_csv("train.csv", index=False)
"""


def test_the_increments_own_service_is_started_measured_and_stopped(tmp_path: Path) -> None:
    context = Context(Project(tmp_path), RealHost(), actor="cli")
    done = context.host.run([sys.executable, "-c", TRAINING], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    store.create(context, "0001-credit")
    from specweave.operations.ml.deploy_prepare import COMMAND as PREPARE  # noqa: PLC0415 - only this test needs it

    PREPARE.run(PREPARE.request(increment="0001", model="credit.joblib", data="train.csv", target="status"), context)
    result = run(context, increment="0002", rps=100, duration=2)
    assert result.steps[0].error_rate == 0
    assert result.version == "0002-v1"
    report = json.loads((tmp_path / result.report).with_suffix(".json").read_text())
    assert report["package"]["version"] == "0002-v1"
    with pytest.raises(OperationError) as caught:
        run(context, increment="0002", rps=100, duration=1, url=result.url)
    assert caught.value.code == "service-not-ready"
