"""A generated service is tested by its own tests, and a person's edit of it stays."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SPECWEAVE = Path(sys.executable).with_name("specweave")


def test_a_service_that_a_person_broke_fails_its_own_tests_and_stays_as_it_was_edited(workspace: Path) -> None:
    assert run(workspace, "sw", "inc", "0042-train-credit-model")["passed"]
    prepared = run(
        workspace,
        *("ml", "deploy-prepare", "0042", "--model", "models/credit-v1.joblib", "--data", "data/train.csv"),
        *("--name", "credit-model"),
    )
    first = run(workspace, "ml", "create-api", "0043", "--test")
    assert first["passed"]
    assert first["tests"] > 10

    predict = workspace / ".specweave" / "increments" / prepared["increment"] / "api" / "predict.py"
    edited = predict.read_text("utf-8").replace("outcome.probabilities[1]", "outcome.probabilities[0]")
    predict.write_text(edited, "utf-8")
    second = run(workspace, "ml", "create-api", "0043", "--test", status=1)

    assert not second["passed"]
    assert second["failed_tests"] > 0
    assert "test_a_golden_row_gets_the_expected_answer" in second["test_output"]
    assert [change["path"] for change in second["changes"] if change["action"] == "conflict"] == ["api/predict.py"]
    assert predict.read_text("utf-8") == edited
    tasks = {task["id"]: task for task in run(workspace, "sw", "status", "0043")["increments"][0]["tasks"]}
    assert (tasks["T-002"]["done"], tasks["T-002"]["standing"]) == (False, "failed")


def run(workspace: Path, *words: str, status: int = 0) -> dict[str, Any]:
    """Type a command; the one document on its stdout."""
    done = subprocess.run([SPECWEAVE, *words, "--json"], cwd=workspace, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document
