"""What an environment demands before a version may go there. Each gate is met, or says why not and what shows it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from specweave.errors import GateError
from specweave.increments import evidence
from specweave.increments.deployment import Deployment
from specweave.increments.store import Increment
from specweave.model_packages.store import Package
from specweave.project import Gate, SloSettings

_STAGING = "staging"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a gate stands.

    Attributes:
        gate: its name, as in deployment.yaml.
        met: whether it is open.
        reason: what was looked at, one sentence without a full stop.
        command: what shows it, where it is not met.
    """

    gate: Gate
    met: bool
    reason: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that wants to go to an environment.

    Attributes:
        increment: whose.
        deployment: its deployment.yaml.
        package: verified.
        environment: where to.
        approved: a person said yes.
    """

    increment: Increment
    deployment: Deployment
    package: Package
    environment: str
    approved: bool

    @property
    def version_option(self) -> str:
        """What a command needs to mean this version: nothing where deployment.yaml names it."""
        named = self.deployment.model.version == self.package.version
        return "" if named else f" --version {self.package.version}"


def standings(candidate: Candidate) -> list[Standing]:
    """Every gate of the environment, in the order of deployment.yaml."""
    gates = dict.fromkeys(candidate.deployment.environment(candidate.environment).gates)
    return [_GATES[gate](candidate) for gate in gates]


def require(candidate: Candidate) -> list[Standing]:
    """The standings, all met.

    Raises:
        GateError: `gates-unmet` with every unmet gate; `approval-required` where only the yes is missing.
    """
    found = standings(candidate)
    unmet = [standing for standing in found if not standing.met]
    if not unmet:
        return found
    details = {"gates": [{"gate": s.gate, "met": s.met, "reason": s.reason, "command": s.command} for s in found]}
    if [standing.gate for standing in unmet] == ["approval"]:
        raise GateError("approval-required", unmet[0].reason, next_step=unmet[0].command, details=details)
    listed = "; ".join(f"{standing.gate}: {standing.reason}" for standing in unmet)
    commands = dict.fromkeys(standing.command for standing in unmet)
    raise GateError(
        "gates-unmet",
        f"{candidate.package.version} may not go to {candidate.environment} yet: {listed}",
        next_step="; then ".join(commands),
        details=details,
    )


def _package_validated(candidate: Candidate) -> Standing:
    parity = candidate.package.manifest.parity
    if parity.passed:
        reason = f"verified; on {parity.rows:,} rows no label differs, values by at most {parity.max_difference:.1e}"
        return Standing("package-validated", met=True, reason=reason)
    return Standing(
        "package-validated",
        met=False,
        reason=f"{parity.label_mismatches} labels of {parity.rows:,} rows differ from the estimator's",
        command=f"/ml:deploy-prepare {candidate.increment.number}",
    )


def _load_test(candidate: Candidate) -> Standing:
    command = f"/ml:load-test {candidate.increment.number}"
    report = evidence.newest(candidate.increment, "load-test", package_digest=candidate.package.identity)
    if report is None:
        return Standing("load-test", met=False, reason="this package was not load-tested", command=command)
    slo = candidate.deployment.slo
    held = _held(report.data, slo) if report.passed else None
    if held is None:
        reason = f"{report.page} is not within {slo.latency_p95_ms:g} ms at P95 and {slo.error_rate:.2%} errors"
        return Standing("load-test", met=False, reason=reason, command=command)
    return Standing("load-test", met=True, reason=f"{report.page}: {held:g} RPS within the SLO")


def _held(data: Mapping[str, Any], slo: SloSettings) -> float | None:
    """The highest rate held with every lower one, by the SLO as it is now; it may have been tightened since."""
    held = None
    for step in sorted(data.get("steps", ()), key=lambda step: float(step["rate"])):
        slowest = step["latency"]["p95"]
        if slowest is None:
            slowest = step["latency"]["maximum"]
        within = step["verdict"] == "within" and slowest <= slo.latency_p95_ms and step["error_rate"] <= slo.error_rate
        if not within:
            break
        held = float(step["rate"])
    return held


def _staging(candidate: Candidate) -> Standing:
    command = f"/ml:deploy {candidate.increment.number} --environment {_STAGING}{candidate.version_option}"
    report = evidence.newest(
        candidate.increment, "deploy", package_digest=candidate.package.identity, environment=_STAGING
    )
    if report is None:
        return Standing("staging", met=False, reason="this package was not deployed to staging", command=command)
    if not report.passed:
        return Standing("staging", met=False, reason=f"it failed in staging, see {report.page}", command=command)
    return Standing("staging", met=True, reason=f"{report.page}: ready, smoke test passed")


def _approval(candidate: Candidate) -> Standing:
    if candidate.approved:
        return Standing("approval", met=True, reason="a person said yes")
    line = f"/ml:deploy {candidate.increment.number} --environment {candidate.environment}{candidate.version_option}"
    return Standing(
        "approval",
        met=False,
        reason=f"{candidate.environment} needs a person's yes",
        command=f"a person who agrees types `specweave {line[1:].replace(':', ' ', 1)} --approve` in a shell",
    )


_GATES: Mapping[Gate, Callable[[Candidate], Standing]] = {
    "package-validated": _package_validated,
    "load-test": _load_test,
    "staging": _staging,
    "approval": _approval,
}
