"""The tests that a report holds, one by one, and which criteria each of them is about."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

Result = Literal["passed", "failed", "skipped"]

_NAMED = re.compile(r"(?<![a-z0-9])ac[_-](?:us[_-]?(\d{1,4})[_-])?(\d{1,4})(?!\d)", re.IGNORECASE)
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


def uncovered(data: Mapping[str, Any], among: Sequence[str]) -> tuple[str, ...]:
    """The criteria of a task that none of its tests is about, where it has tests of which some name criteria.

    Args:
        data: of a report.
        among: the criteria that the task is to satisfy.
    """
    results = from_data(data)
    # Of more tests than are kept, nobody knows what the others were about.
    if results is None or len(results.cases) >= _KEPT_CASES:
        return ()
    ran = [case for case in results.cases if case.result != "skipped"]
    return tuple(criterion for criterion in among if ran and not any(case.is_about(criterion, among) for case in ran))


def named(text: str) -> tuple[str, ...]:
    """The criteria that the name of a test names: `test_ac_us1_01_null_age` → `AC-US1-01`."""
    return tuple(dict.fromkeys(_written(match) for match in _NAMED.finditer(text)))


def _key(match: re.Match[str]) -> tuple[int | None, int]:
    return (int(match[1]) if match[1] else None, int(match[2]))


def _written(match: re.Match[str]) -> str:
    story, number = _key(match)
    return f"AC-{number:02d}" if story is None else f"AC-US{story}-{number:02d}"
