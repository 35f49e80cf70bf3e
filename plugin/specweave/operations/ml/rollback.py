"""`ml rollback`: return an environment to the version before."""

from pydantic import Field

from specweave.command import Annotations, Command, Context, IncrementName, Request, Result
from specweave.operations.deployment_views import EnvironmentView


class RollbackRequest(Request):
    """Where, and to what."""

    increment: IncrementName = None
    environment: str = Field("production", max_length=63, description="Environment of deployment.yaml.")
    to: str | None = Field(
        None, max_length=64, description="Version that served here before; by default the one before the present one."
    )


class RollbackResult(Result):
    """What serves now.

    Attributes:
        changed: false where that version served already.
        started: its processes had to be started; else they were loaded.
        seconds: until traffic had switched.
    """

    increment: str
    environment: EnvironmentView
    version_before: str | None
    changed: bool
    started: bool
    golden_rows: int
    seconds: float
    report: str | None
    revision: str

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        name, number = self.environment.environment, self.increment[:4]
        how = "started" if self.started else "it was loaded"
        head = f"{name} is back on {self.environment.version} after {self.seconds:.2f} s ({how})"
        if not self.changed:
            head = f"{name} serves {self.environment.version} already"
        elif self.version_before:
            head += f"; it served {self.version_before}"
        lines = [head, "", *self.environment.lines()]
        if self.report:
            lines.append(f"- report: {self.report}")
        lines += ["", f"Next: `/ml:status {number}`. A second rollback returns to where you were."]
        return "\n".join(lines)


def run(request: RollbackRequest, context: Context) -> RollbackResult:
    """Roll back; no gate stands before it, and it is recorded.

    Raises:
        NotFoundError: `nothing-to-roll-back-to`; the increment, its deployment.yaml or the environment.
        OperationError: `release-not-ready`; what served before still serves.
        ConflictError: `port-in-use`, `port-changed`.
    """
    from specweave.arguments import slash_line  # noqa: PLC0415 - a listing must stay cheap
    from specweave.increments import store  # noqa: PLC0415 - as above
    from specweave.operations import local_deployment  # noqa: PLC0415 - as above
    from specweave.operations.deployment_views import environment_view  # noqa: PLC0415 - as above

    where = local_deployment.place(context, request.increment, request.environment)
    outcome = local_deployment.rollback(context, where, request.to, command=slash_line(COMMAND, request))
    before = outcome.before.active
    return RollbackResult(
        increment=where.increment.id,
        environment=environment_view(outcome.after, where.increment.number),
        version_before=before.version if before else None,
        changed=outcome.changed,
        started=outcome.started,
        golden_rows=outcome.rows,
        seconds=outcome.seconds,
        report=outcome.report,
        revision=store.revision(where.increment),
    )


COMMAND = Command(
    group="ml",
    name="rollback",
    request=RollbackRequest,
    result=RollbackResult,
    run=run,
    annotations=Annotations(destructive=True),
    examples=("0043 --environment production", "0043 --environment staging --to 0043-v1"),
    long=True,
)
