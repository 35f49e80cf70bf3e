"""An increment proves itself: by `sw do` alone where there are commands, and no longer when its service is broken."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.end_to_end import attempts
from tests.end_to_end.attempts import INCREMENT, SOURCE, succeed

CREDIT = ("--model", "models/credit-v1.joblib", "--data", "data/train.csv", "--name", "credit-model")
UPSIDE_DOWN = """
def upside_down(outcome: Outcome[str], model_version: str, inference_time_ms: float) -> Answer:
    return Answer(outcome.prediction, 1 - outcome.probabilities[1], model_version, inference_time_ms)


app"""


# Monitoring and the A/B test: their commands are not built, and nothing else shows what they are to show.
UNBUILT = {"AC-US4-01": "T-003", "AC-US5-01": "T-004"}


def edited_by_the_user(folder: Path) -> None:
    """The image is not built here, and little load is enough."""
    tasks = folder / "tasks.md"
    text = tasks.read_text("utf-8").replace("/ml:containerize 0043 --build", "/ml:containerize 0043")
    tasks.write_text(re.sub(r"--rps [\d,]+ --duration 10s", "--rps 250 --duration 1s", text), "utf-8")


def fail(project: Path, *words: str) -> dict[str, Any]:
    """Type a command whose outcome is negative; its result."""
    answer = attempts.type_(project, *words)
    assert answer.status == 1, answer
    return answer.document


def unticked(folder: Path) -> set[str]:
    return set(re.findall(r"- \[ \] \*\*(AC-[\w-]+)\*\*", (folder / "spec.md").read_text("utf-8")))


def criteria(verified: dict[str, Any]) -> dict[str, str]:
    return {criterion["id"]: criterion["result"] for criterion in verified["criteria"]}


def test_a_deployment_is_done_by_its_tasks_and_undone_by_a_broken_service(workspace: Path, prepared: Path) -> None:
    lend_caches(prepared, workspace)
    folder = workspace / ".specweave" / "increments" / INCREMENT
    succeed(workspace, "sw", "inc", SOURCE, "--type", "experiment")
    succeed(workspace, "ml", "deploy-prepare", "0042", *CREDIT)
    edited_by_the_user(folder)

    done = succeed(workspace, "sw", "do", "0043", "--approve")
    assert [(run["task"], run["passed"]) for run in done["ran"]] == [
        (task, True) for task in ("T-002", "T-001", "T-005", "T-006", "T-007", "T-008")
    ]
    assert (done["stopped"], done["done"], done["total"], done["status"]) == ("waiting", 6, 8, "active")
    assert [(waiting["task"], waiting["reason"]) for waiting in done["waiting"]] == [
        ("T-003", "not-built"),
        ("T-004", "not-built"),
    ]
    assert unticked(folder) == set(UNBUILT)
    verified = succeed(workspace, "sw", "verify", "0043", "--task", "T-002")
    assert criteria(verified) == {"AC-US1-01": "passed", "AC-US1-02": "passed", "AC-US1-03": "passed"}
    assert verified["criteria"][0]["proofs"][0]["tests"]["passed"] > 50
    refused = fail(workspace, "sw", "done", "0043")
    assert {gap["criterion"]: (gap["task"], gap["state"]) for gap in refused["missing"]} == {
        criterion: (task, "none") for criterion, task in UNBUILT.items()
    }
    assert all("is not built yet" in gap["action"] for gap in refused["missing"])
    closed = succeed(workspace, "sw", "done", "0043", "--reason", "monitoring and the A/B test come with 0044")
    assert (closed["status"], closed["unproven"]) == ("completed", [f"{criterion} (none)" for criterion in UNBUILT])
    assert "stale" not in text_of(workspace, "sw", "status")
    evidence = [json.loads(path.read_text("utf-8")) for path in sorted((folder / "reports").glob("*.json"))]
    assert all(report["passed"] and report["commit"] for report in evidence)

    main = folder / "api" / "main.py"
    broken = main.read_text("utf-8").replace("import Features", "import Answer, Features")
    broken = broken.replace("\napp", f"\nfrom specweave_runtime.outcomes import Outcome\n{UPSIDE_DOWN}", 1)
    main.write_text(broken.replace("answer=answer,", "answer=upside_down,"), "utf-8")
    missing = {gap["criterion"]: gap for gap in fail(workspace, "sw", "done", "0043")["missing"]}
    assert (missing["AC-US1-01"]["state"], missing["AC-US1-01"]["why"]) == ("stale", "api/main.py changed")
    assert "T-002 stale: api/main.py changed" in text_of(workspace, "sw", "status")

    verified = fail(workspace, "sw", "verify", "0043")
    assert criteria(verified)["AC-US1-01"] == "failed"
    assert criteria(verified)["AC-US2-01"] == "stale"
    checks = {check["task"]: check["why"].partition(":")[0] for check in verified["checks"] if check["passed"] is None}
    assert checks == {
        "T-001": "not repeated",
        "T-003": "not run",
        "T-004": "not run",
        "T-005": "not run",
        "T-006": "not repeated",
        "T-007": "not run",
        "T-008": "not repeated",
    }
    why = next(criterion["why"] for criterion in verified["criteria"] if criterion["id"] == "AC-US1-01")
    assert "test_a_golden_row_gets_the_expected_answer" in why
    assert "test_a_golden_row_gets_the_expected_answer" in (folder / verified["report"]).read_text("utf-8")
    assert "AC-US1-01" in unticked(folder)
    missing = {gap["criterion"]: gap["state"] for gap in fail(workspace, "sw", "done", "0043")["missing"]}
    assert missing["AC-US1-01"] == "failed"
    assert "T-002 failed" in text_of(workspace, "sw", "status")


def text_of(project: Path, *words: str) -> str:
    command = [str(attempts.SPECWEAVE), *words]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=True).stdout


def lend_caches(prepared: Path, project: Path) -> None:
    """Let a project use the environments that another one has made already."""
    cache = project / ".specweave" / "cache"
    cache.mkdir()
    for name in ("environments", "overlays"):
        (cache / name).symlink_to(prepared / ".specweave" / "cache" / name)
