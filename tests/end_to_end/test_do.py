"""`sw do` does what a machine can do, and says exactly what is left to people."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.end_to_end.attempts import processes_of

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


SLOW = """### T-00{number}: Slow {number}

**Test**: {python} slow.py {number}

"""


def test_an_interruption_ends_all_tasks_that_run_and_says_nothing_of_them(tmp_path: Path) -> None:
    (tmp_path / ".specweave").mkdir()
    (tmp_path / ".specweave" / "config.yaml").write_text("tasks: {test_commands: true}\n")
    (tmp_path / "slow.py").write_text("import sys, time; open('started' + sys.argv[1], 'w'); time.sleep(600)")
    subprocess.run([SPECWEAVE, "sw", "inc", "work"], cwd=tmp_path, check=True, capture_output=True)
    folder = tmp_path / ".specweave" / "increments" / "0001-work"
    (folder / "tasks.md").write_text("".join(SLOW.format(number=number, python=sys.executable) for number in (1, 2)))
    with subprocess.Popen(
        [SPECWEAVE, "sw", "do", "--parallel", "2"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        while not all((tmp_path / f"started{number}").exists() for number in (1, 2)):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, b"Traceback" in said) == (130, False)
    deadline = time.monotonic() + 60
    while left := processes_of(tmp_path):  # each ends when it sees that its starter has gone
        assert time.monotonic() < deadline, left
    assert not (folder / "reports").exists()
