"""A command made for the tests of the faces: it reports, asks, fails and crashes on demand."""

import threading
from typing import Literal

from pydantic import Field

from specweave.command import (
    Annotations,
    AnyCommand,
    Command,
    Context,
    Duration,
    IncrementName,
    Progress,
    Request,
    Result,
)
from specweave.errors import ConflictError, GateError
from specweave.registry import Entry


class ExerciseRequest(Request):
    """Every shape of argument that a request may have."""

    increment: IncrementName = None
    rates: tuple[float, ...] = Field((100.0,), description="Requests per second.")
    duration: Duration = 60.0
    environment: Literal["staging", "production"] = "staging"
    metadata: dict[str, str] = Field({}, description="Facts to keep.")
    version: str | None = Field(None, description="Version.")
    outcome: Literal["passed", "missed", "refused", "crashed", "full"] = "passed"
    dry_run: bool = False


class ExerciseResult(Result):
    """What arrived."""

    request: ExerciseRequest
    approved: bool
    thread: str

    def text(self) -> str:
        return f"**{self.request.environment}** {self.request.increment}\n\nNext: look."


def run(request: ExerciseRequest, context: Context) -> ExerciseResult:
    print("a stray print")  # noqa: T201 - the faces must keep it off stdout
    for step in range(3):
        context.report(Progress(f"step {step}", (step + 1) / 3))
    if question(request, context) and not context.approved:
        raise GateError("approval-required", "nobody said yes", next_step="ask a person")
    if request.outcome == "refused":
        raise ConflictError("port-in-use", "port 8000 is in use", next_step="stop what uses it")
    if request.outcome == "crashed":
        raise ZeroDivisionError("a bug, on purpose")
    if request.outcome == "full":
        raise OSError(28, "No space left on device", "/full/file")
    return ExerciseResult(
        request=request,
        approved=context.approved,
        passed=request.outcome == "passed",
        thread=threading.current_thread().name,
    )


def question(request: ExerciseRequest, context: Context) -> str | None:
    return "Deploy to production?" if request.environment == "production" else None


EXERCISE: AnyCommand = Command(
    group="ml",
    name="deploy",
    request=ExerciseRequest,
    result=ExerciseResult,
    run=run,
    annotations=Annotations(destructive=True),
    examples=("0043 --rates 10,50",),
    approval=question,
)


class ExerciseEntry(Entry):
    """Stands in the place of `ml deploy`, whose page of text it borrows."""

    def load(self) -> AnyCommand:
        return EXERCISE


ENTRY = ExerciseEntry("ml", "deploy", "Bring a version to an environment, or stop it there")
