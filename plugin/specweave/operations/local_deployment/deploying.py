"""Bringing versions to an environment of this machine and back, each with its evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from specweave.command import Context, Progress
from specweave.errors import ConflictError, NotFoundError, SpecweaveError
from specweave.files import quoting
from specweave.increments import deployment, evidence, store
from specweave.model_packages import store as packages
from specweave.operations import service_environment
from specweave.operations.local_deployment import content, gates, releases, supervision
from specweave.operations.local_deployment.condition import Condition, folder_of
from specweave.operations.local_deployment.gates import Candidate, Standing
from specweave.operations.local_deployment.recording import Place, Record, report_data, report_text, serving
from specweave.operations.local_deployment.releases import Release
from specweave_runtime.deployment_state import read_state


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done.

    Attributes:
        before, after: what served, and what serves now.
        changed: traffic goes to other processes than before.
        started: new processes were started, rather than loaded ones used.
        rows: golden rows that were asked.
        seconds: from the request to the supervisor until its answer.
        gates: where each gate stood.
        report: path relative to the project, None for a dry run.
    """

    before: Condition
    after: Condition
    changed: bool = False
    started: bool = False
    rows: int = 0
    seconds: float = 0.0
    gates: Sequence[Standing] = field(default_factory=tuple)
    report: str | None = None


def place(context: Context, increment_name: str | None, environment: str) -> Place:
    """Where a command means to act.

    Raises:
        NotFoundError: `increment-not-found`, `increment-ambiguous`, `deployment-missing`, `environment-not-found`.
        InvalidInputError: `deployment-invalid`, `environment-name-invalid`.
    """
    increment = store.find(context.project, increment_name, kind="deployment", completed=True)
    settings = deployment.read(increment.folder)
    settings.environment(environment)
    folder_of(context.project, settings.service.name, environment)
    return Place(increment, settings, environment)


def candidate(context: Context, where: Place, version: str | None) -> Candidate:
    """The version that is to go there, verified: the one named, else that of deployment.yaml.

    Raises:
        NotFoundError: `package-not-found`, `service-missing`.
        ModelError: `package-invalid`.
    """
    model = where.deployment.model
    package = packages.open_package(context.project, model.name, version or model.version)
    digest = content.of_increment(where.increment, package).digest
    return Candidate(where.increment, where.deployment, package, digest, where.environment, context.approved)


def preview(context: Context, where: Place, version: str | None) -> Outcome:
    """What `deploy` would find; nothing is changed."""
    found = where.condition()
    return Outcome(found, found, gates=gates.standings(candidate(context, where, version)))


def deploy(context: Context, where: Place, version: str | None, *, command: str) -> Outcome:
    """Bring a version to an environment.

    Until the new version gave its golden answers the old one serves; after it the old one stays loaded.

    Args:
        context: project, machine, progress, approval.
        where: the environment.
        version: of the model package; that of deployment.yaml where None.
        command: what was typed, for the evidence.

    Raises:
        GateError: `gates-unmet`, `approval-required`.
        ConflictError: `port-in-use`, `port-changed`, `approval-outdated`.
        OperationError: `release-not-ready`, recorded as evidence; what served before still serves.
        HostError, ModelError, NotFoundError: nothing was changed.
    """
    started = context.host.now()
    wanted = candidate(context, where, version)
    standings = gates.require(wanted)
    evidence.require_recordable(where.increment)
    head = evidence.stand(where.increment)
    before = where.condition()
    # Here, where what was asked about is at hand: from now on the release must have this very content.
    context.require_answer_to(gates.question(wanted, before))
    folder = folder_of(context.project, where.service, where.environment)
    _require_port(context, where, before)
    base = service_environment.interpreter(context, wanted.package.manifest)
    python = service_environment.ensure(context, where.increment.folder / "api" / "requirements.txt", base)
    context.report(Progress("preparing the release"))
    release = releases.prepare(context, where.increment, wanted.package, where.deployment, folder=folder, python=python)
    _require_unchanged(wanted, release)
    record = Record(context, where, "deploy", command, started, release, head)
    answer = _activate(record, before)
    after = where.condition()
    report = record.leave(
        passed=True,
        markdown=report_text(before, after, answer, standings),
        data=report_data(before, after, answer, standings),
    )
    releases.prune(folder, keep={release.name, after.previous.name if after.previous else None})
    return _outcome(before, after, answer, standings, report)


