"""`ml create-api`: the HTTP service of a model, as source text in the increment."""

from typing import Literal

from pydantic import Field

from specweave.command import Annotations, Command, Context, IncrementName, Request, Result
from specweave.operations.artifact_patterns import WHAT_IS_TESTED
from specweave.operations.file_changes import FileChange, described


class CreateApiRequest(Request):
    """Whose service."""

    increment: IncrementName = None
    framework: Literal["fastapi"] = Field("fastapi", description="Framework of the service.")
    test: bool = Field(
        False, description="Run the service's own tests too, in an environment made from its requirements alone."
    )
    dry_run: bool = Field(False, description="Show what would be made, write and run nothing.")
    lay_new: bool = Field(False, description="Lay a .new file beside each generated file that a person edited.")


class CreateApiResult(Result):
    """The service, and what changed on disk.

    Attributes:
        folder: of the service, relative to the project.
        engine: what runs the model: `onnx`, `treelite` or `estimator`.
        routes: method and path of each.
        tests: how many of the service's own tests ran; None where they were not asked for.
        failed_tests: how many of these failed.
        test_output: what pytest said where some failed, else empty.
    """

    increment: str
    model: str
    version: str
    folder: str
    engine: str
    routes: list[str]
    changes: list[FileChange]
    tests: int | None = None
    failed_tests: int = 0
    test_output: str = ""
    report: str | None = None
    dry_run: bool = False
    revision: str

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        verb = "Would generate" if self.dry_run else "Generated"
        lines = [f"{verb} the service of {self.model} {self.version} in `{self.folder}`, on {self.engine}", ""]
        lines.append("- routes: " + ", ".join(f"`{route}`" for route in self.routes))
        lines += described(self.changes)
        if self.tests is not None:
            lines.append(f"- its own tests: {self.tests - self.failed_tests} of {self.tests} passed")
        if self.test_output:
            lines += ["", "```", self.test_output.rstrip("\n"), "```", ""]
        if self.report:
            lines.append(f"- report: {self.report}")
        return "\n".join([*lines, "", f"Next: {self._next_step()}"])

    def _next_step(self) -> str:
        number = self.increment[:4]
        if not self.passed:
            return f"mend what failed above, then `/ml:create-api {number} --test`."
        if self.tests is None:
            return f"`/ml:create-api {number} --test` runs its tests, `/ml:load-test {number}` measures it."
        return f"`/ml:load-test {number}`."


def run(request: CreateApiRequest, context: Context) -> CreateApiResult:
    """Generate the service of a deployment increment or bring it up to date, test it if asked, record the evidence.

    Raises:
        NotFoundError: `increment-not-found`, `deployment-missing`, `package-not-found`.
        InvalidInputError: `deployment-invalid`, `value-not-writable`.
        ModelError: `package-invalid`, or an estimator whose libraries cannot be installed.
        HostError: a file cannot be written, or the requirements of an estimator cannot be locked.
        OperationError: `environment-failed`, `tests-not-run`.
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
    examples=("0043 --test", "0043 --framework fastapi", "0043 --dry-run"),
    checks=lambda request: request.test and not request.dry_run,
    long=True,
    artifacts=WHAT_IS_TESTED,
)
