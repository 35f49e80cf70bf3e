"""The engine against real servers of known behaviour: what it reports is what the schedule and the server make true."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest
from tests.operations.load_testing.servers import RIGHT, Server, as_told, serve, stalling, steady

from specweave.command import Context, Progress
from specweave.errors import InvalidInputError, OperationError
from specweave.host import RealHost
from specweave.operations.load_testing import Exchange, Measurement, Plan, Step, run_load_test
from specweave.operations.load_testing.explanation import explain
from specweave.operations.load_testing.judgement import judge
from specweave.operations.load_testing.statistics import StepMeasurement
from specweave.operations.load_testing.summary import Calibration
from specweave.project import Project, SloSettings

pytestmark = pytest.mark.measures

WARM_UP = 40
ENGINE = "specweave.operations.load_testing.engine"
TIMEOUT_S = 10.0
DEADLINE_S = 60.0


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(project=Project(tmp_path), host=RealHost())


def load(context: Context, plan: Plan) -> Measurement:
    return run_load_test(context, plan, slow_s=TIMEOUT_S)


def measure(context: Context, server: Server, rate: float, duration_s: float, **changes: object) -> StepMeasurement:
    settings = {
        "url": server.url,
        "steps": (Step(rate, duration_s),),
        "corpus": (Exchange("{}", RIGHT),),
        "arrivals": "constant",
        **changes,
    }
    (step,) = load(context, Plan(**settings)).steps
    return step


def undisturbed(measured: Callable[[], StepMeasurement], *holds: Callable[[StepMeasurement], bool]) -> StepMeasurement:
    """The first measurement of which all holds.

    A busy machine only ever makes a latency longer: what the engine itself added would be in every repetition.
    """
    end = time.monotonic() + DEADLINE_S
    while True:
        step = measured()
        if all(condition(step) for condition in holds):
            return step
        assert time.monotonic() < end, step.latency


def known(value: float | None) -> float:
    assert value is not None
    return value


def told(*kinds: str, **fields: object) -> tuple[Exchange, ...]:
    return tuple(Exchange(json.dumps({"kind": kind, **fields}), RIGHT) for kind in kinds)


def failures(step: StepMeasurement) -> dict[str, int]:
    return {failure.cause: failure.count for failure in step.failures}


def test_a_server_of_five_milliseconds_is_measured_as_such(context: Context) -> None:
    def measured() -> StepMeasurement:
        with serve(steady(0.005)) as server:
            step = measure(context, server, 250, 1.0)
        assert step.requests == step.correct == 250
        assert len(server.bodies) == WARM_UP + 250
        assert 5.0 <= known(step.service_time.p50) <= known(step.latency.p50)
        assert step.latency.p95 is not None
        assert step.latency.p99 is None, "250 samples are too few for P99"
        assert step.error_rate == 0
        assert step.achieved_rate <= 250
        assert step.generator.reconnects == 0
        return step

    undisturbed(measured, lambda step: known(step.latency.p50) < 12, lambda step: step.achieved_rate > 175)


def test_what_the_service_used_is_measured_where_it_runs_here(context: Context) -> None:
    # The server is a thread of this very process, so this process is what is looked at.
    with serve(steady(0.001)) as server:
        step = measure(context, server, 300, 1.0)
    assert step.server is not None
    assert step.server.processes == 1
    assert 0 < step.server.cpu < 2
    assert step.server.cpu_us_per_request > 10
    own = psutil.Process().memory_info().rss / 1e6
    assert step.server.memory_mb == pytest.approx(own, rel=0.2)


def test_the_generator_learns_first_what_it_can_send_on_time(context: Context) -> None:
    with serve(steady(0)) as server:
        plan = Plan(server.url, (Step(100, 0.3),), (Exchange("{}", RIGHT),))
        measurement = run_load_test(context, plan, slow_s=TIMEOUT_S, calibrated=True)
        assert all("host: 127.0.0.1:" + str(server.port) in head.lower() for head in server.heads)
    assert measurement.calibration is not None
    assert 100 / 2**5 <= measurement.calibration.rate <= 100
    assert measurement.steps[0].requests == 30


def test_what_the_generator_could_not_send_on_time_is_said(context: Context) -> None:
    with serve(steady(0)) as server:
        plan = Plan(server.url, (Step(50, 0.3),), (Exchange("{}", RIGHT),))
        measured = run_load_test(context, plan, slow_s=TIMEOUT_S, calibrated=True)
    slo = SloSettings()
    judgement = judge(measured.steps, slo)
    limited = msgspec.structs.replace(measured, calibration=Calibration(20.0, 1.0, 0.2))
    hopeless = msgspec.structs.replace(measured, calibration=Calibration(50.0, 60.0, 0.99))
    assert any("beyond the SLO at 50 RPS may be its own doing" in line for line in explain(limited, judgement, slo))
    assert any("too slow here for 50 RPS" in line for line in explain(hopeless, judgement, slo))


def test_a_step_in_which_the_generator_was_disturbed_is_done_once_more(context: Context) -> None:
    steadily = steady(0)

    async def handle(body: dict[str, object], writer: asyncio.StreamWriter, number: int) -> None:
        if number == WARM_UP + 100:
            engines = [child for child in psutil.Process().children(recursive=True) if ENGINE in child.cmdline()]
            for engine in engines:
                engine.suspend()
            time.sleep(0.1)  # noqa: ASYNC251 - as long as the generator stands still
            for engine in engines:
                engine.resume()
        await steadily(body, writer, number)

    with serve(handle) as server:
        plan = Plan(server.url, (Step(1_000, 1.0),), (Exchange("{}", RIGHT),), repeat_disturbed=True)
        (step,) = load(context, plan).steps
    assert step.requests == 1_000
    assert step.repeated
    assert len(server.bodies) > WARM_UP + 1_900, "both were sent"


def test_a_stall_shows_in_every_request_it_delayed(context: Context) -> None:
    # 250 requests were due while the server stood still; the k-th of them waited 500 - 2k ms. Of 1,000 requests the
    # 50th slowest waited 400 ms, the 10th 480 ms. A closed loop would have seen one slow request.
    def measured() -> StepMeasurement:
        with serve(stalling(0.002, at=WARM_UP + 300, stall_s=0.5)) as server:
            step = measure(context, server, 500, 2.0)
        assert step.correct == 1000
        assert known(step.latency.p95) >= 390
        assert known(step.latency.p99) >= 470
        return step

    undisturbed(
        measured,
        lambda step: known(step.latency.p50) < 100,
        lambda step: known(step.latency.p95) <= 480,
        lambda step: known(step.latency.p99) <= 580,
    )


def test_each_way_to_fail_is_counted_under_its_own_name_with_a_sample(context: Context) -> None:
    with serve(steady(0)) as elsewhere, serve(as_told) as server:
        corpus = told(
            "right", "right-chunked", "right-until-close", "right-then-close", "status-500", "redirect", "wrong",
            "slightly-off", "no-json", "no-http", "too-large", "reset", "cut", to=elsewhere.url,
        )  # fmt: skip
        step = measure(context, server, 130, 1.0, corpus=corpus)
        assert elsewhere.connections == 0, "redirects are never followed"
    assert failures(step) == {
        "status 500": 10,
        "status 302": 10,
        "wrong answer": 20,
        "malformed answer": 20,
        "answer too large": 10,
        "connection reset": 10,
        "connection closed before the answer": 10,
    }
    samples = {failure.cause: failure.sample for failure in step.failures}
    assert samples["status 500"] == '{"detail": "broken"}'
    assert samples["wrong answer"] == "prediction is 'bad', expected 'good'"
    assert step.correct == 40
    assert step.error_rate == pytest.approx(90 / 130)


def test_a_request_that_timed_out_counts_with_the_timeout(context: Context) -> None:
    with serve(as_told) as server:
        step = measure(context, server, 100, 1.0, corpus=told("right", "hang"), timeout_s=4.0)
    assert failures(step) == {"timeout": 50}
    assert step.failures[0].sample == "the answer did not come in time"
    assert step.latency.samples == 100
    assert step.latency.maximum == pytest.approx(4000, abs=0.01)


def test_quick_failures_do_not_flatter_the_latency(context: Context) -> None:
    with serve(as_told) as server:
        step = measure(context, server, 100, 1.0, corpus=told("right", "status-500", "status-500", "status-500"))
    assert step.latency.samples == step.correct == 25


def test_a_server_that_closes_each_connection_costs_reconnects_and_no_errors(context: Context) -> None:
    with serve(as_told) as server:
        step = measure(context, server, 100, 1.0, corpus=told("right-then-close"), connections=4)
    assert step.correct == 100
    assert step.generator.reconnects >= 96, "four were open before"


def test_waiting_for_a_connection_is_part_of_the_latency(context: Context) -> None:
    with serve(steady(0.02)) as server:
        step = measure(context, server, 100, 1.0, connections=1)
    # One connection carries at most 50 requests a second: the last of 100 waits for about a second.
    assert step.generator.longest_queue > 30
    assert known(step.latency.maximum) > 800
    # One after the other they took no longer than until the last answer, and half of them took P50 or longer.
    assert known(step.service_time.p50) <= (1_000 + known(step.latency.maximum)) / 50
    assert step.achieved_rate < 55


def test_a_service_that_goes_away_is_refused_requests_and_ends_the_test(context: Context) -> None:
    with serve(as_told) as server:
        corpus = told("right")
        plan = Plan(server.url, (Step(100, 1.0), Step(100, 1.0), Step(100, 1.0)), corpus)

        def stop_after_first(progress: Progress) -> None:
            if progress.fraction is not None and progress.fraction >= 1 / 3:
                server.close()

        measurement = load(context.with_report(stop_after_first), plan)
    assert measurement.steps[0].correct == 100
    assert measurement.steps[-1].correct == 0
    assert failures(measurement.steps[-1]).keys() <= {
        "connection refused",
        "timeout",
        "connection reset",
        "connection closed before the answer",
    }


def test_an_address_where_nobody_listens_is_a_coded_error(context: Context) -> None:
    plan = Plan(f"http://127.0.0.1:{RealHost().free_port()}", (Step(10, 1.0),), (Exchange("{}"),))
    with pytest.raises(OperationError) as caught:
        load(context, plan)
    assert caught.value.code == "service-unreachable"


def test_progress_rises_to_one_over_all_steps(context: Context) -> None:
    seen: list[Progress] = []
    with serve(steady(0)) as server:
        plan = Plan(server.url, (Step(50, 0.8), Step(100, 0.8)), (Exchange("{}", RIGHT),))
        load(context.with_report(seen.append), plan)
    fractions = [progress.fraction for progress in seen if progress.fraction is not None]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert any("50 RPS" in progress.message for progress in seen)


def test_the_engine_ends_when_the_tool_that_started_it_is_killed(tmp_path: Path) -> None:
    with serve(steady(0)) as server:
        plan = Plan(server.url, (Step(20, 600.0),), (Exchange("{}", RIGHT),))
        path = tmp_path / "plan.json"
        path.write_bytes(msgspec.json.encode(plan))
        argv = [sys.executable, "-P", "-m", "specweave.operations.load_testing.engine", path, tmp_path]
        with subprocess.Popen(argv, stderr=subprocess.PIPE) as engine:
            assert engine.stderr is not None
            assert engine.stderr.readline()
            engine.stderr.close()  # what the kernel does for a process that is killed
            assert engine.wait(DEADLINE_S) != 0
    assert not tmp_path.exists(), "nobody will read what it had"


def test_no_file_of_the_callers_directory_stands_in_for_a_module_of_the_engine(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("platform", "numpy", "specweave"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('the {name} of the project')")
    monkeypatch.chdir(tmp_path)
    with serve(steady(0)) as server:
        assert measure(context, server, 100, 0.2).correct == 20


def test_a_receiver_of_progress_that_refuses_stops_the_test(context: Context) -> None:
    def refuse(_progress: Progress) -> None:
        raise OperationError("cancelled", "the client cancelled the call")

    with serve(steady(0)) as server:
        # The first of these few requests would leave after ten seconds: nothing is measured yet.
        plan = Plan(server.url, (Step(0.01, 600.0),), (Exchange("{}", RIGHT),))
        with pytest.raises(OperationError) as caught:
            load(context.with_report(refuse), plan)
    assert caught.value.code == "cancelled"


def test_keys_come_from_the_environment_and_are_not_in_the_plan(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", "s3cret")
    with serve(steady(0)) as server:
        step = measure(context, server, 100, 0.3, header_variables={"X-API-Key": "API_KEY"})
        assert step.error_rate == 0
        assert all("X-API-Key: s3cret\r\n" in head for head in server.heads)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/",
        "http://",
        "localhost:8000",
        "http://a b/",
        "http://u:p@host/",
        "http://h:99999/",
        "http://h:0",
        "",
    ],
)
def test_an_address_that_cannot_be_called_is_refused(context: Context, url: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        load(context, Plan(url, (Step(10, 1.0),), (Exchange("{}"),)))
    assert caught.value.code == "url-invalid"
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), 1e9])
def test_a_rate_that_cannot_be_run_is_refused(context: Context, rate: float) -> None:
    with pytest.raises(InvalidInputError) as caught:
        load(context, Plan("http://127.0.0.1:1", (Step(rate, 1.0),), (Exchange("{}"),)))
    assert caught.value.code == "load-test-plan-invalid"
