import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.errors import InvalidInputError
from specweave.files.markdown import Document, InsertAfter, Replace, readable

LINES = st.sampled_from(
    [
        "# Title",
        "### T-001: First",
        "**Status**: [ ] pending",
        "**Status:** done  ",
        "- [ ] T-002: Second",
        "  - **Run**: /sw:status",
        "```",
        "~~~",
        "<!--",
        "-->",
        "---",
        "> ### T-003",
        "    **Status**: code",
        "text",
        "",
        "\ufeff",
        "\x0c",
        "\u2028",
        "| a | b |",
        "\t- x",
    ]
)
ENDS = st.sampled_from(["\n", "\r\n", "\r", "\n\n"])
DOCUMENTS = st.lists(st.tuples(LINES, ENDS)).map(lambda pairs: "".join(line + end for line, end in pairs).encode())


def names(text: str) -> list[tuple[str, str]]:
    return [(field.name, field.value) for field in Document.parse(text.encode()).fields()]


def headings(text: str) -> list[str]:
    return [heading.text for heading in Document.parse(text.encode()).headings]


@given(st.binary() | DOCUMENTS)
def test_every_byte_of_every_document_survives(content: bytes) -> None:
    document = Document.parse(content)
    assert document.content == content
    assert document.edited([]) == content


@given(DOCUMENTS, st.data())
def test_an_edit_changes_its_own_span_and_nothing_else(content: bytes, data: st.DataObject) -> None:
    document = Document.parse(content)
    fields = list(document.fields())
    if not fields:
        return
    field = data.draw(st.sampled_from(fields))
    lines = list(document.lines)
    edited = document.edited([Replace(field.line, field.start, field.end, "NEW")])
    lines[field.line] = lines[field.line][: field.start] + "NEW" + lines[field.line][field.end :]
    assert edited.decode() == "".join(lines)


@given(DOCUMENTS, st.data())
def test_an_inserted_line_is_one_more_line_and_leaves_the_others(content: bytes, data: st.DataObject) -> None:
    document = Document.parse(content)
    if not document.lines:
        return
    line = data.draw(st.integers(0, len(document.lines) - 1))
    after = Document.parse(document.edited([InsertAfter(line, "NEW")])).lines
    stripped = [text.rstrip("\r\n") for text in after]
    assert stripped[line + 1] == "NEW"
    assert stripped[: line + 1] + stripped[line + 2 :] == [text.rstrip("\r\n") for text in document.lines]


def test_what_stands_in_code_comments_quotations_and_frontmatter_is_no_structure() -> None:
    text = (
        "---\n**Front**: 1\n# Front\n---\n"
        "```\n# Code\n**Code**: 1\n```\n\n    **Indented**: 1\n\n"
        "<!--\n# Comment\n**Comment**: 1\n-->\n\n> **Quoted**: 1\n\n"
        "# Real\n**Real**: 1\n"
    )
    assert headings(text) == ["Real"]
    assert names(text) == [("Real", "1")]


def test_a_field_above_a_rule_is_a_field_and_no_heading() -> None:
    assert headings("**Status**: [ ] pending\n---\n# Next\n") == ["Next"]
    assert names("**Status**: [ ] pending\n---\n") == [("Status", "[ ] pending")]
    assert headings("Title\n---\n") == ["Title"]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("**Status**: [ ] pending", "[ ] pending"),
        ("**Status:** done", "done"),
        ("- **Status**: done  ", "done"),
        ("1. **Status** : done", "done"),
        ("**Status**:", ""),
    ],
)
def test_the_ways_to_write_a_field(line: str, value: str) -> None:
    assert names(line + "\n") == [("Status", value)]


def test_a_section_runs_to_the_next_heading_of_its_level_or_a_higher_one() -> None:
    document = Document.parse(b"# A\n\n## B\ntext\n### C\n\n## D\n")
    assert [(heading.text, heading.line, heading.end) for heading in document.headings] == [
        ("A", 0, 7),
        ("B", 2, 6),
        ("C", 4, 6),
        ("D", 6, 7),
    ]


def test_frontmatter_is_found_behind_a_byte_order_mark() -> None:
    assert Document.parse(b"\xef\xbb\xbf---\r\ntitle: x\r\n---\r\n# A\r\n").frontmatter == "title: x\r\n"
    assert Document.parse(b"---\nnever closed\n").frontmatter == ""


