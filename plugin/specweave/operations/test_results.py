"""Results of tests: JUnit XML, as pytest and most other runners write it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from specweave.errors import OperationError

if TYPE_CHECKING:
    from junitparser import TestCase

Result = Literal["passed", "failed", "skipped"]

_NAMED = re.compile(r"(?<![a-z0-9])ac[_-](?:us[_-]?(\d{1,4})[_-])?(\d{1,4})(?!\d)", re.IGNORECASE)
_PROPERTY = "criterion"
_MESSAGE_CHARACTERS = 500
_KEPT_CASES = 2000


class Case(BaseModel):
    """One test that a runner knows.

    Attributes:
        name: with its class or module before it, `tests.test_api.test_ac_us1_01_null_age`.
        result: `failed` also for one that broke before or after the test itself.
        message: why it failed or was skipped, its first line; empty where it passed.
        criteria: ids of the criteria that its name or a property `criterion` names, `AC-US1-01`; empty for none.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    result: Result
    message: str = ""
    criteria: tuple[str, ...] = ()

    def is_about(self, criterion: str, among: Iterable[str]) -> bool:
        """Whether it counts for a criterion: it names that one, or none of those in question."""
        known = {same_criterion(other) for other in among}
        named = known.intersection(map(same_criterion, self.criteria))
        return not named or same_criterion(criterion) in named


@dataclass(frozen=True, slots=True)
class Results:
    """How a run of tests went."""

    cases: tuple[Case, ...]

    @property
    def ran(self) -> int:
        """How many were run: those that were skipped show nothing."""
        return sum(case.result != "skipped" for case in self.cases)

    @property
    def failed(self) -> int:
        """How many failed or broke."""
        return sum(case.result == "failed" for case in self.cases)

    @property
    def passed(self) -> bool:
        """Whether something ran and nothing failed."""
        return self.ran > 0 and not self.failed

    def as_data(self) -> list[dict[str, object]]:
        """For a report: those that did not pass first, 2,000 at most."""
        ordered = sorted(self.cases, key=lambda case: case.result == "passed")
        return [case.model_dump(mode="json", exclude_defaults=True) for case in ordered[:_KEPT_CASES]]


def read(path: Path) -> Results:
    """The results in a file of JUnit XML.

    Raises:
        OperationError: `test-results-invalid`.
    """
    from junitparser import JUnitXml, JUnitXmlError, TestSuite  # noqa: PLC0415 - start-up: only where tests ran

    try:
        # A file may hold one suite alone, whatever the library's own annotation says.
        found: Any = JUnitXml.fromstring(path.read_bytes())
        suites = [found] if isinstance(found, TestSuite) else list(found)
        return Results(tuple(_case(case) for suite in suites for case in suite))
    except (SyntaxError, JUnitXmlError, ValueError, OSError) as error:  # a parser's errors are SyntaxErrors
        raise OperationError(
            "test-results-invalid",
            f"{path.name} is no JUnit XML that can be read: {error}",
            next_step="make the test command write JUnit XML, or none",
        ) from error


def from_data(data: Mapping[str, Any]) -> Results | None:
    """The cases that a report holds, None where it has none or another tool wrote something else there."""
    cases = data.get("cases")
    if not isinstance(cases, list) or not cases:
        return None
    try:
        return Results(tuple(Case.model_validate(case) for case in cases))
    except ValidationError:
        return None


def same_criterion(criterion: str) -> tuple[int | None, int] | None:
    """What two ways to write one criterion have in common: `AC-US1-01`, `ac_us1_1`; None for what is no id."""
    match = _NAMED.search(criterion)
    return _key(match) if match else None


def _case(case: "TestCase") -> Case:
    from junitparser.junitparser import Properties  # noqa: PLC0415 - start-up: only where tests ran

    parts = [str(part) for part in (case.classname, case.name) if part]
    result: Result = "passed"
    if case.is_failure or case.is_error:
        result = "failed"
    elif case.is_skipped:
        result = "skipped"
    said = next((str(outcome.message or outcome.text or "") for outcome in case.result), "").strip()
    found: Iterable[Properties] = case.iterchildren(Properties)  # type: ignore[no-untyped-call] # the library's
    properties = (item for group in found for item in group)
    names = [str(case.name or ""), *(str(item.value or "") for item in properties if item.name == _PROPERTY)]
    criteria = dict.fromkeys(_written(match) for name in names for match in _NAMED.finditer(name))
    return Case(
        name=".".join(parts),
        result=result,
        message=said.partition("\n")[0][:_MESSAGE_CHARACTERS],
        criteria=tuple(criteria),
    )


def _key(match: re.Match[str]) -> tuple[int | None, int]:
    return (int(match[1]) if match[1] else None, int(match[2]))


def _written(match: re.Match[str]) -> str:
    story, number = _key(match)
    return f"AC-{number:02d}" if story is None else f"AC-US{story}-{number:02d}"
