"""Small model packages for tests: a fitted model, made ready to serve in each of the three ways."""

import pickle
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import joblib
import msgspec
import numpy as np
import pandas as pd
import treelite
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from specweave_runtime.package import (
    GOLDEN,
    MANIFEST,
    REFERENCE,
    SIGNATURE,
    Attempt,
    Executable,
    Feature,
    Golden,
    GoldenRow,
    Input,
    Manifest,
    Output,
    Parity,
    Signature,
    Source,
    digest,
)

Engine = Literal["onnx", "treelite", "estimator"]

NUMBERS = ("age", "Debt ratio", "income")
ROWS = 300


class Trained(NamedTuple):
    """Fitted models and the rows they were fitted on."""

    pipeline: Any
    forest: Any
    regressor: Any
    table: pd.DataFrame


@cache
def trained() -> Trained:
    """A pipeline on numbers and a text, a forest of three classes and a regressor on numbers alone."""
    random = np.random.default_rng(3)
    table = pd.DataFrame(
        {
            "age": random.integers(18, 80, ROWS),
            "Debt ratio": random.random(ROWS).round(3),
            "income": random.normal(50_000, 9_000, ROWS).round(0),
            "home": random.choice(["rent", "owner", "other"], ROWS),
        }
    )
    table["home"] = table["home"].astype(object)
    good = np.where(table["income"] - 40_000 * table["Debt ratio"] > 30_000, "good", "bad")
    columns = [("numbers", SimpleImputer(), list(NUMBERS)), ("texts", OneHotEncoder(handle_unknown="ignore"), ["home"])]
    pipeline = make_pipeline(ColumnTransformer(columns), LogisticRegression(max_iter=2_000)).fit(table, good)
    numbers = table[list(NUMBERS)].to_numpy(dtype=np.float64)
    forest = RandomForestClassifier(10, random_state=0, n_jobs=2).fit(numbers, random.integers(1, 4, ROWS))
    regressor = RandomForestRegressor(10, random_state=0).fit(numbers, numbers[:, 2] / 7)
    return Trained(pipeline, forest, regressor, table)


FEATURES = (
    Feature("age", "integer", minimum=18, maximum=80),
    Feature("Debt ratio", "number", minimum=0, maximum=1),
    Feature("income", "number", nullable=True, minimum=20_000, maximum=80_000),
    Feature("home", "string", categories=("other", "owner", "rent")),
)


def pipeline_package(
    folder: Path, engine: Literal["onnx", "estimator"], *, features: Sequence[Feature] = FEATURES
) -> Path:
    """Two classes, a text, a value that may be null."""
    model, table = trained().pipeline, trained().table
    output = Output("classification", ("bad", "good"), probabilities=True)
    rows = [{**row, "income": None if number == 1 else row["income"]} for number, row in enumerate(_rows(table))]
    frame = pd.DataFrame(rows)
    golden = [
        GoldenRow(row, label, tuple(probabilities))
        for row, label, probabilities in zip(
            rows, model.predict(frame).tolist(), model.predict_proba(frame).tolist(), strict=True
        )
    ]
    if engine == "estimator":
        inputs = (Input("rows", "string", tuple(feature.name for feature in features)),)
        signature = Signature(tuple(features), output, inputs, frame=True)
        content = _joblib(model, folder)
        return write(folder, signature, golden, Executable("estimator", "model.joblib", "joblib"), content)
    inputs = (
        *(Input(name.replace(" ", "_"), "float32", (name,)) for name in NUMBERS),
        Input("home", "string", ("home",)),
    )
    types = [(name, FloatTensorType([None, 1])) for name in NUMBERS] + [("home", StringTensorType([None, 1]))]
    content = _onnx(model, types)
    executable = Executable("onnx", "model.onnx", None, "label", "probabilities")
    return write(folder, Signature(tuple(features), output, inputs), golden, executable, content)


def forest_package(folder: Path, engine: Engine) -> Path:
    """Three classes, numbers only."""
    model = trained().forest
    output = Output("classification", (1, 2, 3), probabilities=True)
    golden = [
        GoldenRow(row, int(model.predict([values])[0]), tuple(model.predict_proba([values])[0].tolist()))
        for row, values in _numbers()
    ]
    return _matrix_package(folder, engine, model, output, golden)


def regressor_package(folder: Path, engine: Engine) -> Path:
    """A value, numbers only."""
    model = trained().regressor
    golden = [GoldenRow(row, float(model.predict([values])[0])) for row, values in _numbers()]
    return _matrix_package(folder, engine, model, Output("regression"), golden)


def write(
    folder: Path, signature: Signature, golden: Sequence[GoldenRow], executable: Executable, content: bytes
) -> Path:
    """A package of these parts."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / executable.file).write_bytes(content)
    (folder / SIGNATURE).write_bytes(msgspec.json.encode(signature))
    (folder / REFERENCE).write_bytes(b"{}")
    (folder / GOLDEN).write_bytes(msgspec.json.encode(Golden(tuple(golden), 1e-5, 1.0)))
    attempt = Attempt(executable.kind, None, ROWS)
    manifest = Manifest(
        format=1,
        name="small-model",
        version="0043-v1",
        created="2026-11-20T12:00:00Z",
        estimator=("Pipeline", "LogisticRegression"),
        executable=executable,
        source=Source("models/small.joblib", "0" * 64, "0042"),
        python="3.11.7",
        libraries={"scikit-learn": "1.9.1"},
        parity=Parity(ROWS, 0, 0.0, 1e-5, "held-out", (attempt,), 100.0, 5.0),
        files={path.name: digest(path) for path in folder.iterdir() if path.name != MANIFEST},
    )
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    return folder


def _matrix_package(folder: Path, engine: Engine, model: Any, output: Output, golden: Sequence[GoldenRow]) -> Path:
    dtype: Literal["float32", "float64"] = "float32" if engine == "onnx" else "float64"
    features = tuple(Feature(name, "number") for name in NUMBERS)
    signature = Signature(features, output, (Input("rows", dtype, NUMBERS),))
    if engine == "estimator":
        return write(folder, signature, golden, Executable("estimator", "model.pkl", "pickle"), pickle.dumps(model))
    if engine == "treelite":
        folder.mkdir(parents=True)
        treelite.sklearn.import_model(model).serialize(folder / "model.treelite")
        content = (folder / "model.treelite").read_bytes()
        return write(folder, signature, golden, Executable("treelite", "model.treelite"), content)
    content = _onnx(model, [("rows", FloatTensorType([None, len(NUMBERS)]))])
    outputs = ("label", "probabilities") if output.classes else ("variable", None)
    return write(folder, signature, golden, Executable("onnx", "model.onnx", None, *outputs), content)


def _onnx(model: Any, types: list[tuple[str, Any]]) -> bytes:
    options = {"zipmap": False} if hasattr(model, "classes_") else None
    converted = convert_sklearn(model, initial_types=types, options=options, target_opset={"": 18, "ai.onnx.ml": 3})
    content: bytes = converted.SerializeToString()
    return content


def _joblib(model: Any, folder: Path) -> bytes:
    folder.mkdir(parents=True)
    joblib.dump(model, folder / "model.joblib")
    return (folder / "model.joblib").read_bytes()


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(row) for row in table.head(4).to_dict("records")]


def _numbers() -> list[tuple[dict[str, Any], list[float]]]:
    rows = [{name: float(row[name]) for name in NUMBERS} for row in _rows(trained().table)]
    return [(row, list(row.values())) for row in rows]
