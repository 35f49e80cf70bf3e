import subprocess
import sys
from pathlib import Path

import pytest
from tests.operations.model_environment.models import Workspace

TRAINER = Path(__file__).parents[3] / "examples" / "credit" / "train.py"


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("project").resolve()
    for name in (".specweave", "models", "data"):
        (root / name).mkdir()
    return Workspace(root)


@pytest.fixture(scope="session")
def credit(workspace: Workspace) -> Workspace:
    """The example's own models: 100 trees, real loans with gaps."""
    subprocess.run([sys.executable, TRAINER, workspace.root], check=True, capture_output=True)
    return workspace
