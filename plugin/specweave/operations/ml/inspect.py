"""`ml inspect`: what a trained model takes and answers, read in the model environment."""

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field

from specweave.command import Annotations, Command, Context, Positional, Request, Result

if TYPE_CHECKING:
    from specweave_runtime.package import Feature

_SHOWN_CATEGORIES = 6


class InspectRequest(Request):
    """Which model, with which data."""

    model: Annotated[
        str,
        Positional(),
        Field(description="Model file in the project (joblib, pickle, skops, ONNX). A pickle runs its code."),
    ]
    data: str | None = Field(None, description="Training data in the project (CSV or Parquet), for types and ranges.")
    target: str | None = Field(None, description="Column of the data that the model predicts, where it is not evident.")


class InspectedFeature(BaseModel):
    """One input of the model."""

    name: str
    type: str
    nullable: bool
    minimum: float | None
    maximum: float | None
    categories: list[str | int | float | bool] | None
    unknown_category: str
    missing: int | None


class InspectResult(Result):
    """The model's inputs and outputs, and what it was made with."""

    model: str
    format: str
    estimator: list[str]
    task: str
    classes: list[str | int | float | bool]
    probabilities: bool
    features: list[InspectedFeature]
    rows: int
    target: str | None
    python: str
    python_version: str
    python_origin: str
    libraries: dict[str, str]
    notes: list[str]

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        answers = f"one of {len(self.classes)} classes: {_listed(self.classes)}" if self.classes else "a number"
        libraries = ", ".join(f"{name} {version}" for name, version in self.libraries.items())
        lines = [
            f"`{self.model}` is a {' with '.join(self.estimator)} ({self.format})",
            "",
            f"- answers with {answers}" + (", with probabilities" if self.probabilities else ""),
            f"- model environment: {self.python}, Python {self.python_version} ({self.python_origin}); {libraries}",
            f"- reference data: {self.rows:,} rows" + (f", target {self.target}" if self.target else "")
            if self.rows
            else "- reference data: none",
            *(f"- {note}" for note in self.notes),
            "",
            "| feature | type | null | values | missing |",
            "|---|---|---|---|---|",
            *(_row(feature) for feature in self.features),
            "",
            f"Next: `/ml:deploy-prepare --model {self.model}`.",
        ]
        return "\n".join(lines)


def _row(feature: InspectedFeature) -> str:
    if feature.categories is not None:
        values = _listed(feature.categories) + (", or another" if feature.unknown_category == "accept" else "")
    elif feature.minimum is not None:
        values = f"{feature.minimum:g} to {feature.maximum:g}"
    else:
        values = ""
    missing = "" if feature.missing is None else str(feature.missing)
    name = feature.name.replace("|", "\\|").replace("\n", " ")
    return f"| {name} | {feature.type} | {'yes' if feature.nullable else 'no'} | {values} | {missing} |"


def _listed(values: list[str | int | float | bool]) -> str:
    shown = ", ".join(str(value).replace("|", "\\|").replace("\n", " ") for value in values[:_SHOWN_CATEGORIES])
    more = len(values) - _SHOWN_CATEGORIES
    return shown + (f" and {more} more" if more > 0 else "")


def run(request: InspectRequest, context: Context) -> InspectResult:
    """Read a model and its data.

    Raises:
        NotFoundError: `model-not-found`, `data-not-found`.
        InvalidInputError: a path outside the project, or a file of no known format.
        ModelError: the model cannot be read or trusted, or does not fit the data.
    """
    from specweave.operations.model_environment import inspect_model  # noqa: PLC0415 - a listing must stay cheap

    project = context.project
    model = project.resolve(request.model, what="model")
    data = project.resolve(request.data, what="data") if request.data else None
    found = inspect_model(context, model, data, target=request.target)
    statistics = found.reference["features"] if found.rows else {}
    return InspectResult(
        model=project.relative(model),
        format=found.format,
        estimator=list(found.estimator),
        task=found.output.task,
        classes=list(found.output.classes),
        probabilities=found.output.probabilities,
        features=[_feature(feature, statistics.get(feature.name, {}).get("missing")) for feature in found.features],
        rows=found.rows,
        target=found.target,
        python=str(found.python.path),
        python_version=found.python.version,
        python_origin=found.python.origin,
        libraries=found.libraries,
        notes=list(found.notes),
    )


def _feature(feature: "Feature", missing: int | None) -> InspectedFeature:
    return InspectedFeature(
        name=feature.name,
        type=feature.type,
        nullable=feature.nullable,
        minimum=feature.minimum,
        maximum=feature.maximum,
        categories=None if feature.categories is None else list(feature.categories),
        unknown_category=feature.unknown_category,
        missing=missing,
    )


COMMAND = Command(
    group="ml",
    name="inspect",
    request=InspectRequest,
    result=InspectResult,
    run=run,
    annotations=Annotations(read_only=True, idempotent=True),
    examples=("models/credit.joblib", "models/credit.joblib --data data/train.csv --target Status"),
)
