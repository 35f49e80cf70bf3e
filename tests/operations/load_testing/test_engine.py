"""The engine's processes: workers together, replays, TLS, interruptions. Against real servers."""

import json
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest
from tests.operations.load_testing.servers import RIGHT, Handler, Server, answer, serve, steady

from specweave.command import Context, Progress
from specweave.errors import HostError, InvalidInputError, OperationError, SpecweaveError, Terminated
from specweave.host import Completed, RealHost
from specweave.operations.load_testing import Exchange, Measurement, Plan, Step, run_load_test, worker
from specweave.operations.load_testing.measurement import end_interrupted
from specweave.operations.load_testing.summary import StepSummary
from specweave.operations.load_testing.worker import Account, Halt, Part, Prepare, Reply
from specweave.project import Project

pytestmark = pytest.mark.measures

WARM_UP = 40
DEADLINE_S = 60.0


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(project=Project(tmp_path), host=RealHost())


def numbered(count: int) -> tuple[Exchange, ...]:
    return tuple(Exchange(json.dumps({"number": number}), RIGHT) for number in range(count))


def load(context: Context, server: Server, *steps: Step, **changes: object) -> Measurement:
    settings = {"corpus": numbered(1), "arrivals": "constant", **changes}
    moments = settings.pop("moments", None)
    plan = Plan(url=str(settings.pop("url", server.url)), steps=steps, **settings)
    return run_load_test(context, plan, slow_s=plan.timeout_s, moments=moments)


def of_the_engine(word: str) -> list[psutil.Process]:
    """Processes below this one whose command line holds a word."""
    return [process for process in psutil.Process().children(recursive=True) if word in " ".join(process.cmdline())]


def test_workers_send_one_schedule_together(context: Context) -> None:
    with serve(steady(0.001)) as server:
        (step,) = load(context, server, Step(100, 1.0), corpus=numbered(7), workers=3, connections=6).steps
        bodies = Counter(body["number"] for body in server.bodies[WARM_UP:])
    assert step.requests == step.correct == 100
    assert bodies == Counter(number % 7 for number in range(100)), (
        "request i has body i of the corpus, whoever sends it"
    )
    assert step.generator is not None
    assert step.generator.lateness.samples == 33, "the worst of three workers, the smallest of which sent 33"
    assert not of_the_engine("load_testing.worker")


def test_a_worker_that_is_killed_leaves_the_steps_that_were_done(context: Context) -> None:
    def kill_in_the_second(progress: Progress) -> None:
        if progress.message.startswith("40 RPS"):
            for worker in of_the_engine("load_testing.worker"):
                worker.kill()

    with serve(steady(0)) as server:
        measured = load(
            context.with_report(kill_in_the_second), server, Step(20, 1.0), Step(40, 60.0), workers=2, settle=False
        )
    assert [step.rate for step in measured.steps] == [20]
    assert "worker 1" in str(measured.interrupted)
    with pytest.raises(OperationError) as caught:
        end_interrupted(measured.interrupted)
    assert caught.value.code == "load-generator-failed"
    assert not of_the_engine("load_testing")


def test_a_worker_that_is_told_to_stop_as_it_begins_stops(tmp_path: Path) -> None:
    step = Step(0.1, 600.0)
    with serve(steady(0)) as server:
        plan = Plan(server.url, (step,), numbered(1), arrivals="constant", workers=2)
        (tmp_path / "plan.json").write_bytes(msgspec.json.encode(plan))
        argv = [sys.executable, "-P", "-m", worker.__name__, str(tmp_path / "plan.json"), str(tmp_path), "1"]
        orders = [Prepare(2), Part(step, 0, time.monotonic()), Halt(interrupted=True)]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(b"".join(msgspec.json.encode(order) + b"\n" for order in orders))
            process.stdin.flush()
            replies = (msgspec.json.decode(line, type=Reply) for line in process.stdout)
            assert next(reply for reply in replies if isinstance(reply, Account)).interrupted
            process.stdin.close()
            assert process.wait(DEADLINE_S) == 0
        finally:
            process.kill()
            process.stdout.close()


