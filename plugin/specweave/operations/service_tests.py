"""The generated service's own tests, run in an environment made from its locked requirements and pytest alone."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from specweave.artifacts import service
from specweave.command import Context, Progress
from specweave.errors import OperationError
from specweave.files.atomic import coded_errors
from specweave.increments.store import Increment
from specweave.increments.test_cases import Results
from specweave.model_packages.store import Package
from specweave.operations import test_results
from specweave.operations.service_environment import ensure, interpreter

TESTS = "api/tests"
_REQUIREMENTS = ("api/requirements.txt", "api/tests/requirements.txt")
_TIMEOUT_S = 600.0
_RAN = frozenset({0, 1})  # exit statuses of pytest: all passed, some failed


@dataclass(frozen=True, slots=True)
class TestRun:
    """How the tests went.

    Attributes:
        results: of each test.
        seconds: wall-clock time of the run, without making the environment.
        output: what pytest said, its last 4,000 characters.
    """

    results: Results
    seconds: float
    output: str


def run_tests(context: Context, increment: Increment, package: Package) -> TestRun:
    """Run `api/tests/` of an increment.

    Raises:
        NotFoundError: `service-missing` where the service was not generated.
        OperationError: `tests-not-run`, with what pytest said; `test-results-invalid`, `environment-failed`.
        HostError: `timeout` after ten minutes; disk or permission.
    """
    service.require(increment, *_REQUIREMENTS)
    lists = [increment.folder / name for name in _REQUIREMENTS]
    cache = context.project.state / "cache"
    with coded_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            together, results = Path(scratch, "requirements.txt"), Path(scratch, "results.xml")
            together.write_bytes(b"\n".join(path.read_bytes() for path in lists))
            python = ensure(context, together, interpreter(context, package.manifest))
            context.report(Progress("running the service's own tests"))
            # Relative: pytest expands `$NAME` and `~` in it, which a project's folder may have in its name.
            written = os.path.relpath(results, increment.folder)
            done = context.host.run(
                [str(python), "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={written}", TESTS],
                cwd=increment.folder,
                env={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": ""},
                timeout_s=_TIMEOUT_S,
            )
            output = f"{done.stdout}{done.stderr}"[-4000:]
            if done.returncode not in _RAN or not results.is_file():
                raise OperationError(
                    "tests-not-run",
                    f"pytest ended with {done.returncode}: {output[-1500:].strip()}",
                    next_step=f"mend {TESTS}, then run the command again",
                )
            return TestRun(test_results.read(results), round(done.seconds, 2), output)
