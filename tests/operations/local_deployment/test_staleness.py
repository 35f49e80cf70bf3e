"""Evidence of a deployment increment holds for the content it was made with, and for no other."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.operations.local_deployment.projects import NUMBER, Project

from specweave.increments import criteria, deployment, documents, evidence, tasks
from specweave.increments.standings import Stand
from specweave.model_packages import store as packages
from specweave.operations.sw import do, done

# Short runs of the same commands; the environment of the tests alone takes a minute to make.
SHORTER = {
    "--build": "",
    "/ml:create-api 0001 --test": "/ml:create-api 0001",
    "--rps 50,100,200,500,1000 --duration 10s": "--rps 250 --duration 1s",
    "--rps 100 --duration 10s": "--rps 250 --duration 1s",
}
RUN = ("T-001", "T-002", "T-005", "T-006", "T-007")


@pytest.fixture
def worked(project: Project) -> Project:
    """A deployment whose tasks were run as far as a machine can: up to the approval of production."""
    document = project.increment.folder / "tasks.md"
    text = document.read_text()
    for long, short in SHORTER.items():
        text = text.replace(long, short)
    document.write_text(text)
    settings = project.increment.folder / deployment.FILE
    # How fast this machine is just now is not the question.
    settings.write_text(settings.read_text().replace("latency_p95_ms: 100.0", "latency_p95_ms: 9000.0"))
    return project


def standings(project: Project) -> Mapping[str, Stand]:
    return evidence.standings(project.increment, tasks.read(project.increment))


def stale(project: Project) -> dict[str, str]:
    return {task: stand.why for task, stand in standings(project).items() if stand.standing == "stale"}


def ticked(project: Project) -> set[str]:
    return {criterion.id for criterion in criteria.read(project.increment).criteria if criterion.marked}


def append(path: Path, text: str = "\n# by hand\n") -> None:
    path.write_text(path.read_text() + text)


def run_all(project: Project) -> list[tuple[str, bool | None]]:
    result = do.run(do.DoRequest(increment=NUMBER), project.context)
    return [(run.task, run.passed) for run in result.ran]


def test_evidence_of_a_service_goes_stale_with_the_service_and_only_with_it(worked: Project) -> None:
    assert run_all(worked) == [(task, True) for task in ("T-002", "T-001", "T-005", "T-006", "T-007")]
    assert {task for task, stand in standings(worked).items() if stand.standing == "passed"} == set(RUN)
    assert run_all(worked) == []
    shown = {"AC-US1-01", "AC-US1-02", "AC-US1-03", "AC-US2-01", "AC-US2-02", "AC-US2-03", "AC-US3-01", "AC-US6-01"}
    assert ticked(worked) == shown

    append(worked.increment.folder / "api/main.py")
    assert stale(worked) == dict.fromkeys(RUN, "api/main.py changed")
    refused = done.run(done.DoneRequest(increment=NUMBER), worked.context)
    assert not refused.passed
    gaps = {(gap.criterion, gap.task): (gap.state, gap.why, gap.command) for gap in refused.missing}
    assert gaps["AC-US2-01", "T-005"] == ("stale", "api/main.py changed", "/sw:do 0001 --task T-005")
    assert gaps["AC-US6-02", "T-008"][0] == "none"
    assert ticked(worked) == set()

    # A load test of what was deployed earlier is no evidence of what lies here now.
    worked.load_test(environment="staging")
    assert tasks.find(worked.increment, "T-007").evidence == "reports/006-load-test.md"
    assert stale(worked)["T-007"] == "api/main.py changed"

    # The file stays as the person wrote it; what is run again is evidence of that.
    assert run_all(worked) == [(task, True) for task in ("T-002", "T-001", "T-005", "T-006", "T-007")]
    assert (stale(worked), ticked(worked)) == ({}, shown)


def recorded(project: Project) -> Project:
    """The same evidence without the work: what is looked at is when it goes stale."""
    folder, context = project.increment.folder, project.context
    (folder / "api/Dockerfile").write_text("FROM scratch\n")
    package = packages.open_package(context.project, "small-model", "0001-v1")
    about = evidence.PackageReference(package.name, package.version, package.identity)
    for task in tasks.read(project.increment):
        operation = re.sub(r".*:([a-z-]+) .*", r"\1", task.run or "")
        evidence.record(
            context,
            project.increment,
            operation=operation,
            command=task.run or "",
            passed=True,
            started=project.started,
            markdown="",
            data={},
            package=about,
            task_id=task.id,
        )
    return project


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("api/main.py", {"T-001", "T-002", "T-005", "T-006", "T-007", "T-008"}),
        ("api/requirements.txt", {"T-001", "T-002", "T-005", "T-006", "T-007", "T-008"}),
        ("runtime/specweave_runtime/service.py", {"T-001", "T-002", "T-005", "T-006", "T-007", "T-008"}),
        ("api/Dockerfile", {"T-001"}),
        ("api/tests/test_api.py", {"T-002"}),
        ("plan.md", set()),
        ("reports/001-containerize.md", set()),
        ("deployment.yaml", set()),
    ],
)
def test_each_command_s_evidence_is_about_its_own_files(project: Project, path: str, expected: set[str]) -> None:
    recorded(project)
    assert stale(project) == {}
    append(project.increment.folder / path)
    assert stale(project) == dict.fromkeys(expected, f"{path} changed")


def test_a_file_that_is_new_or_gone_is_named_and_a_proposal_beside_it_or_a_cache_is_nothing(project: Project) -> None:
    recorded(project)
    api = project.increment.folder / "api"
    (api / "main.py.new").write_text("x")
    (api / "__pycache__").mkdir()
    (api / "__pycache__/main.pyc").write_text("x")
    assert stale(project) == {}
    (api / "extra.py").write_text("x")
    assert set(stale(project).values()) == {"api/extra.py is new"}
    (api / "extra.py").unlink()
    (api / "predict.py").unlink()
    assert set(stale(project).values()) == {"api/predict.py is gone"}


def test_another_package_makes_it_stale_and_so_does_another_promise(project: Project) -> None:
    recorded(project)
    deployment.set_version(project.increment.folder, "0001-v2")
    assert set(stale(project).values()) == {"model package changed"}
    deployment.set_version(project.increment.folder, "0001-v1")
    assert stale(project) == {}
    spec = project.increment.folder / "spec.md"
    spec.write_text(spec.read_text().replace("P95 latency is at most 100 ms", "P95 latency is at most 50 ms"))
    assert stale(project) == {"T-005": "its text changed, or that of a criterion"}


def test_a_lost_report_shows_nothing(project: Project) -> None:
    recorded(project)
    (project.increment.folder / "reports/005-load-test.json").unlink()
    assert stale(project) == {"T-005": "reports/005-load-test.md is not there any more"}


def test_a_ticked_criterion_leaves_the_specification_a_generated_file(project: Project) -> None:
    recorded(project)
    assert ticked(project)
    increment = project.increment
    package = packages.open_package(project.context.project, "small-model", "0001-v1")
    settings = deployment.read(increment.folder)
    model = documents.model_values(package.manifest, package.signature, package.identity)
    values = documents.deployment_values(settings.slo, settings.environments, model)
    plan = documents.plan(project.context.project, increment.folder, values)
    assert {change.path: change.action for change in plan.changes} == {"spec.md": "update", "plan.md": "update"}
    before = ticked(project)
    plan.apply()
    assert ticked(project) == before
