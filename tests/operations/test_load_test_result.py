"""What a caller is told to do next."""

from typing import Literal

import pytest

from specweave.operations.load_test_result import LoadTestResult, LoadTestStep

Verdict = Literal["within", "beyond", "generator-limited", "undecided"]


def result(*verdicts: Verdict, passed: bool = False, version: str | None = "0001-v1") -> LoadTestResult:
    steps = [
        LoadTestStep(
            rps=10 * number,
            requests=100,
            achieved_rps=10 * number,
            p50_ms=1,
            p95_ms=None,
            p95_interval_ms=None,
            p99_ms=None,
            max_ms=2,
            error_rate=0,
            errors={},
            verdict=verdict,
        )
        for number, verdict in enumerate(verdicts, 1)
    ]
    return LoadTestResult(
        passed=passed,
        increment="0001-deploy-credit",
        url="http://127.0.0.1:8000/predict",
        version=version,
        steps=steps,
        max_rps_within_slo=None,
        slo_p95_ms=100,
        slo_error_rate=0.01,
        recommendation="",
        notes=[],
        report="reports/001-load-test.md",
        revision="",
    )


def failing(errors: dict[str, int]) -> LoadTestResult:
    found = result("within", "beyond")
    found.steps[1] = found.steps[1].model_copy(update={"errors": errors, "error_rate": sum(errors.values()) / 100})
    return found


@pytest.mark.parametrize(
    ("found", "next_step"),
    [
        (result("within", "beyond", passed=True), "`/ml:deploy 0001 --environment staging`."),
        (result("within", passed=True, version=None), "deploy the increment's own package"),
        (result("undecided", "beyond"), "read the report; a faster model"),
        (result("undecided", "generator-limited"), "repeat it with more requests"),
        (failing({"status 503": 100}), "see Errors in the report; find out why"),
        (failing({"status 503": 40, "wrong answer": 30}), "see Errors in the report; find out why"),
        (failing({"status 503": 50}), "read the report; a faster model"),
        (failing({"timeout": 100}), "read the report; a faster model"),
        (result("generator-limited"), "repeat it on a quiet machine or at a lower rate"),
        (result("within"), "read the report: it says what is missing"),
    ],
)
def test_the_next_step_is_that_of_the_outcome(found: LoadTestResult, next_step: str) -> None:
    assert found.text().splitlines()[-1].startswith(f"Next: {next_step}")
