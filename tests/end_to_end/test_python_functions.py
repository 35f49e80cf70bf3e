"""A data scientist takes a trained model to production and back from a notebook."""

import subprocess
import sys
from pathlib import Path

import pytest

from specweave import ModelVersion, containerize_model, create_model_api, load_test_model
from specweave.errors import InvalidInputError, NotFoundError
from specweave.project import Project

SPECWEAVE = Path(sys.executable).with_name("specweave")


@pytest.fixture
def notebook(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory is a project with the increment 0042, in which the model was trained."""
    monkeypatch.chdir(workspace)
    shell("sw", "inc", "0042-train-credit-model", "--type", "experiment")
    return workspace


def shell(*words: str) -> None:
    subprocess.run([SPECWEAVE, *words], check=True, capture_output=True)


def test_the_functions_do_the_main_job(notebook: Path) -> None:
    first = ModelVersion.register(
        model_path="models/credit-v1.joblib",
        increment="0042",
        metadata={"accuracy": 0.87, "training_date": "2024-01-15"},
        data="data/train.csv",
        name="credit-model",
    )
    assert (first.name, first.version, first.metadata["accuracy"]) == ("credit-model", "0043-v1", 0.87)

    service = create_model_api(model_path="models/credit-v1.joblib", increment="0042", framework="fastapi")
    assert (service.increment, service.version) == (first.increment, first.version)
    files = {path.name for path in (notebook / service.folder).iterdir()}
    assert {"main.py", "models.py", "predict.py", "Dockerfile", "requirements.txt", "tests"} <= files

    with pytest.warns(UserWarning, match=r"Python 3\.10 any more"):
        image = containerize_model(
            model_path="models/credit-v1.joblib", framework="sklearn", python_version="3.10", increment="0042"
        )
    assert image.python_version == "3.11"

    assert load_test_model(requests_per_second=100, duration_seconds=3, increment="0042").passed
    for environment in ("staging", "production"):
        shell("ml", "deploy", "0043", "--environment", environment, "--approve")
    port = Project(notebook).config.environments["production"].port
    results = load_test_model(
        api_url=f"http://localhost:{port}/predict",
        requests_per_second=[50, 100],
        duration_seconds=1,
        increment="0042",
    )
    assert [step.rps for step in results.steps] == [50, 100]
    assert "| RPS |" in results.text()

    second = ModelVersion.register(model_path="models/credit-v2.joblib", increment="0043")
    assert second.version == "0043-v2"
    assert load_test_model(requests_per_second=100, duration_seconds=3, increment="0043").passed
    for environment in ("staging", "production"):
        shell("ml", "deploy", "0043", "--environment", environment, "--approve")
    back = ModelVersion.rollback(to_version="0043-v1")
    assert (back.version_before, back.environment.version, back.changed) == ("0043-v2", "0043-v1", True)


def test_bad_arguments_are_coded_errors_and_leave_nothing(notebook: Path) -> None:
    before = sorted(path for path in (notebook / ".specweave").rglob("*"))
    with pytest.raises(NotFoundError) as unknown:
        create_model_api(model_path="models/credit-v1.joblib", increment="9999")
    assert unknown.value.code == "increment-not-found"
    with pytest.raises(NotFoundError) as missing:
        create_model_api(model_path="models/none.pkl", increment="0042")
    assert missing.value.code == "model-not-found"
    with pytest.raises(InvalidInputError) as framework:
        create_model_api(model_path="models/credit-v1.joblib", increment="0042", framework="flask")  # type: ignore[arg-type]
    assert framework.value.code == "argument-invalid"
    with pytest.raises(InvalidInputError, match="xgboost"):
        containerize_model(model_path="models/credit-v1.joblib", framework="xgboost", increment="0042")
    with pytest.raises(InvalidInputError, match="rps"):
        load_test_model(requests_per_second=[0], increment="0042")
    assert sorted(path for path in (notebook / ".specweave").rglob("*")) == before
