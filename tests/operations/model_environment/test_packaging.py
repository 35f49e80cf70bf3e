import hashlib
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC
from tests.operations.model_environment.models import (
    Workspace,
    answers,
    diamond_model,
    diamonds,
    mixed,
    mixed_model,
)

from specweave.errors import ModelError
from specweave.model_packages import store
from specweave.model_packages.store import Package
from specweave.operations.model_environment import build_package
from specweave_runtime.package import read_golden, verify

TOLERANCE = 1e-5


def agree(package: Package, model: object, frame: pd.DataFrame) -> None:
    """The service's predictor answers every row as the estimator does."""
    got = answers(package, frame)
    expected = model.predict(frame)  # type: ignore[attr-defined]
    if package.signature.output.task == "regression":
        np.testing.assert_allclose([outcome.prediction for outcome in got], expected, rtol=TOLERANCE)
        return
    assert [outcome.prediction for outcome in got] == expected.tolist()
    if package.signature.output.probabilities:
        probabilities = model.predict_proba(frame)  # type: ignore[attr-defined]
        np.testing.assert_allclose([outcome.probabilities for outcome in got], probabilities, atol=TOLERANCE)


def test_the_credit_forest_runs_in_onnxruntime_and_answers_all_held_out_loans_as_the_estimator_does(
    credit: Workspace,
) -> None:
    root = credit.root
    package = build_package(
        credit.context,
        model=root / "models" / "credit-v1.joblib",
        data=root / "data" / "train.csv",
        held_out=root / "data" / "held_out.csv",
        name="credit-model",
        increment_number="0043",
        metadata={"accuracy": 0.79},
    )

    held_out = pd.read_csv(root / "data" / "held_out.csv")
    agree(package, joblib.load(root / "models" / "credit-v1.joblib"), held_out.drop(columns="Status"))
    parity = package.manifest.parity
    assert package.manifest.executable.kind == "onnx"
    assert parity.passed
    assert parity.origin == "held-out"
    assert parity.rows == len(held_out) == 1114
    assert 0 < parity.hard_rows == parity.tried[-1].rows - parity.rows
    assert parity.executable_us < parity.estimator_us
    assert package.manifest.version == "0043-v1"
    assert package.manifest.estimator == ("Pipeline", "RandomForestClassifier")
    assert package.manifest.metadata == {"accuracy": 0.79}
    assert package.manifest.source.path == "models/credit-v1.joblib"
    assert package.manifest.libraries["scikit-learn"]


def test_the_diamond_forest_with_ordered_texts_answers_all_held_out_stones_as_the_estimator_does(
    workspace: Workspace,
) -> None:
    train, held_out = train_test_split(diamonds(), test_size=0.25, random_state=1)
    model = diamond_model().fit(train.drop(columns="price"), train["price"])

    package = workspace.build("diamond-model", model, train, held_out=workspace.data("held-out.csv", held_out))

    agree(package, model, held_out.drop(columns="price"))
    assert package.manifest.executable.kind == "onnx"
    assert package.manifest.parity.rows == len(held_out) == 13485
    assert package.signature.output.task == "regression"


MIXED = {
    "logistic regression": lambda: mixed_model(LogisticRegression(max_iter=500), number=_scaled(StandardScaler())),
    "extra trees": lambda: mixed_model(ExtraTreesClassifier(10, random_state=0)),
    "gradient boosting": lambda: mixed_model(GradientBoostingClassifier(n_estimators=10, random_state=0)),
    "no probabilities": lambda: mixed_model(RidgeClassifier()),
    "principal components": lambda: mixed_model(number=_scaled(PCA(1))),
    "neural network": lambda: mixed_model(
        MLPClassifier(8, random_state=0, max_iter=2000), number=_scaled(RobustScaler())
    ),
    "indicator of gaps": lambda: mixed_model(number=SimpleImputer(add_indicator=True)),
    "clipped scale": lambda: mixed_model(number=_scaled(MinMaxScaler(clip=True))),
    "union": lambda: mixed_model(
        number=FeatureUnion([("a", SimpleImputer()), ("b", SimpleImputer(strategy="median"))])
    ),
    "first category dropped": lambda: mixed_model(encoder=OneHotEncoder(drop="first")),
    "rare categories together": lambda: mixed_model(
        encoder=OneHotEncoder(min_frequency=0.1, handle_unknown="infrequent_if_exist", sparse_output=False)
    ),
    "ordinal with unknown": lambda: mixed_model(
        encoder=OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-7)
    ),
    "search": lambda: GridSearchCV(mixed_model(), {"final__max_depth": [2, 3]}, cv=2),
}


