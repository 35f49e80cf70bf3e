import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.errors import InvalidInputError
from specweave.increments import names

ID = re.compile(r"\d{4}-[a-z0-9]+(-[a-z0-9]+)*")


@given(st.text(max_size=300))
def test_any_title_gives_a_slug_that_is_a_plain_folder_name_or_a_coded_error(title: str) -> None:
    try:
        slug = names.slug_of(title)
    except InvalidInputError:
        return
    assert ID.fullmatch(f"0001-{slug}")
    assert len(slug) <= 60
    assert names.parse_id(f"0001-{slug}") == (1, slug)
    assert names.slug_of(slug) == slug


@given(st.integers(1, 9999), st.from_regex(r"[a-z0-9]{1,9}(-[a-z0-9]{1,9}){0,3}", fullmatch=True))
def test_an_id_gives_back_its_number_and_slug(number: int, slug: str) -> None:
    assert names.parse_id(f"{number:04d}-{slug}") == (number, slug)
    assert names.number_of(f"{number:04d}-{slug}") == number


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Deploy the crédit model!", "deploy-the-credit-model"),
        ("A/B test", "a-b-test"),
        ("  spaces   and\nlines ", "spaces-and-lines"),
        ("🚀 launch", "launch"),
        ("x" * 100, "x" * 60),
        ("word " * 20, "-".join(["word"] * 12)),
        ("42", "42"),
        ("deploy-" + "x" * 64, "deploy-" + "x" * 53),
    ],
)
def test_a_title_becomes_a_slug(title: str, slug: str) -> None:
    assert names.slug_of(title) == slug


@pytest.mark.parametrize("title", ["", "   ", "🎉", "../..", "模型", "\0", "x" * 301])
def test_a_title_without_letters_or_of_great_length_is_refused_with_a_next_step(title: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        names.slug_of(title)
    assert caught.value.code == "increment-name-invalid"
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("0043-../x", "0043-x"),
        ("0043-Deploy Model", "0043-deploy-model"),
        ("0043-a/b", "0043-a-b"),
        ("0043-", "0043-deploy-credit-model"),
        ("0043-🎉", "0043-deploy-credit-model"),
        ("0043-" + "x" * 200, "0043-" + "x" * 60),
        ("0000-zero", "0000-zero"),
        ("0043-a--b", "0043-a-b"),
        ("0043-a\n", "0043-a"),
        ("0043", "0043-deploy-credit-model"),
    ],
)
def test_an_id_that_is_not_valid_is_refused_with_a_suggestion(name: str, suggestion: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        names.parse_id(name)
    assert caught.value.code == "increment-name-invalid"
    assert suggestion in caught.value.next_step


@pytest.mark.parametrize(("folder", "number"), [("0043-x", 43), ("001-Old", 1), ("0007E-elsewhere", 7), ("0043", 43)])
def test_the_folders_of_older_tools_count(folder: str, number: int) -> None:
    assert names.number_of(folder) == number


@pytest.mark.parametrize("folder", ["_archive", ".new-12", "notes", "x0043-a", ""])
def test_other_folders_are_no_increments(folder: str) -> None:
    assert names.number_of(folder) is None
