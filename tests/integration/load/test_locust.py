"""Locust with a master and workers against servers whose behaviour is known: what it sends, when, and what it says."""

import asyncio
import json
import os
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest
from tests.integration.load.conftest import write
from tests.integration.load.nginx import make_certificate, nginx
from tests.operations.load_testing.servers import RIGHT, Handler, answer, as_told, serve, stalling, steady
from tests.operations.ml.credit_service import SLO_MS, identity, run, service

from specweave.command import Context, Progress
from specweave.errors import OperationError
from specweave.increments import evidence
from specweave.increments.store import Increment
from specweave.operations.load_testing import Exchange, Measurement, Plan, Step, run_load_test
from specweave.operations.load_testing.locust import Swarm, run_locust
from specweave.operations.load_testing.plan import schedule
from specweave.operations.load_testing.statistics import is_disturbed

Swarms = Callable[..., Swarm]
DEADLINE_S = 60.0
SLOW_S = 5.0
GOOD = {"prediction": "good"}


def plan(url: str, *steps: Step, bodies: int = 3, **changes: object) -> Plan:
    corpus = tuple(Exchange(json.dumps({"number": number}), GOOD) for number in range(bodies))
    return msgspec.structs.replace(Plan(url, steps or (Step(100, 2),), corpus), **changes)


def recorded(into: list[tuple[float, int]]) -> Handler:
    """Answers rightly and keeps when each numbered request came."""

    async def handle(body: dict[str, object], writer: asyncio.StreamWriter, _number: int) -> None:
        into.append((time.monotonic(), int(str(body["number"]))))
        writer.write(answer(RIGHT))

    return handle


def test_a_master_and_two_workers_leave_the_usual_report(context: Context, increment: Increment, python: Path) -> None:
    with serve(service(identity(context), service_s=0.005)) as server:
        result = run(context, rps="50,150", duration="2s", engine="locust", workers_at="local,local", url=server.url)
    assert result.passed, result.text()
    assert [(step.rps, step.requests, step.error_rate, step.verdict) for step in result.steps] == [
        (50, 100, 0, "within"),
        (150, 300, 0, "within"),
    ]
    p50, p95 = result.steps[1].p50_ms, result.steps[1].p95_ms
    assert p50 is not None
    assert p95 is not None
    assert 5 <= p50 <= p95 <= SLO_MS
    page = (context.project.root / result.report).read_text()
    assert "Locust sent the requests, from 2 workers (local, local)" in page
    assert "locust 2." in page
    report = evidence.newest(increment, "load-test", package_digest=identity(context))
    assert report is not None
    assert report.data["engine"] == "locust"
    assert report.data["steps"][1]["server"]["processes"] == 1, "the service runs here, so what it used is known"


def test_every_request_is_sent_once_on_the_one_schedule(context: Context, swarm: Swarms) -> None:
    came: list[tuple[float, int]] = []
    step = Step(200, 3)
    with serve(recorded(came)) as server:
        measurement = run_locust(context, plan(server.url, step, bodies=7, seed=3), swarm(), slow_s=SLOW_S)
    moments = came[-step.requests :]
    assert measurement.steps[0].requests == measurement.steps[0].correct == step.requests
    assert len(came) >= step.requests + 40, "before it, each body was sent to warm up"
    counts = Counter(number for _, number in moments)
    assert counts == Counter(index % 7 for index in range(step.requests)), (
        "each body in turn, whichever worker sends it"
    )
    arrived = np.sort([moment for moment, _ in moments])
    off = (arrived - arrived[0]) - (schedule(step, "poisson", 3) - schedule(step, "poisson", 3)[0])
    assert np.median(np.abs(off - np.median(off))) < 0.05, "requests came as the engine would have sent them"


def test_a_stall_shows_in_every_request_that_it_delayed(context: Context, swarm: Swarms) -> None:
    with serve(stalling(0.001, at=100, stall_s=1.0)) as server:
        measurement = run_locust(context, plan(server.url, Step(100, 4), arrivals="constant"), swarm(), slow_s=SLOW_S)
    (step,) = measurement.steps
    assert step.latency.maximum is not None
    assert step.latency.p95 is not None
    assert step.latency.maximum > 900
    # A closed loop of two callers would have two slow requests among 400. Here a hundred were due meanwhile.
    assert step.latency.p95 > 500


