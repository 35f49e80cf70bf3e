import ast
import subprocess
import sys
from pathlib import Path

import joblib
import pytest
from sklearn.linear_model import LinearRegression

from specweave.command import Context
from specweave.errors import ModelError, NotFoundError
from specweave.host import RealHost, uv_program
from specweave.operations.model_environment import build_package, find_python, inspect_model, packaging
from specweave.project import Project

WORKER = Path(packaging.__file__).parent / "specweave_worker"


def project(root: Path, config: str = "") -> Project:
    (root / ".specweave").mkdir(exist_ok=True)
    (root / ".specweave" / "config.yaml").write_text(config)
    return Project(root)


def environment(folder: Path) -> Path:
    subprocess.run([uv_program(), "venv", "-q", "--python", sys.executable, folder], check=True)
    return folder / "bin" / "python"


def test_the_python_is_that_of_the_settings_then_the_project_then_the_shell_then_the_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    assert find_python(project(tmp_path), RealHost()).origin == "tool"

    active = environment(tmp_path / "active")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    found = find_python(project(tmp_path), RealHost())
    assert (found.path, found.origin) == (active, "virtual-env")

    own = environment(tmp_path / ".venv")
    found = find_python(project(tmp_path), RealHost())
    assert (found.path, found.origin) == (own, "project")

    named = environment(tmp_path / "named")
    found = find_python(project(tmp_path, "model: {python: named}"), RealHost())
    assert (found.path, found.origin) == (named, "config")


def test_a_python_that_is_named_and_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        find_python(project(tmp_path, "model: {python: nowhere/python}"), RealHost())
    assert caught.value.code == "python-not-found"


def test_an_environment_without_scikit_learn_is_told_what_it_lacks(tmp_path: Path) -> None:
    environment(tmp_path / ".venv")
    model = tmp_path / "model.joblib"
    joblib.dump(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), model)
    with pytest.raises(ModelError) as caught:
        inspect_model(Context(project(tmp_path), RealHost()), model, None)
    assert caught.value.code == "model-environment-incomplete"


def test_what_the_users_environment_lacks_is_laid_over_it_and_nothing_is_installed_into_it(tmp_path: Path) -> None:
    python = environment(tmp_path / ".venv")
    install = [uv_program(), "pip", "install", "-q", "--python", python, "scikit-learn==1.7.2", "numpy==2.2.6"]
    subprocess.run(install, check=True)
    installed = sorted(path.name for path in (tmp_path / ".venv").glob("lib/python*/site-packages/*.dist-info"))
    train = "import joblib; from sklearn.linear_model import LinearRegression as L; "
    train += "joblib.dump(L().fit([[0.], [1.]], [0., 1.]), 'm.joblib')"
    subprocess.run([python, "-c", train], check=True, cwd=tmp_path)
    where = project(tmp_path)

    package = build_package(
        Context(where, RealHost()), model=tmp_path / "m.joblib", data=None, name="overlaid", increment_number="0001"
    )

    assert package.manifest.executable.kind == "onnx"
    assert package.manifest.libraries["scikit-learn"] == "1.7.2"
    assert package.manifest.libraries["numpy"] == "2.2.6"
    assert "pandas" not in package.manifest.libraries
    assert sorted(path.name for path in (tmp_path / ".venv").glob("lib/python*/site-packages/*.dist-info")) == installed
    overlays = list((where.state / "cache" / "overlays").iterdir())
    assert overlays
    assert not any((overlay / "numpy").exists() for overlay in overlays), "the user's own numpy is the one that counts"


def test_the_worker_imports_nothing_of_the_tool() -> None:
    for path in WORKER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names.append(node.module or "")
            assert not [name for name in names if name.split(".")[0].startswith("specweave")], path
