"""The command line on the `**Test**` line of a task: run without a shell, and its results read where pytest runs."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from specweave.command import Context, Progress
from specweave.errors import OperationError
from specweave.files.atomic import coded_errors
from specweave.files.quoting import code_block, code_span
from specweave.files.quoting import markdown as quoted
from specweave.host import without_credentials
from specweave.increments import test_cases
from specweave.increments.test_cases import Results
from specweave.operations import test_results
from specweave.operations.counting import counted

OPERATION = "test"

_SCRATCH = "testing-"
_PYTEST = frozenset({"pytest", "py.test"})
# These run the program that follows their own arguments.
_RUNNERS = frozenset(
    {"coverage", "env", "hatch", "nice", "pdm", "pipenv", "pixi", "poetry", "rye", "timeout", "uv", "uvx"}
)
_JUNIT = ("--junit-xml", "--junitxml")
_OUTPUT_CHARACTERS = 4000
_SHOWN_CASES = 50


@dataclass(frozen=True, slots=True)
class TestRun:
    """How a command line went.

    Attributes:
        exit_status: of the program; negative for the signal that ended it.
        seconds: wall-clock time.
        output: what it said, the last 4,000 characters.
        results: of each test, None where the program wrote none that can be found.
        unshown: criteria that tests name, none of which was run.
    """

    exit_status: int
    seconds: float
    output: str
    results: Results | None
    unshown: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it ended well and, where that is known, ran a test of each criterion that tests name."""
        return self.exit_status == 0 and (self.results is None or self.results.passed) and not self.unshown

    @property
    def summary(self) -> str:
        """One line without a full stop: `2 of 14 tests failed`."""
        if self.results is not None and self.results.failed:
            return f"{self.results.failed} of {counted(self.results.ran, 'test')} failed"
        if self.results is not None and not self.results.ran:
            return "no test was run" + (": all were skipped" if self.results.cases else "")
        if self.unshown:
            return f"the tests of {', '.join(self.unshown)} were all skipped"
        if self.exit_status:
            return f"it ended with exit status {self.exit_status}"
        return f"{counted(self.results.ran, 'test')} passed" if self.results else "it ended with exit status 0"

    def data(self) -> dict[str, object]:
        """For the report; `test_cases.from_data` reads it back."""
        cases = self.results.as_data() if self.results else []
        return {
            "exit_status": self.exit_status,
            "seconds": round(self.seconds, 3),
            "output": self.output,
            "cases": cases,
        }

    def markdown(self, line: str) -> str:
        """The report for people."""
        lines = [f"- test: {code_span(line)}", f"- exit status: {self.exit_status}", f"- {self.summary}"]
        shown = [case for case in self.results.cases if case.result != "passed"] if self.results else []
        if shown:
            lines += ["", "| test | | |", "|---|---|---|"]
            for case in shown[:_SHOWN_CASES]:
                lines.append(f"| {code_span(case.name, cell=True)} | {case.result} | {quoted(case.message)} |")
        if len(shown) > _SHOWN_CASES:
            lines += ["", f"and {len(shown) - _SHOWN_CASES} more"]
        if self.output.strip():
            lines += ["", code_block(self.output)]
        return "\n".join(lines) + "\n"


def run(context: Context, argv: Sequence[str]) -> TestRun:
    """Run a command line in the root of the project.

    Raises:
        HostError: `program-missing`; `timeout` after the project's `tasks.test_timeout_s`; disk or permission.
        OperationError: `test-results-invalid`.
    """
    root, cache = context.project.root, context.project.state / "cache"
    with coded_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        _tidy(context, cache)
        scratch = tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=cache)
    with scratch as folder:
        argv, written = _with_results(argv, Path(folder, "results.xml"), root)
        before = _changed_ns(written)
        limit_s, running = context.project.config.tasks.test_timeout_s, Progress(f"running {PurePath(argv[0]).name}")
        # Whoever asked may have gone: the report says so.
        done = context.host.run(argv, cwd=root, timeout_s=limit_s, on_wait=lambda: context.report(running))
        fresh = written if written is not None and _changed_ns(written) != before else None
        output = without_credentials(f"{done.stdout}{done.stderr}")[-_OUTPUT_CHARACTERS:]
        return TestRun(done.returncode, done.seconds, output, _results(fresh, done.returncode))


def _tidy(context: Context, cache: Path) -> None:
    """Remove what runs left that were killed; none that goes on is older than a test may take."""
    oldest = context.host.now().timestamp() - 2 * context.project.config.tasks.test_timeout_s
    for left in cache.glob(f"{_SCRATCH}*"):
        with suppress(FileNotFoundError):  # another process may have removed it just now
            if left.stat().st_mtime < oldest:
                shutil.rmtree(left, ignore_errors=True)


def judged(run: TestRun, criteria: Iterable[str]) -> TestRun:
    """The same run, judged by the criteria that it was for: where all tests of one were skipped, nothing shows it."""
    if run.results is None:
        return run
    criteria = tuple(criteria)
    skipped: set[test_cases.Key | None] = set()
    shown: set[test_cases.Key | None] = set()
    for case in run.results.cases:
        (skipped if case.result == "skipped" else shown).update(case.meant(criteria))
    unshown = (name for name in criteria if (key := test_cases.same_criterion(name)) in skipped and key not in shown)
    return replace(run, unshown=tuple(unshown))


def _results(written: Path | None, exit_status: int) -> Results | None:
    if written is None:
        return None
    try:
        return test_results.read(written)
    except OperationError:
        # A run that was broken off leaves half a file; that it failed is known without it.
        if exit_status:
            return None
        raise


def _with_results(argv: Sequence[str], results: Path, root: Path) -> tuple[Sequence[str], Path | None]:
    """The arguments that make pytest write its results, and where to; a file that the line names itself is taken."""
    place = _pytest(argv)
    if place is None:
        return argv, None
    for number, word in enumerate(argv):
        option, joined, value = word.partition("=")
        if option in _JUNIT:
            given = value if joined else next(iter(argv[number + 1 :]), "")
            return argv, root / given
    # Relative: pytest expands `$NAME` and `~` in it, which a project's folder may have in its name.
    option = f"--junit-xml={os.path.relpath(results, root)}"
    return [*argv[: place + 1], option, *argv[place + 1 :]], results


def _pytest(argv: Sequence[str]) -> int | None:
    """Where pytest stands among the words, None where it does not or is somebody's argument."""
    for number, word in enumerate(argv):
        if PurePath(word).name not in _PYTEST:
            continue
        if number == 0 or argv[number - 1] == "-m" or PurePath(argv[0]).name in _RUNNERS:
            return number
    return None


def _changed_ns(path: Path | None) -> int | None:
    try:
        return path.stat().st_mtime_ns if path else None
    except OSError:
        return None
