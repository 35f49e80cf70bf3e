"""The report and its chart, for any measurement."""

from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tests.operations.load_testing.test_judgement import step as made

from specweave.operations.load_testing.archive import Interval
from specweave.operations.load_testing.judgement import judge
from specweave.operations.load_testing.measurement import Measurement
from specweave.operations.load_testing.report import render_report
from specweave.operations.load_testing.statistics import Failure, Generator, Percentiles, StepMeasurement
from specweave.operations.load_testing.wording import milliseconds
from specweave.project import SloSettings

SVG = "{http://www.w3.org/2000/svg}"
SLO = SloSettings(latency_p95_ms=100, error_rate=0.01)

durations = st.floats(0, 60_000)


@st.composite
def percentiles(draw: st.DrawFn) -> Percentiles:
    values = sorted(draw(st.lists(durations, min_size=4, max_size=4)))
    samples = draw(st.sampled_from([0, 100, 500, 5_000]))
    if not samples:
        return Percentiles(0)
    p50, p95, p99, maximum = values
    return Percentiles(samples, p50, p95 if samples >= 200 else None, p99 if samples >= 1_000 else None, maximum)


steps = st.builds(
    StepMeasurement,
    rate=st.floats(0.1, 100_000),
    duration_s=st.floats(0.1, 600),
    requests=st.just(5_000),
    correct=st.integers(0, 5_000),
    achieved_rate=st.floats(0, 100_000),
    error_rate=st.floats(0, 1),
    latency=percentiles(),
    p95_interval=st.none() | st.tuples(durations, durations).map(lambda pair: (min(pair), max(pair))),
    service_time=percentiles(),
    failures=st.lists(
        st.builds(Failure, st.just("status 500"), st.integers(1, 9), st.text(max_size=40)), max_size=2
    ).map(tuple),
    generator=st.none()
    | st.builds(
        Generator,
        percentiles(),
        st.floats(0, 1),
        percentiles(),
        st.integers(0, 9),
        st.integers(1, 256),
        st.integers(0, 9),
    ),
    timeline=st.lists(st.builds(Interval, st.floats(0, 0.1), st.just(9), durations, durations, durations)).map(tuple),
)


@given(st.lists(steps, min_size=1, max_size=6, unique_by=lambda step: step.rate))
def test_any_measurement_gives_a_chart_whose_marks_lie_on_it_and_a_whole_table(measured: list[StepMeasurement]) -> None:
    markdown, charts = render_report(
        Measurement(tuple(measured), {"cores": "2"}, {"python": "3.11.7"}),
        judge(measured, SLO),
        SLO,
        title="credit 0043-v1",
        timeout_s=10,
        remarks=["A | remark"],
        conditions={"service": "its own | one"},
    )
    # Another tool may tell neither how latency went over time nor how well it kept its schedule.
    courses = [step for step in measured if step.timeline]
    assert ("-over-time.svg" in charts) == ("-over-time.svg" in markdown) == bool(courses)
    if courses:
        over_time = ET.fromstring(charts["-over-time.svg"].decode())  # noqa: S314 - our own drawing
        assert len(over_time.findall(f"{SVG}circle")) == sum(3 * len(step.timeline) for step in courses)
    assert ("## The load generator" in markdown) == any(step.generator for step in measured)
    drawing = ET.fromstring(charts[".svg"].decode())  # noqa: S314 - our own drawing
    width, height = float(drawing.attrib["width"]), float(drawing.attrib["height"])
    marks = drawing.findall(f"{SVG}circle")
    known = [getattr(step.latency, name) is not None for step in measured for name in ("p50", "p95", "p99")]
    assert len(marks) == sum(known)
    for mark in marks:
        assert 0 <= float(mark.attrib["cx"]) <= width
        assert 0 <= float(mark.attrib["cy"]) <= height
    tables = MarkdownIt().enable("table").render(markdown).split("<table>")[1:]
    assert tables[0].count("<tr>") == len(measured) + 1
    if any(step.failures for step in measured):
        assert tables[1].count("<tr>") == sum(len(step.failures) for step in measured) + 1


