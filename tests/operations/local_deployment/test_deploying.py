"""`ml deploy`, `ml rollback`, `ml status` with real services: what they say is what runs."""

import contextlib
import json
import os
import shutil
import signal
import socket
from pathlib import Path

import pytest
from tests.operations.local_deployment.projects import NAME, NUMBER, Project
from tests.runtime.deployments import exists, until

from specweave.errors import (
    ConflictError,
    GateError,
    HostError,
    InvalidInputError,
    ModelError,
    NotFoundError,
    OperationError,
)
from specweave.increments import evidence, store
from specweave.operations.local_deployment import supervision
from specweave.operations.ml import deploy, status
from specweave_runtime.deployment_state import read_state


def test_a_deployed_version_serves_and_leaves_its_evidence(project: Project) -> None:
    project.load_tested("0001-v1")
    result = project.deploy()
    assert (result.action, result.environment.state, result.environment.version) == ("deployed", "running", "0001-v1")
    assert result.golden_rows > 0
    assert project.served() == "0001-v1"
    report = evidence.newest(project.increment, "deploy", environment="staging")
    assert report is not None
    assert report.passed
    assert report.package is not None
    assert report.package.digest == project.identity("0001-v1")
    state = project.increment.metadata().deployment["staging"]
    assert (state.version, state.address, state.report) == ("0001-v1", result.environment.address, report.page)


def test_the_same_version_again_is_confirmed_without_new_processes(project: Project) -> None:
    project.load_tested("0001-v1")
    project.deploy()
    pid = project.supervisor()
    result = project.deploy()
    assert (result.action, result.environment.release) == ("confirmed", "0001")
    assert project.supervisor() == pid
    assert [path.name for path in (project.folder() / "releases").iterdir()] == ["0001"]


def test_rollback_returns_to_the_version_before_and_back_without_a_start(project: Project) -> None:
    project.load_tested("0001-v1", "0001-v2")
    project.deploy()
    project.deploy(version="0001-v2")
    assert project.served() == "0001-v2"
    result = project.rollback(environment="staging")
    assert (result.environment.version, result.version_before, result.started) == ("0001-v1", "0001-v2", False)
    assert project.served() == "0001-v1"
    assert project.increment.metadata().deployment["staging"].version == "0001-v1"
    report = evidence.newest(project.increment, "rollback", environment="staging")
    assert report is not None
    assert report.passed
    assert project.rollback(environment="staging", to="0001-v2").environment.version == "0001-v2"


def test_rollback_starts_the_release_before_where_nothing_runs(project: Project) -> None:
    project.load_tested("0001-v1", "0001-v2")
    project.deploy()
    project.deploy(version="0001-v2")
    os.kill(project.supervisor(), signal.SIGKILL)
    result = project.rollback(environment="staging")
    assert (result.environment.version, result.started, project.served()) == ("0001-v1", True, "0001-v1")


def test_rollback_makes_an_environment_again_that_was_deleted(project: Project, tmp_path: Path) -> None:
    project.load_tested("0001-v1", "0001-v2")
    project.deploy()
    project.deploy(version="0001-v2")
    project.deploy(stop=True)
    (project.root / ".specweave" / "cache").unlink()
    (project.root / ".specweave" / "cache").mkdir()
    assert project.rollback(environment="staging").environment.version == "0001-v1"
    assert project.served() == "0001-v1"


@pytest.mark.parametrize("to", [None, "0001-v9", "../0001"])
def test_rollback_to_what_never_served_is_refused(project: Project, to: str | None) -> None:
    project.load_tested("0001-v1")
    project.deploy()
    with pytest.raises(NotFoundError) as raised:
        project.rollback(environment="staging", to=to)
    assert raised.value.code == "nothing-to-roll-back-to"
    assert project.served() == "0001-v1"


