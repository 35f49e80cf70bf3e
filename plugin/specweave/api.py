"""The Python face: the commands as functions for a notebook or a script, with the words that data scientists use.

Each function works in the project of the current directory, or of `project`, and does what its command does, evidence
included. The results are those of the commands: fields for programs, `text()` for people.
"""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from specweave.arguments import slash_line, validate
from specweave.artifacts.container import PYTHON_VERSIONS
from specweave.command import Context
from specweave.errors import InvalidInputError
from specweave.host import RealHost
from specweave.increments import store
from specweave.operations.deployment_preparation import Prepared, prepare
from specweave.operations.load_test_request import LoadTestRequest
from specweave.operations.load_test_result import LoadTestResult
from specweave.operations.ml import containerize, create_api, deploy_prepare, load_test, rollback
from specweave.operations.model_choice import Wanted, deployment_of
from specweave.project import Project

__all__ = ["ModelVersion", "containerize_model", "create_model_api", "load_test_model"]

File = str | os.PathLike[str]

_MODEL_FRAMEWORKS = ("sklearn", "scikit-learn", "onnx")
_RATES, _DURATION_S = (10, 50, 100, 500, 1000), 60


def create_model_api(
    model_path: File,
    increment: str,
    framework: Literal["fastapi"] = "fastapi",
    *,
    data: File | None = None,
    held_out: File | None = None,
    target: str | None = None,
    name: str | None = None,
    project: File | None = None,
) -> create_api.CreateApiResult:
    """Generate the HTTP service of a model, after `/ml:deploy-prepare` where that is still to do.

    Args:
        model_path: the model file in the project (joblib, pickle, skops, ONNX). A pickle runs code when it is opened.
        increment: number, folder name or prefix. If it is not a deployment increment, the one that builds upon it is
            taken, or made.
        framework: of the service.
        data: training data in the project (CSV or Parquet), for types and ranges; by default what the increment names.
        held_out: rows for the parity gate; by default the training data.
        target: column of the data that the model predicts, where it is not evident.
        name: of the model; by default from the file's name.
        project: a folder in the project; by default the current directory.

    Raises:
        SpecweaveError: with a code, a message and the next step; see `specweave.errors`.
    """
    context = _context(project)
    request = {"increment": increment, "framework": framework}
    validate(create_api.CreateApiRequest, request)
    prepared = _prepare(context, increment, model_path, data=data, held_out=held_out, target=target, name=name)
    request["increment"] = prepared.increment_id
    return create_api.run(validate(create_api.CreateApiRequest, request), context)


def containerize_model(
    model_path: File,
    framework: str = "sklearn",
    python_version: str | None = None,
    *,
    increment: str,
    build: bool = False,
    tag: str | None = None,
    project: File | None = None,
) -> containerize.ContainerizeResult:
    """Generate the Dockerfile of a model's service, after `/ml:deploy-prepare` where that is still to do.

    Args:
        model_path: the model file in the project.
        framework: what the model was made with: `sklearn` or `onnx`.
        python_version: of the base image. One that no service runs on any more is replaced by the oldest that does,
            with a UserWarning.
        increment: as in `create_model_api`.
        build: build the image with docker, podman or buildah.
        tag: name of the image.
        project: a folder in the project; by default the current directory.

    Raises:
        SpecweaveError: with a code, a message and the next step; see `specweave.errors`.
    """
    if framework not in _MODEL_FRAMEWORKS:
        raise InvalidInputError(
            "argument-invalid",
            f"framework: models of {framework!r} cannot be served yet",
            next_step=f"use one of {', '.join(_MODEL_FRAMEWORKS)}; other models can be exported to ONNX",
        )
    context = _context(project)
    values = {"increment": increment, "python_version": _supported(python_version), "build": build, "tag": tag}
    validate(containerize.ContainerizeRequest, values)
    values["increment"] = _prepare(context, increment, model_path).increment_id
    return containerize.run(validate(containerize.ContainerizeRequest, values), context)


