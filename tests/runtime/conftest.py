from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.runtime import generated_services, packages

from specweave.increments.store import Increment


@pytest.fixture(scope="session")
def pipeline_service(tmp_path_factory: pytest.TempPathFactory) -> Increment:
    """The generated service of a pipeline on ONNX."""
    folder: Path = tmp_path_factory.mktemp("pipeline")
    return generated_services.generate(folder / "project", packages.pipeline_package(folder / "package", "onnx"))


@pytest.fixture(scope="session")
def client(pipeline_service: Increment) -> Iterator[TestClient]:
    """A client of that service."""
    with generated_services.client(pipeline_service) as running:
        yield running
