"""`ml load-test --import` by its own door."""

import json
from pathlib import Path

import pytest
from tests.operations.ml.credit_service import run

from specweave.command import Context
from specweave.errors import InvalidInputError, NotFoundError
from specweave.increments import evidence
from specweave.increments.store import Increment

SAMPLES = Path(__file__).parents[1] / "load_testing" / "imports" / "samples"


def place(context: Context, name: str) -> Path:
    path = context.project.root / name
    path.write_bytes((SAMPLES / name).read_bytes())
    return path


def test_another_tools_result_becomes_a_report_that_is_evidence_for_no_package(
    context: Context, increment: Increment
) -> None:
    place(context, "wrk2-latency.txt")
    result = run(context, arrivals="poisson", **{"import": "wrk2-latency.txt"})
    assert result.passed
    assert (result.imported, result.version, result.max_rps_within_slo) == ("wrk2", None, 300)
    assert result.url == "http://127.0.0.1:18431/predict"
    assert "what wrk2 measured opens no gate" in result.text()
    (report,) = evidence.reports(increment)
    assert (report.operation, report.package, report.environment, report.content) == ("load-test", None, None, {})
    assert report.data["imported"]["file"] == "wrk2-latency.txt"
    assert report.data["steps"][0]["latency"]["p95"] == 1.852
    page = (context.project.root / result.report).read_text()
    assert "| 300 | 300 | 0.83ms | 1.9ms | 4.5ms | 11ms | 0.00% | yes |" in page
    assert "it is no evidence for the package" in page
    assert "The load generator" not in page


def test_a_closed_loop_is_said_to_be_one(context: Context, increment: Increment) -> None:
    place(context, "locust_stats.csv")
    result = run(context, arrivals="poisson", **{"import": "locust_stats.csv"})
    assert not result.passed
    assert "n/a: too few requests for that percentile (P95 needs 200, P99 needs 1,000).\n" in result.text()
    page = (context.project.root / result.report).read_text()
    assert "closed loop: each client waited for the answer before it" in page
    assert "47 | failed request" in page or "failed request | 47" in page


@pytest.mark.parametrize(
    "values", [{"rps": 10}, {"url": "http://192.0.2.1"}, {"find_max": True}, {"generate": True}, {"dry_run": True}]
)
def test_an_import_goes_with_nothing_that_sends(
    context: Context, increment: Increment, values: dict[str, object]
) -> None:
    place(context, "wrk.txt")
    with pytest.raises(InvalidInputError) as refused:
        run(context, arrivals="poisson", **{"import": "wrk.txt"}, **values)
    assert refused.value.code == "arguments-conflict"
    assert not list(evidence.reports(increment))


def test_only_a_file_of_the_project_is_read(context: Context, increment: Increment, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside.txt"
    outside.write_bytes((SAMPLES / "wrk.txt").read_bytes())
    (context.project.root / "link.txt").symlink_to(outside)
    for name in (str(outside), "link.txt", "../" + outside.name):
        with pytest.raises(InvalidInputError) as refused:
            run(context, arrivals="poisson", **{"import": name})
        assert refused.value.code == "path-outside-project"
    for name in ("nothing.txt", ".specweave", ""):
        with pytest.raises(NotFoundError) as missing:
            run(context, arrivals="poisson", **{"import": name})
        assert missing.value.code == "result-not-found"
    assert not list(evidence.reports(increment))


def test_what_is_not_understood_leaves_no_report(context: Context, increment: Increment) -> None:
    (context.project.root / "broken.json").write_text(json.dumps({"metrics": {"http_reqs": {}}}))
    with pytest.raises(InvalidInputError, match="http_reqs has no number count") as refused:
        run(context, arrivals="poisson", **{"import": "broken.json"})
    assert refused.value.code == "import-not-understood"
    assert not list((increment.folder / "reports").glob("*"))
