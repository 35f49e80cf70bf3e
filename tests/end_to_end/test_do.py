"""`sw do` does what a machine can do, and says exactly what is left to people."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

SPECWEAVE = Path(sys.executable).with_name("specweave")


def test_without_a_builder_the_container_waits_for_a_person_and_nothing_else_does(
    workspace: Path, tmp_path: Path
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "git").symlink_to(shutil.which("git") or "git")
    environment = {**os.environ, "PATH": str(programs)}

    def type_(*words: str, status: int = 0) -> dict[str, Any]:
        argv = [SPECWEAVE, *words, "--json"]
        done = subprocess.run(argv, cwd=workspace, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    type_("sw", "inc", "0042-train-credit-model", "--type", "experiment")
    type_("ml", "deploy-prepare", "0042", "--model", "models/credit-v1.joblib", "--data", "data/train.csv")
    result = type_("sw", "do", "0043", "--until", "T-001")

    assert [(task["task"], task["passed"]) for task in result["ran"]] == [("T-002", True)]
    [waiting] = result["waiting"]
    assert (waiting["task"], waiting["reason"]) == ("T-001", "tool-missing")
    assert "docker" in waiting["action"]
    assert "/ml:containerize 0043 --build" in waiting["action"]
