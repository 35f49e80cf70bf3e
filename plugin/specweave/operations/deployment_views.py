"""How conditions and gates appear in the results of commands."""

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from specweave.operations.local_deployment.condition import Condition
    from specweave.operations.local_deployment.gates import Standing


class View(BaseModel):
    """A part of a result."""

    model_config = ConfigDict(extra="forbid")


class GateView(View):
    """Where a gate stands; `command` shows what is missing, and is empty where it is met."""

    gate: str
    met: bool
    reason: str
    command: str = ""


class EnvironmentView(View):
    """What runs in one environment.

    Attributes:
        state: `running` and ready, `unhealthy`, `not-running` though it should, `stopped`, or `not-deployed`.
        version, digest, release: what serves, or served last.
        address: where it answers, None where nothing does.
        since: when it took over, UTC.
        previous_version: what a rollback goes back to; `previous_loaded`: without a start.
        restarts: how often a worker ended by itself; `last_failure`: why, the last time.
        note: what else a person should know.
        next_step: a command, empty where all is well.
    """

    environment: str
    service: str
    state: Literal["running", "unhealthy", "not-running", "stopped", "not-deployed"]
    version: str | None
    digest: str | None
    release: str | None
    address: str | None
    since: str | None
    previous_version: str | None
    previous_loaded: bool
    restarts: int
    last_failure: str | None
    note: str
    next_step: str

    @property
    def well(self) -> bool:
        """Whether what should run runs."""
        return self.state not in {"unhealthy", "not-running"}

    def lines(self) -> list[str]:
        """For people."""
        head = f"- **{self.environment}**: {self.state.replace('-', ' ')}"
        if self.version:
            head += f", {self.version}" + (f" at {self.address}" if self.address else "")
            head += f", since {self.since}" if self.since and self.address else ""
        details = []
        if self.previous_version:
            details.append(f"before it {self.previous_version}{', loaded' if self.previous_loaded else ''}")
        if self.restarts:
            details.append(f"{self.restarts} restarts, the last because {self.last_failure}")
        details += [self.note] if self.note else []
        return [head, *(f"  - {detail}" for detail in details)]


def gate_view(standing: "Standing") -> GateView:
    """A gate as it appears in results."""
    return GateView(gate=standing.gate, met=standing.met, reason=standing.reason, command=standing.command)


def environment_view(condition: "Condition", increment: str) -> EnvironmentView:
    """A condition as it appears in results.

    Args:
        condition: of the environment.
        increment: number of the increment that the next step is about.
    """
    active, previous = condition.active, condition.previous
    notes = [f"not ready: {condition.health}"] if condition.health else []
    if condition.interrupted:
        notes.append(f"the supervisor was ended during the {condition.interrupted}")
    if condition.under_way:
        notes.append(f"under way: {condition.under_way}")
    return EnvironmentView(
        environment=condition.environment,
        service=condition.service,
        state=condition.state,
        version=active.version if active else None,
        digest=active.digest if active else None,
        release=active.name if active else None,
        address=condition.address,
        since=condition.since,
        previous_version=previous.version if previous else None,
        previous_loaded=condition.loaded,
        restarts=condition.restarts,
        last_failure=condition.last_failure,
        note="; ".join(notes),
        next_step=_next_step(condition, increment),
    )


def _next_step(condition: "Condition", increment: str) -> str:
    deploy = f"/ml:deploy {increment} --environment {condition.environment}"
    if condition.state == "unhealthy":
        return f"/ml:rollback {increment} --environment {condition.environment}"
    if condition.state == "not-running" and condition.active:
        return f"{deploy} --version {condition.active.version}"
    return "" if condition.state == "running" else deploy
