"""What an environment demands: every gate that is not met is named, with the command that shows it."""

import pytest
from tests.operations.local_deployment.projects import NUMBER, Project

from specweave.errors import GateError


def refused(project: Project, **request: object) -> GateError:
    with pytest.raises(GateError) as raised:
        project.deploy(**request)
    return raised.value


def test_all_unmet_gates_are_listed_at_once(project: Project) -> None:
    error = refused(project, environment="production")
    assert error.code == "gates-unmet"
    gates = error.details["gates"]
    assert isinstance(gates, list)
    assert [(gate["gate"], gate["met"]) for gate in gates] == [
        ("package-validated", True),
        ("load-test", False),
        ("staging", False),
        ("approval", False),
    ]
    assert f"/ml:load-test {NUMBER}" in error.next_step
    assert f"/ml:deploy {NUMBER} --environment staging" in error.next_step
    assert not (project.root / ".specweave" / "local").exists()


def test_a_load_test_of_another_version_does_not_count(project: Project) -> None:
    project.load_tested("0001-v2")
    assert "load-test" in refused(project).message


def test_the_newest_load_test_counts(project: Project) -> None:
    project.load_tested("0001-v1")
    project.load_tested("0001-v1", passed=False)
    assert "002-load-test" in refused(project).message


def test_a_load_test_within_an_older_looser_slo_does_not_count(project: Project) -> None:
    project.load_tested("0001-v1", p95=80.0)
    path = project.increment.folder / "deployment.yaml"
    path.write_text(path.read_text().replace("latency_p95_ms: 100.0", "latency_p95_ms: 50.0"))
    assert "50 ms" in refused(project).message


def test_production_wants_staging_and_a_yes_of_the_same_package(project: Project) -> None:
    project.load_tested("0001-v1", "0001-v2")
    project.deploy()
    assert "staging" in refused(project, environment="production", version="0001-v2", approved=True).message
    error = refused(project, environment="production")
    assert (error.code, error.message) == ("approval-required", "production needs a person's yes")
    result = project.deploy(environment="production", approved=True)
    assert (result.action, project.served("production")) == ("deployed", "0001-v1")
    assert [gate.met for gate in result.gates] == [True] * 4


def test_a_person_is_asked_only_about_what_would_be_done(project: Project) -> None:
    assert project.question(environment="staging") is None
    assert project.question(environment="production") is None
    project.load_tested("0001-v1")
    project.deploy()
    assert project.question(environment="production") == "Deploy small-model 0001-v1 to production?"
    assert project.question(environment="production", dry_run=True) is None
    assert project.question(environment="production", stop=True) is None
    project.deploy(environment="production", approved=True)
    assert project.question(environment="production", stop=True) == "Stop small-model 0001-v1 in production?"
    assert project.question(environment="staging", stop=True) is None
    with pytest.raises(GateError) as raised:
        project.deploy(environment="production", stop=True)
    assert raised.value.code == "approval-required"
    assert project.served("production") == "0001-v1"


def test_a_failed_deployment_to_staging_closes_the_gate(project: Project) -> None:
    from specweave.errors import OperationError  # noqa: PLC0415 - beside its only use

    project.load_tested("0001-v3")
    with pytest.raises(OperationError):
        project.deploy(version="0001-v3")
    assert (
        "it failed in staging" in refused(project, environment="production", version="0001-v3", approved=True).message
    )
