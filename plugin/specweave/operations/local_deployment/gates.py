"""What an environment demands before a version may go there. Each gate is met, or says why not and what shows it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from specweave.errors import GateError
from specweave.increments import evidence
from specweave.increments.deployment import Deployment
from specweave.increments.evidence import ReportData
from specweave.increments.store import Increment
from specweave.model_packages.store import Package
from specweave.operations.local_deployment.condition import Condition
from specweave.project import Gate, SloSettings

_STAGING = "staging"
_SHOWN = 16


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
        content: digest of all that would run, see `local_deployment.content`.
        environment: where to.
        approved: a person said yes.
    """

    increment: Increment
    deployment: Deployment
    package: Package
    content: str
    environment: str
    approved: bool

    @property
    def version_option(self) -> str:
        """What a command needs to mean this version: nothing where deployment.yaml names it."""
        named = self.deployment.model.version == self.package.version
        return "" if named else f" --version {self.package.version}"


def question(candidate: Candidate, present: Condition) -> str:
    """What a person says yes to: just this package, and just this content of all that would run."""
    package = candidate.package
    what = (
        f"{package.name} {package.version} (package {package.identity[:_SHOWN]}, content {candidate.content[:_SHOWN]})"
    )
    instead = f", in place of {present.serving}" if present.serving else ""
    return f"Deploy {what} to {candidate.environment}{instead}?"


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
        reason = f"verified; on {parity.compared} no label differs, values by at most {parity.max_difference:.1e}"
        return Standing("package-validated", met=True, reason=reason)
    return Standing(
        "package-validated",
        met=False,
        reason=f"{parity.label_mismatches} labels differ from the estimator's on {parity.compared}",
        command=f"/ml:deploy-prepare {candidate.increment.number}",
    )


def _load_test(candidate: Candidate) -> Standing:
    command = f"/ml:load-test {candidate.increment.number}"
    report = next(_load_tests(candidate), None)
    if report is None:
        return Standing("load-test", met=False, reason=_untested(candidate), command=command)
    held, shortfall = _held(report, candidate.deployment.slo)
    if shortfall:
        return Standing("load-test", met=False, reason=shortfall, command=command)
    return Standing("load-test", met=True, reason=f"{report.page}: {held:g} RPS within the SLO")


def _load_tests(candidate: Candidate) -> Iterator[ReportData]:
    """Those of just what would run, newest first, but for those that could not tell.

    A report of a service at some --url has no content: what answers there may say anything of itself.
    """
    for report in evidence.reports(candidate.increment):
        ours = report.operation == "load-test" and report.data.get("content") == candidate.content
        if ours and (report.passed or any(step["verdict"] == "beyond" for step in report.data["steps"])):
            yield report


def _untested(candidate: Candidate) -> str:
    other = evidence.newest(candidate.increment, "load-test", package_digest=candidate.package.identity)
    if other is None:
        return "this package was not load-tested"
    if other.data.get("content") is None:
        return f"{other.page} is about a service at an address that was named, which proves nothing about this one"
    return f"the service was changed since {other.page}"


def _held(report: ReportData, slo: SloSettings) -> tuple[float, str]:
    """The highest rate held, and what is short of the SLO as it is now: it may be tighter."""
    judged = [step for step in report.data["steps"] if step["verdict"] in {"within", "beyond"}]
    beyond = min((float(step["rate"]) for step in judged if not _within(step, slo)), default=inf)
    held = max((rate for step in judged if (rate := float(step["rate"])) < beyond), default=0.0)
    limits = f"{slo.latency_p95_ms:g} ms at P95 and {slo.error_rate:.2%} errors"
    if not report.passed or not held:
        return held, f"{report.page} is not within {limits}"
    if slo.rps is not None and held < slo.rps:
        return held, f"{report.page} held {held:g} RPS within {limits}, {slo.rps:g} are wanted"
    return held, ""


def _within(step: Mapping[str, Any], slo: SloSettings) -> bool:
    slowest = step["latency"]["p95"]
    if slowest is None:
        slowest = step["latency"]["maximum"]
    return bool(step["verdict"] == "within" and slowest <= slo.latency_p95_ms and step["error_rate"] <= slo.error_rate)


def _staging(candidate: Candidate) -> Standing:
    number = candidate.increment.number
    deploy = f"/ml:deploy {number} --environment {_STAGING}{candidate.version_option}"
    report = _newest_act(candidate)
    if report is None:
        return Standing("staging", met=False, reason="this package was not deployed to staging", command=deploy)
    if reason := _not_served(report, candidate):
        return Standing("staging", met=False, reason=reason, command=deploy)
    tested = next((test for test in _load_tests(candidate) if test.environment == _STAGING), None)
    if tested is not None and (shortfall := _held(tested, candidate.deployment.slo)[1]):
        test = f"/ml:load-test {number} --environment {_STAGING}"
        return Standing("staging", met=False, reason=f"in staging, {shortfall}", command=test)
    return Standing("staging", met=True, reason=f"{report.page}: ready, smoke test passed")


def _newest_act(candidate: Candidate) -> ReportData | None:
    """What says what serves in staging, or that this very content failed there.

    After another content failed there, what served before serves on.
    """
    for report in evidence.reports(candidate.increment):
        there = report.operation in {"deploy", "rollback", "stop"} and report.environment == _STAGING
        if there and (report.passed or report.data.get("content") == candidate.content):
            return report
    return None


def _not_served(report: ReportData, candidate: Candidate) -> str:
    if not report.passed:
        return f"it failed in staging, see {report.page}"
    if report.operation == "stop":
        return f"nothing serves in staging since {report.page}"
    if report.data.get("content") == candidate.content:
        return ""
    if report.package is not None and report.package.digest != candidate.package.identity:
        return f"staging serves {report.package.version} since {report.page}"
    return f"the service was changed since {report.page}"


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
