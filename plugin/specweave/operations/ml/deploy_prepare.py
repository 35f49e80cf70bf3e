"""`ml deploy-prepare`: from a trained model to a deployment increment with its package and artifacts."""

from typing import Literal

from pydantic import Field

from specweave.command import Annotations, Command, Context, IncrementName, Request, Result
from specweave.operations.file_changes import FileChange, described, file_changes


class DeployPrepareRequest(Request):
    """Which model, for which increment."""

    increment: IncrementName = None
    model: str | None = Field(
        None,
        description="Model file in the project (joblib, pickle, skops, ONNX). Omit it where the increment names one.",
    )
    data: str | None = Field(None, description="Training data in the project (CSV or Parquet), for types and ranges.")
    held_out: str | None = Field(
        None, description="Held-out rows (CSV or Parquet) for the parity gate; without it the training data is used."
    )
    target: str | None = Field(None, description="Column of the data that the model predicts, where it is not evident.")
    name: str | None = Field(None, description="Name of the model; by default from the file's name.")
    dry_run: bool = Field(False, description="Show what would be made, write nothing.")
    lay_new: bool = Field(False, description="Lay a .new file beside each generated file that a person edited.")


class DeployPrepareResult(Result):
    """The increment, the model package in it, and what changed on disk.

    Attributes:
        revision: of the increment; None in a dry run that would make it.
    """

    increment: str
    created: bool
    model: str
    version: str | None
    package: str | None
    execution: str | None
    parity_rows: int | None
    parity_origin: Literal["held-out", "reference", "made-up"] | None
    parity_compared: str | None
    label_mismatches: int | None
    max_difference: float | None
    estimator_us: float | None
    executable_us: float | None
    changes: list[FileChange]
    reset_tasks: list[str]
    report: str | None
    dry_run: bool
    revision: str | None

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        lines = [f"{'Would prepare' if self.dry_run else 'Prepared'} `{self.increment}` for {self.model}"]
        if self.version:
            lines[0] += f", version {self.version}"
            lines += [
                "",
                f"- runs as {self.execution}: one row {self.estimator_us:,.0f} → {self.executable_us:,.1f} µs",
                f"- parity on {self.parity_compared}: {self.label_mismatches} labels differ",
                f"- largest difference: {self.max_difference:.1e}",
                f"- package: {self.package}",
            ]
        if self.dry_run and not self.version:
            lines += ["", "- would convert the model, then write the documents, deployment.yaml and the service"]
        else:
            lines += described(self.changes)
        if self.reset_tasks:
            lines.append(f"- to do again for this version: {', '.join(self.reset_tasks)}")
        if self.report:
            lines.append(f"- report: {self.report}")
        number = self.increment[:4]
        lines += ["", f"Next: review the increment, then `/sw:do {number}` or `/ml:load-test {number}`."]
        return "\n".join(lines)


def run(request: DeployPrepareRequest, context: Context) -> DeployPrepareResult:
    """Make or update the deployment increment of a model.

    Raises:
        NotFoundError: the increment, the model file or the data is not there.
        InvalidInputError: a name or a path that cannot be used.
        ModelError: the model cannot be read, converted or trusted; nothing is left behind.
    """
    from specweave.arguments import slash_line  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations import deployment_preparation  # noqa: PLC0415 - as above
    from specweave.operations.model_choice import Wanted  # noqa: PLC0415 - as above

    prepared = deployment_preparation.prepare(
        context,
        command=slash_line(COMMAND, request),
        increment_name=request.increment,
        wanted=Wanted(
            model=request.model,
            data=request.data,
            held_out=request.held_out,
            target=request.target,
            name=request.name,
        ),
        dry_run=request.dry_run,
        lay_new=request.lay_new,
    )
    manifest = prepared.package.manifest if prepared.package else None
    return DeployPrepareResult(
        increment=prepared.increment_id,
        created=prepared.created,
        model=prepared.model_name,
        version=manifest.version if manifest else None,
        package=context.project.relative(prepared.package.path) if prepared.package else None,
        execution=manifest.executable.kind if manifest else None,
        parity_rows=manifest.parity.rows if manifest else None,
        parity_origin=manifest.parity.origin if manifest else None,
        parity_compared=manifest.parity.compared if manifest else None,
        label_mismatches=manifest.parity.label_mismatches if manifest else None,
        max_difference=manifest.parity.max_difference if manifest else None,
        estimator_us=manifest.parity.estimator_us if manifest else None,
        executable_us=manifest.parity.executable_us if manifest else None,
        changes=file_changes(prepared.changes),
        reset_tasks=list(prepared.reset_tasks),
        report=prepared.report,
        dry_run=request.dry_run,
        revision=prepared.revision,
    )


COMMAND = Command(
    group="ml",
    name="deploy-prepare",
    request=DeployPrepareRequest,
    result=DeployPrepareResult,
    run=run,
    annotations=Annotations(idempotent=True),
    examples=("0042", "0042 --model models/credit.joblib --data data/train.csv --name credit-model"),
    long=True,
)