def load_test_model(
    api_url: str | None = None,
    requests_per_second: float | Sequence[float] = _RATES,
    duration_seconds: float = _DURATION_S,
    *,
    increment: str | None = None,
    approve: bool = False,
    project: File | None = None,
    **options: object,
) -> LoadTestResult:
    """Measure latency and errors of a service at each rate.

    Args:
        api_url: of the service or its `/predict`; without it the increment's own service is started for the test.
        requests_per_second: one rate or several.
        duration_seconds: of each rate.
        increment: whose service it is, as in `create_model_api`; may be left out where only one is open.
        approve: say yes to loading another machine than this; whose it is must have agreed.
        project: a folder in the project; by default the current directory.
        options: what else `/ml:load-test` takes, by the names that its MCP tool has: `find_max=True`,
            `bodies="generated"`, `header={"Authorization": "TOKEN"}`.

    Raises:
        SpecweaveError: with a code, a message and the next step; see `specweave.errors`.
    """
    context = replace(_context(project), approved=approve)
    values = {"increment": _deployment_increment(context.project, increment), "url": api_url, **options}
    # What is left out has another meaning where a search or a soak is asked for.
    if requests_per_second is not _RATES:
        values["rps"] = requests_per_second
    if duration_seconds != _DURATION_S:
        values["duration"] = duration_seconds
    return load_test.run(validate(LoadTestRequest, values), context)


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered version of a model: its package in `.specweave/models/`.

    Attributes:
        name: of the model.
        version: `<increment>-v<N>`, such as `0043-v1`.
        digest: SHA-256 of its manifest.
        path: folder of the package.
        increment: the deployment increment that it belongs to.
        metadata: what was registered with it.
    """

    name: str
    version: str
    digest: str
    path: Path
    increment: str
    metadata: Mapping[str, object]

    @classmethod
    def register(
        cls,
        model_path: File,
        increment: str,
        metadata: Mapping[str, object] | None = None,
        *,
        data: File | None = None,
        held_out: File | None = None,
        target: str | None = None,
        name: str | None = None,
        project: File | None = None,
    ) -> "ModelVersion":
        """Make a version from a model file, or return the one that was made of just this file, data and metadata.

        Args:
            model_path: the model file in the project.
            increment: as in `create_model_api`.
            metadata: facts to keep with the version (accuracy, training date); JSON types.
            data: as in `create_model_api`, and so are `held_out`, `target`, `name` and `project`.
            held_out: rows for the parity gate.
            target: column that the model predicts.
            name: of the model.
            project: a folder in the project.

        Raises:
            SpecweaveError: with a code, a message and the next step; see `specweave.errors`.
        """
        context = _context(project)
        files = {"data": data, "held_out": held_out}
        prepared = _prepare(context, increment, model_path, metadata=metadata, target=target, name=name, **files)
        package = prepared.package
        assert package is not None  # noqa: S101 - narrows the type: only a dry run has none
        return cls(
            name=package.name,
            version=package.version,
            digest=package.identity,
            path=package.path,
            increment=prepared.increment_id,
            metadata=dict(package.manifest.metadata),
        )

    @staticmethod
    def rollback(
        to_version: str | None = None,
        *,
        environment: str = "production",
        increment: str | None = None,
        project: File | None = None,
    ) -> rollback.RollbackResult:
        """Return an environment to a version that served there before.

        Args:
            to_version: its id; by default the one before the present one.
            environment: of deployment.yaml.
            increment: as in `create_model_api`; by default that of the version, else the only open one.
            project: a folder in the project.

        Raises:
            SpecweaveError: with a code, a message and the next step; see `specweave.errors`.
        """
        context = _context(project)
        increment = increment or (to_version.rpartition("-v")[0] if to_version else None) or None
        values = {
            "increment": _deployment_increment(context.project, increment),
            "environment": environment,
            "to": to_version,
        }
        return rollback.run(validate(rollback.RollbackRequest, values), context)


def _context(project: File | None) -> Context:
    return Context(project=Project.find(Path(project) if project else Path.cwd()), host=RealHost(), actor="python")


def _prepare(
    context: Context,
    increment: str,
    model_path: File,
    *,
    metadata: Mapping[str, object] | None = None,
    **more: File | None,
) -> Prepared:
    paths = {key: os.fspath(value) if value is not None else None for key, value in more.items()}
    values = {"increment": increment, "model": os.fspath(model_path), **paths}
    request = validate(deploy_prepare.DeployPrepareRequest, values)
    return prepare(
        context,
        command=slash_line(deploy_prepare.COMMAND, request),
        increment_name=request.increment,
        wanted=Wanted(
            model=request.model,
            data=request.data,
            held_out=request.held_out,
            target=request.target,
            name=request.name,
            metadata=metadata,
        ),
    )


def _deployment_increment(project: Project, name: str | None) -> str | None:
    """The deployment increment that is meant: the one named, or the one that builds upon the one named."""
    if name is None:
        return None
    named = store.find(project, name)
    if named.metadata().type == "deployment":
        return named.id
    built = deployment_of(named)
    return built.id if built else named.id


def _supported(python_version: str | None) -> str | None:
    oldest = PYTHON_VERSIONS[0]
    try:
        asked = tuple(int(part) for part in (python_version or oldest).split("."))
    except ValueError:
        return python_version
    if asked >= tuple(int(part) for part in oldest.split(".")):
        return python_version
    warnings.warn(f"no service runs on Python {python_version} any more; the image gets Python {oldest}", stacklevel=3)
    return oldest