def test_an_engine_that_is_killed_leaves_the_steps_that_were_done(context: Context) -> None:
    def kill_in_the_second(progress: Progress) -> None:
        if progress.message.startswith("40 RPS"):
            for engine in of_the_engine("-m specweave.operations.load_testing.engine"):
                if "leash" not in " ".join(engine.cmdline()):
                    engine.kill()

    with serve(steady(0)) as server:
        measured = load(
            context.with_report(kill_in_the_second), server, Step(20, 1.0), Step(40, 60.0), workers=2, settle=False
        )
    assert [step.requests for step in measured.steps] == [20]
    assert measured.interrupted == "load generator killed by signal 9"
    psutil.wait_procs(of_the_engine("load_testing"), DEADLINE_S)
    assert not of_the_engine("load_testing")


def slow_after(number: int) -> Handler:
    """Answers so many requests at once, and then none."""
    at_once = steady(0)

    async def handle(body: dict[str, object], writer: object, count: int) -> None:
        if count < number:
            await at_once(body, writer, count)  # type: ignore[arg-type] # handed on as it came

    return handle


@pytest.mark.parametrize("workers", [1, 2])
def test_a_cancelled_test_keeps_what_it_had_and_says_what_was_left_open(context: Context, workers: int) -> None:
    def cancel(progress: Progress) -> None:
        if " 0 of " not in progress.message:
            raise OperationError("cancelled", "the client cancelled the call")

    with serve(slow_after(WARM_UP + 30)) as server:
        measured = load(context.with_report(cancel), server, Step(50, 600.0), workers=workers)
    (step,) = measured.steps
    assert measured.interrupted == "cancelled"
    assert step.interrupted
    assert not step.cut
    assert step.duration_s < 600
    assert step.requests == len(server.bodies) - WARM_UP
    assert step.correct == 30
    (failure,) = step.failures
    assert failure.cause == "unfinished when the test was interrupted"
    assert failure.count == step.requests - 30
    with pytest.raises(OperationError) as caught:
        end_interrupted(measured.interrupted)
    assert caught.value.code == "cancelled"
    assert not of_the_engine("load_testing")


def test_an_interruption_before_anything_was_measured_is_raised_as_it_came(context: Context) -> None:
    def stop(_progress: Progress) -> None:
        raise KeyboardInterrupt

    with serve(steady(0)) as server, pytest.raises(KeyboardInterrupt):
        # The first of these few requests would leave after ten seconds.
        load(context.with_report(stop), server, Step(0.01, 600.0), arrivals="poisson")


@pytest.mark.parametrize(
    ("why", "error"),
    [
        ("ctrl-c", KeyboardInterrupt),
        ("terminated", Terminated),
        ("cancelled", OperationError),
        ("load generator killed by signal 9", OperationError),
    ],
)
def test_a_command_ends_as_its_load_test_was_ended(why: str, error: type[BaseException]) -> None:
    end_interrupted(None, "reports/001-load-test.md")
    with pytest.raises(error, match=r"what was measured until then is in reports/001-load-test\.md"):
        end_interrupted(why, "reports/001-load-test.md")
    with pytest.raises(error) as caught:
        end_interrupted(why)
    assert "measured" not in str(caught.value)


class Hurried(RealHost):
    """Runs nothing, and keeps how long it might have taken."""

    limit_s = 0.0

    def run(self, _argv: Sequence[str], *, timeout_s: float | None = None, **_: object) -> Completed:
        self.limit_s = timeout_s or 0.0
        raise HostError("timeout", "nothing was run")


def test_a_step_that_is_done_again_has_time_for_both(tmp_path: Path) -> None:
    host = Hurried()
    plan = Plan("http://127.0.0.1:1", (Step(50, 3_600.0),), numbered(1), repeat_disturbed=True)
    with pytest.raises(HostError):
        run_load_test(Context(Project(tmp_path), host), plan, slow_s=1.0)
    assert host.limit_s > 2 * (3_600 + plan.timeout_s)


def test_an_engine_that_is_asked_to_end_leaves_whole_files(tmp_path: Path) -> None:
    with serve(steady(0)) as server:
        plan = Plan(server.url, (Step(50, 600.0),), numbered(1), arrivals="constant")
        (tmp_path / "plan.json").write_bytes(msgspec.json.encode(plan))
        argv = [sys.executable, "-P", "-m", "specweave.operations.load_testing.engine", "plan.json", "."]
        with subprocess.Popen(argv, cwd=tmp_path, stderr=subprocess.PIPE) as engine:
            assert engine.stderr is not None
            while b'"done":0' in engine.stderr.readline().replace(b" ", b""):
                pass
            engine.send_signal(signal.SIGTERM)
            rest = engine.stderr.read()
            assert engine.wait(DEADLINE_S) == 143, rest
    account = msgspec.json.decode((tmp_path / "step-0.json").read_bytes(), type=StepSummary)
    assert account.interrupted
    with np.load(tmp_path / "step-0.npz") as moments:
        assert len(moments["due"]) == len(server.bodies) - WARM_UP
    assert not list(tmp_path.glob("*.draft"))


