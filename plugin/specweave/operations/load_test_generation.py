"""The load test of an increment's service as files for Locust and k6, and its run by Locust."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from specweave.artifacts import load_tests
from specweave.command import Context
from specweave.files import resources
from specweave.files.quoting import markdown as quoted
from specweave.increments.store import Increment
from specweave.operations import service_environment
from specweave.operations.file_changes import FileChange, file_changes
from specweave.operations.load_test_preparation import Prepared, prepare
from specweave.operations.load_test_request import LoadTestRequest
from specweave.operations.load_testing import Measurement, Plan, answer_form, redaction
from specweave.operations.load_testing.locust import Swarm, run_locust
from specweave.operations.load_testing.plan import parse_target
from specweave.operations.measured_service import sent_key
from specweave.project import SloSettings

_USUAL_PORT = 8000
# What the workers import of the tool; each imports nothing else of it.
_COPIED = (answer_form, redaction)
_OF_THE_ENGINE = frozenset({"repeat_disturbed", "calibration_port", "search", "workers"})


@dataclass(frozen=True, slots=True)
class Generated:
    """Load tests that were written.

    Attributes:
        increment: where.
        url: where the requests would go.
        folder: relative to the project.
        changes: of each file.
        slo: that they are held to.
    """

    increment: Increment
    url: str
    folder: str
    changes: Sequence[FileChange]
    slo: SloSettings


def generate(context: Context, request: LoadTestRequest) -> Generated:
    """Write `load-tests/` of an increment; nothing is sent.

    Raises:
        NotFoundError: increment, package or environment is not there.
        InvalidInputError: `arguments-conflict` and its like, see `prepare`.
        ConflictError: `file-of-another-kind`, `files-changed`.
        HostError: a file cannot be written.
    """
    prepared = prepare(context, request)
    increment, settings = prepared.increment, prepared.settings
    port = _USUAL_PORT if request.environment is None else settings.environment(request.environment).port
    target = parse_target(request.url or f"http://127.0.0.1:{port}")
    plan = prepared.plan(target.base + target.path, same_model=True, key_variable=sent_key())
    changes = load_tests.generate(increment, prepared.package.manifest, settings, _as_json(plan), _copied())
    changes.apply()
    folder = context.project.relative(increment.folder / load_tests.FOLDER)
    return Generated(increment, plan.url, folder, file_changes(changes.changes), settings.slo)


def run_by_locust(context: Context, prepared: Prepared, plan: Plan, workers_at: Sequence[str]) -> Measurement:
    """Have Locust do the plan.

    Args:
        context: project, machine, progress.
        prepared: what is tested.
        plan: what to do.
        workers_at: one word a worker, see `Swarm.places`.

    Raises:
        InvalidInputError: `arguments-conflict`.
        OperationError: `environment-failed`; and see `run_locust`.
    """
    lock = resources.folder("templates") / "requirements" / "locust.txt"
    python = service_environment.ensure(context, lock, what="Locust's environment")
    with _folder(prepared, plan) as folder:
        swarm = Swarm(python, folder, tuple(workers_at))
        return run_locust(context, plan, swarm, slow_s=prepared.settings.slo.latency_p95_ms / 1e3)


def remark(workers_at: Sequence[str]) -> str:
    """What a reader must know of a report whose load Locust sent; markdown."""
    return (
        f"Locust sent the requests, from {len(workers_at)} workers ({quoted(', '.join(workers_at))}) on one schedule; "
        "the CPU of the load generator is that of the busiest of them. What they can send on time was not tried before."
    )


@contextmanager
def _folder(prepared: Prepared, plan: Plan) -> Iterator[Path]:
    """What the master and the local workers run, as it would be generated."""
    manifest, settings = prepared.package.manifest, prepared.settings
    files = load_tests.files(prepared.increment, manifest, settings, _as_json(plan), _copied())
    with tempfile.TemporaryDirectory(prefix="specweave-load-") as temporary:
        for path, content in files.items():
            target = Path(temporary, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        yield Path(temporary, load_tests.FOLDER)


def _as_json(plan: Plan) -> bytes:
    """What is of use elsewhere: no core of this machine, and nothing that only specweave's own engine reads."""
    document = msgspec.to_builtins(msgspec.structs.replace(plan, cores=()))
    return msgspec.json.encode({name: value for name, value in document.items() if name not in _OF_THE_ENGINE})


def _copied() -> dict[str, bytes]:
    return {Path(str(module.__file__)).name: Path(str(module.__file__)).read_bytes() for module in _COPIED}