def _scaled(scaler: object) -> object:
    return make_pipeline(SimpleImputer(), scaler)


@pytest.mark.parametrize("name", MIXED)
def test_a_pipeline_on_mixed_columns_with_gaps_runs_in_onnxruntime(workspace: Workspace, name: str) -> None:
    frame, label = mixed()
    model = MIXED[name]().fit(frame, label)

    package = workspace.build(f"mixed {name}", model, frame.assign(label=label))

    assert package.manifest.executable.kind == "onnx", package.manifest.parity.tried
    agree(package, model, frame)


def test_null_and_unseen_categories_are_among_the_golden_rows_where_the_model_takes_them(workspace: Workspace) -> None:
    frame, label = mixed()
    package = workspace.build("golden", mixed_model().fit(frame, label), frame.assign(label=label))

    rows = read_golden(package.path).rows
    assert any(row.features["amount"] is None for row in rows)
    assert any(row.features["colour"] is None for row in rows)
    assert any(row.features["colour"] not in {"red", "green", "blue", "very rare", None} for row in rows)
    assert {row.prediction for row in rows} == {"high", "low"}


def test_numbers_as_categories_and_classes_run_in_onnxruntime(workspace: Workspace) -> None:
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"grade": random.integers(1, 6, 300), "size": random.normal(size=300)})
    label = (frame["grade"] % 3).rename("label")
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(frame[["grade"]], label)

    package = workspace.build("grades", model, frame[["grade"]].assign(label=label))

    assert package.signature.features[0].type == "integer"
    assert package.signature.features[0].categories == (1, 2, 3, 4, 5)
    assert package.signature.output.classes == (0, 1, 2)
    agree(package, model, frame[["grade"]])


def test_a_null_that_is_a_category_of_its_own_is_encoded_as_such(workspace: Workspace) -> None:
    frame, label = mixed()
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(frame[["colour"]], label)

    package = workspace.build("null-category", model, frame[["colour"]].assign(label=label))

    feature = package.signature.features[0]
    assert feature.nullable
    assert feature.categories == ("blue", "green", "red", "very rare")
    assert package.manifest.executable.kind == "onnx"
    agree(package, model, frame[["colour"]])


def boosted() -> dict[str, object]:
    """Classifiers and regressors of three classes, two classes and a count."""
    return {
        "classes": HistGradientBoostingClassifier(max_iter=5),
        "two classes": HistGradientBoostingClassifier(max_iter=5),
        "count": HistGradientBoostingRegressor(loss="poisson", max_iter=5),
        "three plain": GradientBoostingClassifier(n_estimators=5),
    }


@pytest.mark.parametrize("name", boosted())
def test_boosted_trees_run_in_onnxruntime_with_gaps_in_the_data(workspace: Workspace, name: str) -> None:
    iris = load_iris(as_frame=True)
    target = (iris.target > 0).astype(int) if name == "two classes" else iris.target
    data = (
        iris.data if name == "three plain" else iris.data.mask(np.random.default_rng(0).random(iris.data.shape) < 0.1)
    )
    model = boosted()[name].fit(data, target)  # type: ignore[attr-defined]

    package = workspace.build(f"boosted {name}", model, data.assign(answer=target))

    assert package.manifest.executable.kind == "onnx", package.manifest.parity.tried
    assert package.manifest.parity.max_difference < 1e-6
    agree(package, model, data)


def test_trees_with_categorical_splits_that_onnx_refuses_run_in_treelite(workspace: Workspace) -> None:
    random = np.random.default_rng(2)
    frame = pd.DataFrame({"kind": random.integers(0, 8, 400), "size": random.normal(size=400)})
    label = ((frame["kind"].isin([1, 4, 6])) ^ (frame["size"] > 0)).astype(int)
    model = HistGradientBoostingClassifier(max_iter=5, categorical_features=["kind"]).fit(frame, label)

    package = workspace.build("categorical", model, frame.assign(answer=label))

    tried = package.manifest.parity.tried
    assert [attempt.kind for attempt in tried] == ["onnx", "treelite"], tried
    assert "categorical" in (tried[0].refused or "")
    agree(package, model, frame)


