"""What a model and its data say of the model's inputs and outputs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from specweave.command import Context, Progress
from specweave.errors import InvalidInputError, ModelError, NotFoundError
from specweave.operations.model_environment.call import call
from specweave.operations.model_environment.overlay import overlay
from specweave.operations.model_environment.python import ModelPython, find_python
from specweave_runtime.package import Feature, Output
from specweave_runtime.predictors.trusted import TRUSTED

Format = Literal["joblib", "pickle", "skops", "onnx"]

SUFFIXES: dict[str, Format] = {
    ".joblib": "joblib",
    ".pkl": "pickle",
    ".pickle": "pickle",
    ".skops": "skops",
    ".onnx": "onnx",
}
DATA_SUFFIXES = (".csv", ".tsv", ".parquet", ".pq")


@dataclass(frozen=True, slots=True)
class Inspection:
    """A model and its reference data, as far as they speak for themselves.

    Attributes:
        format: of the file.
        estimator: class of the model, and of its last step where it is a pipeline.
        features, output: typed, in the order of the training data.
        frame: the model wants named columns rather than a matrix.
        python: the model environment.
        libraries: versions there that matter to the model.
        rows: how many rows of reference data were read; 0 without data.
        target: the column that the model predicts, where it is known.
        reference: the distribution of the reference data.
        notes: assumptions, one sentence each.
    """

    format: Format
    estimator: tuple[str, ...]
    features: tuple[Feature, ...]
    output: Output
    frame: bool
    python: ModelPython
    libraries: dict[str, str]
    rows: int
    target: str | None
    reference: dict[str, Any]
    notes: tuple[str, ...]


def inspect_model(context: Context, model: Path, data: Path | None, *, target: str | None = None) -> Inspection:
    """Read a model and its data in the model environment; nothing is written.

    Args:
        context: project and host.
        model: the model's file, named by the user: a pickle runs its code in the model environment.
        data: reference data, csv or parquet, with the columns of the training data.
        target: the column of `data` that the model predicts, where it is not evident.

    Raises:
        NotFoundError, InvalidInputError: a file that is missing or of no known format.
        ModelError: the model cannot be read or trusted, or does not fit the data.
    """
    format_ = format_of(model)
    if data is not None:
        check_data(data)
    python = find_python(context.project, context.host)
    context.report(Progress(f"reading {model.name} with Python {python.version} ({python.origin})"))
    facts = call(
        context,
        python,
        overlay(context, python, needed_to_read(format_, data, python)),
        {"operation": "inspect", **request(model, format_, data, target)},
    )
    return decode(facts, format_, python)


def request(model: Path, format_: Format, data: Path | None, target: str | None) -> dict[str, object]:
    """The part of a request that every operation of the worker takes."""
    return {
        "model": str(model),
        "format": format_,
        "data": str(data) if data else None,
        "target": target,
        "trusted": sorted(TRUSTED),
    }


def needed_to_read(format_: Format, data: Path | None, python: ModelPython) -> list[str]:
    """Distributions without which the worker cannot read the files; scikit-learn itself has to be the user's."""
    if "scikit-learn" not in python.installed and format_ != "onnx":
        raise ModelError(
            "model-environment-incomplete",
            f"the model environment {python.path} ({python.origin}) has no scikit-learn",
            next_step="set model.python in .specweave/config.yaml to the Python that trained the model",
        )
    wanted = ["numpy", "pandas"]
    if format_ == "skops":
        wanted.append("skops")
    if format_ == "onnx":
        wanted += ["onnx", "scikit-learn"]
    if data is not None and data.suffix.lower() in (".parquet", ".pq"):
        wanted.append("pyarrow")
    return [name for name in wanted if name not in python.installed]


def decode(facts: dict[str, Any], format_: Format, python: ModelPython) -> Inspection:
    """The worker's facts, checked against the types of a package."""
    return Inspection(
        format=format_,
        estimator=tuple(facts["estimator"]),
        features=msgspec.convert(facts["features"], tuple[Feature, ...]),
        output=msgspec.convert(facts["output"], Output),
        frame=facts["frame"],
        python=python,
        libraries=facts["libraries"],
        rows=facts["rows"],
        target=facts["target"],
        reference=facts["reference"],
        notes=tuple(facts["notes"]),
    )


def format_of(model: Path) -> Format:
    """The format that a file's name says, after a look at whether it can be that at all.

    Raises:
        NotFoundError: `model-not-found`.
        InvalidInputError: `model-format-unknown`.
        ModelError: `model-unreadable`: empty, or plain text.
    """
    if not model.is_file():
        raise NotFoundError("model-not-found", f"there is no model file {model}", next_step="check the path")
    format_ = SUFFIXES.get(model.suffix.lower())
    if format_ is None:
        raise InvalidInputError(
            "model-format-unknown",
            f"{model.name} has no known ending",
            next_step=f"name it by its format: {', '.join(SUFFIXES)}",
        )
    with model.open("rb") as file:
        start = file.read(4096)
    if not start:
        raise ModelError("model-unreadable", f"{model.name} is empty", next_step="save the model again")
    return format_


def check_data(data: Path) -> None:
    """Refuse data that is not there or of no known format."""
    if not data.is_file():
        raise NotFoundError("data-not-found", f"there is no data file {data}", next_step="check the path")
    if data.suffix.lower() not in DATA_SUFFIXES:
        raise InvalidInputError(
            "data-format-unknown",
            f"{data.name} has no known ending",
            next_step=f"give a file with a header, one of {', '.join(DATA_SUFFIXES)}",
        )
