"""The load test of a service beyond one machine: `load-tests/` with the plan for Locust and for k6.

What decides whether an answer is right is copied byte for byte, so that Locust's workers need no specweave.
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

import specweave_runtime
from specweave.artifacts import requirements
from specweave.files import ledger
from specweave.files.rendering import render
from specweave.increments.deployment import Deployment
from specweave.increments.store import Increment
from specweave_runtime.package import Manifest

KIND = "load-tests"
FOLDER = "load-tests"
_RUNTIME = ("__init__.py", "agreement.py", "py.typed")
_WORKERS = 2
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
# So that `-worker` and the suffix of a pod still fit a label of Kubernetes.
_LONGEST_NAME = 40


def generate(
    increment: Increment, manifest: Manifest, deployment: Deployment, plan: bytes, copied: Mapping[str, bytes]
) -> ledger.Plan:
    """What generating the load tests of an increment would do.

    Args:
        increment: where they are written.
        manifest: of the model package that is served.
        deployment: names the service and its SLO.
        plan: of the load test, as JSON: see `operations.load_testing.plan.Plan`; it has steps, and no search.
        copied: modules that the workers import, by their file names.

    Raises:
        ConflictError: `file-of-another-kind`.
    """
    return ledger.plan(increment.folder, files(increment, manifest, deployment, plan, copied), kind=KIND)


def files(
    increment: Increment, manifest: Manifest, deployment: Deployment, plan: bytes, copied: Mapping[str, bytes]
) -> dict[str, bytes]:
    """The same files by their paths, written nowhere."""
    rendered = render(KIND, _values(increment, manifest, deployment, plan))
    rendered[f"{FOLDER}/plan.json"] = msgspec.json.format(plan, indent=1) + b"\n"
    rendered[f"{FOLDER}/requirements.txt"] = requirements.locust_lock()
    root = Path(specweave_runtime.__path__[0])
    rendered |= {f"{FOLDER}/specweave_runtime/{name}": (root / name).read_bytes() for name in _RUNTIME}
    return rendered | {f"{FOLDER}/{name}": content for name, content in copied.items()}


def _values(increment: Increment, manifest: Manifest, deployment: Deployment, plan: bytes) -> dict[str, object]:
    document = msgspec.json.decode(plan, type=_Planned)
    parts = urlsplit(document.url)
    base, local = f"{parts.scheme}://{parts.netloc}", parts.hostname in _LOOPBACK
    name = f"{deployment.service.name[:_LONGEST_NAME].rstrip('-')}-load-tests"
    steps = ", ".join(f"{step['rate']:g} requests a second for {step['duration_s']:g} s" for step in document.steps)
    return {
        "service": deployment.service.name,
        "version": manifest.version,
        "number": increment.number,
        "name": name,
        "image": f"{name}:{manifest.version}",
        "url": document.url,
        "base": base,
        # A loopback address means another machine within a container.
        "from_container": f"{parts.scheme}://host.docker.internal:{parts.port or 80}" if local else base,
        "in_cluster": f"http://{deployment.service.name}:8000" if local else base,
        "summary": f"{steps}, {document.arrivals} arrivals, {len(document.corpus)} request bodies in turn",
        "headers": document.header_variables,
        "variables": sorted(set(document.header_variables.values())),
        "latency_p95_ms": float(deployment.slo.latency_p95_ms),
        "error_rate": float(deployment.slo.error_rate),
        "workers": _WORKERS,
    }


class _Planned(msgspec.Struct, frozen=True):
    """What the texts say of a plan; its other fields are for the programs."""

    url: str
    steps: list[dict[str, object]]
    corpus: list[object]
    arrivals: str
    header_variables: dict[str, str]
