"""`ml create-api`: the HTTP service of a model, as source text in the increment."""

from typing import Literal

from pydantic import Field

from specweave.command import Annotations, Command, Context, IncrementName, Request, Result
from specweave.operations.file_changes import FileChange, described


class CreateApiRequest(Request):
    """Whose service."""

    increment: IncrementName = None
    framework: Literal["fastapi"] = Field("fastapi", description="Framework of the service.")
    dry_run: bool = Field(False, description="Show what would be made, write nothing.")
    lay_new: bool = Field(False, description="Lay a .new file beside each generated file that a person edited.")


class CreateApiResult(Result):
    """The service, and what changed on disk.

    Attributes:
        folder: of the service, relative to the project.
        engine: what runs the model: `onnx`, `treelite` or `estimator`.
        routes: method and path of each.
    """

    increment: str
    model: str
    version: str
    folder: str
    engine: str
    routes: list[str]
    changes: list[FileChange]
    report: str | None = None
    dry_run: bool = False

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        verb = "Would generate" if self.dry_run else "Generated"
        lines = [f"{verb} the service of {self.model} {self.version} in `{self.folder}`, on {self.engine}", ""]
        lines.append("- routes: " + ", ".join(f"`{route}`" for route in self.routes))
        lines += described(self.changes)
        if self.report:
            lines.append(f"- report: {self.report}")
        number = self.increment[:4]
        lines += ["", f"Next: run its tests (`{self.folder}/README.md` says how), then `/ml:load-test {number}`."]
        return "\n".join(lines)


def run(request: CreateApiRequest, context: Context) -> CreateApiResult:
    """Generate the service of a deployment increment, or bring it up to date, and record the evidence.

    Raises:
        NotFoundError: `increment-not-found`, `deployment-missing`, `package-not-found`.
        InvalidInputError: `deployment-invalid`, `value-not-writable`.
        ModelError: `package-invalid`, or an estimator whose libraries cannot be installed.
        HostError: a file cannot be written, or the requirements of an estimator cannot be locked.
    """
    from specweave.operations import service_generation  # noqa: PLC0415 - a listing must stay cheap

    return service_generation.create(request, context)


COMMAND = Command(
    group="ml",
    name="create-api",
    request=CreateApiRequest,
    result=CreateApiResult,
    run=run,
    annotations=Annotations(idempotent=True),
    examples=("0043", "0043 --framework fastapi", "0043 --dry-run"),
)