def test_what_fails_is_counted_by_the_causes_of_the_engine(context: Context, swarm: Swarms) -> None:
    kinds = ["right", "right-chunked", "right-then-close", "status-500", "wrong", "no-json", "no-http", "cut", "reset"]
    corpus = tuple(Exchange(json.dumps({"kind": kind}), GOOD) for kind in [*kinds, "hang"])
    with serve(as_told) as server:
        wanted = Plan(server.url, (Step(40, 2),), corpus, arrivals="constant", timeout_s=1.0)
        theirs = run_locust(context, wanted, swarm(), slow_s=SLOW_S)
        ours = run_load_test(context, wanted, slow_s=SLOW_S)
    assert causes(theirs) == causes(ours)
    assert causes(theirs)["timeout"] == 8
    assert theirs.steps[0].correct == ours.steps[0].correct == 24


def causes(measurement: Measurement) -> dict[str, int]:
    found = {failure.cause: failure.count for failure in measurement.steps[0].failures}
    # The client of Locust does not tell a connection that was reset, closed or cut off in the middle from each other.
    broken = ("malformed answer", "connection closed before the answer", "connection reset")
    return {**found, **dict.fromkeys(broken, sum(found.get(cause, 0) for cause in broken))}


def test_workers_that_cannot_keep_up_say_so(context: Context, swarm: Swarms) -> None:
    with serve(steady(0.0)) as server:
        wanted = plan(server.url, Step(12_000, 1), connections=32)
        (step,) = run_locust(context, wanted, swarm(), slow_s=SLOW_S).steps
    assert step.generator is not None
    assert step.generator.lateness.p99 is not None
    assert step.generator.lateness.p99 > 5
    assert is_disturbed(step)
    assert step.latency.p95 is not None
    assert step.latency.p95 >= step.generator.lateness.p95, "what was sent late is not taken off the latency"


def test_a_test_ends_with_the_step_that_nothing_answers(context: Context, swarm: Swarms) -> None:
    async def refusing(_body: dict[str, object], writer: asyncio.StreamWriter, _number: int) -> None:
        writer.write(answer({"detail": "overloaded"}, status="503 Service Unavailable"))

    with serve(refusing) as server:
        measurement = run_locust(context, plan(server.url, Step(50, 1), Step(100, 1)), swarm(), slow_s=SLOW_S)
    assert [failure.cause for failure in measurement.steps[0].failures] == ["status 503"]
    assert "overloaded" in measurement.steps[0].failures[0].sample
    assert len(measurement.steps) == 1


