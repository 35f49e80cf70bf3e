"""From bytes to rows or to a refusal, whatever the bytes are."""

import json
import math
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave_runtime.decoding import Decoder
from specweave_runtime.errors import RequestError
from specweave_runtime.values import Integer, Number


class Features(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    age: Integer
    ratio: Number | None = msgspec.field(name="debt.ratio (%)")
    level: Literal[1, 2, 3]
    home: str


DECODER = Decoder(Features, 3)
ROWS = st.fixed_dictionaries(
    {
        "age": st.integers(-(2**63), 2**63 - 1),
        "debt.ratio (%)": st.none() | st.floats(-1e30, 1e30),
        "level": st.sampled_from([1, 2, 3]),
        "home": st.text(),
    }
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["age", "home", "features"]), inner),
)


@given(ROWS)
def test_a_row_comes_back_as_it_was_sent_in_every_form(row: dict[str, Any]) -> None:
    expected = tuple(row[name] for name in DECODER.names)
    for request in (row, {"features": row}):
        assert msgspec.structs.astuple(DECODER.one(json.dumps(request).encode())) == expected
    for batch in ([row, row], {"instances": [row, row]}):
        rows = DECODER.many(json.dumps(batch).encode())
        assert [msgspec.structs.astuple(one) for one in rows] == [expected] * 2


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_is_sent_is_read_or_refused(body: bytes) -> None:
    for read in (DECODER.one, DECODER.many):
        refusal = refused(read, body)
        assert refusal is None or (refusal.status in {400, 422} and refusal.error.message)


def refused(read: Callable[[bytes], object], body: bytes) -> RequestError | None:
    try:
        read(body)
    except RequestError as error:
        return error
    return None


@given(ROWS, st.integers(-(2**52), 2**52))
def test_a_whole_float_is_an_integer(row: dict[str, Any], age: int) -> None:
    body = json.dumps({**row, "age": float(age), "level": float(row["level"])}).encode()
    decoded = DECODER.one(body)
    assert (decoded.age, decoded.level) == (age, row["level"])
    assert (type(decoded.age), type(decoded.level)) == (int, int)


@given(ROWS, st.floats(-1e15, 1e15).filter(lambda value: not value.is_integer()))
def test_a_fraction_is_no_integer(row: dict[str, Any], age: float) -> None:
    with pytest.raises(RequestError) as caught:
        DECODER.one(json.dumps({**row, "age": age}).encode())
    assert (caught.value.status, caught.value.error.field) == (422, "age")


def test_a_field_whose_name_holds_a_point_is_named_whole() -> None:
    row = {"age": 1, "debt.ratio (%)": "x", "level": 1, "home": ""}
    for read, body in ((DECODER.one, row), (DECODER.one, {"features": row}), (DECODER.many, {"instances": [row]})):
        with pytest.raises(RequestError) as caught:
            read(json.dumps(body).encode())
        assert caught.value.error.field == "debt.ratio (%)"


def test_a_model_may_have_a_feature_called_features() -> None:
    class Odd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        features: Number

    decoder = Decoder(Odd, 3)
    assert decoder.one(b'{"features": 2}').features == 2
    assert decoder.one(b'{"features": {"features": 2}}').features == 2


def test_a_message_never_carries_the_whole_body() -> None:
    with pytest.raises(RequestError) as caught:
        DECODER.one(json.dumps({"x" * 100_000: 1}).encode())
    assert len(caught.value.body()) < 2_000


def test_numbers_are_finite() -> None:
    row = DECODER.one(b'{"age": 1, "debt.ratio (%)": -3.4e38, "level": 1, "home": ""}')
    assert row.ratio is not None
    assert math.isfinite(row.ratio)