def rollback(context: Context, where: Place, to_version: str | None, *, command: str) -> Outcome:
    """Return an environment to the release before, or to the newest one of a version.

    No gate: what served here before may serve again, and an emergency does not wait. It is recorded.

    Raises:
        NotFoundError: `nothing-to-roll-back-to`.
        OperationError: `release-not-ready`, recorded; what served before still serves.
    """
    started = context.host.now()
    before = where.condition()
    folder = folder_of(context.project, where.service, where.environment)
    release = _target(where, before, to_version)
    _require_port(context, where, before)
    releases.ensure_environment(context, release)
    record = Record(context, where, "rollback", command, started, release)
    answer = _activate(record, before)
    after = where.condition()
    # Traffic has gone back; that no report can be written must not look as if it had not.
    report = record.leave_if_possible(
        "rolled back", report_text(before, after, answer, ()), report_data(before, after, answer, ())
    )
    releases.prune(folder, keep={release.name, after.previous.name if after.previous else None})
    return _outcome(before, after, answer, (), report)


def stop(context: Context, where: Place, *, command: str) -> Outcome:
    """End what runs in an environment; requests under way are answered. Nothing to stop is no error."""
    started = context.host.now()
    before = where.condition()
    folder = folder_of(context.project, where.service, where.environment)
    changed = supervision.stop(context, folder)
    after = where.condition()
    if not changed or before.active is None:
        return Outcome(before, after)
    record = Record(context, where, "stop", command, started, before.active)
    report = record.leave_if_possible(
        "stopped",
        f"- {before.active.version} was stopped in {where.environment}; requests under way were answered",
        {"release": before.active.name},
    )
    return Outcome(before, after, changed=True, report=report)


def _require_unchanged(wanted: Candidate, release: Release) -> None:
    # The gates were asked about the files as they were; somebody may have saved one since.
    if releases.content_of(release).digest != wanted.content:
        raise ConflictError(
            "service-changed",
            f"the files of {wanted.increment.id} changed while they were copied",
            next_step="run the command again",
        )


def _require_port(context: Context, where: Place, before: Condition) -> None:
    # The supervisor has the last word; asked here, the answer comes before anything is made.
    port = where.settings.port
    if before.state not in {"not-deployed", "stopped"} or context.host.port_is_free(port):
        return
    # It may be the supervisor's own: a deployment that is under way, begun by a tool that was killed or by another.
    if not supervision.answers(folder_of(context.project, where.service, where.environment)):
        raise ConflictError(
            "port-in-use",
            f"port {port} of {where.environment} is in use",
            next_step="stop what listens there, or set another port for the environment in deployment.yaml",
        )


def _target(where: Place, before: Condition, to_version: str | None) -> Release:
    folder = folder_of(where.increment.project, where.service, where.environment)
    if to_version is None:
        if before.previous is None:
            raise NotFoundError(
                "nothing-to-roll-back-to",
                f"{where.service} in {where.environment} has no release before the present one",
                next_step="name a version with --to, or deploy one: /ml:deploy",
            )
        return before.previous
    state = read_state(folder) or {}
    served = {*(state.get("served") or ()), state.get("active"), state.get("previous")}
    known = [release for release in releases.everything(folder) if release.name in served]
    matching = [release for release in known if release.version == to_version]
    if not matching:
        versions = ", ".join(dict.fromkeys(release.version for release in known)) or "none"
        raise NotFoundError(
            "nothing-to-roll-back-to",
            f"{to_version[:80]} never served in {where.environment}, or its release was removed; there is: {versions}",
            next_step=f"name one of these, or deploy it: /ml:deploy {where.increment.number}",
        )
    return matching[-1]


def _activate(record: "Record", before: Condition) -> dict[str, Any]:
    context, where = record.context, record.where
    folder = folder_of(context.project, where.service, where.environment)
    supervision.ensure(context, folder, environment=where.environment, service=where.service, port=where.settings.port)
    try:
        return supervision.activate(context, folder, operation=record.operation, release=record.release.name)
    except SpecweaveError as error:
        if error.code == "release-not-ready":
            record.leave(
                passed=False,
                markdown=f"- {record.release.version} was not put into service\n"
                f"- {serving(before)} serves as before\n\n{quoting.message(error.message)}",
                data={"release": record.release.name, "reason": error.message},
            )
        raise


def _outcome(
    before: Condition, after: Condition, answer: Mapping[str, Any], standings: Sequence[Standing], report: str | None
) -> Outcome:
    return Outcome(
        before,
        after,
        changed=answer["changed"],
        started=answer["started"],
        rows=answer["rows"],
        seconds=answer["seconds"],
        gates=standings,
        report=report,
    )
