"""The evidence of what was done to an environment, and what metadata.json remembers of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from specweave.command import Context, Progress
from specweave.errors import SpecweaveError
from specweave.files.atomic import coded_errors
from specweave.increments import evidence, store
from specweave.increments.deployment import Deployment
from specweave.increments.evidence import PackageReference
from specweave.increments.repository import Head
from specweave.increments.store import Increment
from specweave.operations.local_deployment import releases
from specweave.operations.local_deployment.condition import Condition, examine
from specweave.operations.local_deployment.gates import Standing
from specweave.operations.local_deployment.releases import Release
from specweave.project import EnvironmentSettings
from specweave_runtime.deployment_state import timestamp


@dataclass(frozen=True, slots=True)
class Place:
    """An environment of a deployment increment.

    Attributes:
        increment: whose.
        deployment: its deployment.yaml.
        environment: name of the environment.
    """

    increment: Increment
    deployment: Deployment
    environment: str

    @property
    def settings(self) -> EnvironmentSettings:
        """Of the environment."""
        return self.deployment.environment(self.environment)

    @property
    def service(self) -> str:
        """Name of the service."""
        return self.deployment.service.name

    def condition(self) -> Condition:
        """What runs there."""
        return examine(self.increment.project, self.service, self.environment)


@dataclass(frozen=True, slots=True)
class Record:
    """What the evidence of one act has in common, however it ends.

    Attributes:
        context: clock, and who asked.
        where: the environment.
        operation: `deploy`, `rollback`, `stop`.
        command: what was typed.
        started: when.
        release: what it is about.
        head: the commit of the start; None where what is in the increment does not matter.
    """

    context: Context
    where: Place
    operation: str
    command: str
    started: datetime
    release: Release
    head: Head | None = None

    def leave(self, *, passed: bool, markdown: str, data: Mapping[str, object]) -> str:
        """Write the report and, where it passed, metadata.json; the report's path relative to the project."""
        increment, release = self.where.increment, self.release
        with coded_errors(release.folder):
            content = releases.content_of(release)
        report = evidence.record(
            self.context,
            increment,
            operation=self.operation,
            command=self.command,
            passed=passed,
            started=self.started,
            markdown=markdown,
            data={**data, "content": content.digest},
            package=PackageReference(name=release.model, version=release.version, digest=release.digest),
            environment=self.where.environment,
            head=self.head,
            content=content,
        )
        if passed:
            page = report.path.relative_to(increment.folder).as_posix()
            store.update_metadata(increment, lambda document: self._remember(document, page), self.context.host.now)
        return self.context.project.relative(report.path)

    def leave_if_possible(self, done: str, markdown: str, data: Mapping[str, object]) -> str | None:
        """`leave` for what was done in an emergency and is done: None where it cannot be recorded, which is said."""
        try:
            return self.leave(passed=True, markdown=markdown, data=data)
        except SpecweaveError as error:
            self.context.report(Progress(f"{done}, but the report was not written: {error.message}"))
            return None

    def _remember(self, document: dict[str, Any], page: str) -> None:
        states = document.get("deployment")
        if not isinstance(states, dict):
            states = document["deployment"] = {}
        if self.operation == "stop":
            states.pop(self.where.environment, None)
            return
        known = states.get(self.where.environment)
        states[self.where.environment] = {
            **(known if isinstance(known, dict) else {}),
            "version": self.release.version,
            "digest": self.release.digest,
            "address": f"http://127.0.0.1:{self.where.settings.port}",
            "at": timestamp(self.context.host.now()),
            "report": page,
        }


def serving(condition: Condition) -> str:
    """The version that answers, or `nothing`."""
    running = condition.active is not None and condition.state in {"running", "unhealthy"}
    return condition.active.version if running and condition.active else "nothing"


def report_text(before: Condition, after: Condition, answer: Mapping[str, Any], standings: Sequence[Standing]) -> str:
    """The report of a switch, for people."""
    active = after.active.version if after.active else "nothing"
    lines = [f"- {serving(before)} → {active} at {after.address}, in {answer['seconds']:.1f} s"]
    lines.append(f"- ready; {answer['rows']} golden rows asked over HTTP, all answers as expected")
    if after.previous:
        loaded = "loaded" if after.loaded else "on disk"
        lines.append(f"- a rollback goes back to {after.previous.version} (release {after.previous.name}, {loaded})")
    lines += [f"- gate {standing.gate}: {standing.reason}" for standing in standings]
    return "\n".join(lines)


def report_data(
    before: Condition, after: Condition, answer: Mapping[str, Any], standings: Sequence[Standing]
) -> dict[str, object]:
    """The report of a switch, for programs."""
    return {
        "address": after.address,
        "release": after.active.name if after.active else None,
        "version_before": before.active.version if before.active else None,
        "previous_release": after.previous.name if after.previous else None,
        "golden_rows": answer["rows"],
        "changed": answer["changed"],
        "started": answer["started"],
        "seconds": round(answer["seconds"], 3),
        "gates": [{"gate": s.gate, "met": s.met, "reason": s.reason} for s in standings],
    }
