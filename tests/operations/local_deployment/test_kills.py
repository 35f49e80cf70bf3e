"""Processes that end at any moment: the next command sees what is true, and goes on."""

import os
import random
import signal
import subprocess
from collections.abc import Callable

import pytest
from tests.operations.local_deployment.projects import NUMBER, Project
from tests.runtime.deployments import until

from specweave_runtime.deployment_state import read_state

DEPLOY = ("ml", "deploy", NUMBER, "--environment", "staging")


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def state(project: Project) -> dict[str, object]:
    return read_state(project.folder()) or {}


MOMENTS: dict[str, Callable[[Project], bool]] = {
    "a release is being prepared": lambda project: any((project.folder() / "releases").glob("*")),
    "the supervisor is there": lambda project: bool(state(project)),
    "the supervisor begins": lambda project: state(project).get("operation") is not None,
    "the release became active": lambda project: state(project).get("active") is not None,
    "the report is written": lambda project: any((project.increment.folder / "reports").glob("*-deploy.json")),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_first_deployment_whose_tool_is_killed_can_be_repeated(project: Project, moment: str) -> None:
    project.load_tested("0001-v1")
    tool = project.start_cli(*DEPLOY)
    until(lambda: MOMENTS[moment](project))
    kill(tool)
    assert project.status().environments[0].state in {"not-deployed", "running"}
    result = project.deploy()
    assert (result.environment.state, result.environment.release, project.served()) == ("running", "0001", "0001-v1")
    assert project.increment.metadata().deployment["staging"].version == "0001-v1"


def test_a_tool_that_is_killed_at_any_moment_leaves_a_service_that_answers(project: Project) -> None:
    project.load_tested("0001-v1", "0001-v2")
    project.deploy()
    moments = random.Random(20)  # noqa: S311 - moments, no secrets
    for turn in range(6):
        version = ("0001-v2", "0001-v1")[turn % 2]
        tool = project.start_cli(*DEPLOY, "--version", version)
        try:
            tool.wait(moments.uniform(0.2, 2.0))
        except subprocess.TimeoutExpired:
            kill(tool)
        assert project.served() in {"0001-v1", "0001-v2"}
        assert project.status().environments[0].state == "running"
        project.deploy(version=version)
        assert project.served() == version


def test_a_supervisor_that_is_killed_in_the_middle_is_seen_and_started_again(project: Project) -> None:
    project.load_tested("0001-v1", "0001-v2")
    project.deploy()
    pid = project.supervisor()
    tool = project.start_cli(*DEPLOY, "--version", "0001-v2")
    until(lambda: state(project).get("operation") is not None)
    os.kill(pid, signal.SIGKILL)
    assert tool.wait(60) == 7
    view = project.status().environments[0]
    assert (view.state, view.version) == ("not-running", "0001-v1")
    assert view.note == "the supervisor was ended during the deploy of release 0002"
    project.deploy(version="0001-v2")
    assert project.served() == "0001-v2"
    assert project.rollback(environment="staging").environment.version == "0001-v1"


def test_an_interrupted_tool_ends_quietly_and_the_deployment_can_be_repeated(project: Project) -> None:
    project.load_tested("0001-v1")
    tool = project.start_cli(*DEPLOY)
    until(lambda: any((project.folder() / "releases").glob("*")))
    tool.send_signal(signal.SIGINT)
    assert tool.wait(60) != 0
    assert project.deploy().environment.state == "running"
    assert project.served() == "0001-v1"


def test_two_deployments_at_once_both_end_well(project: Project) -> None:
    project.load_tested("0001-v1", "0001-v2")
    tools = [project.start_cli(*DEPLOY, "--version", version) for version in ("0001-v1", "0001-v2")]
    assert [tool.wait(120) for tool in tools] == [0, 0]
    view = project.status().environments[0]
    assert {view.version, view.previous_version} == {"0001-v1", "0001-v2"}
    assert project.served() == view.version


def test_a_deployment_outlives_the_tool(project: Project) -> None:
    project.load_tested("0001-v1")
    assert project.start_cli(*DEPLOY).wait(120) == 0
    assert project.served() == "0001-v1"
    assert project.status().environments[0].state == "running"
