import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from specweave.host import uv_program

ROOT = Path(__file__).resolve().parents[2]

# Where each folder of the repository is in the wheel.
PLACES = {
    "plugin/specweave/": "specweave/",
    "plugin/specweave_runtime/": "specweave_runtime/",
    "templates/": "specweave/_data/templates/",
    "commands/": "specweave/_data/commands/",
    "skills/": "specweave/_data/skills/",
}


def run(*argv: str | Path, cwd: Path = ROOT) -> str:
    completed = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel and what it needs, and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    run(uv_program(), "venv", "--quiet", "--python", sys.executable, folder)
    install = (uv_program(), "pip", "install", "--quiet", "--python", folder / "bin/python")
    run(*install, "--require-hashes", "--requirement", ROOT / "requirements/tool.txt")
    run(*install, "--no-deps", wheel)
    return folder


def test_the_wheel_holds_what_the_repository_holds_and_nothing_else(wheel: Path) -> None:
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *PLACES)
    expected = {
        place + name.removeprefix(folder)
        for name in listed.split("\0")
        for folder, place in PLACES.items()
        if name.startswith(folder) and (ROOT / name).is_file()
    }
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == expected


def test_the_wheel_is_named_so_that_it_is_not_taken_for_another_project(wheel: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert wheel.name == f"specweave_ml-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert f"specweave_ml-{version}.dist-info/licenses/LICENSE" in names
        metadata = archive.read(f"specweave_ml-{version}.dist-info/METADATA").decode()
    assert "Requires-Dist: specweave" not in metadata


def test_the_installed_wheel_runs(environment: Path, tmp_path: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert version in run(environment / "bin/specweave", "--version", cwd=tmp_path)


def test_the_installed_wheel_creates_an_increment_from_its_own_templates(environment: Path, tmp_path: Path) -> None:
    run("git", "init", "--quiet", tmp_path)
    run(environment / "bin/specweave", "sw", "inc", "Deploy the credit model", cwd=tmp_path)
    (increment,) = (tmp_path / ".specweave/increments").glob("*-deploy-the-credit-model")
    assert (increment / "tasks.md").is_file()


def test_the_installed_wheel_renders_every_template_folder_it_was_built_with(environment: Path, tmp_path: Path) -> None:
    code = "from specweave.files import resources; print(resources.folder('templates'))"
    templates = Path(run(environment / "bin/python", "-c", code, cwd=tmp_path).strip())
    assert templates.is_relative_to(environment)
    assert {path.name for path in templates.iterdir() if path.is_dir()} == {
        path.name for path in (ROOT / "templates").iterdir() if path.is_dir()
    }
