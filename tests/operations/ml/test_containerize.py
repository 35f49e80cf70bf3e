"""`ml containerize` with stand-ins for the builders; the real ones run in tests/integration/containers."""

import json
import os
from pathlib import Path

import msgspec
import pytest

from specweave.command import Context
from specweave.errors import HostError, InvalidInputError, NotFoundError, SpecweaveError
from specweave.host import RealHost
from specweave.increments import deployment
from specweave.increments.deployment import ModelReference, Service
from specweave.operations.ml.containerize import COMMAND, ContainerizeRequest, ContainerizeResult
from specweave.project import EnvironmentSettings, Project, SloSettings
from specweave_runtime.package import (
    Executable,
    Feature,
    Golden,
    GoldenRow,
    Input,
    Manifest,
    Output,
    Parity,
    Signature,
    Source,
    digest,
)

INCREMENT = ".specweave/increments/0043-deploy-price-model"
IMAGE = "sha256:" + "ab" * 32

WORKS = f"""
[ "$1" = build ] || exit 0
while [ $# -gt 1 ]; do
    [ "$1" = --iidfile ] && printf {IMAGE} > "$2"
    [ "$1" = --tag ] && echo "tagging $2" >&2
    shift
done
"""
FAILS_TO_BUILD = '[ "$1" = build ] || exit 0\necho "no space left on device" >&2\nexit 125\n'
HAS_NO_DAEMON = 'echo "Cannot connect to the daemon" >&2\nexit 1\n'


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A project with a deployment increment, its package, and a service."""
    root = tmp_path / "project"
    _package(root / ".specweave/models/price-model/0043-v1")
    folder = root / INCREMENT
    for name in ("api/main.py", "api/requirements.txt", "runtime/specweave_runtime/server.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    metadata = {
        "schema": 1,
        "id": folder.name,
        "status": "active",
        "type": "deployment",
        "title": "Deploy",
        "links": [],
        "created": "2026-11-20T12:00:00Z",
        "updated": "2026-11-20T12:00:00Z",
        "tasks": {},
    }
    (folder / "metadata.json").write_text(json.dumps(metadata), "utf-8")
    (folder / "tasks.md").write_text(
        "# Tasks\n\n### T-001: Make the image\n\n**Status**: [ ] pending\n**Run**: /ml:containerize 0043\n", "utf-8"
    )
    described = deployment.initial(
        ModelReference(name="price-model", version="0043-v1"),
        Service(name="price-model"),
        SloSettings(),
        {"staging": EnvironmentSettings()},
    )
    (folder / "deployment.yaml").write_bytes(described)
    return Context(Project(root), RealHost())


def _package(folder: Path) -> None:
    folder.mkdir(parents=True)
    signature = Signature((Feature("x", "number"),), Output("regression"), (Input("numbers", "float64", ("x",)),))
    (folder / "signature.json").write_bytes(msgspec.json.encode(signature))
    (folder / "golden.json").write_bytes(msgspec.json.encode(Golden((GoldenRow({"x": 1.0}, 2.0),), 1e-5, 1.0)))
    (folder / "reference.json").write_bytes(b"{}")
    (folder / "model.onnx").write_bytes(b"a model")
    manifest = Manifest(
        format=1,
        name="price-model",
        version="0043-v1",
        created="2026-11-20T12:00:00Z",
        estimator=("LinearRegression",),
        executable=Executable("onnx", "model.onnx"),
        source=Source("models/price.joblib", "0" * 64, "0043"),
        python="3.12.1",
        libraries={},
        parity=Parity(9, 0, 0.0, 1e-5, "reference", (), 80.0, 5.0),
        files={path.name: digest(path) for path in folder.iterdir()},
    )
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs in front of everything else that can be run; no builder is in it yet."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("docker", "podman", "buildah"):
        _program(folder, name, HAS_NO_DAEMON)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def _program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text("#!/bin/sh\n" + script, "utf-8")
    path.chmod(0o755)


def containerize(context: Context, **arguments: object) -> ContainerizeResult:
    return COMMAND.run(ContainerizeRequest.model_validate({"increment": "0043", **arguments}), context)


def reports(context: Context) -> list[Path]:
    return sorted((context.project.root / INCREMENT / "reports").glob("*.json"))


def test_the_dockerfile_is_laid_down_checked_and_recorded_under_its_task(context: Context) -> None:
    result = containerize(context)
    folder = context.project.root / INCREMENT
    assert result.passed
    assert result.findings == []
    assert (folder / "api/Dockerfile").read_text("utf-8").count("FROM python:${PYTHON_VERSION}-slim") == 2
    (report,) = reports(context)
    assert json.loads(report.read_bytes())["passed"]
    assert "[001-containerize](reports/001-containerize.md) passed" in (folder / "tasks.md").read_text("utf-8")


def test_a_second_run_changes_nothing(context: Context) -> None:
    containerize(context)
    assert {change.action for change in containerize(context).changes} == {"unchanged"}


def test_a_dry_run_writes_nothing_and_builds_nothing(context: Context, programs: Path) -> None:
    before = sorted(context.project.root.rglob("*"))
    result = containerize(context, dry_run=True, build=True)
    assert {change.action for change in result.changes} == {"create"}
    assert sorted(context.project.root.rglob("*")) == before


def test_the_first_builder_that_works_builds_the_image(context: Context, programs: Path) -> None:
    _program(programs, "podman", WORKS)
    result = containerize(context, build=True, tag="price:test")
    assert (result.builder, result.image, result.passed) == ("podman", IMAGE, True)
    assert "tagging price:test" in result.log
    (report,) = reports(context)
    assert json.loads(report.read_bytes())["data"]["image"] == IMAGE


def test_the_package_index_of_the_user_reaches_the_build_and_its_password_no_argument(
    context: Context, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:word@index.example/simple")
    _program(programs, "podman", 'echo "arguments: $@" >&2\necho "index: $PIP_INDEX_URL" | tr w W >&2\n' + WORKS)
    log = containerize(context, build=True).log
    arguments, index = log.splitlines()[:2]
    assert "--build-arg PIP_INDEX_URL --file" in arguments
    assert "word" not in arguments
    assert "index.example" in index


def test_without_a_builder_the_reasons_and_a_next_step_are_given(context: Context, programs: Path) -> None:
    with pytest.raises(HostError, match="Cannot connect to the daemon") as raised:
        containerize(context, build=True)
    assert raised.value.code == "builder-missing"
    assert raised.value.next_step
    assert (context.project.root / INCREMENT / "api/Dockerfile").is_file()


def test_a_build_that_fails_is_a_negative_result_with_its_log(context: Context, programs: Path) -> None:
    _program(programs, "buildah", FAILS_TO_BUILD)
    result = containerize(context, build=True)
    assert (result.passed, result.image) == (False, None)
    assert "no space left on device" in result.text()
    (report,) = reports(context)
    assert json.loads(report.read_bytes())["passed"] is False
    assert "no space left" in report.with_suffix(".log").read_text("utf-8")


def test_what_hadolint_finds_in_an_edited_dockerfile_fails_the_check(context: Context) -> None:
    containerize(context)
    dockerfile = context.project.root / INCREMENT / "api/Dockerfile"
    dockerfile.write_text(dockerfile.read_text("utf-8") + "RUN cd /tmp\n", "utf-8")
    result = containerize(context)
    assert not result.passed
    assert result.findings
    assert all("DL" in finding or "SC" in finding for finding in result.findings)
    assert [change.action for change in result.changes if change.path == "api/Dockerfile"] == ["conflict"]


def test_a_service_that_was_not_generated_yet_cannot_be_built(context: Context, programs: Path) -> None:
    _program(programs, "podman", WORKS)
    (context.project.root / INCREMENT / "api/main.py").unlink()
    with pytest.raises(NotFoundError, match=r"api/main\.py") as raised:
        containerize(context, build=True)
    assert raised.value.code == "service-missing"
    assert "/ml:create-api" in raised.value.next_step


def test_a_package_that_was_changed_is_not_put_into_an_image(context: Context) -> None:
    model = context.project.state / "models/price-model/0043-v1/model.onnx"
    model.write_bytes(b"another model")
    with pytest.raises(SpecweaveError) as raised:
        containerize(context)
    assert raised.value.code == "package-invalid"
    assert not (context.project.root / INCREMENT / "api/Dockerfile").exists()


def test_a_python_that_services_do_not_run_on_is_refused(context: Context) -> None:
    with pytest.raises(InvalidInputError) as raised:
        containerize(context, python_version="3.9")
    assert raised.value.code == "python-version-invalid"


@pytest.mark.parametrize("tag", ["-x", "a b", "Upper", "a:b:c", "", "a" * 300, "x\n--privileged"])
def test_a_tag_that_is_none_is_refused(tag: str) -> None:
    with pytest.raises(ValueError, match="tag"):
        ContainerizeRequest.model_validate({"tag": tag})


@pytest.mark.parametrize("tag", ["price", "price:1.0", "registry.example:5000/team/price:0043-v1"])
def test_a_usual_tag_is_accepted(tag: str) -> None:
    assert ContainerizeRequest.model_validate({"tag": tag}).tag == tag


def test_passwords_of_a_package_index_are_in_no_log(context: Context, programs: Path) -> None:
    said = "echo Looking in https://me:s3cret@index.example/simple"
    _program(programs, "docker", WORKS.replace("shift", f"shift; {said}; {said} >&2"))
    heard: list[str] = []
    result = COMMAND.run(
        ContainerizeRequest(increment="0043", build=True),
        context.with_report(lambda progress: heard.append(str(progress))),
    )
    assert isinstance(result, ContainerizeResult)
    assert "https://…@index.example" in result.log
    written = [path.read_text("utf-8", "replace") for path in context.project.root.rglob("*") if path.is_file()]
    assert not [text for text in (*written, *heard, result.log) if "s3cret" in text]