def test_text_that_would_become_another_line_is_refused() -> None:
    with pytest.raises(InvalidInputError) as caught:
        Document.parse(b"a\n").edited([Replace(0, 0, 1, "b\n# c")])
    assert caught.value.code == "text-has-line-break"


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("**A**: 1 | **B**: 2", [("A", "1", 7, 8), ("B", "2", 18, 19)]),
        ("- **A:** x | y | **B**: \r", [("A", "x | y", 9, 14), ("B", "", 24, 24)]),
        ("**A**: | **B**: 2", [("A", "", 7, 7), ("B", "2", 16, 17)]),
        ("**A**: `a | b`", [("A", "`a | b`", 7, 14)]),
        ("| **A**: 1 | **B**: 2 |", []),
    ],
)
def test_fields_may_stand_beside_each_other(line: str, fields: list[tuple[str, str, int, int]]) -> None:
    found = [(field.name, field.value, field.start, field.end) for field in Document.parse(line.encode()).fields()]
    assert found == fields


def test_boxes_are_those_between_two_lines() -> None:
    document = Document.parse(b"- [ ] one\n- [x] two\n- [ ] three\n")
    assert [box.text for box in document.checkboxes(1, 2)] == ["two"]
    assert [box.text for box in document.checkboxes(1)] == ["two", "three"]


def test_a_field_below_a_rule_leaves_the_heading_above_it_a_heading() -> None:
    assert headings("Title\n---\n**Status**: done\n") == ["Title"]
    assert headings("**Status**: done\n---\n") == []


def test_edits_of_one_line_are_made_in_any_order() -> None:
    edits = [Replace(0, 0, 1, "first"), Replace(0, 2, 3, "second"), InsertAfter(0, "below"), Replace(1, 0, 1, "third")]
    for order in (edits, edits[::-1]):
        assert Document.parse(b"a b\nc\n").edited(order) == b"first second\nbelow\nthird\n"


def test_a_text_of_two_lines_is_refused_and_named() -> None:
    with pytest.raises(InvalidInputError) as caught:
        Document.parse(b"a\n").edited([InsertAfter(0, "one\ntwo")])
    assert (caught.value.code, caught.value.message) == ("text-has-line-break", "'one\\ntwo' does not fit on one line")


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert readable("caf\udce9") == "caf\ufffd"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a\r\nb", b"a\r\nb\r\nNEW"),
        (b"a\rb", b"a\rb\rNEW"),
        (b"a\nb", b"a\nb\nNEW"),
        (b"b", b"b\nNEW"),
    ],
)
def test_a_line_after_the_last_one_has_the_line_end_of_the_document(before: bytes, after: bytes) -> None:
    document = Document.parse(before)
    assert document.edited([InsertAfter(len(document.lines) - 1, "NEW")]) == after


def test_an_empty_document_has_line_feeds() -> None:
    assert Document.parse(b"").newline == "\n"


def test_a_byte_order_mark_hides_no_heading_and_every_heading_has_its_level() -> None:
    found = Document.parse("\ufeff# A\n## B\n###### C\n###### D\n".encode()).headings
    assert [(one.level, one.text, one.end) for one in found] == [(1, "A", 4), (2, "B", 4), (6, "C", 3), (6, "D", 4)]


def test_a_line_that_goes_on_a_quotation_is_part_of_it() -> None:
    assert names("> quoted\n**Status**: done\n\n**Run**: x\n") == [("Run", "x")]
    assert names("> > deep\n**Status**: done\n") == []


def test_a_value_ends_with_its_last_letter() -> None:
    assert names("**Priority**: X \t\n") == [("Priority", "X")]


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("- [ ] a\n\n\n- [ ] b\n", [1, 4]),
        ("x\n\n- [ ] a\n  more\n\n\n\n- [ ] b\n", [4, 8]),
        ("- [ ] a\n\n  more\n\n\ntext\n", [3]),
    ],
)
def test_blank_lines_after_an_item_are_no_part_of_it(text: str, ends: list[int]) -> None:
    assert [box.end for box in Document.parse(text.encode()).checkboxes()] == ends


def test_every_line_of_prose_knows_where_its_item_or_paragraph_ends() -> None:
    assert Document.parse(b"- a\n  b\n\n\npara\nmore\n").blocks == {0: 2, 1: 2, 4: 6, 5: 6}
    assert Document.parse(b"- a\n\n  b\n\n  c\n\n\n\n- d\n").blocks == {0: 5, 2: 3, 4: 5, 8: 9}
    assert Document.parse(b"- a\n\n- b\n").blocks == {0: 1, 2: 3}
