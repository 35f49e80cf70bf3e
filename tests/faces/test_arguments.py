import shlex
from collections.abc import Mapping
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from specweave.arguments import hint, slash_line, validate
from specweave.command import Duration, IncrementName, Request
from specweave.command_line import parse
from specweave.errors import InvalidInputError
from specweave.registry import find


class Sample(Request):
    increment: IncrementName = None
    rates: tuple[float, ...] = (100.0,)
    duration: Duration = 60.0
    metadata: Mapping[str, str] = Field({})
    version: str | None = None
    wait: bool = True
    dry_run: bool = False


def test_a_hint_names_every_parameter_with_the_positional_ones_first() -> None:
    assert hint(Sample).split("] [") == [
        "[increment",
        "--rates N,…",
        "--duration DURATION",
        "--metadata KEY=VALUE",
        "--version TEXT",
        "--no-wait",
        "--dry-run]",
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0043", {"increment": "0043"}),
        ("--increment 43", {"increment": "43"}),
        ("--rates 10,50 --rates 100", {"rates": (10.0, 50.0, 100.0)}),
        ("--rates=10", {"rates": (10.0,)}),
        ("--duration 2m", {"duration": 120.0}),
        ("--duration 500ms", {"duration": 0.5}),
        ("--metadata accuracy=0.87 --metadata note='a=b c'", {"metadata": {"accuracy": "0.87", "note": "a=b c"}}),
        ("--no-wait --dry-run", {"wait": False, "dry_run": True}),
        ("", {}),
    ],
)
def test_words_of_a_shell_become_the_request(line: str, expected: dict[str, object]) -> None:
    assert parse(Sample, shlex.split(line)) == Sample(**expected)


@pytest.mark.parametrize(
    ("line", "code", "names"),
    [
        ("0043 --increment 0044", "argument-repeated", "increment"),
        ("--nope 1", "usage", "--nope"),
        ("--version", "usage", "--version"),
        ("0043 0044", "usage", "0044"),
        ("--rates fast", "argument-invalid", "rates"),
        ("--duration -1s", "argument-invalid", "duration"),
        ("--duration soon", "argument-invalid", "duration"),
        ("--metadata novalue", "argument-invalid", "--metadata"),
    ],
)
def test_bad_words_are_refused_by_the_name_of_the_argument(line: str, code: str, names: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse(Sample, shlex.split(line))
    assert caught.value.code == code
    assert names in caught.value.message


class Lists(Request):
    two: tuple[str, ...] = Field(("a", "b"), min_length=2, max_length=2)
    some: list[int] = Field([1], min_length=1, max_length=3)
    many: tuple[int, ...] = Field((), max_length=1)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"two": "0043-v1"}, "two: needs 2 values, 1 given"),
        ({"two": ["a", "b", "c"]}, "two: needs 2 values, 3 given"),
        ({"some": []}, "some: needs at least 1 value, 0 given"),
        ({"some": "1,2,3,4"}, "some: needs at most 3 values, 4 given"),
        ({"many": "1,2"}, "many: needs at most 1 value, 2 given"),
    ],
)
def test_a_list_of_too_few_or_too_many_values_is_refused_by_their_number(values: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        validate(Lists, values)
    assert (caught.value.code, caught.value.message) == ("argument-invalid", said)


def test_a_misspelt_field_suggests_the_right_one() -> None:
    with pytest.raises(InvalidInputError) as caught:
        validate(Sample, {"rate": 10})
    assert caught.value.code == "argument-unknown"
    assert "did you mean rates?" in caught.value.next_step


def test_a_refused_name_says_which_characters_it_may_have() -> None:
    request = find("sw", "next").load().request
    with pytest.raises(InvalidInputError) as caught:
        validate(request, {"as": "anna|bob"})
    assert caught.value.message == (
        "as: a name has letters, digits, blanks and . _ @ - alone, 64 at most, not 'anna|bob'"
    )
    assert "correct as" not in caught.value.next_step
    assert validate(request, {"as": " anna b. "}) == validate(request, {"as": "anna b."})


def test_a_reason_that_is_missing_is_asked_for_as_it_is_typed() -> None:
    with pytest.raises(InvalidInputError) as caught:
        validate(find("sw", "reopen").load().request, {"increment": "1"})
    assert (caught.value.message, caught.value.next_step) == ("reason is missing", 'say why: --reason "…"')


@pytest.mark.parametrize("name", ["pause", "abandon", "reopen"])
def test_a_reason_becomes_one_line(name: str) -> None:
    request = validate(find("sw", name).load().request, {"increment": "1", "reason": " no data\n\n# yet\n"})
    assert request.model_dump()["reason"] == "no data # yet"


@pytest.mark.parametrize("value", ["10, 50", "[10, 50]", [10, 50], (10.0, 50.0)])
def test_a_list_may_come_as_text(value: object) -> None:
    assert validate(Sample, {"rates": value}).rates == (10.0, 50.0)


def test_numbers_stand_for_text_where_a_person_would_type_one() -> None:
    request = validate(Sample, {"increment": 43, "version": 2, "rates": 5})
    assert (request.increment, request.version, request.rates) == ("0043", "2", (5.0,))


@settings(deadline=None)
@given(
    increment=st.none() | st.from_regex(r"[a-z0-9-][a-z0-9 '\"$-]{0,20}", fullmatch=True),
    rates=st.lists(st.floats(0.5, 1e6).map(lambda value: round(value, 3)), min_size=1, max_size=4),
    duration=st.floats(0.001, 86_400).map(lambda value: round(value, 3)),
    version=st.none() | st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1),
    wait=st.booleans(),
)
def test_a_request_written_as_a_slash_line_reads_back_as_itself(
    *, exercise: ModuleType, increment: str | None, rates: list[float], duration: float, version: str | None, wait: bool
) -> None:
    request = Sample(increment=increment, rates=tuple(rates), duration=duration, version=version, wait=wait)
    line = slash_line(exercise.EXERCISE, request)
    words = shlex.split(line)
    assert words[0] == "/ml:deploy"
    assert parse(Sample, words[1:]) == request


@pytest.mark.parametrize("value", ["note=a=b", ["note=a=b"], {"note": "a=b"}])
def test_pairs_may_come_as_text(value: object) -> None:
    assert validate(Sample, {"metadata": value}).metadata == {"note": "a=b"}


@pytest.mark.parametrize("value", ["note", ["note=a", 3], 7, None])
def test_what_is_no_pair_is_refused(value: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        validate(Sample, {"metadata": value})
    assert caught.value.code == "argument-invalid"
