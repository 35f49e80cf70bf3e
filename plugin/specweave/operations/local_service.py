"""A service of an increment that runs as long as it is needed: started from its own `api/`, on a free loopback port."""

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from specweave.artifacts import service
from specweave.command import Context, Progress
from specweave.errors import OperationError
from specweave.increments.store import Increment
from specweave.model_packages.store import Package
from specweave.operations import service_environment

_READY_S = 90.0
_POLL_S = 0.05
_LOG_LINES = 15
# What the developer's shell says of services in general is not meant for this one.
_UNSET = {"API_KEY": "", "API_KEY_FILE": "", "RATE_LIMIT": "", "REQUEST_LOG": "0", "BODY_BYTES": "", "BATCH_ROWS": ""}


@contextmanager
def serve(
    context: Context, increment: Increment, package: Package, *, cores: Sequence[int] = (), ready_s: float = _READY_S
) -> Iterator[str]:
    """Run the generated service of an increment with one model package.

    Args:
        context: project, machine, progress.
        increment: whose `api/` and `runtime/`.
        package: what it serves; checked by the service against its identity before it loads it.
        cores: where the service may run; empty for anywhere.
        ready_s: how long it may take to become ready, seconds.

    Yields:
        Its address, `http://127.0.0.1:<port>`. It is ready.

    Raises:
        NotFoundError: `service-missing`.
        OperationError: `service-not-ready` with the reason and the end of its log; `environment-failed`.
        InvalidInputError: `requirements-not-locked`.
    """
    requirements = increment.folder / "api" / "requirements.txt"
    service.require(increment)
    base = service_environment.interpreter(context, package.manifest)
    python = service_environment.ensure(context, requirements, base)
    port = context.host.free_port()
    with tempfile.TemporaryDirectory(prefix="specweave-service-") as temporary:
        log = Path(temporary) / "service.log"
        argv = [
            str(python),
            "-P",
            "-m",
            "specweave_runtime.server",
            "api.main:app",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        env = {
            **_UNSET,
            "MODEL_PACKAGE": str(package.path),
            "MODEL_DIGEST": package.identity,
            "PYTHONPATH": os.pathsep.join([str(increment.folder / "runtime"), str(increment.folder)]),
            "PYTHONPYCACHEPREFIX": str(context.project.state / "cache" / "bytecode"),
        }
        context.report(Progress("starting the service"))
        with context.host.attached(argv, cwd=increment.folder, log=log, env=env, cores=cores) as exit_status:
            address = f"http://127.0.0.1:{port}"
            _wait_until_ready(context, address, exit_status, log, ready_s)
            yield address


def _wait_until_ready(
    context: Context, address: str, exit_status: Callable[[], int | None], log: Path, ready_s: float
) -> None:
    import httpx  # noqa: PLC0415 - start-up: only what calls a service needs it

    end = context.host.monotonic() + ready_s
    reason = "it does not answer"
    with context.host.http() as client:
        while (status := exit_status()) is None and context.host.monotonic() < end:
            try:
                answer = client.get(f"{address}/health/ready")
            except httpx.HTTPError as error:
                reason = f"it does not answer: {error}"
            else:
                if answer.is_success:
                    return
                # The service has tried and knows why: waiting would not help.
                raise _not_ready(f"it answers {answer.status_code}: {answer.text[:500]}", log)
            context.host.sleep(_POLL_S)
    if status is not None:
        reason = f"it ended with status {status}"
    raise _not_ready(f"after {ready_s:g} s {reason}" if status is None else reason, log)


def _not_ready(reason: str, log: Path) -> OperationError:
    with log.open(encoding="utf-8", errors="replace") as lines:
        tail = "".join(deque(lines, _LOG_LINES)).strip()
    return OperationError(
        "service-not-ready",
        f"the service did not become ready: {reason}" + (f"\nIts log ends:\n{tail}" if tail else ""),
        next_step="mend what the log names, then run the command again",
        details={"log": tail},
    )
