"""Rows drawn from what a package knows of its training data."""

import math
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.operations.request_bodies.generation import Distribution, Reference, generate
from specweave.operations.request_bodies.rows import RowTypes
from specweave_runtime.package import Feature, Input, Output, Signature

NAMES = st.text(st.characters(codec="utf-8", exclude_characters='"\\', min_codepoint=32), min_size=1, max_size=8)
NUMBERS = st.floats(-1e300, 1e300)
CATEGORIES = {
    "string": st.lists(st.text(max_size=4), min_size=1, max_size=4, unique=True),
    "integer": st.lists(st.integers(-5, 5), min_size=1, max_size=4, unique=True),
    "number": st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=1, unique=True),
    "boolean": st.just([False, True]),
}


@st.composite
def features(draw: st.DrawFn) -> Feature:
    kind = draw(st.sampled_from(["number", "integer", "string", "boolean"]))
    categories = draw(st.none() | CATEGORIES[kind])
    low, high = sorted([draw(NUMBERS), draw(NUMBERS)])
    known = draw(st.booleans()) and kind in {"number", "integer"}
    return Feature(
        draw(NAMES),
        kind,  # type: ignore[arg-type]  # drawn from the literals themselves
        nullable=draw(st.booleans()),
        minimum=low if known else None,
        maximum=high if known else None,
        categories=None if categories is None else tuple(categories),
        unknown_category=draw(st.sampled_from(["error", "accept"])),
    )


@st.composite
def distributions(draw: st.DrawFn) -> Distribution:
    if draw(st.booleans()):
        counts = draw(st.dictionaries(st.sampled_from(["True", "False", "1", "1.0", "a", ""]), st.integers(0, 9)))
        return Distribution(sum(counts.values()), draw(st.integers(0, 9)), (), counts)
    edges = sorted(draw(st.lists(NUMBERS, max_size=5, unique=True)))
    weights = draw(st.lists(st.integers(0, 9), min_size=max(0, len(edges) - 1), max_size=max(0, len(edges) - 1)))
    return Distribution(sum(weights), draw(st.integers(0, 9)), tuple(edges), tuple(weights))


def signature(*given_features: Feature) -> Signature:
    return Signature(given_features, Output("regression"), (Input("rows", "float64", ("x",)),))


@given(st.lists(features(), min_size=1, max_size=4, unique_by=lambda feature: feature.name), st.data())
def test_the_service_takes_every_row_whatever_the_package_knows(wanted: list[Feature], data: st.DataObject) -> None:
    known = {feature.name: data.draw(distributions()) for feature in wanted if data.draw(st.booleans())}
    types = RowTypes(signature(*wanted))
    for row in generate(signature(*wanted), Reference(features=known), 20, 0):
        assert types.body(row)


def test_numbers_follow_their_distribution_and_are_mostly_new() -> None:
    known = Distribution(1000, 0, (0.0, 10.0, 100.0), (900, 100))
    rows = generate(signature(Feature("x", "number")), Reference(features={"x": known}), 2_000, 0)
    values = [float(row["x"]) for row in rows if row["x"] is not None]
    assert len(values) == 2_000
    assert all(0 <= value <= 100 for value in values)
    assert 0.87 < sum(value < 10 for value in values) / 2_000 < 0.93
    assert len(set(values)) > 1_900


def test_integers_reach_both_ends_of_their_range() -> None:
    known = Distribution(100, 0, (18.0, 20.5, 23.0), (50, 50))
    rows = generate(signature(Feature("age", "integer")), Reference(features={"age": known}), 1_000, 0)
    assert {row["age"] for row in rows} == {18, 19, 20, 21, 22, 23}


def test_categories_come_as_often_as_they_did_and_now_and_then_one_that_nobody_knows() -> None:
    feature = Feature("home", "string", nullable=True, categories=("own", "rent"), unknown_category="accept")
    known = Distribution(900, 100, (), {"own": 800, "rent": 100})
    rows = generate(signature(feature), Reference(features={"home": known}), 10_000, 0)
    seen = Counter(row["home"] for row in rows)
    assert math.isclose(seen[None], 1_000, rel_tol=0.2)
    assert math.isclose(seen["own"] / seen["rent"], 8, rel_tol=0.2)
    (unseen,) = seen.keys() - {None, "own", "rent"}
    assert 50 < seen[unseen] < 200


@pytest.mark.parametrize("nullable", [True, False])
def test_null_comes_only_where_it_is_taken_even_where_the_data_had_some(nullable: bool) -> None:
    known = Distribution(50, 50, (0.0, 1.0), (50,))
    rows = generate(signature(Feature("x", "number", nullable=nullable)), Reference(features={"x": known}), 500, 0)
    assert (sum(row["x"] is None for row in rows) > 100) is nullable


def test_the_same_seed_makes_the_same_rows_and_another_one_others() -> None:
    wanted = signature(Feature("x", "number", minimum=0, maximum=9), Feature("job", "string", categories=("a", "b")))
    assert generate(wanted, Reference(), 50, 0) == generate(wanted, Reference(), 50, 0)
    assert generate(wanted, Reference(), 50, 0) != generate(wanted, Reference(), 50, 1)


def test_the_reference_of_a_package_is_read_as_it_is_written() -> None:
    text = """{"format": 1, "rows": 4, "real": true, "features": {
        "age": {"type": "integer", "count": 3, "missing": 1, "mean": 2.0, "edges": [1.0, 3.0], "counts": [3]},
        "home": {"type": "category", "count": 4, "missing": 0, "counts": {"own": 4}, "other": 0},
        "empty": {"type": "number", "count": 0, "missing": 4}}, "prediction": {"counts": {"good": 4}}}"""
    reference = msgspec.json.decode(text, type=Reference)
    assert reference.features["age"] == Distribution(3, 1, (1.0, 3.0), (3,))
    assert reference.features["home"].counts == {"own": 4}
    assert reference.features["empty"] == Distribution(0, 4)
