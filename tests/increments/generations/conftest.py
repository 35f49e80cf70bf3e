import hashlib
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from specweave.command import Context
from specweave.host import RealHost
from specweave.increments import store
from specweave.increments.store import Increment
from specweave.project import Project

FIXTURES = Path(__file__).parent / "fixtures"
GENERATIONS = {path.name: next(path.iterdir()).name for path in sorted(FIXTURES.iterdir())}


class FixedClock(RealHost):
    """The real machine at a fixed time."""

    def now(self) -> datetime:
        return datetime(2026, 11, 20, 12, 3, tzinfo=UTC)


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder, the lock and what git has apart, by its digest."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock" and ".git" not in path.parts and "cache" not in path.parts
    }


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Project(tmp_path), FixedClock())


@pytest.fixture
def of_generation(tmp_path: Path) -> Callable[[str], Increment]:
    """An increment as that generation of SpecWeave left it; git keeps neither line ends nor byte order marks here."""

    def make(generation: str) -> Increment:
        name = GENERATIONS[generation]
        folder = tmp_path / ".specweave" / "increments" / name
        shutil.copytree(FIXTURES / generation / name, folder)
        if generation == "1.x":
            for document in ("spec.md", "tasks.md"):
                content = (folder / document).read_bytes()
                (folder / document).write_bytes(content.replace(b"\n", b"\r\n"))
        if generation == "2.x":
            (folder / "spec.md").write_bytes(b"\xef\xbb\xbf" + (folder / "spec.md").read_bytes())
        return store.find(Project(tmp_path), name)

    return make