def test_rollback_to_a_version_that_failed_its_golden_rows_is_refused(project: Project) -> None:
    project.load_tested("0001-v1", "0001-v2", "0001-v3")
    project.deploy()
    with pytest.raises(OperationError):
        project.deploy(version="0001-v3")
    project.deploy(version="0001-v2")
    with pytest.raises(NotFoundError) as raised:
        project.rollback(environment="staging", to="0001-v3")
    assert raised.value.code == "nothing-to-roll-back-to"
    assert raised.value.message.endswith("there is: 0001-v1, 0001-v2")
    assert project.rollback(environment="staging", to="0001-v1").environment.version == "0001-v1"


def test_a_supervisor_that_does_not_answer_is_seen_as_such(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "_STATUS_S", 1.0)
    project.load_tested("0001-v1")
    project.deploy()
    pid = project.supervisor()
    os.kill(pid, signal.SIGSTOP)
    try:
        result = project.status()
        with pytest.raises(HostError) as raised:
            project.deploy(stop=True)
    finally:
        os.kill(pid, signal.SIGCONT)
    view = result.environments[0]
    assert (result.passed, view.state, view.version) == (False, "unhealthy", "0001-v1")
    assert view.note == f"not ready: its supervisor (process {pid}) does not answer"
    assert (raised.value.code, str(pid) in raised.value.next_step) == ("supervisor-silent", True)
    assert project.status().environments[0].state == "running"


def test_stop_ends_it_and_deploy_brings_it_back(project: Project) -> None:
    project.load_tested("0001-v1")
    project.deploy()
    pid = project.supervisor()
    result = project.deploy(stop=True)
    assert (result.action, result.environment.state) == ("stopped", "stopped")
    until(lambda: not exists(pid))
    assert project.served() is None
    assert "staging" not in project.increment.metadata().deployment
    assert project.deploy(stop=True).action == "none"
    assert project.deploy().action == "deployed"
    assert project.served() == "0001-v1"


def test_what_a_completed_increment_deployed_is_stopped_without_its_name(project: Project) -> None:
    project.load_tested("0001-v1")
    project.deploy()
    context = project.context
    store.update_metadata(project.increment, lambda document: document.update(status="completed"), context.host.now)
    assert status.run(status.StatusRequest(), context).environments[0].state == "running"
    stopped = deploy.run(deploy.DeployRequest(environment="staging", stop=True), context)
    assert (stopped.action, project.served()) == ("stopped", None)


def test_status_of_what_was_never_deployed(project: Project) -> None:
    result = project.status()
    assert [view.state for view in result.environments] == ["not-deployed", "not-deployed"]
    assert result.passed
    assert f"/ml:deploy {NUMBER} --environment staging" in result.text()


def test_status_tells_the_truth_about_a_killed_supervisor_and_deploy_starts_it_again(project: Project) -> None:
    project.load_tested("0001-v1")
    project.deploy()
    os.kill(project.supervisor(), signal.SIGKILL)
    until(lambda: project.served() is None)
    result = project.status()
    view = result.environments[0]
    assert (result.passed, view.state, view.version, view.address) == (False, "not-running", "0001-v1", None)
    assert view.next_step == f"/ml:deploy {NUMBER} --environment staging --version 0001-v1"
    assert project.deploy().action == "deployed"
    assert project.served() == "0001-v1"


def test_a_version_whose_golden_rows_differ_never_goes_live_and_that_is_recorded(project: Project) -> None:
    project.load_tested("0001-v1", "0001-v3")
    project.deploy()
    with pytest.raises(OperationError) as raised:
        project.deploy(version="0001-v3")
    assert raised.value.code == "release-not-ready"
    assert "golden row 1" in raised.value.message
    assert project.served() == "0001-v1"
    report = evidence.newest(project.increment, "deploy", package_digest=project.identity("0001-v3"))
    assert report is not None
    assert not report.passed
    page = (project.increment.folder / report.page).read_text()
    assert "0001-v3 was not put into service\n- 0001-v1 serves as before\n\n" in page
    assert "golden row 1" in page
    assert project.increment.metadata().deployment["staging"].version == "0001-v1"


