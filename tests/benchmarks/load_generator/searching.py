"""`ml load-test --find-max` on the generated service of the demo's model, several times in a row."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_REPOSITORY = Path(__file__).parents[3]
_SPECWEAVE = Path(sys.executable).with_name("specweave")
_DEPLOYMENT = "0043"


@dataclass(frozen=True)
class Found:
    """What one search said: the highest rate held, and the lowest that was not."""

    held: float
    beyond: float | None


@contextmanager
def demo_increment() -> Iterator[Path]:
    """A project with the demo's model, deployed as far as its API."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        (root / ".specweave").mkdir()
        _run([sys.executable, str(_REPOSITORY / "examples" / "credit" / "train.py"), "."], root)
        words = ("--model", "models/credit-v1.joblib", "--data", "data/train.csv", "--held-out", "data/held_out.csv")
        _type(root, "sw", "inc", "0042-train-credit-model", "--type", "experiment")
        _type(root, "ml", "deploy-prepare", "0042", *words, "--name", "credit-model")
        _type(root, "ml", "create-api", _DEPLOYMENT)
        yield root


def find_max(root: Path, *, start: float, seconds: float) -> Found:
    """One search, from the rate `start` on."""
    words = ("--find-max", "--rps", f"{start:g}", "--duration", f"{seconds:g}s", "--json")
    said = _type(root, "ml", "load-test", _DEPLOYMENT, *words)
    answer: dict[str, Any] = json.loads(said)
    if "error" in answer:
        raise RuntimeError(answer["error"])
    beyond = [step["rps"] for step in answer["steps"] if step["verdict"] == "beyond"]
    return Found(answer["max_rps_within_slo"] or 0.0, min(beyond, default=None))


def spread(found: Sequence[Found]) -> float:
    """How far the highest and the lowest of the answers lie apart, as a share of the lowest."""
    rates = [one.held for one in found]
    return max(rates) / min(rates) - 1 if min(rates) else float("inf")


def _type(root: Path, *words: str) -> str:
    return _run([str(_SPECWEAVE), *words], root)


def _run(argv: Sequence[str], root: Path) -> str:
    # A progress that nobody reads, and no virtual environment but that of the benchmark.
    done = subprocess.run(argv, cwd=root, env=dict(os.environ), capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout
