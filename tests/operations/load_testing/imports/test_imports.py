"""What other load generators wrote, read into our figures."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.errors import InvalidInputError
from specweave.operations.load_testing.imports import ImportedResult, read_result
from specweave.operations.load_testing.judgement import judge
from specweave.operations.load_testing.measurement import Measurement
from specweave.operations.load_testing.report import render_report
from specweave.operations.load_testing.statistics import Percentiles
from specweave.project import SloSettings

SAMPLES = Path(__file__).parent / "samples"
SLO = SloSettings(latency_p95_ms=5, error_rate=0.01)

Reader = Callable[[bytes | str], ImportedResult]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    path = tmp_path_factory.mktemp("imports") / "result"

    def read(content: bytes | str) -> ImportedResult:
        path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
        return read_result(path, slow_s=0.1)

    return read


def sample(name: str) -> bytes:
    content = (SAMPLES / name).read_bytes()
    return gzip.decompress(content) if name.endswith(".gz") else content


def told(samples: int, *values: float | None) -> Percentiles:
    return Percentiles(samples, *values)


def reported(found: ImportedResult) -> tuple[str, dict[str, bytes]]:
    return render_report(
        Measurement(found.steps, {}, {found.tool: "1"}),
        judge(found.steps, SLO),
        SLO,
        title="credit",
        timeout_s=None,
        remarks=found.remarks,
        conditions={},
    )


@pytest.mark.parametrize(
    ("name", "source", "totals", "latency"),
    [
        ("wrk.txt", ("wrk", "closed"), (87_400, 262_269, 262_269), told(262_269, None, None, None, 7.43)),
        ("wrk-latency.txt", ("wrk", "closed"), (107_000, 330_365, 330_365), told(330_365, 0.047, None, 4.61, 15.91)),
        ("wrk-errors.txt", ("wrk", "closed"), (51_700, 103_912, 0), told(103_912, 0.041, None, 4.22, 7.96)),
        ("wrk2-latency.txt", ("wrk2", "open"), (300, 4_500, 4_500), told(1_493, 0.83, 1.852, 4.54, 10.94)),
        ("wrk2-uncorrected.txt", ("wrk2", "open"), (300, 3_599, 0), told(593, 0.86, 1.652, None, 4.23)),
        ("h2load.txt", ("h2load", "closed"), (97_100, 5_000, 5_000), told(5_000, None, None, None, 1.28)),
        ("h2load-errors.txt", ("h2load", "closed"), (77_400, 1_000, 0), told(1_000, None, None, None, 0.314)),
        ("h2load-1.69.txt", ("h2load", "closed"), (97_100, 5_000, 4_990), told(4_996, 0.071, 0.182, 0.39)),
        ("h2load-1.69.json", ("h2load", "closed"), (97_100, 5_000, 4_990), told(4_996, 0.071, 0.182, 0.39)),
        ("locust_stats.csv", ("Locust", "closed"), (102, 510, 463), told(510, 6, 13, None, 67)),
        ("locust_stats_history.csv", ("Locust", "closed"), (102, 510, 463), told(510, 6, None, None, 67.4392569999327)),
        ("locust-0.14_stats.csv", ("Locust", "closed"), (40, 1_200, 1_197), told(1_200, 6, 14, 25, 80)),
        ("k6-summary-export.json", ("k6", "unknown"), (71.3, 785, 751), told(784, 0.2653765, 0.78821635)),
        ("k6-handle-summary.json", ("k6", "unknown"), (71.3, 785, 751), told(784, 0.2653765, 0.78821635)),
        ("k6-2.2-summary.json", ("k6", "unknown"), (71.3, 784, 751), told(784, 0.2653765, 0.78821635, None, 8.237786)),
        ("vegeta-report.json", ("vegeta", "open"), (101, 100, 100), told(100, 2.854306, None, None, 3.660505)),
        ("vegeta-report-6.json", ("vegeta", "open"), (100, 3_000, 2_970), told(3_000, 3.5, 9, 21, 40)),
    ],
)
def test_the_totals_and_percentiles_of_a_tool_are_read_as_it_told_them(
    reader: Reader, name: str, source: tuple[str, str], totals: tuple[float, int, int], latency: Percentiles
) -> None:
    found = reader(sample(name))
    assert (found.tool, found.loop) == source
    (step,) = found.steps
    assert (step.rate, step.requests, step.correct) == totals
    assert step.latency.samples == latency.samples
    for quantile in ("p50", "p95", "p99", "maximum"):
        assert getattr(step.latency, quantile) == pytest.approx(getattr(latency, quantile))
    assert step.error_rate == pytest.approx(1 - step.correct / step.requests)
    assert sum(failure.count for failure in step.failures) == step.requests - step.correct
    assert step.generator is None


def test_every_sample_gives_a_report(reader: Reader) -> None:
    for path in sorted(SAMPLES.iterdir()):
        if path.name == "README.md":
            continue
        found = reader(sample(path.name))
        markdown, charts = reported(found)
        assert "| RPS | Achieved |" in markdown
        assert ("-over-time.svg" in charts) == any(step.timeline for step in found.steps)


def test_the_errors_of_requests_that_are_told_one_by_one_are_counted_exactly(reader: Reader) -> None:
    rows = [(10**18 + at * 10**7, 503 if at < 3 else 200) for at in range(300)]
    lines = [f"{start},{status},1000000,1,1,{'busy' if status == 503 else ''}" for start, status in rows]
    (step,) = reader("\n".join(lines) + "\n").steps
    assert (step.requests, step.error_rate) == (300, 3 / 300)


def test_points_of_k6_give_a_step_for_each_scenario_and_the_totals_of_its_summary(reader: Reader) -> None:
    steps = reader(sample("k6-points.json.gz")).steps
    (whole,) = reader(sample("k6-summary-export.json")).steps
    assert [step.duration_s for step in steps] == pytest.approx([5, 5], abs=0.05)
    assert sum(step.requests for step in steps) == whole.requests
    assert sum(step.correct for step in steps) == whole.correct
    causes = [{failure.cause: failure.count for failure in step.failures} for step in steps]
    assert causes == [{"status 503": 10}, {"status 503": 23, "not sent": 1}]
    assert steps[0].latency.maximum is not None
    assert steps[1].latency.maximum is None, "what was not sent may have taken longer than anything"


def test_a_summary_of_k6_whose_thresholds_name_our_steps_has_them_at_their_rates(reader: Reader) -> None:
    found = reader(sample("k6-steps.json"))
    assert found.loop == "open"
    assert [(step.rate, step.requests, step.correct) for step in found.steps] == [(100, 301, 281), (400, 1_200, 1_080)]
    assert found.steps[1].latency.p99 == pytest.approx(0.80221155)


def test_what_was_not_sent_leaves_no_percentile_that_it_may_have_moved(reader: Reader) -> None:
    (step,) = reader(sample("k6-dropped.json")).steps
    assert step.latency == Percentiles(121)
    assert [(failure.cause, failure.count) for failure in step.failures] == [("not sent", 120)]
    assert judge([step], SLO).verdicts == ("beyond",)


def test_a_result_without_p95_is_judged_by_what_it_lies_between(reader: Reader) -> None:
    (step,) = reader(sample("wrk-latency.txt")).steps
    assert judge([step], SLO).verdicts == ("within",), "P99 is 4.61 ms"
    tight = SloSettings(latency_p95_ms=1, error_rate=0.01)
    judged = judge([step], tight)
    assert (judged.verdicts, judged.passed, judged.first_rps_beyond_slo) == (("p95-unknown",), False, None)
    assert judge([step], SloSettings(latency_p95_ms=0.04, error_rate=0.01)).verdicts == ("beyond",), "P50 is 0.047 ms"


def test_the_log_of_h2load_agrees_with_what_it_printed(reader: Reader) -> None:
    (step,), (printed,) = reader(sample("h2load.log")).steps, reader(sample("h2load-rps.txt")).steps
    assert (step.requests, step.correct) == (printed.requests, printed.correct)
    assert step.rate == pytest.approx(printed.rate, rel=0.02)
    assert step.latency.maximum == pytest.approx(printed.latency.maximum, abs=0.01)


def test_all_encodings_of_vegeta_give_the_same_figures(reader: Reader) -> None:
    found = [reader(sample(f"vegeta-results{end}")) for end in (".json", ".csv", "-6.csv")]
    assert found[0].steps == found[1].steps == found[2].steps
    assert [one.target for one in found] == ["http://127.0.0.1:8000/predict"] * 2 + [None]
    (step,) = found[0].steps
    assert (step.rate, step.requests, step.correct) == (100, 300, 297)
    assert len(step.timeline) == 3


def test_several_runs_of_wrk_in_one_file_are_several_steps(reader: Reader) -> None:
    found = reader(sample("wrk-latency.txt") + b"\n" + sample("wrk.txt").replace(b"\n", b"\r\n"))
    assert [step.rate for step in found.steps] == [107_000, 87_400]


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=400), st.integers(1, 40))
def test_quantiles_of_single_requests_are_exact(reader: Reader, micros: list[int], gap_ms: int) -> None:
    log = "".join(f"{10**15 + 1_000 * gap_ms * place}\t200\t{value}\n" for place, value in enumerate(micros))
    (step,) = reader(log).steps
    assert step.latency.p50 == pytest.approx(np.quantile(micros, 0.5, method="inverted_cdf") / 1e3)
    if len(micros) >= 200:
        assert step.latency.p95 == pytest.approx(np.quantile(micros, 0.95, method="inverted_cdf") / 1e3)
    assert step.latency.maximum == pytest.approx(max(micros) / 1e3)
    if len(micros) > 1:
        assert step.rate == pytest.approx(1e3 / gap_ms, rel=0.01)


def understood_or_coded(read: Callable[[], ImportedResult]) -> None:
    try:
        found = read()
    except InvalidInputError as error:
        if error.code != "import-not-understood" or not error.next_step:
            raise
    else:
        reported(found)


@given(st.text() | st.binary())
def test_any_content_is_understood_or_refused_by_its_code(reader: Reader, content: bytes | str) -> None:
    understood_or_coded(lambda: reader(content))


TEXTS = [path.name for path in sorted(SAMPLES.iterdir()) if path.suffix != ".md"]
PIECES = st.sampled_from(
    [b"", b"\n", b"0", b"-1", b"1e400", b'"', b"N/A", b"null", b"\xff", b"9" * 30, b"{}", b"[]", b","]
)


@given(st.sampled_from(TEXTS), st.floats(0, 1), st.integers(0, 60), PIECES)
def test_a_damaged_result_is_understood_or_refused_by_its_code(
    reader: Reader, name: str, where: float, length: int, piece: bytes
) -> None:
    whole = sample(name)[:40_000]
    place = int(where * len(whole))
    understood_or_coded(lambda: reader(whole[:place] + piece + whole[place + length :]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@given(st.data())
def test_a_document_with_any_value_anywhere_is_understood_or_refused_by_its_code(
    reader: Reader, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from([name for name in TEXTS if name.endswith(".json") and "results" not in name]))
    document = json.loads(sample(name))
    inner = document
    while True:
        key = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        if not isinstance(inner[key], dict | list) or not inner[key] or data.draw(st.booleans()):
            break
        inner = inner[key]
    inner[key] = data.draw(JSON)
    understood_or_coded(lambda: reader(json.dumps(document)))


@pytest.mark.parametrize(
    ("name", "cut", "line"),
    [
        ("vegeta-results.csv", b"1795210959198624000", 1),
        ("h2load.log", b"\t200\t", 1),
        ("vegeta-results.json", b'"latency":', 1),
    ],
)
def test_the_line_that_is_wrong_is_named(reader: Reader, name: str, cut: bytes, line: int) -> None:
    lines = sample(name).splitlines(keepends=True)
    broken = b"".join([*lines[:7], lines[0].replace(cut, b"x"), *lines[7:]])
    with pytest.raises(InvalidInputError, match="line 8") as refused:
        reader(broken)
    assert refused.value.details == {"line": 7 + line}


def test_what_a_server_answered_cannot_steer_a_terminal(reader: Reader) -> None:
    lines = sample("vegeta-results.json").splitlines()
    result = json.loads(lines[0]) | {
        "code": 0,
        "error": "\x1b]0;owned\x07 refused\x9b31m\n| cell",
        "url": "http://a/\x1b[2J",
    }
    found = reader(json.dumps(result).encode() + b"\n" + b"\n".join(lines))
    (failure,) = [failure for failure in found.steps[0].failures if failure.count == 1]
    assert failure.cause == "]0;owned refused 31m | cell"
    assert found.target == "http://a/ [2J"


def test_more_than_can_be_held_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    with path.open("wb") as stream:
        stream.write(b'{"metrics"')
        stream.truncate(2**40)
    with pytest.raises(InvalidInputError) as refused:
        read_result(path, slow_s=0.1)
    assert refused.value.code == "import-too-large"