def test_a_replay_sends_each_request_at_its_moment(context: Context) -> None:
    moments = np.array([0.0, 0.001, 0.002, 0.6, 0.9])
    with serve(steady(0)) as server:
        (step,) = load(context, server, Step(5, 1.0), arrivals="replay", moments=moments).steps
    assert step.requests == step.correct == len(server.bodies) - WARM_UP == 5
    assert step.timeline[0].requests == 5
    assert step.achieved_rate == pytest.approx(5, rel=0.2)


def test_an_answer_is_not_taken_for_right_because_another_was(context: Context) -> None:
    # Head and length are the same, and so is the first half of all answers.
    wrong = {**RIGHT, "prediction": "evil"}

    async def turncoat(_body: dict[str, object], writer: object, number: int) -> None:
        writer.write(answer(RIGHT if number < WARM_UP + 60 else wrong))  # type: ignore[attr-defined] # a StreamWriter

    with serve(turncoat) as server:
        (step,) = load(context, server, Step(120, 1.0)).steps
    assert step.correct == 60
    assert [(failure.cause, failure.count) for failure in step.failures] == [("wrong answer", 60)]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of localhost that vouches for itself."""
    program = shutil.which("openssl")
    assert program, "openssl is needed for this test"
    path = tmp_path_factory.mktemp("certificate") / "certificate.pem"
    subprocess.run(
        [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test", "-addext",
         "subjectAltName=DNS:localhost", "-keyout", path.with_suffix(".key"), "-out", path],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


def speaking_tls(certificate: Path) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return tls


def test_a_service_whose_authority_is_named_is_measured_over_tls(context: Context, certificate: Path) -> None:
    with serve(steady(0), tls=speaking_tls(certificate)) as server:
        url = f"https://localhost:{server.port}/predict"
        (step,) = load(context, server, Step(100, 0.5), url=url, ca_file=str(certificate)).steps
    assert step.correct == step.requests == 50


def test_a_certificate_that_nobody_vouches_for_or_that_names_another_host_is_refused(
    context: Context, certificate: Path
) -> None:
    with serve(steady(0), tls=speaking_tls(certificate)) as server:
        for host, ca_file in [("localhost", None), ("127.0.0.1", str(certificate))]:
            with pytest.raises(OperationError) as caught:
                load(context, server, Step(10, 1.0), url=f"https://{host}:{server.port}", ca_file=ca_file)
            assert caught.value.code == "certificate-refused"
            assert "--ca-file" in caught.value.next_step
    assert not server.bodies


@pytest.mark.parametrize("url", ["http://no-such-host.invalid:8000", "https://no-such-host.invalid"])
def test_a_name_that_does_not_resolve_is_said_as_such(context: Context, url: str) -> None:
    with serve(steady(0)) as server, pytest.raises(OperationError) as caught:
        load(context, server, Step(10, 1.0), url=url)
    assert caught.value.code == "host-unknown"


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_that_holds_no_certificate_is_refused(context: Context, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "authority.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SpecweaveError) as caught:
        run_load_test(
            context,
            Plan("https://localhost:1", (Step(10, 1.0),), numbered(1), ca_file=str(path)),
            slow_s=1.0,
        )
    assert caught.value.code == "ca-file-invalid"


@pytest.mark.parametrize("changes", [{"workers": 0}, {"workers": 1_000}, {"arrivals": "replay", "steps": ()}])
def test_a_plan_that_makes_no_sense_is_refused(context: Context, changes: dict[str, object]) -> None:
    plan = msgspec.structs.replace(Plan("http://127.0.0.1:1", (Step(10, 1.0),), numbered(1)), **changes)
    with pytest.raises(InvalidInputError) as caught:
        run_load_test(context, plan, slow_s=1.0)
    assert caught.value.code == "load-test-plan-invalid"
