import json

from hypothesis import given
from hypothesis import strategies as st

from specweave.files.sending import sendable

TEXT = st.text(st.characters(codec=None), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_any_value_can_be_sent(value: object) -> None:
    json.dumps(sendable(value), ensure_ascii=False).encode()


@given(st.text(max_size=20))
def test_text_that_can_be_sent_stays_as_it_is(text: str) -> None:
    assert sendable({text: [text, (text,)]}) == {text: [text, [text]]}


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    assert sendable(["0001-\udcff", {"\ud83d": 1}]) == ["0001-?", {"?": 1}]
