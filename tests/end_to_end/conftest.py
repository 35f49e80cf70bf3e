"""Projects of users: git, a trained model, and ports that are free."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end import attempts

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
    _stop_all(folder)


def _stop_all(folder: Path) -> None:
    if not (folder / ".specweave" / "local").exists():
        return  # nothing was deployed
    # By name: an increment that a test completed is not the open one.
    for increment in sorted(folder.glob(".specweave/increments/*/deployment.yaml")):
        for environment in ("production", "staging"):
            subprocess.run(
                [SPECWEAVE, "ml", "deploy", increment.parent.name, "--environment", environment, "--stop", "--approve"],
                cwd=folder,
                capture_output=True,
                check=False,
            )


def _free_ports(count: int) -> set[int]:
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(RealHost().free_port())
    return ports


@pytest.fixture(scope="session")
def prepared(credit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose service is generated, tested and load-tested: what others are copied from. Leave it alone."""
    folder = tmp_path_factory.mktemp("prepared") / "project"
    shutil.copytree(credit, folder)
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=folder, check=True)
    (folder / ".specweave").mkdir()
    inputs = ("--model", "models/credit-v1.joblib", "--data", "data/train.csv", "--held-out", "data/held_out.csv")
    for words in (
        ("sw", "inc", attempts.SOURCE),
        ("ml", "deploy-prepare", "0042", *inputs, "--name", "credit-model"),
        ("ml", "create-api", "0043", "--test"),
    ):
        attempts.succeed(folder, *words)
    # No SLO: a busy machine must not decide whether a deployment is refused.
    settings = folder / ".specweave" / "increments" / attempts.INCREMENT / "deployment.yaml"
    settings.write_text(
        re.sub(r"latency_p95_ms: [\d.]+", "latency_p95_ms: 60000", settings.read_text("utf-8")), "utf-8"
    )
    attempts.succeed(folder, "ml", "load-test", "0043", "--rps", "250", "--duration", "1s")
    return folder


@pytest.fixture
def project(prepared: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of `prepared` with ports of its own; whatever is deployed from it is stopped in the end."""
    folder = attempts.duplicate(prepared, tmp_path / "project")
    attempts.set_ports(folder, *_free_ports(2))
    yield folder
    _stop_all(folder)
