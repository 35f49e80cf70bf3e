"""What tests of the load test begin with."""

from pathlib import Path

import pytest
from tests.operations.ml.credit_service import make_increment

from specweave.command import Context
from specweave.host import RealHost
from specweave.increments.store import Increment
from specweave.project import Project


@pytest.fixture
def context(tmp_path: Path) -> Context:
    (tmp_path / ".specweave").mkdir()
    return Context(Project(tmp_path), RealHost(), actor="cli")


@pytest.fixture
def increment(context: Context) -> Increment:
    return make_increment(context)
