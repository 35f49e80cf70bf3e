"""Words for numbers of things, and that the commands use them."""

import re
from pathlib import Path

import pytest

from specweave.operations.counting import counted

SOURCES = Path(__file__).parents[2] / "plugin" / "specweave" / "operations"
# A number straight before a word that stands for several, as `{count} checks`: wrong where it is one.
PLURAL = re.compile(r"\{[^{}]*\} (checks|tasks|criteria|stories|increments|reports|commits|repairs|more \w+s)\b")


@pytest.mark.parametrize(("number", "words"), [(0, "0 tasks"), (1, "1 task"), (2, "2 tasks"), (1000, "1,000 tasks")])
def test_one_of_a_thing_is_no_several(number: int, words: str) -> None:
    assert counted(number, "task") == words
    assert counted(number, "criterion", "criteria").endswith("criterion" if number == 1 else "criteria")


@pytest.mark.parametrize("file", sorted(path.name for path in (SOURCES / "sw").glob("*.py")))
def test_no_command_says_one_checks(file: str) -> None:
    assert not PLURAL.findall((SOURCES / "sw" / file).read_text("utf-8"))
