"""From a model file to a model package: convert, compare on every row, measure, write."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from specweave.artifacts.requirements import pinned
from specweave.command import Context, Progress
from specweave.errors import ConflictError, ModelError
from specweave.files import atomic
from specweave.increments import repository
from specweave.model_packages import store
from specweave.model_packages.store import Package
from specweave.operations.model_environment.call import call
from specweave.operations.model_environment.inspection import (
    Format,
    check_data,
    decode,
    format_of,
    needed_to_read,
    request,
)
from specweave.operations.model_environment.overlay import overlay
from specweave.operations.model_environment.python import ModelPython, find_python
from specweave_runtime import package as format_
from specweave_runtime.package import Attempt, Executable, Golden, Input, Manifest, Parity, Signature, Source, digest

Kind = Literal["onnx", "treelite", "estimator"]

CONVERTERS: dict[Kind, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxruntime", "skl2onnx"),
    "treelite": ("treelite",),
    "estimator": (),
}
_TOLERATED = ("overlay-contradicts", "model-process-died", "model-environment-incomplete", "model-out-of-memory")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the user named, and what reads it."""

    python: ModelPython
    format: Format
    model: Path
    data: Path | None
    held_out: Path | None
    target: str | None


def build_package(
    context: Context,
    *,
    model: Path,
    data: Path | None,
    name: str,
    increment_number: str,
    held_out: Path | None = None,
    target: str | None = None,
    metadata: Mapping[str, object] | None = None,
) -> Package:
    """Make the next version of a model's package.

    The fastest way of execution that agrees with the estimator on every compared row is taken: onnxruntime, treelite's
    GTIL, the estimator itself.

    Args:
        context: project and host.
        model: the model's file, named by the user: a pickle runs its code in the model environment.
        data: reference data with the columns of the training data.
        name: of the model; made into letters, digits and hyphens.
        increment_number: the version starts with it.
        held_out: rows the model has not seen, for the comparison, all of them; else at most 20,000 rows of `data`.
        target: the column of the data that the model predicts, where it is not evident.
        metadata: what to register with the version; JSON types.

    Raises:
        ModelError: the model cannot be read, trusted, or reproduced by any way.
        NotFoundError, InvalidInputError: a file or a name that cannot be used.
        HostError: disk, permission, or the package index.
    """
    name = store.slug(name)
    if held_out is not None:
        check_data(held_out)
    before = digest(model) if model.is_file() else None
    format_of_model = format_of(model)
    if data is not None:
        check_data(data)
    python = find_python(context.project, context.host)
    context.report(Progress(f"reading {model.name} with Python {python.version} ({python.origin})"))
    asked = _Asked(python, format_of_model, model, data, held_out, target)
    with store.staging(context.project) as staged:
        taken, attempts = _convert(context, asked, staged)
        inspection = decode(taken, format_of_model, python)
        if digest(model) != before:
            raise ConflictError(
                "model-changed", f"{model.name} was written to meanwhile", next_step="run the command again"
            )
        inputs = msgspec.convert(taken["inputs"], tuple[Input, ...])
        _write(staged, format_.SIGNATURE, Signature(inspection.features, inspection.output, inputs, inspection.frame))
        _write(staged, format_.REFERENCE, inspection.reference)
        _write(staged, format_.GOLDEN, msgspec.convert(taken["golden"], Golden))
        manifest = Manifest(
            format=1,
            name=name,
            version=store.next_version(context.project, name, increment_number),
            created=context.host.now().isoformat(timespec="seconds").replace("+00:00", "Z"),
            estimator=inspection.estimator,
            executable=msgspec.convert(taken["executable"], Executable),
            source=_source(context, asked, increment_number, inspection.target),
            python=inspection.python.version,
            libraries=inspection.libraries,
            parity=_parity(taken, attempts),
            files={path.name: digest(path) for path in sorted(staged.iterdir())},
            metadata=dict(metadata or {}),
            notes=inspection.notes,
        )
        _write(staged, format_.MANIFEST, manifest)
        return store.add(context.project, staged)


def _convert(context: Context, asked: _Asked, staged: Path) -> tuple[dict[str, Any], tuple[Attempt, ...]]:
    """The answer of the first way that agrees, its file in `staged`, and every attempt."""
    attempts: list[Attempt] = []
    for kind in CONVERTERS:
        context.report(Progress(f"trying {kind}"))
        folder = staged / kind
        folder.mkdir()
        answer = _attempt(context, asked, kind, folder)
        attempts.append(msgspec.convert(answer["attempt"], Attempt))
        if attempts[-1].refused is None:
            for file in folder.iterdir():
                file.rename(staged / file.name)
            folder.rmdir()
            return answer, tuple(attempts)
        shutil.rmtree(folder)
    reasons = "; ".join(f"{attempt.kind}: {attempt.refused}" for attempt in attempts)
    raise ModelError(
        "model-not-reproducible",
        f"no way of execution gives the answers of {asked.model.name}: {reasons}",
        next_step="check that the model is deterministic and that the data is as it was in training",
    )


def _attempt(context: Context, asked: _Asked, kind: Kind, folder: Path) -> dict[str, Any]:
    wanted = needed_to_read(asked.format, asked.data, asked.python)
    wanted += [_requirement(name) for name in CONVERTERS[kind]]
    content = request(asked.model, asked.format, asked.data, asked.target) | {
        "operation": "convert",
        "kind": kind,
        "folder": str(folder),
        "held_out": str(asked.held_out) if asked.held_out else None,
    }
    try:
        return call(context, asked.python, overlay(context, asked.python, wanted), content)
    except ModelError as error:
        # A converter that crashes, or cannot stand beside the user's versions, is no reason not to serve the model.
        if kind == "estimator" or error.code not in _TOLERATED:
            raise
        return {"attempt": {"kind": kind, "refused": error.message}}


def _source(context: Context, asked: _Asked, increment_number: str, target: str | None) -> Source:
    return Source(
        path=context.project.relative(asked.model),
        sha256=digest(asked.model),
        increment=increment_number,
        data=context.project.relative(asked.data) if asked.data else None,
        data_sha256=digest(asked.data) if asked.data else None,
        held_out=context.project.relative(asked.held_out) if asked.held_out else None,
        held_out_sha256=digest(asked.held_out) if asked.held_out else None,
        target=target,
        commit=repository.head(context.project.root).commit,
    )


def _parity(taken: dict[str, Any], attempts: tuple[Attempt, ...]) -> Parity:
    last = attempts[-1]
    return Parity(
        rows=taken["rows"],
        label_mismatches=last.label_mismatches,
        max_difference=last.max_difference,
        tolerance=taken["tolerance"],
        origin=taken["origin"],
        tried=attempts,
        estimator_us=taken["estimator_us"],
        executable_us=taken["executable_us"],
        hard_rows=taken["hard_rows"],
    )


def _requirement(name: str) -> str:
    if name == "onnxruntime":
        return f"onnxruntime=={pinned('onnx', name)}"
    if name == "treelite":
        return f"treelite=={pinned('treelite', name)}"
    return name


def _write(folder: Path, name: str, value: object) -> None:
    atomic.write(folder / name, msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
