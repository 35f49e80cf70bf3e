"""`ml deploy`: bring a version to an environment, or stop it there."""

from pydantic import Field

from specweave.command import Annotations, Command, Context, IncrementName, Request, Result
from specweave.errors import GateError, InvalidInputError
from specweave.operations.artifact_patterns import WHAT_RUNS
from specweave.operations.deployment_views import EnvironmentView, GateView


class DeployRequest(Request):
    """What goes where."""

    increment: IncrementName = None
    environment: str = Field("staging", max_length=63, description="Environment of deployment.yaml.")
    version: str | None = Field(
        None, max_length=64, description="Version of the model package; by default the one in deployment.yaml."
    )
    stop: bool = Field(False, description="Stop what runs there instead.")
    dry_run: bool = Field(False, description="Show the gates and what would be done, change nothing.")


class DeployResult(Result):
    """What runs now, what ran before, and where each gate stood.

    Attributes:
        action: what was done; `none` for a dry run, or where nothing was there to stop.
        seconds: from the start of the new version to the switch.
        golden_rows: how many were asked over HTTP before it.
    """

    increment: str
    action: str
    environment: EnvironmentView
    version_before: str | None
    gates: list[GateView]
    golden_rows: int
    seconds: float
    report: str | None
    dry_run: bool
    revision: str

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        name, number = self.environment.environment, self.increment[:4]
        lines = [_HEADLINES[self.action].format(name=name, version=self.environment.version, rows=self.golden_rows)]
        lines += ["", *self.environment.lines()]
        for gate in self.gates:
            lines.append(f"- gate {gate.gate}: {'met' if gate.met else 'NOT met'}, {gate.reason}")
            lines += [] if gate.met else [f"  - {gate.command}"]
        if self.report:
            lines.append(f"- report: {self.report}")
        if self.action in {"deployed", "confirmed"}:
            back = f"; to go back, `/ml:rollback {number} --environment {name}`"
            lines += ["", f"Next: `/ml:status {number}`{back if self.environment.previous_version else ''}."]
        elif self.action != "refused":
            lines += ["", f"Next: `/ml:deploy {number} --environment {name}` brings it up."]
        return "\n".join(lines)


_HEADLINES = {
    "deployed": "{version} serves in {name}: ready, {rows} golden rows as expected",
    "confirmed": "{version} serves in {name} already: ready, {rows} golden rows as expected",
    "stopped": "Stopped {name}",
    "none": "Nothing was changed in {name}",
    "refused": "Nothing was changed in {name}; a deployment would be refused",
}


def run(request: DeployRequest, context: Context) -> DeployResult:
    """Deploy, stop, or say what would be done.

    Raises:
        GateError: `gates-unmet` with each of them and what to run, `approval-required`.
        ConflictError: `port-in-use`, `port-changed`, `approval-outdated`.
        OperationError: `release-not-ready`; what served before still serves.
        NotFoundError, InvalidInputError: the increment, its deployment.yaml, the environment or the version.
        ModelError: the package was changed.
    """
    from specweave.arguments import slash_line  # noqa: PLC0415 - a listing must stay cheap
    from specweave.increments import store  # noqa: PLC0415 - as above
    from specweave.operations import local_deployment  # noqa: PLC0415 - as above
    from specweave.operations.deployment_views import environment_view, gate_view  # noqa: PLC0415 - as above

    if request.stop and request.version:
        raise InvalidInputError("arguments-conflict", "--stop takes no --version", next_step="leave one of them out")
    where = local_deployment.place(context, request.increment, request.environment)
    line = slash_line(COMMAND, request)
    if request.dry_run and not request.stop:
        outcome = local_deployment.preview(context, where, request.version)
        action = "none" if all(gate.met for gate in outcome.gates) else "refused"
    elif request.dry_run:
        outcome, action = local_deployment.Outcome(where.condition(), where.condition()), "none"
    elif request.stop:
        _require_approval(request, context)
        outcome = local_deployment.stop(context, where, command=line)
        action = "stopped" if outcome.changed else "none"
    else:
        outcome = local_deployment.deploy(context, where, request.version, command=line)
        action = "deployed" if outcome.changed else "confirmed"
    before = outcome.before.active if outcome.before.address else None
    return DeployResult(
        passed=action != "refused",
        increment=where.increment.id,
        action=action,
        environment=environment_view(outcome.after, where.increment.number),
        version_before=before.version if before else None,
        gates=[gate_view(standing) for standing in outcome.gates],
        golden_rows=outcome.rows,
        seconds=outcome.seconds,
        report=outcome.report,
        dry_run=request.dry_run,
        revision=store.revision(where.increment),
    )


def approval(request: DeployRequest, context: Context) -> str | None:
    """The question for an environment that demands a person's yes, where nothing else is missing.

    Raises:
        NotFoundError, InvalidInputError, ModelError: as `run`.
    """
    from specweave.operations import local_deployment  # noqa: PLC0415 - a listing must stay cheap

    if request.dry_run:
        return None
    where = local_deployment.place(context, request.increment, request.environment)
    if "approval" not in where.settings.gates:
        return None
    present = where.condition()
    if request.stop:
        return f"Stop {where.service} {present.serving} in {request.environment}?" if present.serving else None
    wanted = local_deployment.candidate(context, where, request.version)
    others = [standing for standing in local_deployment.standings(wanted) if standing.gate != "approval"]
    # Nobody is asked about a deployment that would be refused anyway: `run` says why.
    if not all(standing.met for standing in others):
        return None
    return local_deployment.question(wanted, present)


def _require_approval(request: DeployRequest, context: Context) -> None:
    question = None if context.approved else approval(request, context)
    if question:
        raise GateError("approval-required", question, next_step="a person who agrees runs it with `--approve`")


COMMAND = Command(
    group="ml",
    name="deploy",
    request=DeployRequest,
    result=DeployResult,
    run=run,
    annotations=Annotations(destructive=True, idempotent=True),
    examples=(
        "0043 --environment staging",
        "0043 --environment production",
        "0043 --environment staging --version 0043-v1",
        "0043 --environment staging --stop",
    ),
    approval=approval,
    long=True,
    artifacts=WHAT_RUNS,
)