def test_an_engine_that_answers_otherwise_is_refused_by_the_gate(workspace: Workspace) -> None:
    data = load_breast_cancer(as_frame=True)
    model = GradientBoostingClassifier(loss="exponential", n_estimators=5).fit(data.data, data.target)

    package = workspace.build("exponential", model, data.data.assign(answer=data.target))

    refused = {attempt.kind: attempt for attempt in package.manifest.parity.tried}
    assert refused["treelite"].max_difference > TOLERANCE
    assert "largest difference" in (refused["treelite"].refused or "")
    assert package.manifest.executable.kind == "estimator"
    agree(package, model, data.data)


def test_a_model_that_nothing_reproduces_is_served_by_itself(workspace: Workspace) -> None:
    iris = load_iris(as_frame=True)
    parts = [
        ("forest", RandomForestClassifier(5, random_state=0)),
        ("boosting", HistGradientBoostingClassifier(max_iter=5)),
    ]
    model = VotingClassifier(parts, voting="soft").fit(iris.data, iris.target)

    package = workspace.build("voting", model, iris.data.assign(kind=iris.target))

    assert package.manifest.executable.kind == "estimator"
    assert package.manifest.executable.loader == "joblib"
    assert len(package.manifest.parity.tried) == 3
    agree(package, model, iris.data)


def test_a_model_trained_on_a_bare_matrix_gets_its_names_from_the_data(workspace: Workspace) -> None:
    iris = load_iris(as_frame=True)
    model = SVC().fit(iris.data.to_numpy(), iris.target)

    package = workspace.build("matrix", model, iris.data.assign(kind=iris.target))

    assert [feature.name for feature in package.signature.features] == list(iris.data.columns)
    assert not package.signature.frame
    got = [outcome.prediction for outcome in answers(package, iris.data)]
    assert got == model.predict(iris.data.to_numpy()).tolist()


def test_without_data_the_rows_are_made_up_and_the_manifest_says_so(workspace: Workspace) -> None:
    frame, label = mixed()
    model = mixed_model().fit(frame, label)

    package = workspace.build("no-data", model, None)

    assert any("No reference data" in note for note in package.manifest.notes)
    assert package.manifest.source.data is None
    assert package.manifest.parity.passed
    assert package.manifest.parity.origin == "made-up"
    assert "made-up rows" in package.manifest.parity.compared
    agree(package, model, frame)


def test_a_skops_file_of_reviewed_types_is_taken(workspace: Workspace) -> None:
    frame, label = mixed()
    workspace.save("for-skops.joblib", mixed_model().fit(frame, label))
    convert = "import joblib, skops.io; skops.io.dump(joblib.load('models/for-skops.joblib'), 'models/mixed.skops')"
    workspace.run_with("skops", convert)

    package = workspace.build("from-skops", workspace.root / "models" / "mixed.skops", frame.assign(label=label))

    assert package.manifest.executable.kind == "onnx"


def test_a_model_that_is_onnx_already_is_taken_over(workspace: Workspace) -> None:
    iris = load_iris(as_frame=True)
    model = LinearRegression().fit(iris.data, iris.data.sum(axis=1))
    converted = workspace.build("before-onnx", model, iris.data.assign(total=iris.data.sum(axis=1)))
    path = workspace.root / "models" / "own.onnx"
    path.write_bytes((converted.path / "model.onnx").read_bytes())

    package = workspace.build("own-onnx", path, iris.data)

    assert package.manifest.executable.kind == "onnx"
    assert any("came as ONNX" in note for note in package.manifest.notes)
    np.testing.assert_allclose([o.prediction for o in answers(package, iris.data)], iris.data.sum(axis=1), rtol=1e-9)


def test_each_package_is_the_next_version_and_verifies(workspace: Workspace) -> None:
    iris = load_iris(as_frame=True)
    model = LinearRegression().fit(iris.data, iris.target)
    first = workspace.build("twice", model, iris.data.assign(kind=iris.target))
    second = workspace.build("twice", model, iris.data.assign(kind=iris.target))

    assert (first.version, second.version) == ("0043-v1", "0043-v2")
    assert verify(second.path, second.identity).version == "0043-v2"
    source = workspace.root / "models" / "twice.joblib"
    assert first.manifest.source.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()


def test_a_failure_leaves_nothing_behind(workspace: Workspace) -> None:
    iris = load_iris(as_frame=True)
    path = workspace.root / "models" / "broken.pkl"
    path.write_bytes(pickle.dumps(LinearRegression().fit(iris.data, iris.target))[:-40])

    with pytest.raises(ModelError, match=r"broken\.pkl"):
        workspace.build("broken", path, iris.data)

    assert store.versions(workspace.context.project, "broken") == []
    staging = workspace.root / ".specweave" / "cache" / "packages"
    assert not staging.exists() or not list(staging.iterdir())


