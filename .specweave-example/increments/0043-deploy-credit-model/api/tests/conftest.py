"""One running service for all tests."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from api.main import app


@pytest.fixture(scope="session")
def client() -> Iterator[TestClient]:
    """A client of the service, which has loaded its model."""
    with TestClient(app) as client:
        yield client
