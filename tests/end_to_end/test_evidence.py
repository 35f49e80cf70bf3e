"""An increment proves itself: from its making to its end by `sw do` alone, and no longer when its service is broken."""

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


def without(text: str, first: str, after: str) -> str:
    """A document without the part from one heading to another."""
    return text[: text.index(f"### {first}")] + text[text.index(f"### {after}") :]


def edited_by_the_user(folder: Path) -> None:
    """What is not built yet is taken out with its stories, the image is not built here, and little load is enough."""
    tasks, spec = folder / "tasks.md", folder / "spec.md"
    text = without(tasks.read_text("utf-8"), "T-003", "T-005")
    text = text.replace("/ml:containerize 0043 --build", "/ml:containerize 0043")
    tasks.write_text(re.sub(r"--rps [\d,]+ --duration 10s", "--rps 250 --duration 1s", text), "utf-8")
    spec.write_text(without(spec.read_text("utf-8"), "US-004", "US-006"), "utf-8")


def fail(project: Path, *words: str) -> dict[str, Any]:
    """Type a command whose outcome is negative; its result."""
    answer = attempts.type_(project, *words)
    assert answer.status == 1, answer
    return answer.document


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
    assert (done["stopped"], done["done"], done["total"], done["status"]) == ("completed", 6, 6, "ready_for_review")
    assert "[ ]" not in (folder / "spec.md").read_text("utf-8")
    verified = succeed(workspace, "sw", "verify", "0043", "--task", "T-002")
    assert criteria(verified) == {"AC-US1-01": "passed", "AC-US1-02": "passed", "AC-US1-03": "passed"}
    assert verified["criteria"][0]["proofs"][0]["tests"]["passed"] > 50
    assert succeed(workspace, "sw", "done", "0043")["status"] == "completed"
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
        "T-005": "not run",
        "T-006": "not repeated",
        "T-007": "not run",
        "T-008": "not repeated",
    }
    why = next(criterion["why"] for criterion in verified["criteria"] if criterion["id"] == "AC-US1-01")
    assert "test_a_golden_row_gets_the_expected_answer" in why
    assert "test_a_golden_row_gets_the_expected_answer" in (folder / verified["report"]).read_text("utf-8")
    assert "- [ ] **AC-US1-01**" in (folder / "spec.md").read_text("utf-8")
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
