"""What runs in an environment, as the supervisor, the records and the service itself say; nothing is changed."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from specweave.errors import InvalidInputError, NotFoundError
from specweave.operations.local_deployment import releases
from specweave.operations.local_deployment.releases import Release
from specweave.operations.local_deployment.supervision import NotRunningError, SilentError, ask
from specweave.project import Project
from specweave_runtime.deployment_state import read_state
from specweave_runtime.smoke_test import Client, SmokeTestError, readiness

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_HEALTH_S = 5.0

State = Literal["running", "unhealthy", "not-running", "stopped", "not-deployed"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One environment of one service.

    Attributes:
        environment, service: which.
        state: `running`: the active version answers and is ready; `unhealthy`: it runs and is not ready;
            `not-running`: something was deployed and its processes are gone; `stopped`: by a person's wish;
            `not-deployed`: nothing ever was.
        active, previous: what serves, or served last, and what a rollback goes back to.
        address: where it answers.
        since: when the active release took over, UTC, ISO 8601.
        health: what the service says of itself where it is not ready.
        loaded: the previous release is loaded, so that a rollback takes no start.
        restarts: how often a worker ended by itself since the supervisor's start.
        last_failure: why, for the last of these.
        interrupted: an operation that a supervisor was killed in.
        under_way: an operation that is being done now.
    """

    environment: str
    service: str
    state: State
    active: Release | None = None
    previous: Release | None = None
    address: str | None = None
    since: str | None = None
    health: str = ""
    loaded: bool = False
    restarts: int = 0
    last_failure: str | None = None
    interrupted: str | None = None
    under_way: str | None = None

    @property
    def serving(self) -> str | None:
        """The version that serves; None where nothing answers."""
        return self.active.version if self.active and self.address else None


def folder_of(project: Project, service: str, environment: str) -> Path:
    """Where a deployment keeps its things.

    Raises:
        InvalidInputError: `environment-name-invalid`.
    """
    if not _NAME.fullmatch(environment):
        raise InvalidInputError(
            "environment-name-invalid",
            f"{environment[:80]!r} is no name for an environment",
            next_step="use lower-case letters, digits and hyphens in deployment.yaml",
        )
    return project.state / "local" / environment / service


def examine(project: Project, service: str, environment: str) -> Condition:
    """Ask the supervisor, the records and the service."""
    folder = folder_of(project, service, environment)
    try:
        answer = ask(folder, {"do": "status"})
    except SilentError:
        # Its workers may serve all the same.
        state = read_state(folder) or {}
        silent = f"its supervisor (process {(state.get('supervisor') or {}).get('pid')}) does not answer"
        recorded = _recorded(folder, service, environment)
        return replace(recorded, state="unhealthy", health=silent, address=state.get("address"))
    except NotRunningError:
        return _recorded(folder, service, environment)
    state, workers = answer["state"], answer.get("workers", [])
    operation = state.get("operation")
    under_way = f"{operation['operation']} of release {operation['release']}" if operation else None
    if state["status"] != "running":
        return replace(_recorded(folder, service, environment), interrupted=None, under_way=under_way)
    health = _health(int(state["port"]))
    return Condition(
        environment,
        service,
        "unhealthy" if health else "running",
        active=_release(folder, state["active"]),
        previous=_release(folder, state["previous"]),
        address=state["address"],
        since=state["since"],
        health=health,
        loaded=any((worker["release"], worker["state"]) == (state["previous"], "loaded") for worker in workers),
        restarts=state["restarts"],
        last_failure=(state["last_failure"] or {}).get("reason"),
        under_way=under_way,
    )


def _recorded(folder: Path, service: str, environment: str) -> Condition:
    state = read_state(folder) or {}
    active = _release(folder, state.get("active"))
    if active is None:
        return Condition(environment, service, "not-deployed")
    operation: dict[str, Any] | None = state.get("operation")
    return Condition(
        environment,
        service,
        "stopped" if state.get("status") == "stopped" else "not-running",
        active=active,
        previous=_release(folder, state.get("previous")),
        since=state.get("since"),
        restarts=int(state.get("restarts") or 0),
        last_failure=(state.get("last_failure") or {}).get("reason"),
        interrupted=f"{operation['operation']} of release {operation['release']}" if operation else None,
    )


def _release(folder: Path, name: str | None) -> Release | None:
    if name is None:
        return None
    try:
        return releases.find(folder, name)
    except NotFoundError:
        return None


def _health(port: int) -> str:
    """Empty where the service is ready, else what it says."""
    try:
        ready, reason = readiness(Client(port, timeout_s=_HEALTH_S))
    except SmokeTestError as error:
        return str(error)
    return "" if ready else reason
