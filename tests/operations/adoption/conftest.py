import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from specweave.command import Context
from specweave.host import RealHost
from specweave.project import Project

FIXTURES = Path(__file__).parent / "fixtures"


class FixedClock(RealHost):
    """The real machine at a fixed time."""

    def now(self) -> datetime:
        return datetime(2026, 11, 20, 12, 3, tzinfo=UTC)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A project that holds a feature of spec-kit and a change of OpenSpec."""
    for name in ("specs", "openspec"):
        shutil.copytree(FIXTURES / name, tmp_path / name)
    return Context(Project(tmp_path), FixedClock())
