from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from specweave.command import Context
from specweave.host import RealHost
from specweave.increments.store import Increment
from specweave.project import Project


class FixedClock(RealHost):
    """The real machine at a fixed time."""

    def now(self) -> datetime:
        return datetime(2026, 11, 20, 12, 3, tzinfo=UTC)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Project(tmp_path), FixedClock())


@pytest.fixture
def increment_with(tmp_path: Path) -> Callable[..., Increment]:
    """Makes an increment of the given documents, as another tool or a person would have."""

    def make(name: str = "0001-work", **documents: str | bytes) -> Increment:
        folder = tmp_path / ".specweave" / "increments" / name
        folder.mkdir(parents=True)
        for stem, content in documents.items():
            path = folder / f"{stem}{'.json' if stem == 'metadata' else '.md'}"
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Increment(Project(tmp_path), folder)

    return make