@pytest.mark.parametrize("file", ["model.onnx", "golden.json", "signature.json", "manifest.json"])
def test_a_package_with_a_flipped_byte_never_goes_live(project: Project, file: str) -> None:
    project.load_tested("0001-v1", "0001-v2")
    project.deploy()
    flip(project.root / ".specweave/models" / NAME / "0001-v2" / file)
    with pytest.raises((ModelError, GateError)):
        project.deploy(version="0001-v2")
    assert project.served() == "0001-v1"


def test_a_release_with_a_flipped_byte_is_not_used_again(project: Project) -> None:
    project.load_tested("0001-v1")
    project.deploy()
    project.deploy(stop=True)
    flip(project.folder() / "releases/0001/model/model.onnx")
    result = project.deploy()
    assert (result.environment.release, result.environment.state) == ("0002", "running")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_rollback_to_a_release_with_a_flipped_byte_leaves_the_present_one(project: Project) -> None:
    project.load_tested("0001-v1", "0001-v2")
    project.deploy()
    project.deploy(version="0001-v2")
    os.kill(project.supervisor(), signal.SIGKILL)
    project.deploy(version="0001-v2")
    flip(project.folder() / "releases/0001/model/model.onnx")
    with pytest.raises(OperationError) as raised:
        project.rollback(environment="staging")
    assert "model.onnx" in raised.value.message
    assert project.served() == "0001-v2"


def test_a_port_in_use_is_refused_before_anything_is_made(project: Project) -> None:
    project.load_tested("0001-v1")
    port = project.deploy(dry_run=True) and _port(project)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(ConflictError) as raised:
        project.deploy()
    assert raised.value.code == "port-in-use"
    assert str(port) in raised.value.message
    assert not project.folder().exists()
    assert project.deploy().action == "deployed"


def test_another_port_in_deployment_yaml_asks_for_a_stop_first(project: Project) -> None:
    project.load_tested("0001-v1", "0001-v2")
    project.deploy()
    path = project.increment.folder / "deployment.yaml"
    path.write_text(path.read_text().replace(str(_port(project)), str(project.context.host.free_port())))
    with pytest.raises(ConflictError) as raised:
        project.deploy(version="0001-v2")
    assert raised.value.code == "port-changed"
    project.deploy(stop=True)
    assert project.deploy(version="0001-v2").action == "deployed"


def _port(project: Project) -> int:
    from specweave.increments import deployment  # noqa: PLC0415 - beside its only use

    return deployment.read(project.increment.folder).environments["staging"].port


def test_old_releases_go_but_never_the_active_and_the_one_before(project: Project) -> None:
    settings = project.increment.folder / "api" / "settings.py"
    for number in range(7):
        settings.write_text(settings.read_text() + f"# change {number}\n")
        project.load_tested("0001-v1")
        project.deploy()
        if number == 1:
            project.rollback(environment="staging")
    names = sorted(path.name for path in (project.folder() / "releases").iterdir())
    assert names == ["0003", "0004", "0005", "0006", "0007"]
    state = read_state(project.folder()) or {}
    assert (state["active"], state["previous"]) == ("0007", "0006")


def test_a_dry_run_changes_nothing(project: Project) -> None:
    before = sorted(path for path in project.root.rglob("*") if "cache" not in path.parts)
    result = project.deploy(dry_run=True)
    assert (result.action, result.passed) == ("refused", False)
    assert [(gate.gate, gate.met) for gate in result.gates] == [("package-validated", True), ("load-test", False)]
    assert sorted(path for path in project.root.rglob("*") if "cache" not in path.parts) == before


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"environment": "nowhere"}, "environment-not-found"),
        ({"environment": "../staging"}, "environment-not-found"),
        ({"version": "0009-v1"}, "package-not-found"),
        ({"version": "../0001-v1"}, "version-invalid"),
        ({"version": "0001-v1", "stop": True}, "arguments-conflict"),
    ],
)
def test_what_does_not_exist_is_a_coded_error(project: Project, request_: dict[str, object], code: str) -> None:
    with pytest.raises((NotFoundError, InvalidInputError)) as raised:
        project.deploy(**request_)
    assert raised.value.code == code
    assert not (project.root / ".specweave" / "local").exists()


