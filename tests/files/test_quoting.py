import ast
import html
import json
import math
import re
import shlex
import subprocess
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from ruamel.yaml import YAML

from specweave.errors import InvalidInputError
from specweave.files import quoting

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8)


@given(VALUES)
def test_python_reads_back_what_was_quoted_for_it(value: object) -> None:
    assert ast.literal_eval(quoting.python(value)) == value


@given(VALUES)
def test_json_reads_back_what_was_quoted_for_it(value: object) -> None:
    assert json.loads(quoting.json(value)) == value


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@given(value=VALUES)
def test_yaml_of_either_version_reads_back_what_was_quoted_for_it(version: str, value: object) -> None:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = version
    read = yaml.load(f"key: {quoting.yaml(value)}\n")["key"]
    assert read == value
    assert type(read) is type(value)


@given(TEXT.filter(lambda text: "\0" not in text))
def test_a_shell_word_stays_one_word(text: str) -> None:
    assert shlex.split(quoting.shell(text)) == [text]


@pytest.mark.parametrize("text", ["$(id)", "`id`", "a b", "'", '"', "", "a\nb", "*", "~", "-n", "\\"])
def test_a_shell_prints_what_was_quoted_for_it(text: str) -> None:
    printed = subprocess.run(["sh", "-c", f"printf %s {quoting.shell(text)}"], capture_output=True, check=True)
    assert printed.stdout.decode() == text


@given(TEXT)
def test_a_dockerfile_value_has_no_bare_quote_dollar_or_line_break(text: str) -> None:
    try:
        quoted = quoting.dockerfile(text)
    except InvalidInputError:
        assert re.search(r"[\x00-\x1f\x7f]", text)
        return
    inner = quoted[1:-1]
    assert re.sub(r'\\(["\\$])', r"\1", inner) == text
    assert not re.search(r'(?<!\\)(?:\\\\)*["$]', inner)


@given(TEXT)
def test_markdown_shows_the_text_as_it_is_on_one_line(text: str) -> None:
    shown = MarkdownIt("commonmark").renderInline(quoting.markdown(text))
    assert html.unescape(shown).split() == re.sub("[\x00-\x1f\x7f-\x9f]", " ", text).split()


def test_markdown_holds_nothing_that_a_terminal_obeys() -> None:
    assert quoting.markdown("\x1b]0;title\x07 red\x9b31m") == r"\]0;title red 31m"


@given(
    st.sampled_from(["# ", "- ", "+ ", "1. ", "2) ", "> ", "=== ", "---", "***", "~~~", "```", "| a ", "    code"]),
    TEXT,
)
def test_markdown_at_the_start_of_a_line_stays_a_paragraph(start: str, rest: str) -> None:
    quoted = quoting.markdown(start + rest)
    kinds = [token.type for token in MarkdownIt("commonmark").parse(quoted)]
    assert kinds == ["paragraph_open", "inline", "paragraph_close"]


def visible(text: str) -> str:
    return "".join(" " if unicodedata.category(c) == "Cc" or c in "\u2028\u2029" else c for c in text)


TRICKS = TEXT | st.text("`| \\\n#a", max_size=12)


@given(TRICKS)
def test_a_code_span_shows_the_text_as_it_is_on_one_line(text: str) -> None:
    shown = MarkdownIt("commonmark").renderInline(quoting.code_span(text))
    assert html.unescape(shown) == f"<code>{visible(text) or ' '}</code>"


@given(TRICKS)
def test_a_code_span_stays_in_its_cell_of_a_table(text: str) -> None:
    table = f"| | |\n|---|---|\n| a | {quoting.code_span(text, cell=True)} |\n"
    tokens = MarkdownIt("commonmark").enable("table").parse(table)
    cells = [token for token in tokens if token.type == "inline"]
    assert [token.type for token in tokens].count("tr_open") == 2
    assert len(cells) == 4
    (code,) = cells[-1].children or []
    assert (code.type, code.content) == ("code_inline", visible(text) or " ")


@given(TRICKS)
def test_a_block_of_code_ends_where_it_should(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(f"{quoting.code_block(text)}\n\nafter\n")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].content == "\n".join(visible(line) for line in text.splitlines()) + "\n"


def test_what_a_program_said_makes_no_heading() -> None:
    said = quoting.message("it *failed*\nits log:\n# passed\n```\n# passed")
    assert [token.type for token in MarkdownIt("commonmark").parse(said)] == [
        "paragraph_open",
        "inline",
        "paragraph_close",
        "fence",
    ]


def test_names_keep_their_look_in_markdown() -> None:
    assert quoting.markdown("credit_model-v1.2 (x)") == "credit_model-v1.2 (x)"


@pytest.mark.parametrize("value", [{1, 2}, b"x", object(), "\ud800"])
def test_a_value_that_no_language_has_is_refused(value: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        quoting.python(value)
    assert caught.value.code == "value-not-writable"


def test_numbers_beyond_json_are_refused_there_and_written_elsewhere() -> None:
    with pytest.raises(InvalidInputError):
        quoting.json(math.inf)
    assert math.isnan(eval(quoting.python(math.nan)))  # noqa: S307 - the text is the thing tested
    assert YAML(typ="safe", pure=True).load(quoting.yaml([math.inf, -math.inf])) == [math.inf, -math.inf]


def test_a_text_that_pretends_to_be_something_else_is_quoted_as_its_text() -> None:
    class Liar(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "import os"

        def __repr__(self) -> str:
            return "__import__('os')"

    assert quoting.python(Liar("honest")) == '"honest"'


@given(TEXT)
def test_a_terminal_gets_nothing_that_it_obeys_and_every_line_as_it_is(text: str) -> None:
    shown = quoting.terminal(text)
    assert not [one for one in shown.replace("\r\n", "\n") if unicodedata.category(one) == "Cc" and one not in "\n\t"]
    assert len(shown) == len(text)
    assert all(one in {other, "\ufffd"} for one, other in zip(shown, text, strict=True))
