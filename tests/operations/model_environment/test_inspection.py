import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tests.operations.model_environment.models import CUTS, Workspace, diamond_model, diamonds, mixed, mixed_model

from specweave.errors import ModelError
from specweave.operations.ml.inspect import InspectRequest, run
from specweave.operations.model_environment import Inspection, inspect_model
from specweave_runtime.package import Feature


def inspect(workspace: Workspace, name: str, model: object, frame: pd.DataFrame | None, **options: str) -> Inspection:
    data = None if frame is None else workspace.data(f"{name}.csv", frame)
    return inspect_model(workspace.context, workspace.save(f"{name}.joblib", model), data, **options)


def feature(found: Inspection, name: str) -> Feature:
    return next(feature for feature in found.features if feature.name == name)


def test_features_are_typed_from_the_model_and_all_rows_of_the_data(workspace: Workspace) -> None:
    frame, label = mixed()
    frame.loc[399, "amount"] = 1e6  # only the last row has it
    found = inspect(workspace, "typed", mixed_model().fit(frame, label), frame.assign(label=label))

    assert [one.name for one in found.features] == ["amount", "count of items", "member", "colour"]
    assert feature(found, "amount") == Feature(
        "amount", "number", nullable=True, minimum=frame["amount"].min(), maximum=1e6
    )
    assert feature(found, "count of items") == Feature("count of items", "integer", minimum=0, maximum=5)
    assert feature(found, "member").type == "boolean"
    assert feature(found, "colour") == Feature(
        "colour", "string", nullable=True, categories=("blue", "green", "red", "very rare"), unknown_category="accept"
    )
    assert found.output.classes == ("high", "low")
    assert found.output.probabilities
    assert found.target == "label"
    assert found.rows == 400
    assert found.reference["features"]["amount"]["missing"] == 31
    assert sum(found.reference["features"]["amount"]["counts"]) == 369


def test_ordered_categories_keep_the_encoders_order_and_refuse_others(workspace: Workspace) -> None:
    stones = diamonds().iloc[:2000]
    model = diamond_model(trees=3).fit(stones.drop(columns="price"), stones["price"])

    cut = feature(inspect(workspace, "ordered", model, stones), "cut")

    assert cut.categories == tuple(CUTS)
    assert cut.unknown_category == "error"
    assert not cut.nullable


def test_null_is_refused_where_no_imputer_stands(workspace: Workspace) -> None:
    iris = load_iris(as_frame=True)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(iris.data, iris.target)

    found = inspect(workspace, "strict", model, iris.data.assign(kind=iris.target))

    assert not any(one.nullable for one in found.features)


def test_null_is_taken_where_the_estimator_learnt_from_it(workspace: Workspace) -> None:
    iris = load_iris(as_frame=True)
    data = iris.data.copy()
    data.iloc[::9, 0] = np.nan
    model = HistGradientBoostingClassifier(max_iter=3).fit(data, iris.target)

    found = inspect(workspace, "gaps", model, data.assign(kind=iris.target))

    assert [one.nullable for one in found.features] == [True, False, False, False]


def test_texts_that_look_like_numbers_stay_texts(workspace: Workspace) -> None:
    codes = pd.DataFrame({"postcode": ["01234", "56789", "00001", "56789"] * 20})
    label = codes["postcode"].eq("56789")
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(codes, label)

    found = inspect(workspace, "codes", model, codes.assign(label=label))

    assert feature(found, "postcode").categories == ("00001", "01234", "56789")
    assert found.reference["features"]["postcode"]["counts"]["01234"] == 20


def test_parquet_says_the_same_as_csv(workspace: Workspace) -> None:
    frame, label = mixed()
    path = workspace.save("parquet.joblib", mixed_model().fit(frame, label))
    csv = workspace.data("mixed.csv", frame.assign(label=label))
    convert = "import pandas; pandas.read_csv('data/mixed.csv').to_parquet('data/mixed.parquet')"
    workspace.run_with("pyarrow", convert)

    context = workspace.context
    from_parquet = inspect_model(context, path, workspace.root / "data" / "mixed.parquet")

    assert from_parquet.features == inspect_model(context, path, csv).features


def test_without_data_the_model_alone_is_asked_and_the_assumption_is_noted(workspace: Workspace) -> None:
    frame, label = mixed()
    found = inspect(workspace, "alone", mixed_model().fit(frame, label), None)

    assert feature(found, "colour").categories == ("blue", "green", "red", "very rare")
    assert feature(found, "amount").type == "number"
    assert feature(found, "amount").minimum is None
    assert found.rows == 0
    assert "No reference data" in found.notes[0]


def test_data_without_a_column_of_the_model_is_refused_by_name(workspace: Workspace) -> None:
    frame, label = mixed()
    with pytest.raises(ModelError, match=r"lacks columns.*amount") as caught:
        inspect(workspace, "lacking", mixed_model().fit(frame, label), frame.drop(columns="amount"))
    assert caught.value.code == "data-columns-missing"


def test_a_target_that_is_not_there_is_refused(workspace: Workspace) -> None:
    frame, label = mixed()
    with pytest.raises(ModelError) as caught:
        inspect(workspace, "target", mixed_model().fit(frame, label), frame, target="nothing")
    assert caught.value.code == "target-missing"


def test_the_command_shows_a_table_of_the_features(workspace: Workspace) -> None:
    frame, label = mixed()
    workspace.save("shown.joblib", mixed_model().fit(frame, label))
    workspace.data("shown.csv", frame.assign(label=label))

    result = run(InspectRequest(model="models/shown.joblib", data="data/shown.csv"), workspace.context)

    assert "| colour | string | yes | blue, green, red, very rare, or another | 37 |" in result.text()
    assert "Pipeline with RandomForestClassifier" in result.text()
    assert result.features[0].missing == 31
    assert not (workspace.root / ".specweave" / "models" / "shown").exists()
