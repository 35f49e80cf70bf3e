"""JUnit XML of several runners, and which criteria a test is about."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.errors import OperationError
from specweave.increments import test_cases
from specweave.increments.test_cases import Case, Results
from specweave.operations import test_results


def results_of(tmp_path: Path, text: str) -> Results:
    path = tmp_path / "results.xml"
    path.write_text(text, "utf-8")
    return test_results.read(path)


def test_each_test_is_read_with_its_outcome_and_the_criteria_it_names(tmp_path: Path) -> None:
    found = results_of(
        tmp_path,
        """<?xml version="1.0"?><testsuites><testsuite name="one">
        <testcase classname="tests.test_bill" name="test_AC_US1_1_adds_up" time="0.1"/>
        <testcase classname="tests.test_bill" name="test_date[ac-us1-02]">
            <failure message="no date&#10;at all">long</failure></testcase>
        <testcase name="set up"><error message="no database"/></testcase>
        <testcase name="later"><skipped message="later"/></testcase>
        <testcase name="printed">
            <properties><property name="criterion" value="AC-03, AC-US2-04"/></properties></testcase>
        </testsuite></testsuites>""",
    )
    assert [(case.name, case.result, case.message, case.criteria) for case in found.cases] == [
        ("tests.test_bill.test_AC_US1_1_adds_up", "passed", "", ("AC-US1-01",)),
        ("tests.test_bill.test_date[ac-us1-02]", "failed", "no date", ("AC-US1-02",)),
        ("set up", "failed", "no database", ()),
        ("later", "skipped", "later", ()),
        ("printed", "passed", "", ("AC-03", "AC-US2-04")),
    ]
    assert (found.ran, found.failed, found.passed) == (4, 2, False)


def test_a_suite_alone_and_suites_in_suites_are_read(tmp_path: Path) -> None:
    alone = results_of(tmp_path, '<testsuite><testcase name="a"/></testsuite>')
    assert [case.name for case in alone.cases] == ["a"]
    nested = results_of(
        tmp_path,
        '<testsuites><testsuite><testcase name="a"/>'
        '<testsuite><testcase name="b"/></testsuite></testsuite></testsuites>',
    )
    assert [case.name for case in nested.cases] == ["a", "b"]
    empty = results_of(tmp_path, "<testsuites/>")
    assert (empty.cases, empty.passed) == ((), False)


@pytest.mark.parametrize(
    "text", ["", "<testsuites>", "no xml", "<html/>", "<testsuite><testcase time='?'></testsuite>"]
)
def test_what_is_no_junit_xml_is_a_coded_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(OperationError) as caught:
        results_of(tmp_path, text)
    assert caught.value.code == "test-results-invalid"


def test_a_test_that_names_no_criterion_in_question_counts_for_all_of_them() -> None:
    among = ("AC-US1-01", "AC-US1-02")
    named, other, none = (
        Case(name="x", result="passed", criteria=criteria) for criteria in (("AC-US1-1",), ("AC-99",), ())
    )
    assert [named.is_about(criterion, among) for criterion in among] == [True, False]
    assert [other.is_about(criterion, among) for criterion in among] == [True, True]
    parts = ("AC-1", "AC-1.2", "AC-3")
    by_name = Case(name="x", result="passed", criteria=test_cases.named("test_ac_1_2_items"))
    assert [by_name.is_about(criterion, parts) for criterion in parts] == [False, True, False]
    assert [by_name.is_about(criterion, ("AC-1", "AC-3")) for criterion in ("AC-1", "AC-3")] == [True, False]
    assert test_cases.named("AC-1.2") == ("AC-01.2",)
    assert [none.is_about(criterion, among) for criterion in among] == [True, True]


@pytest.mark.parametrize(
    "name", ["test_mac_01", "test_back_1", "test_ac", "test_ac_x", "factory-5", "test_ac1", "ac_us1"]
)
def test_other_words_name_no_criterion(name: str) -> None:
    assert test_cases.same_criterion(name) is None


@given(st.integers(1, 99) | st.none(), st.integers(1, 99), st.sampled_from("_-"), st.booleans())
def test_every_way_to_write_a_criterion_means_the_same(
    story: int | None, number: int, between: str, capitals: bool
) -> None:
    written = f"AC-{number:02d}" if story is None else f"AC-US{story}-{number:02d}"
    in_a_name = "test_" + written.replace("-", between) + "_holds"
    in_a_name = in_a_name if capitals else in_a_name.lower()
    assert test_cases.same_criterion(in_a_name) == test_cases.same_criterion(written) == (story, number)


def test_what_a_report_holds_is_read_back_and_anything_else_is_not(tmp_path: Path) -> None:
    cases = (Case(name="a", result="passed"), Case(name="b", result="failed", message="no", criteria=("AC-01",)))
    data = {"cases": Results(cases).as_data()}
    assert data["cases"][0]["name"] == "b"
    assert test_cases.from_data(data) == Results((cases[1], cases[0]))
    for other in ({}, {"cases": []}, {"cases": 3}, {"cases": [{"name": 1}]}):
        assert test_cases.from_data(other) is None
