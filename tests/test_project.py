from pathlib import Path

import pytest

from specweave.errors import InvalidInputError, NotFoundError
from specweave.project import EnvironmentSettings, ModelSettings, Project, ServiceSettings, SloSettings


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    (root / ".specweave").mkdir(parents=True)
    (root / "models").mkdir()
    (root / "models" / "credit.joblib").write_bytes(b"model")
    (root / "notebooks").mkdir()
    (tmp_path / "outside.joblib").write_bytes(b"model")
    return Project.find(root)


def test_the_project_is_found_from_any_folder_inside_it(project: Project) -> None:
    assert Project.find(project.root / "notebooks") == project


@pytest.mark.parametrize("name", ["../models/credit.joblib", "models/credit.joblib"])
def test_a_path_is_meant_from_the_root_or_else_from_the_folder_one_is_in(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(project.root / "notebooks")
    assert project.resolve(name, what="model") == project.root / "models" / "credit.joblib"


@pytest.mark.parametrize("name", ["../outside.joblib", "/etc/hostname", "notebooks/../../outside.joblib"])
def test_a_path_outside_the_project_is_refused(project: Project, name: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        project.resolve(name, what="model")
    assert caught.value.code == "path-outside-project"


def test_a_link_out_of_the_project_is_refused(project: Project) -> None:
    (project.root / "models" / "link.joblib").symlink_to(project.root.parent / "outside.joblib")
    with pytest.raises(InvalidInputError):
        project.resolve("models/link.joblib", what="model")


def test_what_is_not_there_is_named(project: Project) -> None:
    with pytest.raises(NotFoundError) as caught:
        project.resolve("models/other.joblib", what="model")
    assert caught.value.code == "model-not-found"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("environments: {staging: {prot: 1}}", "environments.staging.prot"),
        ("slo: {latency_p95_ms: -1}", "slo.latency_p95_ms"),
        ("[", "is not YAML"),
        ("- 1", "config.yaml"),
    ],
)
def test_settings_that_cannot_be_used_name_the_key(project: Project, text: str, key: str) -> None:
    (project.state / "config.yaml").write_text(text, "utf-8")
    with pytest.raises(InvalidInputError) as caught:
        _ = Project(project.root).config
    assert caught.value.code == "config-invalid"
    assert key in caught.value.message


def test_the_page_of_settings_names_every_key() -> None:
    page = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text("utf-8")
    parts = {"model": ModelSettings, "service": ServiceSettings, "slo": SloSettings}
    keys = [f"{name}.{key}" for name, part in parts.items() for key in part.model_fields]
    keys += [f"environments.<name>.{key}" for key in EnvironmentSettings.model_fields]
    assert [key for key in keys if f"`{key}`" not in page] == []
