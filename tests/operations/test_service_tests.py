"""The run of a service's own tests, with a small program in the place of pytest."""

import hashlib
import zipfile
from pathlib import Path

import pytest
from tests.runtime import packages

from specweave.command import Context
from specweave.host import RealHost
from specweave.increments.store import Increment
from specweave.model_packages import store
from specweave.operations.service_tests import run_tests
from specweave.project import Project

PYTEST = """
import sys
results = next(word for word in sys.argv if word.startswith("--junit-xml=")).partition("=")[2]
with open(results, "w") as file:
    file.write(
        '<testsuites><testsuite><testcase name="a"/><testcase name="b"/>'
        '<testcase name="c"><skipped/></testcase></testsuite></testsuites>'
    )
"""


def increment(context: Context) -> Increment:
    folder = context.project.state / "increments" / "0043-deploy-small-model"
    for needed in ("api/main.py", "api/tests/__init__.py", "runtime/specweave_runtime/server.py"):
        (folder / needed).parent.mkdir(parents=True, exist_ok=True)
        (folder / needed).write_text("")
    wheel = context.project.root / "pytest-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("pytest.py", PYTEST)
        archive.writestr("pytest-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: pytest\nVersion: 1.0\n")
        archive.writestr("pytest-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("pytest-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / "api" / "requirements.txt").write_text("")
    (folder / "api" / "tests" / "requirements.txt").write_text(f"pytest @ {wheel.as_uri()} --hash=sha256:{digest}\n")
    return Increment(context.project, folder)


def test_no_file_of_a_folder_of_the_user_stands_in_for_pytest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = Context(Project(tmp_path), RealHost())
    packages.forest_package(context.project.state / "models/small-model/0043-v1", "onnx")
    package = store.open_package(context.project, "small-model", "0043-v1")
    made, others = increment(context), tmp_path / "others"
    others.mkdir()
    for folder in (made.folder, others):
        (folder / "pytest.py").write_text("raise SystemExit('not pytest')")
    monkeypatch.setenv("PYTHONPATH", str(others))
    found = run_tests(context, made, package).results
    assert (found.ran, found.failed, found.passed) == (2, 0, True)
