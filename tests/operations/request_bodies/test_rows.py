"""Rows are taken and refused as the generated service does."""

import json
import re

import pytest

from specweave.operations.request_bodies.rows import RowTypes
from specweave_runtime.package import Feature, Input, Output, Signature, Value

FEATURES = (
    Feature("age", "integer"),
    Feature("debt ratio (%)", "number", nullable=True),
    Feature("home", "string", nullable=True, categories=("own", "rent", "None"), unknown_category="accept"),
    Feature("job", "string", categories=("fixed", "free")),
    Feature("grade", "integer", categories=(1, 2)),
    Feature("weight", "number", categories=(0.5, 1.5)),
    Feature("married", "boolean"),
)
TYPES = RowTypes(Signature(FEATURES, Output("regression"), (Input("rows", "float64", ("age",)),)))
ROW: dict[str, Value] = {
    "age": 30,
    "debt ratio (%)": 0.5,
    "home": "own",
    "job": "free",
    "grade": 2,
    "weight": 1.5,
    "married": True,
}
CELLS = {
    "age": "30",
    "debt ratio (%)": "0.5",
    "home": "own",
    "job": "free",
    "grade": "2",
    "weight": "1.5",
    "married": "True",
}


def test_a_row_becomes_the_body_of_a_request() -> None:
    assert json.loads(TYPES.body({**ROW, "target": "good"})) == {"features": ROW}
    assert json.loads(TYPES.body({**ROW, "debt ratio (%)": None, "home": "castle"}))["features"]["home"] == "castle"
    assert json.loads(TYPES.body({**ROW, "age": 30.0}))["features"]["age"] == 30


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"age": None}, "age"),
        ({"age": 30.5}, "age"),
        ({"age": "30"}, "age"),
        ({"age": True}, "age"),
        ({"debt ratio (%)": 1e300}, "debt ratio (%)"),
        ({"home": 3}, "home"),
        ({"job": "none"}, "job"),
        ({"grade": 3}, "grade"),
        ({"weight": 0.7}, "weight"),
        ({"married": 1}, "married"),
    ],
)
def test_what_the_service_would_refuse_is_refused_with_the_name_of_the_feature(
    changed: dict[str, object], named: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(named)):
        TYPES.body({**ROW, **changed})


@pytest.mark.parametrize("missing", list(ROW))
def test_a_feature_that_is_missing_is_named(missing: str) -> None:
    with pytest.raises(ValueError, match="missing") as caught:
        TYPES.body({name: value for name, value in ROW.items() if name != missing})
    assert missing in str(caught.value)


def test_cells_are_read_by_the_type_of_their_feature() -> None:
    assert TYPES.of_cells(CELLS) == ROW
    assert TYPES.of_cells({"home": "None", "debt ratio (%)": "NA"}) == {"home": "None", "debt ratio (%)": None}
    assert TYPES.of_cells({"age": "30.0", "married": "0", "job": " fixed"}) == {
        "age": 30,
        "married": False,
        "job": " fixed",
    }


@pytest.mark.parametrize(
    ("name", "cell"),
    [("age", "thirty"), ("age", "30.5"), ("married", "perhaps"), ("age", ""), ("debt ratio (%)", "inf")],
)
def test_a_cell_that_is_no_value_of_its_feature_is_refused(name: str, cell: str) -> None:
    with pytest.raises(ValueError, match=re.escape(name)):
        TYPES.body(TYPES.of_cells({**CELLS, name: cell}))
