import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.errors import InvalidInputError
from specweave.files import frontmatter
from specweave.files.markdown import Document

PLAIN = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True).filter(
    lambda word: word not in {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
)
LINES = st.sampled_from(
    [
        "# comment",
        "other: [1, 2]",
        "nested:\n  key: value",
        "quoted: 'a # b'",
        "list:\n- a\n- key: b",
        "text: |\n  key: c",
    ]
)


def document(text: str) -> Document:
    return Document.parse(text.encode())


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("key: old", "key: new"),
        ("key:old", "key:old"),
        ("key:", "key: new"),
        ("key: old  # why", "key: new  # why"),
        ('key: "o: ld"', "key: new"),
        ("key: 'it''s'", "key: new"),
        ("key: -3", "key: new"),
        ("key: [a]", "key: [a]"),
        ("key: &x old", "key: &x old"),
        ("key: |", "key: |"),
        ("  key: old", "  key: old"),
    ],
)
def test_a_value_that_stands_alone_on_its_line_is_replaced_and_no_other(line: str, after: str) -> None:
    text = f"---\r\nfirst: 1\r\n{line}\r\n---\r\n# key: old\r\n"
    parsed = document(text)
    assert parsed.edited(frontmatter.edits(parsed, {"key": "new"})).decode() == text.replace(line, after, 1)


@given(st.lists(LINES, unique=True, max_size=4), st.integers(0, 4), PLAIN, PLAIN)
def test_an_edit_changes_one_value_and_keeps_every_other_byte(
    others: list[str], position: int, old: str, new: str
) -> None:
    lines = [*others[:position], f"key: {old}  # note", *others[position:]]
    text = "---\n" + "\n".join(lines) + "\n---\nbody\n"
    parsed = document(text)
    edited = parsed.edited(frontmatter.edits(parsed, {"key": new}))
    assert edited.decode() == text.replace(f"key: {old}  # note", f"key: {new}  # note")
    before, after = dict(frontmatter.read(parsed)), dict(frontmatter.read(Document.parse(edited)))
    assert after.pop("key") == new
    assert before.pop("key") == old
    assert after == before


def test_each_key_has_its_line() -> None:
    assert frontmatter.lines(document("---\na: 1\n# b: 2\nc:\n  d: 3\ne : 4\n---\nf: 5\n")) == {"a": 2, "c": 4, "e": 6}


@pytest.mark.parametrize(
    "text", ["a: [1", "- a", "just words", "a: 1\na: 2", "d: 2026-13-45", "[" * 5000, "a: b\n" * 50_000, "a: \0"]
)
def test_what_is_no_mapping_is_refused_soon(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        frontmatter.read(document(f"---\n{text}\n---\n"))
    assert caught.value.code == "frontmatter-invalid"


def test_a_document_without_frontmatter_has_no_values() -> None:
    assert frontmatter.read(document("# A\n---\na: 1\n---\n")) == {}
    assert frontmatter.read(document("---\n# nothing\n---\n")) == {}
