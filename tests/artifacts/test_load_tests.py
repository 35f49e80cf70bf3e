"""What is generated for Locust and k6, as far as it shows without them; tests/integration/load runs it."""

import json
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from ruamel.yaml import YAML

import specweave_runtime
from specweave.artifacts import load_tests
from specweave.increments.deployment import Deployment, ModelReference, Service
from specweave.increments.store import Increment
from specweave.operations.load_testing import Exchange, Plan, Step, answer_form, judgement, redaction, statistics
from specweave.project import EnvironmentSettings, Project, SloSettings
from specweave_runtime.package import Executable, Manifest, Parity, Source

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
COPIED = {name: Path(str(module.__file__)).read_bytes() for name, module in
          (("answer_form.py", answer_form), ("redaction.py", redaction))}  # fmt: skip


def manifest() -> Manifest:
    return Manifest(
        format=1, name="credit-model", version="0043-v1", created="2026-11-20T12:00:00Z", estimator=("Pipeline",),
        executable=Executable("onnx", "model.onnx"), source=Source("m.joblib", "0" * 64, "0001"), python="3.11.7",
        libraries={}, parity=Parity(3, 0, 0.0, 1e-5, "held-out", (), 1.0, 1.0), files={},
    )  # fmt: skip


def settings(name: str = "credit-model") -> Deployment:
    return Deployment(
        model=ModelReference(name="credit-model", version="0043-v1"),
        service=Service(name=name),
        slo=SloSettings(latency_p95_ms=120, error_rate=0.005),
        environments={"staging": EnvironmentSettings()},
    )


def increment_in(folder: Path) -> Increment:
    increment = Increment(Project(folder), folder / ".specweave/increments/0043-deploy-credit-model")
    increment.folder.mkdir(parents=True, exist_ok=True)
    return increment


def plan(**changes: Any) -> Plan:
    exchange = Exchange('{"features": {"age": 45}}', {"prediction": "good"}, {"probability": 0.75})
    usual: dict[str, Any] = {"url": "http://127.0.0.1:8000/predict", "steps": (Step(50, 30), Step(0.5, 60))}
    return Plan(**{**usual, "corpus": (exchange,), **changes})


def generate(folder: Path, wanted: Plan | None = None, deployment: Deployment | None = None) -> load_tests.ledger.Plan:
    content = msgspec.json.encode(wanted or plan())
    return load_tests.generate(increment_in(folder), manifest(), deployment or settings(), content, COPIED)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    changes = generate(tmp_path, plan(header_variables={"X-API-Key": "SPECWEAVE_API_KEY"}))
    changes.apply()
    return changes.folder / "load-tests"


def run(program: str, *words: str, cwd: Path) -> None:
    done = subprocess.run([PROGRAMS / program, *words], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def documents(folder: Path, name: str) -> list[Any]:
    return list(YAML(typ="safe").load_all(folder / name))


def test_the_plan_that_is_generated_is_the_plan(folder: Path) -> None:
    wanted = plan(header_variables={"X-API-Key": "SPECWEAVE_API_KEY"})
    assert msgspec.json.decode((folder / "plan.json").read_bytes(), type=Plan) == wanted


def test_what_decides_about_answers_is_copied_byte_for_byte(folder: Path) -> None:
    for name, content in COPIED.items():
        assert (folder / name).read_bytes() == content
    original = Path(specweave_runtime.__path__[0]) / "agreement.py"
    assert (folder / "specweave_runtime/agreement.py").read_bytes() == original.read_bytes()


def test_the_generated_python_is_formatted_and_lint_clean(folder: Path) -> None:
    ruff = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]
    lines = [
        f"line-length = {ruff['line-length']}",
        f"target-version = '{ruff['target-version']}'",
        "extend-exclude = ['answer_form.py', 'redaction.py', 'specweave_runtime']",
        "[lint]",
        f"select = {ruff['lint']['select']}",
        f"ignore = {ruff['lint']['ignore']}",
        "[lint.isort]",
        "known-third-party = ['specweave_runtime']",
    ]
    (folder / "ruff.toml").write_text("\n".join(lines), encoding="utf-8")
    run("ruff", "format", "--check", ".", cwd=folder)
    run("ruff", "check", ".", cwd=folder)


def test_the_objective_of_the_deployment_decides_in_both_tools(folder: Path) -> None:
    assert "SLO = (120.0, 0.005)" in (folder / "locustfile.py").read_text()
    script = (folder / "script.js").read_text()
    assert "const P95_MS = 120.0;" in script
    assert "const ERROR_RATE = 0.005;" in script


