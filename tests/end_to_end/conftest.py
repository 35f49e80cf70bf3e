"""Projects of users: git, a trained model, and ports that are free."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from specweave.host import RealHost

ROOT = Path(__file__).resolve().parents[2]
SPECWEAVE = Path(sys.executable).with_name("specweave")


@pytest.fixture(scope="session")
def credit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two small versions of the credit model and their data."""
    folder = tmp_path_factory.mktemp("credit")
    train = ROOT / "examples" / "credit" / "train.py"
    subprocess.run([sys.executable, train, folder, "--trees", "10"], check=True, capture_output=True)
    return folder


@pytest.fixture
def workspace(credit: Path, tmp_path: Path) -> Iterator[Path]:
    """A git project of its own with the models; whatever is deployed from it is stopped in the end."""
    folder = tmp_path / "project"
    shutil.copytree(credit, folder)
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Train"]):
        identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        subprocess.run(["git", *identity, *words], cwd=folder, check=True)
    (folder / ".specweave").mkdir()
    staging, production = _free_ports(2)
    (folder / ".specweave" / "config.yaml").write_text(
        # What is tested is not the speed of the machine that tests.
        "slo: {latency_p95_ms: 5000, error_rate: 0.5}\n"
        "environments:\n"
        f"  staging: {{port: {staging}, gates: [package-validated, load-test]}}\n"
        f"  production: {{port: {production}, gates: [package-validated, load-test, staging, approval]}}\n",
        "utf-8",
    )
    yield folder
    for environment in ("production", "staging"):
        subprocess.run(
            [SPECWEAVE, "ml", "deploy", "--environment", environment, "--stop", "--approve"],
            cwd=folder,
            capture_output=True,
            check=False,
        )


def _free_ports(count: int) -> set[int]:
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(RealHost().free_port())
    return ports
