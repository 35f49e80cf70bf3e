import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from specweave.artifacts import container
from specweave.errors import InvalidInputError
from specweave.files.ledger import Plan
from specweave.files.rendering import render
from specweave.increments.deployment import Deployment, ModelReference, Service
from specweave.increments.store import Increment
from specweave.model_packages.store import Package
from specweave.project import EnvironmentSettings, Project
from specweave_runtime.package import Executable, Manifest, Output, Parity, Signature, Source

HADOLINT = Path(sys.executable).with_name("hadolint")
DIGEST = "5f" * 32


def manifest(**changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "format": 1,
        "name": "credit-model",
        "version": "0043-v1",
        "created": "2026-11-20T12:00:00Z",
        "estimator": ("sklearn.pipeline.Pipeline", "sklearn.ensemble.RandomForestClassifier"),
        "executable": Executable(kind="onnx", file="model.onnx"),
        "source": Source(path="models/credit.joblib", sha256="00" * 32, increment="0042"),
        "python": "3.12.1",
        "libraries": {"scikit-learn": "1.7.2"},
        "parity": Parity(100, 0, 0.0, 1e-5, "held-out", (), 100.0, 10.0),
        "files": {},
    }
    return Manifest(**{**values, **changes})


def generate(folder: Path, python_version: str | None = None, **changes: Any) -> Plan:
    described = manifest(**changes)
    package = Package(folder / "package", described, Signature((), Output("regression"), ()), DIGEST)
    settings = Deployment(
        model=ModelReference(name="credit-model", version="0043-v1"),
        service=Service(name="credit-model"),
        environments={"staging": EnvironmentSettings()},
    )
    increment = Increment(Project(folder), folder / ".specweave/increments/0043-deploy-credit-model")
    increment.folder.mkdir(parents=True, exist_ok=True)
    return container.generate(increment, package, settings, python_version=python_version)


def instructions(dockerfile: bytes) -> list[tuple[str, str]]:
    """Each instruction of a Dockerfile and its arguments, continuation lines joined."""
    text = re.sub(r"(?m)^\s*#.*\n", "", dockerfile.decode())
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(word, rest) for line in lines if line.strip() for word, _, rest in [line.partition(" ")]]


def final_stage(dockerfile: bytes) -> list[tuple[str, str]]:
    found = instructions(dockerfile)
    last = max(index for index, (word, _) in enumerate(found) if word == "FROM")
    return found[last:]


def hadolint(dockerfile: bytes, folder: Path) -> list[dict[str, Any]]:
    path = folder / "Dockerfile"
    path.write_bytes(dockerfile)
    completed = subprocess.run(
        [HADOLINT, "--no-fail", "--format", "json", path], capture_output=True, text=True, check=True
    )
    findings: list[dict[str, Any]] = json.loads(completed.stdout)
    return findings


def test_hadolint_finds_nothing(tmp_path: Path) -> None:
    assert hadolint(generate(tmp_path).files[container.DOCKERFILE], tmp_path) == []


def test_hadolint_finds_a_planted_fault(tmp_path: Path) -> None:
    faulty = generate(tmp_path).files[container.DOCKERFILE].replace(b"WORKDIR /app", b"WORKDIR app")
    assert [finding["code"] for finding in hadolint(faulty, tmp_path)] == ["DL3000"]


def test_the_final_stage_runs_the_server_without_a_shell_as_a_numbered_user(tmp_path: Path) -> None:
    stage = final_stage(generate(tmp_path).files[container.DOCKERFILE])
    by_name = dict(stage)
    assert by_name["USER"] == "10001:10001"
    assert json.loads(by_name["CMD"]) == [
        *("python", "-m", "specweave_runtime.server", "api.main:app"),
        *("--host", "0.0.0.0", "--port", "8000"),  # noqa: S104 - the address inside the container
    ]
    assert stage.index(("USER", "10001:10001")) > max(i for i, (word, _) in enumerate(stage) if word in {"RUN", "COPY"})


def test_the_health_check_is_python_in_exec_form_and_asks_whether_the_service_is_ready(tmp_path: Path) -> None:
    check = dict(final_stage(generate(tmp_path).files[container.DOCKERFILE]))["HEALTHCHECK"]
    options, _, command = check.partition("CMD ")
    program, flag, code = json.loads(command)
    assert (program, flag) == ("python", "-c")
    assert "/health/ready" in code
    compile(code, "HEALTHCHECK", "exec")
    assert {option.split("=")[0] for option in options.split()} >= {"--interval", "--timeout", "--retries"}


def test_requirements_are_installed_only_with_their_hashes_and_only_in_the_build_stage(tmp_path: Path) -> None:
    dockerfile = generate(tmp_path).files[container.DOCKERFILE]
    installs = [rest for word, rest in instructions(dockerfile) if word == "RUN" and " install " in rest]
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]
    assert not [rest for word, rest in final_stage(dockerfile) if word == "RUN" and " install " in rest]


