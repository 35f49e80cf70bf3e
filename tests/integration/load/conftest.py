"""A real Locust, master and workers, with the plan that is generated for it.

`.ci/run` installs apt.txt and requirements.txt of this folder; by itself: `tests/integration/prepare load`.
Without these programs it fails: nothing here is skipped.
"""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.artifacts import test_load_tests as generated
from tests.operations.ml.credit_service import make_increment

from specweave.artifacts import load_tests
from specweave.command import Context
from specweave.files import resources
from specweave.host import RealHost
from specweave.increments.store import Increment
from specweave.operations import service_environment
from specweave.operations.load_testing import Plan
from specweave.operations.load_testing.locust import Swarm
from specweave.project import Project

ROOT = Path(__file__).resolve().parents[3]
CACHE = ROOT / ".cache" / "load"


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    root = tmp_path_factory.mktemp("project")
    (root / ".specweave").mkdir()
    return Context(Project(root), RealHost(), actor="cli")


@pytest.fixture(scope="session")
def increment(context: Context) -> Increment:
    return make_increment(context)


@pytest.fixture(scope="session")
def python(context: Context) -> Path:
    """The interpreter of the environment that the tool makes for Locust."""
    return service_environment.ensure(context, resources.folder("templates") / "requirements" / "locust.txt")


@pytest.fixture(scope="session")
def own_python() -> Path:
    """The interpreter of this suite's environment."""
    path = CACHE / "venv" / "bin" / "python"
    if not path.exists():
        pytest.fail("run tests/integration/prepare load")
    return path


@pytest.fixture(scope="session")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.fail("node is not installed; run tests/integration/prepare load")
    return found


@pytest.fixture
def swarm(tmp_path: Path, python: Path) -> Callable[..., Swarm]:
    """Makes a swarm that has everything but a plan."""

    def make(*places: str, connect_s: float | None = None) -> Swarm:
        folder = write(tmp_path / f"swarm-{next(numbers)}")
        return Swarm(python, folder, places or ("local", "local"), connect_s)

    numbers = itertools.count()

    return make


def write(folder: Path, plan: Plan | None = None) -> Path:
    """What is generated for a plan, in a folder; where the files are."""
    files = load_tests.files(
        generated.increment_in(folder),
        generated.manifest(),
        generated.settings(),
        msgspec.json.encode(plan or generated.plan()),
        generated.COPIED,
    )
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder / load_tests.FOLDER
