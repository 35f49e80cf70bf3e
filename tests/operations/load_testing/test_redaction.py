"""What was sent in headers stays out of what is written down."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.operations.load_testing.redaction import redact

SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40)


@given(SECRETS, st.text(max_size=30), st.text(max_size=30))
def test_a_value_is_nowhere_in_what_is_left(secret: str, before: str, after: str) -> None:
    for said in (secret, json.dumps(secret)):
        left = redact(f"{before}{said}{after}", [f"Bearer {secret}"])
        assert secret not in left
        assert json.dumps(secret)[1:-1] not in left


@given(SECRETS, st.integers(4, 7))
def test_nor_is_the_part_before_the_cut(secret: str, length: int) -> None:
    assert secret[:length] not in redact(f"no such key: {secret[:length]}…", [secret]).removeprefix("no such key: ")


@pytest.mark.parametrize("text", ["", "status 503", "acm", "…"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert redact(text, ["", "acm", "s3cret-key", "Bearer  "]) == text