def test_a_key_reaches_the_service_and_nothing_that_is_written(
    context: Context, swarm: Swarms, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def repeating(_body: dict[str, object], writer: asyncio.StreamWriter, _number: int) -> None:
        writer.write(answer({"detail": f"no such key: {os.environ['TENANT_KEY']}"}, status="401 Unauthorized"))

    monkeypatch.setenv("TENANT_KEY", "k3y-of-the-tenant")
    made = swarm()
    with serve(repeating) as server:
        wanted = plan(server.url, Step(20, 1), header_variables={"X-Tenant": "TENANT_KEY"})
        (step,) = run_locust(context, wanted, made, slow_s=SLOW_S).steps
    assert all("x-tenant: k3y-of-the-tenant" in head.lower() for head in server.heads)
    assert "k3y-of" not in step.failures[0].sample
    written = [path for path in made.folder.rglob("*") if path.is_file()]
    assert not [path for path in written if b"k3y-of" in path.read_bytes()]


def test_a_service_that_nobody_reaches_is_an_error_with_a_code(context: Context, swarm: Swarms) -> None:
    url = f"http://127.0.0.1:{context.host.free_port()}/predict"
    with pytest.raises(OperationError, match="cannot be reached") as caught:
        run_locust(context, plan(url), swarm(), slow_s=SLOW_S)
    assert caught.value.code == "service-unreachable"


def test_a_certificate_is_verified_by_every_worker(context: Context, swarm: Swarms, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with nginx(tmp_path, certificate, '{"prediction": "good"}') as url:
        trusting = plan(url, Step(50, 1), ca_file=str(certificate))
        (step,) = run_locust(context, trusting, swarm(), slow_s=SLOW_S).steps
        assert step.correct == 50, step.failures
        with pytest.raises(OperationError) as caught:
            run_locust(context, plan(url, Step(50, 1)), swarm(), slow_s=SLOW_S)
    assert caught.value.code == "certificate-refused"


def test_a_worker_on_another_machine_is_started_by_the_command_that_is_said(
    context: Context, swarm: Swarms, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = write(tmp_path_factory.mktemp("elsewhere"))
    started: list[subprocess.Popen[bytes]] = []

    def start(progress: Progress) -> None:
        if progress.message.startswith("on 127.0.0.1, "):
            words = shlex.split(progress.message.partition(": ")[2])
            name, _, value = words[0].partition("=")
            path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
            started.append(subprocess.Popen(words[1:], cwd=folder, env={**os.environ, name: value, "PATH": path}))

    with serve(steady(0.001)) as server:
        made = swarm("local", "127.0.0.1")
        measurement = run_locust(context.with_report(start), plan(server.url, Step(60, 2)), made, slow_s=SLOW_S)
    assert len(started) == 1
    assert started[0].wait(DEADLINE_S) == 0, "it ends with the test"
    assert measurement.steps[0].correct == 120


def test_a_worker_that_does_not_come_is_waited_for_no_longer_than_said(context: Context, swarm: Swarms) -> None:
    with serve(steady(0.001)) as server, pytest.raises(OperationError, match=r"on 127\.0\.0\.1") as caught:
        run_locust(context, plan(server.url), swarm("local", "127.0.0.1", connect_s=3), slow_s=SLOW_S)
    assert caught.value.code == "workers-missing"


def test_what_was_done_before_a_worker_was_lost_is_kept(context: Context, swarm: Swarms) -> None:
    made = swarm()

    def end_one(progress: Progress) -> None:
        if progress.message.startswith("60 RPS") and len(workers_of(made)) == 2:
            workers_of(made)[0].kill()

    with serve(steady(0.001)) as server:
        wanted = plan(server.url, Step(50, 1), Step(60, 20))
        measurement = run_locust(context.with_report(end_one), wanted, made, slow_s=SLOW_S)
    assert [step.rate for step in measurement.steps] == [50]
    assert measurement.interrupted is not None
    assert "of 2 workers ended" in measurement.interrupted


def test_what_was_done_before_an_interruption_is_kept_and_nothing_runs_on(context: Context, swarm: Swarms) -> None:
    made = swarm()

    def interrupt(progress: Progress) -> None:
        if progress.message.startswith("60 RPS"):
            raise KeyboardInterrupt

    with serve(steady(0.001)) as server:
        wanted = plan(server.url, Step(50, 1), Step(60, 60))
        measurement = run_locust(context.with_report(interrupt), wanted, made, slow_s=SLOW_S)
        assert [step.rate for step in measurement.steps] == [50]
        assert measurement.interrupted == "ctrl-c"
    assert not workers_of(made)


def workers_of(swarm: Swarm) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cwd", "cmdline"]):
        words = process.info["cmdline"] or []
        if process.info["cwd"] == str(swarm.folder) and words[:1] == [str(swarm.python)] and "--worker" in words:
            found.append(process)
    return found


def locust(python: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [str(python.with_name("locust")), "--headless", "--only-summary", *words]
    return subprocess.run(
        argv, cwd=folder, capture_output=True, text=True, check=False, timeout=DEADLINE_S, stdin=subprocess.DEVNULL,
        env={**os.environ, "GEVENT_BACKEND": "select"},
    )  # fmt: skip


def test_the_generated_files_run_without_the_tool(tmp_path: Path, own_python: Path) -> None:
    with serve(steady(0.001)) as server:
        folder = write(tmp_path, plan("http://127.0.0.1:1/predict", Step(50, 5), bodies=2))
        done = locust(own_python, folder, "--host", server.url.removesuffix("/predict"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| RPS | Achieved | P50 |" in done.stdout
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("| 50 |")]
    assert row.endswith("| yes |")
    assert "POST     50 RPS" in done.stdout + done.stderr, "Locust's own statistics know the requests too"


def test_the_exit_status_says_that_the_objective_was_missed(tmp_path: Path, own_python: Path) -> None:
    with serve(steady(0.3)) as server:
        folder = write(tmp_path, plan(server.url, Step(50, 5)))
        done = locust(own_python, folder)
    assert done.returncode == 1, done.stdout + done.stderr
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("| 50 |")]
    assert row.endswith("| no |")


def test_too_few_requests_hold_no_rate(tmp_path: Path, own_python: Path) -> None:
    with serve(steady(0.001)) as server:
        folder = write(tmp_path, plan(server.url, Step(20, 1)))
        done = locust(own_python, folder)
    assert done.returncode == 1, done.stdout + done.stderr
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("| 20 |")]
    assert row.endswith("| unknown: too few requests |")
