"""The tests that a report holds, one by one, and which criteria each of them is about."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

Result = Literal["passed", "failed", "skipped"]

_NAMED = re.compile(
    r"(?<![a-z0-9])ac[_-](?:us[_-]?(?P<story>\d{1,4})[_-])?(?P<number>\d{1,4})(?!\d)"
    r"(?P<exact>(?:\.\d{1,4}(?!\d))*)(?P<perhaps>(?:_\d{1,4}(?!\d))*)",
    re.IGNORECASE,
)
_KEPT_CASES = 2000
# Of pytest, which says so where it ends after the first failures.
_TESTS_FAILED = 1
_BROKEN_OFF = "! stopping after "

# The story, None without one, then the number and its parts: `AC-US1-01` is (1, 1), `AC-1.2` is (None, 1, 2).
Key = tuple[int | None, ...]


class Case(BaseModel):
    """One test that a runner knows.

    Attributes:
        name: with its class or module before it, `tests.test_api.test_ac_us1_01_null_age`.
        result: `failed` also for one that broke before or after the test itself.
        message: why it failed or was skipped, its first line; empty where it passed.
        criteria: ids of the criteria that its name or a property `criterion` names, `AC-US1-01`; empty for none. Of
            one that may be read in several ways all, see `named`.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    result: Result
    message: str = ""
    criteria: tuple[str, ...] = ()

    def is_about(self, criterion: str, among: Iterable[str]) -> bool:
        """Whether it counts for a criterion: it names that one, or none of those in question."""
        meant = self.meant(among)
        return not meant or same_criterion(criterion) in meant

    def meant(self, among: Iterable[str]) -> frozenset[Key]:
        """Which of the criteria in question it names, see `same_criterion`: `ac_1_2` is AC-1.2 where there is one."""
        known = {same_criterion(other) for other in among}
        found = {key for name in self.criteria if (key := same_criterion(name)) in known and key is not None}
        return frozenset(key for key in found if not any(_is_part(other, key) for other in found))


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


def same_criterion(criterion: str) -> Key | None:
    """What two ways to write one criterion have in common: `AC-US1-01`, `ac_us1_1`; None for what is no id."""
    match = _NAMED.search(criterion)
    return _key(match) if match else None


def _is_part(part: Key, whole: Key) -> bool:
    return part != whole and part[: len(whole)] == whole


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


def shown_in_failure(data: Mapping[str, Any], among: Sequence[str]) -> tuple[str, ...]:
    """The criteria that a run of tests shows although others of its tests failed.

    Those that tests name, of which one passed and none failed; nothing where a test failed that counts for all, where
    something else than a test failed, or where the run was broken off: nobody knows what the rest would have said.

    Args:
        data: of a report of pytest.
        among: the criteria that the task is to satisfy.
    """
    results = from_data(data)
    if results is None or len(results.cases) >= _KEPT_CASES or not results.failed:
        return ()
    if data.get("exit_status") != _TESTS_FAILED or _BROKEN_OFF in str(data.get("output")):
        return ()
    return tuple(criterion for criterion in among if _is_shown(results.cases, criterion, among))


def _is_shown(cases: Iterable[Case], criterion: str, among: Sequence[str]) -> bool:
    counting = [case for case in cases if case.is_about(criterion, among)]
    named = any(case.result == "passed" and case.meant(among) for case in counting)
    return named and not any(case.result == "failed" for case in counting)


def named(text: str) -> tuple[str, ...]:
    """The criteria that the name of a test names: `test_ac_us1_01_null_age` → `AC-US1-01`.

    `test_ac_1_2_items` may be about AC-01.2 or about AC-01: it names both, and which is meant, say those there are.
    """
    return tuple(dict.fromkeys(name for match in _NAMED.finditer(text) for name in _written(match)))


def _key(match: re.Match[str]) -> Key:
    return (int(match["story"]) if match["story"] else None, int(match["number"]), *_parts(match["exact"]))


def _parts(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def _written(match: re.Match[str]) -> Iterator[str]:
    story, number, *exact = _key(match)
    name = f"AC-{number:02d}" if story is None else f"AC-US{story}-{number:02d}"
    name += "".join(f".{part}" for part in exact)
    yield name
    for part in _parts(match["perhaps"]):
        name += f".{part}"
        yield name
