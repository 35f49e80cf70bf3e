"""What is generated for Locust, k6 and clusters, tried without a service."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.artifacts.test_load_tests import plan
from tests.integration.load.conftest import write

from specweave.operations.load_testing import Exchange, Plan, Step
from specweave.operations.load_testing.answer_form import AnswerForm
from specweave.operations.load_testing.plan import schedule

RUN = Path(__file__).with_name("stand_ins") / "run.mjs"
GOOD = Exchange('{"features": {"age": 45}}', {"prediction": "good"}, {"probabilities": {"bad": 0.25, "good": 0.75}})
ANY = Exchange('{"features": {"age": 46}}', form=AnswerForm(classes=("bad", "good")))


def run(*argv: str | Path, **environment: str) -> str:
    done = subprocess.run(
        [str(word) for word in argv], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def script(node: str, folder: Path, wanted: Plan, answers: list[tuple[int, str]], **environment: str) -> dict[str, Any]:
    told = json.dumps([{"status": status, "body": body} for status, body in answers])
    found: dict[str, Any] = json.loads(run(node, RUN, write(folder, wanted) / "script.js", told, **environment))
    return found


@pytest.mark.parametrize(
    ("step", "arrivals"),
    [
        (Step(100, 3), "poisson"),
        (Step(0.5, 10), "poisson"),
        (Step(250, 2), "constant"),
        (Step(100, 3, 10), "ramp"),
        (Step(80, 3, 0), "ramp"),
    ],
)
def test_the_workers_have_the_schedule_of_the_engine(
    tmp_path: Path, own_python: Path, step: Step, arrivals: str
) -> None:
    told = {"rate": step.rate, "duration_s": step.duration_s, "start_rate": step.start_rate}
    code = "import json, sys; import load_worker; print(json.dumps(load_worker.schedule(*json.loads(sys.argv[1]))))"
    folder = write(tmp_path)
    found = run(own_python, "-W", "ignore", "-c", code, json.dumps([told, arrivals, 7]), PYTHONPATH=str(folder))
    np.testing.assert_allclose(json.loads(found), schedule(step, arrivals, 7), rtol=1e-12)  # type: ignore[arg-type] # a literal


def test_the_generated_python_is_strictly_typed(tmp_path: Path, own_python: Path) -> None:
    folder = write(tmp_path)
    run(
        *(Path(sys.executable).with_name("mypy"), "--strict", "--disable-error-code=import-untyped", "--config-file="),
        *("--python-executable", own_python, "--cache-dir", tmp_path / "mypy"),
        *(folder / "locustfile.py", *folder.glob("load_*.py")),
        MYPYPATH=str(folder),
    )


def test_the_manifest_is_what_kubernetes_takes(tmp_path: Path, own_python: Path) -> None:
    wanted = plan(header_variables={"X-API-Key": "SPECWEAVE_API_KEY"})
    manifest = write(tmp_path, wanted) / "kubernetes.yaml"
    run(own_python.with_name("kubernetes-validate"), "--strict", manifest)


def test_the_requirements_install_from_wheels_alone(tmp_path: Path, own_python: Path) -> None:
    lock = write(tmp_path) / "requirements.txt"
    uv = Path(sys.executable).with_name("uv")
    argv = (
        "--dry-run",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--python-version",
        "3.12",
        "--target",
        tmp_path / "t",
    )
    run(uv, "pip", "install", "--quiet", *argv, "--python", own_python, "-r", lock)


def test_k6_gets_a_scenario_for_each_step_that_waits_for_no_answer(tmp_path: Path, node: str) -> None:
    wanted = plan(steps=(Step(100, 30), Step(0.5, 60)), timeout_s=5.0)
    options = script(node, tmp_path, wanted, [])["options"]
    first, second = options["scenarios"].values()
    assert (first["executor"], first["rate"], first["timeUnit"]) == ("constant-arrival-rate", 100, "1s")
    assert (second["rate"], second["timeUnit"]) == (500, "1000s"), "k6 takes whole numbers"
    assert first["startTime"] == "0s"
    assert second["startTime"] == "45s", "it begins when the first has drained"
    assert first["preAllocatedVUs"] == first["maxVUs"] == 24, "100 a second that take twice 120 ms"


def test_k6_aborts_beyond_the_objective_and_where_it_was_late(tmp_path: Path, node: str) -> None:
    options = script(node, tmp_path, plan(steps=(Step(100, 30),)), [])["options"]
    (name,) = options["scenarios"]
    thresholds = {key: entry[0] for key, entry in options["thresholds"].items()}
    assert {key: entry["threshold"] for key, entry in thresholds.items()} == {
        f"http_req_duration{{scenario:{name}}}": "p(95)<=120",
        f"checks{{scenario:{name}}}": "rate>=0.995",
        f"dropped_iterations{{scenario:{name}}}": "count==0",
    }
    assert all(entry["abortOnFail"] for entry in thresholds.values())


def test_k6_raises_the_rate_of_a_ramp(tmp_path: Path, node: str) -> None:
    options = script(node, tmp_path, plan(steps=(Step(50, 30, 10),), arrivals="ramp"), [])["options"]
    (ramp,) = options["scenarios"].values()
    assert (ramp["executor"], ramp["startRate"]) == ("ramping-arrival-rate", 10)
    assert ramp["stages"] == [{"target": 50, "duration": "30s"}]


def test_k6_knows_right_answers_from_wrong_ones(tmp_path: Path, node: str) -> None:
    right = {"prediction": "good", "probabilities": {"bad": 0.2500001, "good": 0.75}}
    answers = [
        (200, json.dumps(right)),
        (200, json.dumps({**right, "probabilities": {"bad": 0.2501, "good": 0.7499}})),
        (200, json.dumps({"prediction": "bad"})),
        (200, json.dumps({"prediction": "good"})),
        (500, json.dumps(right)),
        (200, "<html>"),
        (200, "null"),
        (302, json.dumps(right)),
    ]
    found = script(node, tmp_path, plan(corpus=(GOOD,)), answers)
    assert found["checks"] == [True, False, False, True, False, False, False, False]


def test_k6_checks_the_form_of_answers_that_nobody_knows(tmp_path: Path, node: str) -> None:
    answers = [(200, json.dumps({"prediction": value})) for value in ("bad", "other", 1, None)]
    found = script(node, tmp_path, plan(corpus=(ANY,)), answers)
    assert found["checks"] == [True, False, False, False]


def test_k6_sends_each_body_in_turn_to_where_it_is_told_with_the_key(tmp_path: Path, node: str) -> None:
    wanted = plan(corpus=(GOOD, ANY), header_variables={"X-API-Key": "TEST_KEY"})
    answers = [(200, "{}")] * 3
    found = script(node, tmp_path, wanted, answers, TEST_KEY="s3cret", TARGET="https://elsewhere.example:8443/")
    assert [request["body"] for request in found["requests"]] == [GOOD.body, ANY.body, GOOD.body]
    assert {request["url"] for request in found["requests"]} == {"https://elsewhere.example:8443/predict"}
    for request in found["requests"]:
        assert request["parameters"]["headers"]["X-API-Key"] == "s3cret"
        assert request["parameters"]["redirects"] == 0


def test_k6_says_which_key_is_missing(tmp_path: Path, node: str) -> None:
    folder = write(tmp_path, plan(header_variables={"X-API-Key": "TEST_KEY"}))
    environment = {name: value for name, value in os.environ.items() if name != "TEST_KEY"}
    argv = [node, str(RUN), str(folder / "script.js"), "[]"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode != 0
    assert "TEST_KEY" in done.stderr
