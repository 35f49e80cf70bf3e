"""A project on disk and a command made for these tests."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from tests.faces.clients import Mode

from specweave.command import Context
from specweave.host import RealHost
from specweave.project import Project
from specweave.registry import Entry


@pytest.fixture(scope="session")
def exercise() -> ModuleType:
    """The module exercise.py beside this file, importable for pydantic's sake under its own name."""
    name = "specweave_tests_exercise"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("exercise.py"))
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / ".specweave").mkdir()
    return Project(tmp_path.resolve())


@pytest.fixture
def context(project: Project) -> Context:
    return Context(project=project, host=RealHost(), actor="mcp")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["legacy", "auto"])
def mode(request: pytest.FixtureRequest) -> Mode:
    """The protocol before and since revision 2026-07-28."""
    chosen: Mode = request.param
    return chosen


@pytest.fixture
def entry(exercise: ModuleType) -> Entry:
    chosen: Entry = exercise.ENTRY
    return chosen
