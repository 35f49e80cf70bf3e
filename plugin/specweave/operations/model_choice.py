"""Which model a deployment increment is about: the files, the name, and the package that was made from them before."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from specweave.errors import InvalidInputError, NotFoundError
from specweave.increments import deployment, store
from specweave.increments.store import Increment
from specweave.model_packages import store as packages
from specweave.model_packages.store import Package
from specweave_runtime.package import Source, digest

MODEL_SUFFIXES = frozenset({".joblib", ".pkl", ".pickle", ".skops", ".onnx"})
_VERSION_SUFFIX = re.compile(r"(?<=.)[-_. ]?v?\d+(\.\d+)*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; paths count from the project's root.

    Attributes:
        model: the model file.
        data: training data.
        held_out: rows for the parity gate.
        target: column of the data that the model predicts, where it is not evident.
        name: of the model.
        metadata: what to register with the version (accuracy, training date); JSON types.
    """

    model: str | None = None
    data: str | None = None
    held_out: str | None = None
    target: str | None = None
    name: str | None = None
    metadata: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """What was chosen: absolute paths inside the project."""

    model: Path
    data: Path | None
    held_out: Path | None
    target: str | None
    metadata: Mapping[str, object] | None


def deployment_of(source: Increment) -> Increment | None:
    """The open deployment increment that builds upon another increment; None where there is none yet.

    Raises:
        NotFoundError: `increment-ambiguous`.
    """
    linked = [
        increment
        for increment in store.list_all(source.project)
        if (found := increment.metadata()).type == "deployment" and found.is_open and source.id in found.links
    ]
    if len(linked) > 1:
        names = ", ".join(increment.id for increment in linked)
        raise NotFoundError(
            "increment-ambiguous",
            f"{source.id} has more than one open deployment increment: {names}",
            next_step="name one of these",
        )
    return linked[0] if linked else None


def choose_inputs(increment: Increment | None, source: Increment, wanted: Wanted) -> Inputs:
    """The files: those asked for, else those that the deployment increment names, else those of what it builds upon.

    Raises:
        NotFoundError: `model-not-found`, `data-not-found`.
        InvalidInputError: `model-ambiguous`, `path-outside-project`, `path-invalid`.
    """
    project = source.project
    known: dict[str, str] = {}
    for named in (source, increment):
        link = named.metadata().model if named else None
        known |= {key: str(value) for key, value in (link.model_dump() if link else {}).items() if value}
    data, held_out = wanted.data or known.get("data"), wanted.held_out or known.get("held_out")
    return Inputs(
        model=project.resolve(wanted.model or known.get("path") or _held(source), what="model"),
        data=project.resolve(data, what="data") if data else None,
        held_out=project.resolve(held_out, what="data") if held_out else None,
        target=wanted.target or known.get("target"),
        metadata=wanted.metadata,
    )


def choose_name(increment: Increment | None, source: Increment, model: Path, name: str | None) -> str:
    """The name of the model: that of deployment.yaml, else as asked, else from the increment or the file.

    Raises:
        InvalidInputError: `model-name-changed`, `model-name-invalid`.
    """
    present = None
    if increment is not None and (increment.folder / deployment.FILE).exists():
        present = deployment.read(increment.folder).model.name
    if present is None:
        link = source.metadata().model
        return packages.slug(name or (link.name if link else None) or _VERSION_SUFFIX.sub("", model.stem))
    if name is not None and packages.slug(name) != present:
        raise InvalidInputError(
            "model-name-changed",
            f"the increment deploys the model {present}, not {name[:80]!r}",
            next_step="leave --name out, or make another increment for another model",
        )
    return present


def present_package(increment: Increment | None, name: str, inputs: Inputs) -> Package | None:
    """The newest package of the increment that was made, and compared with the estimator, from just this.

    Raises:
        ModelError: `package-invalid` for one that was changed.
    """
    if increment is None:
        return None
    project = increment.project
    mine = [version for _, version in packages.versions(project, name) if version.startswith(f"{increment.number}-")]
    for version in reversed(mine):
        package = packages.open_package(project, name, version)
        same_metadata = inputs.metadata is None or package.manifest.metadata == dict(inputs.metadata)
        if same_metadata and _made_from(package.manifest.source, inputs):
            return package
    return None


def _made_from(source: Source, inputs: Inputs) -> bool:
    # A target that nobody named is found again from the same data.
    return inputs.target in (None, source.target) and all(
        before == (digest(path) if path else None)
        for before, path in (
            (source.sha256, inputs.model),
            (source.data_sha256, inputs.data),
            (source.held_out_sha256, inputs.held_out),
        )
    )


def _held(source: Increment) -> Path:
    """The one model file in an increment's own folder."""
    found = sorted(path for path in source.folder.rglob("*") if path.suffix in MODEL_SUFFIXES and path.is_file())
    if not found:
        raise NotFoundError(
            "model-not-found",
            f"{source.id} holds and names no trained model",
            next_step="name the file: --model models/credit.joblib",
        )
    if len(found) > 1:
        names = ", ".join(source.project.relative(path) for path in found[:8])
        raise InvalidInputError(
            "model-ambiguous", f"{source.id} holds more than one model: {names}", next_step="name one with --model"
        )
    return found[0]