def drawn(measured: list[StepMeasurement]) -> tuple[ET.Element, ET.Element]:
    _, charts = render_report(
        Measurement(tuple(measured), {}, {}),
        judge(measured, SLO),
        SLO,
        title="",
        timeout_s=10,
        remarks=[],
        conditions={},
    )
    return (ET.fromstring(charts[".svg"].decode()), ET.fromstring(charts["-over-time.svg"].decode()))  # noqa: S314 - our own drawing


def part(start: int, p50: float | None) -> Interval:
    return Interval(float(start), 100, p50, p50, p50)


def with_course(rate: float, p95: float, *course: float | None) -> StepMeasurement:
    parts = tuple(part(start, value) for start, value in enumerate(course))
    return msgspec.structs.replace(made(rate, p95), duration_s=float(len(course)), timeline=parts)


def test_the_course_is_interrupted_between_two_rates_and_where_nothing_was_measured() -> None:
    _, over_time = drawn([with_course(10, 5, 1, 2, 3), with_course(50, 5, 4, None, 5, 6)])
    lines = [line.attrib["points"].split() for line in over_time.findall(f"{SVG}polyline")]
    assert [len(line) for line in lines] == [3, 1, 2] * 3, "of P50, P95 and the slowest"
    assert [line.attrib["class"] for line in over_time.findall(f"{SVG}line")].count("separator") == 1


def test_only_a_p95_beyond_the_slo_is_hollow_over_time() -> None:
    _, over_time = drawn([with_course(10, 5, 1, SLO.latency_p95_ms + 1)])
    hollow = [mark.attrib["class"] for mark in over_time.findall(f"{SVG}circle") if "beyond" in mark.attrib["class"]]
    assert hollow == ["mark p95 beyond"]


def test_the_knee_is_marked_between_the_last_rate_that_holds_and_the_first_that_does_not() -> None:
    by_rate, _ = drawn([with_course(10, 5, 1), with_course(100, 500, 1), with_course(1_000, 600, 1)])
    (knee,) = [shape for shape in by_rate.findall(f"{SVG}rect") if shape.attrib["class"] == "knee"]
    held, beyond, _ = [mark for mark in by_rate.findall(f"{SVG}circle") if "p50" in mark.attrib["class"].split()]
    assert float(knee.attrib["x"]) == float(held.attrib["cx"])
    assert float(knee.attrib["x"]) + float(knee.attrib["width"]) == pytest.approx(float(beyond.attrib["cx"]), abs=0.2)
    unknown, _ = drawn([with_course(10, 5, 1)])
    assert not [shape for shape in unknown.findall(f"{SVG}rect") if shape.attrib["class"] == "knee"]


def test_no_line_leads_through_a_rate_that_was_tested_before_and_after_a_spike() -> None:
    by_rate, _ = drawn([with_course(50, 5, 1), with_course(400, 500, 1), with_course(50, 90, 1)])
    assert not by_rate.findall(f"{SVG}polyline")
    assert not [shape for shape in by_rate.findall(f"{SVG}rect") if shape.attrib["class"] == "knee"]
    assert len(by_rate.findall(f"{SVG}circle")) == 6


def test_a_partial_report_says_first_that_it_is_none() -> None:
    measured = [made(100, 5)]
    markdown, _ = render_report(
        Measurement(tuple(measured), {}, {}, interrupted="ctrl-c"), judge(measured, SLO, interrupted=True), SLO,
        title="credit", timeout_s=10, remarks=[], conditions={},
    )  # fmt: skip
    assert markdown.splitlines()[2] == (
        "**Partial: the test was interrupted (ctrl-c) after 1 min of load. What follows is what was measured until "
        "then; it is no evidence and passes nothing.**"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "n/a"), (0.314, "0.31ms"), (4.25, "4.2ms"), (45.4, "45ms"), (1200.0, "1200ms"), (10_000.0, ">10000ms")],
)
def test_milliseconds_have_the_digits_that_mean_something(value: float | None, text: str) -> None:
    assert milliseconds(value, 10_000) == text