def test_an_increment_without_its_service_says_how_to_generate_it(project: Project) -> None:
    project.load_tested("0001-v1")
    shutil.rmtree(project.increment.folder / "runtime")
    with pytest.raises(NotFoundError) as raised:
        project.deploy()
    assert (raised.value.code, raised.value.next_step) == (
        "service-missing",
        "generate the service: /ml:create-api 0001",
    )


def test_an_api_key_is_demanded_and_written_nowhere(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.load_tested("0001-v1")
    monkeypatch.setenv("API_KEY", "a-key-to-look-for")
    assert project.deploy().environment.state == "running"
    with pytest.raises(Exception, match="401"):
        project.served()
    texts = [path.read_bytes() for path in project.root.rglob("*") if path.is_file() and "cache" not in path.parts]
    assert not any(b"a-key-to-look-for" in text for text in texts)


def test_results_say_in_text_what_happened(project: Project) -> None:
    project.load_tested("0001-v1", "0001-v2")
    assert project.deploy().text().startswith("0001-v1 serves in staging: ready, ")
    project.deploy(version="0001-v2")
    text = project.rollback(environment="staging").text()
    assert text.startswith("staging is back on 0001-v1 after ")
    assert "it served 0001-v2" in text
    assert "**production**: not deployed" in project.status().text()
    json.loads(project.status().model_dump_json())


def test_a_service_that_does_not_answer_is_unhealthy(project: Project) -> None:
    project.load_tested("0001-v1")
    project.deploy()
    [worker] = supervision.ask(project.folder(), {"do": "status"})["workers"]
    os.kill(worker["pid"], signal.SIGSTOP)
    try:
        result = project.status()
    finally:
        os.kill(worker["pid"], signal.SIGCONT)
    view = result.environments[0]
    assert (result.passed, view.state, view.next_step) == (
        False,
        "unhealthy",
        f"/ml:rollback {NUMBER} --environment staging",
    )
    assert "got no answer" in view.note
    assert project.status().environments[0].state == "running"


def test_a_worker_that_ended_by_itself_is_seen_in_the_status(project: Project) -> None:
    project.load_tested("0001-v1")
    project.deploy()
    [worker] = supervision.ask(project.folder(), {"do": "status"})["workers"]
    os.kill(worker["pid"], signal.SIGKILL)
    assert project.served() == "0001-v1"
    view = project.status().environments[0]
    assert (view.state, view.restarts) == ("running", 1)
    assert view.last_failure == "a worker of release 0001 ended with signal SIGKILL"


def test_a_rollback_whose_report_cannot_be_written_is_done_all_the_same(project: Project, small_disk: Path) -> None:
    project.load_tested("0001-v1", "0001-v2")
    project.deploy()
    project.deploy(version="0001-v2")
    reports = project.increment.folder / "reports"
    shutil.copytree(reports, small_disk / "reports")
    shutil.rmtree(reports)
    reports.symlink_to(small_disk / "reports")
    fill(small_disk)
    result = project.rollback(environment="staging")
    assert (result.environment.version, result.report) == ("0001-v1", None)
    assert project.served() == "0001-v1"


def test_a_full_disk_leaves_no_half_release_and_the_old_version_serving(project: Project, small_disk: Path) -> None:
    project.load_tested("0001-v1", "0001-v2")
    project.deploy()
    releases = project.folder() / "releases"
    shutil.copytree(releases, small_disk / "releases", ignore=shutil.ignore_patterns("specweave_runtime"))
    shutil.rmtree(releases)
    releases.symlink_to(small_disk / "releases")
    fill(small_disk)
    with pytest.raises(HostError) as raised:
        project.deploy(version="0001-v2")
    assert raised.value.code == "disk-full"
    assert [path.name for path in releases.iterdir()] == ["0001"]
    assert project.served() == "0001-v1"


def fill(folder: Path) -> None:
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
