"""What an environment demands: every gate that is not met is named, with the command that shows it."""

import re

import anyio
import pytest
from mcp import Client
from mcp_types import CallToolResult
from tests.faces.clients import answering
from tests.operations.local_deployment.projects import NUMBER, Project

from specweave.errors import ConflictError, GateError, OperationError
from specweave.mcp_server import create_server
from specweave.operations.ml import deploy
from specweave.registry import find


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


@pytest.mark.parametrize("changed", ["what would run", "what runs"])
def test_a_yes_counts_only_for_what_was_asked_about(project: Project, changed: str) -> None:
    project.load_tested("0001-v1")
    project.deploy()
    question = project.question(environment="production")
    if changed == "what would run":
        _edit(project)
        project.load_tested("0001-v1")
        project.deploy()
    else:
        project.deploy(environment="production", approved=True)
    present = project.question(environment="production")
    assert present not in {question, None}
    request = deploy.DeployRequest(increment=NUMBER, environment="production")
    with pytest.raises(ConflictError) as raised:
        deploy.run(request, project.context.with_approval(question))
    assert raised.value.code == "approval-outdated"
    assert str(question) in raised.value.message
    assert str(present) in raised.value.message
    assert deploy.run(request, project.context.with_approval(present)).passed


def test_over_mcp_a_service_that_was_edited_while_a_person_thought_is_not_deployed(project: Project) -> None:
    project.load_tested("0001-v1")
    project.deploy()
    question = project.question(environment="production")
    asked: list[str] = []
    person = answering("accept", approve=True, asked=asked, meanwhile=lambda: _edit(project))

    async def deploy_over_mcp() -> CallToolResult:
        server = create_server(project.context, [find("ml", "deploy")])
        async with Client(server, mode="legacy", elicitation_callback=person) as client:
            return await client.call_tool("ml_deploy", {"increment": NUMBER, "environment": "production"})

    result = anyio.run(deploy_over_mcp)
    assert asked == [question]
    assert result.is_error
    assert result.meta is not None
    assert result.meta["specweave/error"]["code"] == "approval-outdated"
    assert project.served("production") is None


def test_a_person_is_asked_only_about_what_would_be_done(project: Project) -> None:
    assert project.question(environment="staging") is None
    assert project.question(environment="production") is None
    project.load_tested("0001-v1")
    project.deploy()
    question = project.question(environment="production")
    assert question is not None
    digest = project.identity("0001-v1")[:16]
    assert re.fullmatch(
        rf"Deploy small-model 0001-v1 \(package {digest}, content [0-9a-f]{{16}}\) to production\?", question
    )
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
    project.load_tested("0001-v3")
    with pytest.raises(OperationError):
        project.deploy(version="0001-v3")
    assert (
        "it failed in staging" in refused(project, environment="production", version="0001-v3", approved=True).message
    )


def change_service(project: Project) -> None:
    path = project.increment.folder / "api" / "predict.py"
    path.write_text(path.read_text() + "\nimport time\n\ntime.sleep(0.1)\n")


def test_evidence_about_other_code_opens_no_gate(project: Project) -> None:
    project.load_tested("0001-v1")
    project.deploy()
    change_service(project)
    error = refused(project, environment="production", approved=True)
    assert "load-test: the service was changed since reports/001-load-test.md" in error.message
    assert "staging: the service was changed since reports/002-deploy.md" in error.message
    project.load_tested("0001-v1")
    project.deploy()
    assert project.deploy(environment="production", approved=True).action == "deployed"


@pytest.mark.parametrize("name", ["tests/test_more.py", "Dockerfile"])
def test_what_changes_nothing_about_the_answers_leaves_the_gates_open(project: Project, name: str) -> None:
    project.load_tested("0001-v1")
    (project.increment.folder / "api" / name).write_text("# more\n")
    assert project.deploy(dry_run=True).passed


def test_what_was_rolled_back_in_staging_does_not_go_to_production(project: Project) -> None:
    project.load_tested("0001-v1", "0001-v2")
    project.deploy()
    project.deploy(version="0001-v2")
    project.rollback(environment="staging")
    error = refused(project, environment="production", version="0001-v2", approved=True)
    assert "staging: staging serves 0001-v1 since reports/005-rollback.md" in error.message
    assert project.deploy(environment="production", approved=True).action == "deployed"


def test_what_was_stopped_in_staging_does_not_go_to_production(project: Project) -> None:
    project.load_tested("0001-v1")
    project.deploy()
    project.deploy(stop=True)
    error = refused(project, environment="production", approved=True)
    assert "nothing serves in staging since reports/003-stop.md" in error.message


def test_a_failed_deployment_of_another_version_leaves_what_serves_in_staging(project: Project) -> None:
    project.load_tested("0001-v1", "0001-v3")
    project.deploy()
    with pytest.raises(OperationError):
        project.deploy(version="0001-v3")
    assert project.deploy(environment="production", approved=True).action == "deployed"


def test_a_failed_load_test_in_staging_is_not_outweighed_by_one_elsewhere(project: Project) -> None:
    project.load_tested("0001-v1")
    project.deploy()
    project.load_tested("0001-v1", passed=False, environment="staging")
    project.load_tested("0001-v1")
    error = refused(project, environment="production", approved=True)
    assert "staging: in staging, reports/003-load-test.md is not within" in error.message
    assert f"/ml:load-test {NUMBER} --environment staging" in error.next_step
    project.load_tested("0001-v1", environment="staging")
    assert project.deploy(environment="production", approved=True).action == "deployed"


def test_real_load_tests_say_what_ran_and_one_of_an_address_opens_no_gate(project: Project) -> None:
    path = project.increment.folder / "deployment.yaml"
    path.write_text(path.read_text().replace("latency_p95_ms: 100.0", "latency_p95_ms: 5000"))
    project.load_test()
    address = project.deploy().environment.address
    change_service(project)
    project.load_test(url=address)
    assert "003-load-test.md is about a service at an address that was named" in refused(project).message
    project.load_test(environment="staging")
    assert "the service was changed since reports/004-load-test.md" in refused(project).message
    project.load_test()
    assert project.deploy().action == "deployed"
    project.load_test(environment="staging")
    assert "reports/007-load-test.md" in project.deploy(dry_run=True).gates[1].reason


def test_a_load_test_that_could_not_tell_takes_nothing_back(project: Project) -> None:
    project.load_tested("0001-v1")
    project.load_tested("0001-v1", passed=False, verdict="undecided")
    assert project.deploy(environment="staging").passed


def test_a_wanted_rate_must_have_been_held(project: Project) -> None:
    path = project.increment.folder / "deployment.yaml"
    path.write_text(path.read_text().replace("latency_p95_ms:", "rps: 200, latency_p95_ms:"))
    project.load_tested("0001-v1", rate=1.0)
    assert "held 1 RPS within 100 ms at P95 and 1.00% errors, 200 are wanted" in refused(project).message
    project.load_tested("0001-v1", rate=200.0)
    assert project.deploy().action == "deployed"


def _edit(project: Project) -> None:
    settings = project.increment.folder / "api" / "settings.py"
    settings.write_text(settings.read_text() + "\nDEBUG = True\n")