def named_like_null() -> tuple[pd.DataFrame, pd.Series]:
    """Texts that a csv reader takes for null by itself, as categories of their own."""
    random = np.random.default_rng(5)
    frame = pd.DataFrame({"material": random.choice(np.array(["None", "brick", "NA"]), 300).astype(object)})
    return frame, pd.Series(np.where(frame["material"] == "None", "bare", "built"))


def test_categories_named_like_null_are_read_as_the_texts_they_are(workspace: Workspace) -> None:
    frame, label = named_like_null()
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(frame, label)

    package = workspace.build("named-like-null", model, frame.assign(label=label))

    feature = package.signature.features[0]
    assert (feature.categories, feature.nullable) == (("NA", "None", "brick"), False)
    assert {row.features["material"] for row in read_golden(package.path).rows} == {"NA", "None", "brick"}
    agree(package, model, frame)


def test_other_words_for_null_stay_null_beside_such_a_category(workspace: Workspace) -> None:
    frame, label = named_like_null()
    frame.loc[::9, "material"] = np.nan
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(frame, label)
    written = frame.fillna({"material": "N/A"}).assign(label=label)

    package = workspace.build("null-and-none", model, written)

    assert package.signature.features[0].nullable
    assert {row.features["material"] for row in read_golden(package.path).rows} >= {"None", None}
    agree(package, model, frame)


def test_rows_that_the_service_refuses_are_neither_compared_nor_golden_and_the_manifest_says_so(
    workspace: Workspace,
) -> None:
    frame, label = named_like_null()
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(frame, label)
    held_out = frame.assign(label=label)
    held_out.loc[::3, "material"] = np.nan

    package = workspace.build(
        "refused-rows", model, frame.assign(label=label), held_out=workspace.data("with-null.csv", held_out)
    )

    assert not package.signature.features[0].nullable
    assert package.manifest.parity.rows == 200
    assert any("100 of 300 rows were left out" in note and "material" in note for note in package.manifest.notes)
    assert None not in {row.features["material"] for row in read_golden(package.path).rows}


def test_data_of_which_the_service_would_refuse_every_row_is_refused(workspace: Workspace) -> None:
    frame, label = named_like_null()
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(frame, label)
    held_out = frame.assign(label=label, material=np.nan)

    with pytest.raises(ModelError) as refused:
        workspace.build("all-refused", model, frame.assign(label=label), held_out=workspace.data("null.csv", held_out))
    assert refused.value.code == "data-not-served"


def test_the_text_that_stands_for_null_is_a_text_like_others_when_a_caller_sends_it(workspace: Workspace) -> None:
    frame, label = mixed()
    label = pd.Series(np.where(frame["colour"].isna(), "high", label))
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(frame[["colour"]], label)

    package = workspace.build("sent-missing", model, frame[["colour"]].assign(label=label))

    text = package.signature.inputs[0].missing
    sent = pd.DataFrame({"colour": [text, "(missing)", "never seen before", np.nan, "red"]}, dtype=object)
    assert package.manifest.executable.kind == "onnx"
    assert text in {row.features["colour"] for row in read_golden(package.path).rows}
    agree(package, model, sent)


def test_every_held_out_row_is_compared_and_what_was_put_in_is_counted_apart(workspace: Workspace) -> None:
    random = np.random.default_rng(6)
    frame = pd.DataFrame({"size": random.normal(size=20_500), "price": 0.0}).assign(price=lambda f: f["size"] * 5e-6)
    model = make_pipeline(SimpleImputer(), LinearRegression()).fit(frame[["size"]], frame["price"])

    package = workspace.build(
        "all-held-out", model, frame.head(50), target="price", held_out=workspace.data("many.csv", frame)
    )

    parity, source, golden = package.manifest.parity, package.manifest.source, read_golden(package.path)
    assert (parity.rows, parity.hard_rows, parity.origin) == (20_500, 20, "held-out")
    assert parity.compared == "20,500 held-out rows and 20 made hard from them"
    assert (source.held_out, source.target) == ("data/many.csv", "price")
    assert source.held_out_sha256 == hashlib.sha256((workspace.root / "data" / "many.csv").read_bytes()).hexdigest()
    # A difference is measured as the parity gate measures it, also where all answers are small.
    expected = model.predict(frame[["size"]])
    assert golden.scale == pytest.approx(0.01 * np.abs(expected).mean(), rel=0.01)
