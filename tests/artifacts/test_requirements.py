from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from specweave.artifacts import requirements
from specweave.command import Context
from specweave.errors import HostError, ModelError, NotFoundError
from specweave.host import RealHost
from specweave.project import Project

TRAINED_WITH = {"scikit-learn": "1.7.2", "numpy": "2.2.6", "skl2onnx": "1.19.1", "onnxruntime": "1.23.2"}


def package(kind: str, python: str = "3.11.7", libraries: dict[str, str] | None = None) -> Any:
    manifest = SimpleNamespace(
        executable=SimpleNamespace(kind=kind), python=python, libraries=TRAINED_WITH if libraries is None else libraries
    )
    return SimpleNamespace(manifest=manifest)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Project(tmp_path), RealHost())


def pins(lock: bytes) -> dict[str, Version]:
    requirements = [Requirement(line.removesuffix("\\")) for line in lock.decode().splitlines() if "==" in line]
    return {requirement.name: Version(next(iter(requirement.specifier)).version) for requirement in requirements}


@pytest.mark.parametrize(("kind", "engine"), [("onnx", "onnxruntime"), ("treelite", "treelite")])
def test_a_converted_model_is_served_by_the_engine_that_parity_was_proven_with(
    context: Context, kind: Any, engine: str
) -> None:
    lock = pins(requirements.locked(package(kind), context))
    assert lock[engine] == Version(requirements.pinned(kind, engine))
    assert "scikit-learn" not in lock
    assert {"fastapi", "httptools", "msgspec", "numpy", "prometheus-client", "uvicorn", "uvloop"} <= lock.keys()


def test_an_estimator_is_served_by_the_libraries_that_trained_it(context: Context) -> None:
    lock = pins(requirements.locked(package("estimator"), context))
    assert lock["scikit-learn"] == Version("1.7.2")
    assert lock["numpy"] == Version("2.2.6")
    assert "onnxruntime" not in lock
    assert lock["fastapi"] == Version(requirements.pinned("onnx", "fastapi"))


def test_a_compiled_lock_has_a_hash_for_each_line_and_names_no_index(context: Context) -> None:
    lines = requirements.locked(package("estimator"), context).decode().splitlines()
    entries = [index for index, line in enumerate(lines) if "==" in line]
    assert all("--hash=sha256:" in lines[index + 1] for index in entries)
    assert not [line for line in lines if not line.startswith("    --hash=sha256:") and "==" not in line]


def test_a_library_of_a_local_build_is_asked_for_by_its_public_version(context: Context) -> None:
    lock = pins(requirements.locked(package("estimator", libraries={"numpy": "2.2.6+local.1"}), context))
    assert lock["numpy"] == Version("2.2.6")


def test_numpy_1_of_an_older_estimator_is_kept(context: Context) -> None:
    lock = pins(requirements.locked(package("estimator", libraries={"numpy": "1.26.4"}), context))
    assert lock["numpy"] == Version("1.26.4")


def test_libraries_that_contradict_each_other_are_named(context: Context) -> None:
    clash = {"scikit-learn": "1.9.1", "numpy": "1.0.1"}
    with pytest.raises(ModelError, match="numpy") as raised:
        requirements.locked(package("estimator", libraries=clash), context)
    assert raised.value.code == "requirements-contradict"


def test_without_a_network_the_next_step_is_said(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "UV_NO_CACHE": "1",
        "UV_DEFAULT_INDEX": "http://user:word@127.0.0.1:9/simple",
        "UV_HTTP_RETRIES": "0",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(HostError) as raised:
        requirements.locked(package("estimator"), context)
    assert raised.value.code == "requirements-not-locked"
    assert "network" in raised.value.next_step
    assert "word" not in str(raised.value)


@pytest.mark.parametrize(
    "libraries", [{"numpy\n--index-url": "1"}, {"numpy": "1\n-e ."}, {"numpy": "1 ; x"}, {"-r": "1"}, {"numpy": ""}]
)
def test_a_manifest_cannot_smuggle_an_option_into_the_requirements(context: Context, libraries: dict[str, str]) -> None:
    with pytest.raises(ModelError) as raised:
        requirements.locked(package("estimator", libraries=libraries), context)
    assert raised.value.code == "libraries-invalid"


@pytest.mark.parametrize(
    ("python", "code"), [("3.10.4", "python-unsupported"), ("three", "libraries-invalid"), ("3", "libraries-invalid")]
)
def test_an_estimator_of_an_unusable_python_is_refused(context: Context, python: str, code: str) -> None:
    with pytest.raises(ModelError) as raised:
        requirements.locked(package("estimator", python=python), context)
    assert raised.value.code == code


def test_a_distribution_that_is_not_locked_is_an_error() -> None:
    with pytest.raises(NotFoundError, match="onnxruntime") as raised:
        requirements.pinned("treelite", "onnxruntime")
    assert raised.value.code == "distribution-not-locked"
