"""The reports of an increment, as they lie in `reports/`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from specweave.errors import InvalidInputError
from specweave.files import reading
from specweave.increments.store import Increment

FOLDER = "reports"
BYTES = 32 * 1_048_576

_NAME = re.compile(r"(?P<number>\d{3,})-(?P<operation>[a-z0-9-]+)\.(?P<suffix>[a-z0-9]+)")


@dataclass(frozen=True, slots=True)
class PackageReference:
    """Which model package a report is about; `digest` is its identity."""

    name: str
    version: str
    digest: str


class ReportData(BaseModel):
    """A report for programs.

    Attributes:
        number: of the report in its increment, from 1.
        operation: `load-test`.
        command: the slash command that was run.
        passed: whether its outcome is good.
        exit_status: of the command in a shell.
        started: UTC, ISO 8601.
        duration_s: seconds.
        actor: `cli`, `mcp` or `python`.
        commit: of the project, None without one.
        dirty: whether tracked files, or files of the increment, differed from that commit.
        package: what it is about.
        environment: where, for those that act on one.
        data: the operation's own.
        tasks: the tasks it is evidence for, by id, each with the digest of its text then.
        content_digest: of what it is about, see `specweave.increments.content`; None where that does not matter.
        content: the same file by file, name → SHA-256.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    format: Literal[1]
    number: int
    operation: str
    command: str
    passed: bool
    exit_status: int
    started: str
    duration_s: float
    actor: str
    commit: str | None
    dirty: bool
    package: PackageReference | None
    environment: str | None
    data: Mapping[str, Any]
    tasks: Mapping[str, str] = Field(default_factory=dict)
    content_digest: str | None = None
    content: Mapping[str, str] = Field(default_factory=dict)

    @property
    def stem(self) -> str:
        """Name of its files without their ends: `003-load-test`."""
        return f"{self.number:03d}-{self.operation}"

    @property
    def page(self) -> str:
        """The report for people, relative to the increment."""
        return f"{FOLDER}/{self.stem}.md"

    @property
    def finished(self) -> datetime:
        """When the operation ended, UTC; the beginning of time where the report does not say it."""
        try:
            return (datetime.fromisoformat(self.started) + timedelta(seconds=self.duration_s)).astimezone(UTC)
        except (ValueError, OverflowError):
            return datetime.fromtimestamp(0, UTC)

    @property
    def line(self) -> str:
        """What stands under a task that it is evidence for, one line of markdown."""
        line = (
            f"[{self.stem}]({self.page}) {'passed' if self.passed else 'failed'} · {self.finished:%Y-%m-%d %H:%M} UTC"
        )
        changed = " with local changes" if self.dirty else ""
        return line + (f" · commit {self.commit[:7]}{changed}" if self.commit else "")


def newest(
    increment: Increment, operation: str, *, package_digest: str | None = None, environment: str | None = None
) -> ReportData | None:
    """The newest report of an operation; with `package_digest` or `environment`, the newest for just that one."""
    for report in reports(increment):
        if report.operation != operation:
            continue
        if package_digest is not None and (report.package is None or report.package.digest != package_digest):
            continue
        if environment is not None and report.environment != environment:
            continue
        return report
    return None


def reports(increment: Increment) -> Iterator[ReportData]:
    """The reports of an increment, newest first; files that are no report of this format are passed over."""
    for number, path in sorted(files(increment), reverse=True):
        if path.suffix != ".json":
            continue
        report = _read(path)
        if report is not None and report.number == number:
            yield report


def of_page(increment: Increment, page: str) -> ReportData | None:
    """The report behind a page such as `reports/003-load-test.md`; None where it is not there or is no report."""
    path = increment.folder / FOLDER / f"{Path(page).stem}.json"
    return _read(path) if path.is_file() else None


def next_number(increment: Increment) -> int:
    """The number that the next report gets: numbers are not used again."""
    return max((number for number, _ in files(increment)), default=0) + 1


def _read(path: Path) -> ReportData | None:
    try:
        return ReportData.model_validate_json(reading.read(path, limit=BYTES))
    except (ValidationError, InvalidInputError, OSError):
        return None


def files(increment: Increment) -> Iterator[tuple[int, Path]]:
    """The files of its reports, attachments too, each with the report's number; in no order."""
    folder = increment.folder / FOLDER
    if folder.is_dir():
        for path in folder.iterdir():
            if match := _NAME.fullmatch(path.name):
                yield int(match["number"]), path
