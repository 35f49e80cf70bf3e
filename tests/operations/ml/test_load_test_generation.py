"""`ml load-test --generate` and the arguments of `--engine locust`; tests/integration/load runs Locust itself."""

from pathlib import Path

import msgspec
import pytest
from tests.operations.load_testing.servers import serve
from tests.operations.ml.credit_service import identity, run, service

from specweave.command import Context
from specweave.errors import HostError, InvalidInputError, NotFoundError
from specweave.increments import evidence
from specweave.increments.store import Increment
from specweave.operations.load_testing import Plan, Step


def plan_of(increment: Increment) -> Plan:
    return msgspec.json.decode((increment.folder / "load-tests/plan.json").read_bytes(), type=Plan)


def test_files_are_written_and_nothing_is_sent(context: Context, increment: Increment) -> None:
    with serve(service(identity(context))) as server:
        result = run(context, rps="20,50", duration="30s", url=server.url, generate=True)
        assert not server.heads
    assert result.passed
    assert {change.action for change in result.generated} == {"create"}
    assert not list(evidence.reports(increment)), "what was not run shows nothing"
    assert "nothing was sent" in result.text()
    for name in (
        "locustfile.py",
        "script.js",
        "docker-compose.yml",
        "kubernetes.yaml",
        "README.md",
        "requirements.txt",
    ):
        assert (increment.folder / "load-tests" / name).is_file()


def test_the_plan_is_the_one_that_the_own_engine_would_do(context: Context, increment: Increment) -> None:
    run(context, rps="20,50", duration="30s", arrivals="poisson", generate=True)
    plan = plan_of(increment)
    assert plan.steps == (Step(20, 30), Step(50, 30))
    assert plan.arrivals == "poisson"
    assert plan.url == "http://127.0.0.1:8000/predict"
    assert [exchange.expected["prediction"] for exchange in plan.corpus] == ["bad", "good", "good"]
    assert plan.cores == (), "no core of this machine is of use to another"


def test_the_plan_has_nothing_that_no_program_beside_it_reads(context: Context, increment: Increment) -> None:
    run(context, rps=20, generate=True)
    folder = increment.folder / "load-tests"
    programs = "".join(path.read_text() for path in [*folder.glob("*.py"), folder / "script.js"])
    names = msgspec.json.decode((folder / "plan.json").read_bytes(), type=dict[str, object])
    assert {"url", "steps", "corpus", "seed"} <= set(names)
    read = ('plan["{}"]', 'plan.get("{}")', "plan.{}")
    assert not [name for name in names if not any(way.format(name) in programs for way in read)]


def test_an_environment_says_where_it_would_be_sent(context: Context, increment: Increment) -> None:
    run(context, rps=20, environment="staging", generate=True)
    assert plan_of(increment).url == "http://127.0.0.1:8100/predict"
    with pytest.raises(NotFoundError):
        run(context, rps=20, environment="nowhere", generate=True)


def test_keys_are_named_and_not_written(
    context: Context, increment: Increment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENANT_KEY", "k3y-of-the-tenant")
    run(context, rps=20, header={"X-Tenant": "TENANT_KEY"}, generate=True)
    assert plan_of(increment).header_variables == {"X-Tenant": "TENANT_KEY"}
    written = [path for path in (increment.folder / "load-tests").rglob("*") if path.is_file()]
    assert not [path for path in written if b"k3y-of" in path.read_bytes()]
    assert "TENANT_KEY" in (increment.folder / "load-tests/docker-compose.yml").read_text()


def test_an_edited_file_is_kept_and_said(context: Context, increment: Increment) -> None:
    run(context, rps=20, generate=True)
    locustfile = increment.folder / "load-tests/locustfile.py"
    locustfile.write_text(locustfile.read_text() + "# mine\n")
    result = run(context, rps=50, generate=True)
    actions = {change.path: change.action for change in result.generated if change.action != "unchanged"}
    assert actions["load-tests/locustfile.py"] == "conflict"
    assert actions["load-tests/plan.json"] == "update"
    assert locustfile.read_text().endswith("# mine\n")
    assert "-# mine" in result.text()


def test_a_spike_is_generated_with_its_three_rates(context: Context, increment: Increment) -> None:
    run(context, rps=20, spike=100, duration=10, generate=True)
    plan = plan_of(increment)
    assert [step.rate for step in plan.steps] == [20, 100, 20]
    assert not plan.settle, "the service is not given time to recover"


@pytest.mark.parametrize(
    "values",
    [
        {"find_max": True, "generate": True},
        {"ca_file": "authority.pem", "generate": True},
        {"find_max": True, "engine": "locust"},
        {"compare": "0001-v1,0001-v2", "engine": "locust"},
        {"workers_at": "local,local"},
        {"workers_at": "local,10.1.2.3", "engine": "locust"},
        {"workers_at": "local,10.1.2.3", "engine": "locust", "environment": "staging"},
        {"workers_at": "local,10.1.2.3", "engine": "locust", "url": "http://localhost:8000"},
        {"workers": 2, "engine": "locust"},
        {"replay": "access.log", "engine": "locust"},
        {"replay": "access.log", "generate": True},
    ],
)
def test_what_locust_cannot_do_is_refused_before_anything_is_sent(
    context: Context, increment: Increment, values: dict[str, object]
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        run(context, **values)
    assert caught.value.code == "arguments-conflict"
    assert not (increment.folder / "load-tests").exists()


def test_a_worker_elsewhere_is_given_an_address_that_it_reaches(context: Context, increment: Increment) -> None:
    values = {"workers_at": "local,127.0.0.1,10.1.2.3", "engine": "locust", "url": "http://10.9.8.7:8000"}
    result = run(context, rps=20, dry_run=True, **values)
    assert "sent by Locust, workers at local, 127.0.0.1, 10.1.2.3" in result.text()


def test_this_machine_is_found_from_another_one(context: Context, tmp_path: Path) -> None:
    assert context.host.address_towards("127.0.0.1") == "127.0.0.1"
    with pytest.raises(HostError) as caught:
        context.host.address_towards("no-such-machine.invalid")
    assert caught.value.code == "host-unknown"
