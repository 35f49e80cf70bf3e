"""Results of tests: JUnit XML, as pytest and most other runners write it."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specweave.errors import OperationError
from specweave.increments.test_cases import Case, Result, Results, named

if TYPE_CHECKING:
    from junitparser import TestCase

_PROPERTY = "criterion"
_MESSAGE_CHARACTERS = 500


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
    criteria = dict.fromkeys(criterion for name in names for criterion in named(name))
    return Case(
        name=".".join(parts),
        result=result,
        message=said.partition("\n")[0][:_MESSAGE_CHARACTERS],
        criteria=tuple(criteria),
    )
