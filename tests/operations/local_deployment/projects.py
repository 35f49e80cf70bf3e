"""Acting on a prepared project through the commands' own door."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from specweave.command import Context
from specweave.host import RealHost
from specweave.increments import evidence
from specweave.increments.evidence import PackageReference
from specweave.increments.store import Increment
from specweave.model_packages import store as packages
from specweave.operations.load_test_request import LoadTestRequest
from specweave.operations.local_deployment import content, supervision
from specweave.operations.local_deployment.condition import folder_of
from specweave.operations.ml import deploy, load_test, rollback, status
from specweave.operations.ml.deploy import DeployResult
from specweave.operations.ml.rollback import RollbackResult
from specweave.operations.ml.status import StatusResult

NAME, NUMBER = "small-model", "0001"

RUN_LINE = [sys.executable, "-m", "specweave"]


@dataclass
class Project:
    """A prepared project.

    Attributes:
        context: of the project.
        increment: the deployment increment.
        started: a moment before.
    """

    context: Context
    increment: Increment
    started: datetime

    @property
    def root(self) -> Path:
        return self.context.project.root

    def folder(self, environment: str = "staging") -> Path:
        return folder_of(self.context.project, NAME, environment)

    def deploy(self, *, approved: bool = False, **request: Any) -> DeployResult:
        context = replace(self.context, approved=approved)
        return deploy.run(deploy.DeployRequest(increment=NUMBER, **request), context)

    def rollback(self, **request: Any) -> RollbackResult:
        return rollback.run(rollback.RollbackRequest(increment=NUMBER, **request), self.context)

    def status(self) -> StatusResult:
        return status.run(status.StatusRequest(increment=NUMBER), self.context)

    def question(self, **request: Any) -> str | None:
        return deploy.approval(deploy.DeployRequest(increment=NUMBER, **request), self.context)

    def identity(self, version: str) -> str:
        return packages.open_package(self.context.project, NAME, version).identity

    def load_test(self, **request: Any) -> None:
        """A real one, which must not fail."""
        made = LoadTestRequest(increment=NUMBER, rps=(250,), duration=1.0, **request)
        result = load_test.run(made, self.context)
        assert result.passed, result.text()

    def load_tested(
        self,
        *versions: str,
        p95: float = 12.0,
        passed: bool = True,
        rate: float = 50.0,
        environment: str | None = None,
        verdict: str | None = None,
    ) -> None:
        """Leave the evidence of a load test, as the load test leaves it."""
        for version in versions:
            package = packages.open_package(self.context.project, NAME, version)
            judged = verdict or ("within" if passed else "beyond")
            step = {"rate": rate, "verdict": judged, "error_rate": 0.0, "latency": {"p95": p95, "maximum": 20.0}}
            evidence.record(
                self.context,
                self.increment,
                operation="load-test",
                command=f"/ml:load-test {NUMBER}",
                passed=passed,
                started=self.started,
                markdown="",
                data={"steps": [step], "content": content.of_increment(self.increment, package).digest},
                package=PackageReference(name=NAME, version=version, digest=package.identity),
                environment=environment,
            )

    def served(self, environment: str = "staging") -> str | None:
        """The version in an answer to a prediction, None where nothing answers."""
        view = next(view for view in self.status().environments if view.environment == environment)
        if view.address is None:
            return None
        golden = json.loads((self.root / ".specweave/models" / NAME / "0001-v1/golden.json").read_bytes())
        answer = httpx.post(
            f"{view.address}/predict", json={"features": golden["rows"][0]["features"]}, trust_env=False, timeout=30
        )
        version: str = answer.raise_for_status().json()["model_version"]
        return version

    def supervisor(self, environment: str = "staging") -> int:
        """Process id of the supervisor."""
        pid: int = supervision.ask(self.folder(environment), {"do": "status"})["state"]["supervisor"]["pid"]
        return pid

    def start_cli(self, *words: str) -> subprocess.Popen[bytes]:
        """The command in a shell, not waited for."""
        return subprocess.Popen(
            [*RUN_LINE, *words], cwd=self.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def stop_everything(self) -> None:
        for environment in ("staging", "production"):
            supervision.stop(self.context, self.folder(environment))


def free_ports(count: int) -> Sequence[int]:
    """Different loopback ports that were free a moment ago."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(RealHost().free_port())
    return sorted(ports)
