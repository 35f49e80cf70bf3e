"""`ml create-api` on a small project."""

import json
import shutil
from pathlib import Path

import pytest
from git import Repo
from tests.runtime import packages

from specweave.command import Context
from specweave.errors import ModelError, NotFoundError
from specweave.host import RealHost
from specweave.increments import deployment, store
from specweave.increments.deployment import ModelReference, Service
from specweave.increments.store import Increment
from specweave.operations.ml.create_api import COMMAND, CreateApiRequest, CreateApiResult
from specweave.project import EnvironmentSettings, Project, SloSettings


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A project with a deployment increment and its package."""
    project = Project((tmp_path / "project").resolve())
    packages.forest_package(project.state / "models/small-model/0043-v1", "onnx")
    context = Context(project, RealHost())
    increment = store.create(context, "Deploy the small model", kind="deployment")
    document = deployment.initial(
        ModelReference(name="small-model", version="0043-v1"),
        Service(name="small-model", batch_rows=7),
        SloSettings(),
        {"staging": EnvironmentSettings(port=8100)},
    )
    (increment.folder / deployment.FILE).write_bytes(document)
    return context


def increment_of(context: Context) -> Increment:
    return store.find(context.project, None, kind="deployment")


def create(context: Context, **arguments: object) -> CreateApiResult:
    return COMMAND.run(CreateApiRequest.model_validate(arguments), context)


def test_the_service_is_written_with_its_limits_and_the_evidence(context: Context) -> None:
    result = create(context)
    increment = increment_of(context)
    assert {change.action for change in result.changes} == {"create"}
    assert "batch_rows=7" in (increment.folder / "api/settings.py").read_text()
    for path in (
        "api/main.py",
        "api/requirements.txt",
        "api/tests/test_api.py",
        "runtime/specweave_runtime/service.py",
    ):
        assert (increment.folder / path).is_file()
    assert result.report
    report = json.loads((context.project.root / result.report).with_suffix(".json").read_bytes())
    assert (report["operation"], report["passed"], report["package"]["version"]) == ("create-api", True, "0043-v1")
    assert "POST /predict" in result.text()


def test_the_evidence_says_whether_the_service_was_made_from_what_is_committed(context: Context) -> None:
    with Repo.init(context.project.root) as repository:
        repository.git.add(".")
        repository.git(c=["user.name=Tester", "user.email=tester@example.org", "commit.gpgsign=false"]).commit(
            "-m", "Start"
        )
    reports = [(context.project.root / str(create(context).report)).with_suffix(".json") for _ in range(2)]
    # The second run finds a service that nobody has committed.
    assert [json.loads(report.read_bytes())["dirty"] for report in reports] == [False, True]


def test_a_dry_run_writes_nothing(context: Context) -> None:
    before = sorted(increment_of(context).folder.rglob("*"))
    result = create(context, dry_run=True)
    assert {change.action for change in result.changes} == {"create"}
    assert result.report is None
    assert sorted(increment_of(context).folder.rglob("*")) == before


def test_an_edited_file_is_kept_and_shown(context: Context) -> None:
    create(context)
    main = increment_of(context).folder / "api/main.py"
    main.write_text(main.read_text() + "# mine\n")
    result = create(context, lay_new=True)
    assert [change.path for change in result.changes if change.action == "conflict"] == ["api/main.py"]
    assert main.read_text().endswith("# mine\n")
    assert "# mine" in result.text()
    assert not (main.parent / "main.py.new").read_text().endswith("# mine\n")


def test_running_it_again_changes_nothing(context: Context) -> None:
    create(context)
    assert {change.action for change in create(context).changes} == {"unchanged"}


def test_a_missing_package_is_named(context: Context) -> None:
    shutil.rmtree(context.project.state / "models")
    with pytest.raises(NotFoundError) as caught:
        create(context)
    assert caught.value.code == "package-not-found"


def test_a_changed_package_writes_nothing(context: Context) -> None:
    with (context.project.state / "models/small-model/0043-v1/model.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError) as caught:
        create(context)
    assert caught.value.code == "package-invalid"
    assert not (increment_of(context).folder / "api").exists()


def test_a_project_without_increments_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        create(Context(Project(tmp_path.resolve()), RealHost()))