def test_the_image_says_which_model_it_holds_and_demands_its_digest(tmp_path: Path) -> None:
    by_name = dict(final_stage(generate(tmp_path).files[container.DOCKERFILE]))
    labels = dict(label.split("=", 1) for label in shlex.split(by_name["LABEL"]))
    assert labels["specweave.model.digest"] == DIGEST
    assert labels["org.opencontainers.image.version"] == "0043-v1"
    variables = dict(variable.split("=", 1) for variable in shlex.split(by_name["ENV"]))
    assert variables["MODEL_DIGEST"] == DIGEST
    assert variables["MODEL_PACKAGE"] == "/app/models/credit-model/0043-v1"


def test_every_source_that_is_copied_is_let_through_by_the_ignore_file(tmp_path: Path) -> None:
    files = generate(tmp_path).files
    allowed = {line[1:] for line in files["api/Dockerfile.dockerignore"].decode().splitlines() if line[:1] == "!"}
    copies = [
        rest for word, rest in instructions(files[container.DOCKERFILE]) if word == "COPY" and "--from" not in rest
    ]
    assert len(copies) == 4
    for source, *_ in map(json.loads, copies):
        assert any(source == path or source.startswith(f"{path}/") for path in allowed), source


@pytest.mark.parametrize(
    "value", ['a "quoted" name', "$HOME ${PATH}", "back\\slash", "it's", "a#b", "é 日本", "{{ 7 * 7 }}", "a=b c=d"]
)
def test_a_value_with_special_characters_stays_one_value_of_one_label(tmp_path: Path, value: str) -> None:
    values = {
        "increment": "0043-x",
        "model": "m",
        "version": "0043-v1",
        "digest": DIGEST,
        "tag": "m:1",
        "service": value,
        "python_version": "3.11",
    }
    dockerfile = render("container", values)[container.DOCKERFILE]
    label = dict(final_stage(dockerfile))["LABEL"]
    titles = [
        word for word in shlex.split(label.replace("\\$", "$")) if word.startswith("org.opencontainers.image.title=")
    ]
    assert titles == [f"org.opencontainers.image.title={value}"]
    assert hadolint(dockerfile, tmp_path) == []


@pytest.mark.parametrize("name", ["a b", "a\nRUN id", "../x", "a$b", "", "-x", "a/b"])
def test_a_name_that_no_path_of_a_dockerfile_can_hold_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        generate(tmp_path, name=name)
    assert raised.value.code == "name-invalid"


@pytest.mark.parametrize(
    ("own", "wanted", "expected"),
    [("3.12.1", None, "3.12"), ("3.14.0", None, "3.14"), ("3.10.4", None, "3.11"), ("3.12.1", "3.13", "3.13")],
)
def test_a_converted_model_is_served_on_any_supported_python(
    tmp_path: Path, own: str, wanted: str | None, expected: str
) -> None:
    dockerfile = generate(tmp_path, wanted, python=own).files[container.DOCKERFILE]
    assert instructions(dockerfile)[0] == ("ARG", f"PYTHON_VERSION={expected}")


@pytest.mark.parametrize(
    ("kind", "own", "wanted"),
    [
        ("onnx", "3.12.1", "3.10"),
        ("estimator", "3.12.1", "3.13"),
        ("estimator", "3.10.4", None),
        ("onnx", "3.12.1", "3"),
    ],
)
def test_a_python_that_cannot_serve_the_model_is_refused(
    tmp_path: Path, kind: Any, own: str, wanted: str | None
) -> None:
    executable = Executable(kind=kind, file="model")
    with pytest.raises(InvalidInputError) as raised:
        generate(tmp_path, wanted, python=own, executable=executable)
    assert raised.value.code == "python-version-invalid"
    assert raised.value.next_step


def test_an_edited_dockerfile_is_kept(tmp_path: Path) -> None:
    plan = generate(tmp_path)
    plan.apply()
    edited = plan.folder / container.DOCKERFILE
    edited.write_text(edited.read_text() + "# ours\n")
    again = generate(tmp_path, "3.13")
    again.apply()
    assert [change.path for change in again.changes if change.action == "conflict"] == [container.DOCKERFILE]
    assert edited.read_text().endswith("# ours\n")


def test_the_python_that_was_chosen_stays_when_the_dockerfile_is_generated_again(tmp_path: Path) -> None:
    generate(tmp_path, "3.13").apply()
    assert {change.action for change in generate(tmp_path).changes} == {"unchanged"}


def test_an_estimator_keeps_its_own_python_whatever_the_dockerfile_says(tmp_path: Path) -> None:
    generate(tmp_path, "3.13").apply()
    estimator = generate(tmp_path, executable=Executable(kind="estimator", file="model.joblib"))
    assert instructions(estimator.files[container.DOCKERFILE])[0] == ("ARG", "PYTHON_VERSION=3.12")