def test_a_step_is_judged_as_the_tool_judges_it(folder: Path) -> None:
    program: Any = SimpleNamespace(**runpy.run_path(str(folder / "load_judgement.py")))
    figures: Any = SimpleNamespace(**runpy.run_path(str(folder / "load_figures.py")))
    assert program.FEWEST_SAMPLES == judgement.FEWEST_SAMPLES
    assert (figures.SAMPLES_FOR_P95, figures.SAMPLES_FOR_P99) == (
        statistics.SAMPLES_FOR_P95, statistics.SAMPLES_FOR_P99
    )  # fmt: skip
    slo = (120.0, 0.005)
    said = {
        (20, 5.0, 0.0): "unknown: too few requests",
        (58, 900.0, 0.0): "unknown: too few requests",
        (20, 5.0, 0.05): "no",
        (59, 5.0, 0.0): "yes",
        (59, 121.0, 0.0): "no",
    }
    for (requests, slowest, errors), verdict in said.items():
        found = {"p95": None, "max": slowest, "error_rate": errors}
        assert program.judge(found, requests, slo) == verdict, (requests, slowest, errors)
    assert program.judge({"p95": 119.0, "max": 900.0, "error_rate": 0.0}, 200, slo) == "yes"
    assert not program.passes([program.UNKNOWN]), "what is not known is not held"
    assert program.passes([program.UNKNOWN, program.WITHIN])
    assert not program.passes([program.WITHIN, program.BEYOND])


def test_the_share_of_errors_that_is_allowed_is_not_beyond_it_by_its_last_bits(folder: Path) -> None:
    figures: Any = SimpleNamespace(**runpy.run_path(str(folder / "load_figures.py")))
    due, outcome = np.arange(300) / 100, np.full(300, figures.CORRECT, np.uint16)
    outcome[:3] = 503
    found = figures.figures({"duration_s": 3.0}, {"due": due, "done": due + 0.01, "outcome": outcome})
    assert found["error_rate"] == 0.01


def test_the_readme_says_how_a_test_in_a_cluster_is_done_again(folder: Path) -> None:
    assert "`kubectl delete --filename kubernetes.yaml`" in (folder / "README.md").read_text()


def test_the_dockerfile_is_lint_clean_and_takes_only_locked_wheels(folder: Path) -> None:
    run("hadolint", "Dockerfile", cwd=folder)
    text = (folder / "Dockerfile").read_text()
    assert "--require-hashes --only-binary :all:" in text
    assert "COPY *.py plan.json /load-tests/" in text


def test_the_compose_file_is_one_and_its_workers_get_the_keys(folder: Path) -> None:
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml", cwd=folder)
    (compose,) = documents(folder, "docker-compose.yml")
    worker, master = compose["services"]["worker"], compose["services"]["master"]
    assert worker["environment"]["SPECWEAVE_API_KEY"].startswith("${SPECWEAVE_API_KEY:?")
    assert "--host=${TARGET:-http://host.docker.internal:8000}" in master["command"]
    assert "environment" not in master, "the master sends nothing, so it needs no key"
    assert worker["image"] == master["image"] == "credit-model-load-tests:0043-v1"


def test_the_manifest_has_a_master_that_waits_for_its_workers(folder: Path) -> None:
    service, master, worker = documents(folder, "kubernetes.yaml")
    assert (service["kind"], master["kind"], worker["kind"]) == ("Service", "Job", "Job")
    labels = master["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    (first,) = master["spec"]["template"]["spec"]["containers"]
    (second,) = worker["spec"]["template"]["spec"]["containers"]
    assert f"--expect-workers={worker['spec']['parallelism']}" in first["args"]
    assert f"--master-host={service['metadata']['name']}" in second["args"]
    assert second["env"][0]["valueFrom"]["secretKeyRef"]["key"] == "SPECWEAVE_API_KEY"
    for container in (first, second):
        assert container["securityContext"]["readOnlyRootFilesystem"]


def test_names_fit_what_kubernetes_takes(tmp_path: Path) -> None:
    generate(tmp_path, deployment=settings("s" * 63)).apply()
    for document in documents(increment_in(tmp_path).folder / "load-tests", "kubernetes.yaml"):
        assert len(document["metadata"]["name"]) <= 63


def test_a_service_elsewhere_is_called_where_it_is(tmp_path: Path) -> None:
    generate(tmp_path, plan(url="https://credit.example/predict")).apply()
    folder = increment_in(tmp_path).folder / "load-tests"
    (compose,) = documents(folder, "docker-compose.yml")
    assert "--host=${TARGET:-https://credit.example}" in compose["services"]["master"]["command"]
    assert "--host=https://credit.example" in (folder / "kubernetes.yaml").read_text()


def test_generating_again_changes_nothing_and_an_edit_is_kept(tmp_path: Path) -> None:
    generate(tmp_path).apply()
    assert {change.action for change in generate(tmp_path).changes} == {"unchanged"}
    locustfile = increment_in(tmp_path).folder / "load-tests/locustfile.py"
    locustfile.write_text(locustfile.read_text() + "# mine\n")
    (conflict,) = [change for change in generate(tmp_path).changes if change.action != "unchanged"]
    assert (conflict.path, conflict.action) == ("load-tests/locustfile.py", "conflict")
    assert json.loads((increment_in(tmp_path).folder / "load-tests/plan.json").read_text())["steps"]
