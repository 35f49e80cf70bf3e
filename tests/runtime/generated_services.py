"""Services generated for test packages, and their applications in this process."""

import importlib.util
import itertools
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from specweave.artifacts import api
from specweave.command import Context
from specweave.host import RealHost
from specweave.increments.deployment import Deployment, ModelReference, Service
from specweave.increments.store import Increment
from specweave.model_packages import store
from specweave.project import Project

_numbers = itertools.count()


def generate(root: Path, package: Path) -> Increment:
    """An increment with the service of a package, in a project of its own."""
    project = Project(root.resolve())
    target = project.state / "models" / "small-model" / "0043-v1"
    shutil.copytree(package, target)
    increment = Increment(project, project.state / "increments" / "0043-deploy-small-model")
    increment.folder.mkdir(parents=True)
    plan = api.generate(
        Context(project, RealHost()), increment, store.open_package(project, "small-model", "0043-v1"), settings()
    )
    plan.apply()
    return increment


def settings() -> Deployment:
    """The deployment of the test packages."""
    return Deployment(
        model=ModelReference(name="small-model", version="0043-v1"),
        service=Service(name="small-model", body_bytes=100_000, batch_rows=20),
        environments={},
    )


def load_app(increment: Increment, environment: Mapping[str, str] | None = None) -> Any:
    """The application of `api/main.py`, imported anew under a name of its own."""
    name = f"generated_{next(_numbers)}"
    folder = increment.folder / "api"
    specification = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    with pytest.MonkeyPatch.context() as patch:
        for key, value in (environment or {}).items():
            patch.setenv(key, value)
        return importlib.import_module(f"{name}.main").app


@contextmanager
def client(increment: Increment, environment: Mapping[str, str] | None = None) -> Iterator[TestClient]:
    """A client of the running application."""
    with TestClient(load_app(increment, environment)) as running:
        yield running
