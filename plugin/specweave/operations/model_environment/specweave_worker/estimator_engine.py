"""The user's own model, given rows in the form in which the service makes them from JSON."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from .failure import Refused
from .sklearn_subject import SklearnSubject
from .subject import Answer, Subject

SUFFIXES = {"joblib": ".joblib", "pickle": ".pkl", "skops": ".skops"}


class EstimatorEngine:
    """A fitted estimator.

    Args:
        subject: it.
        file: its name in the package.
    """

    def __init__(self, subject: SklearnSubject, file: str) -> None:
        self._subject = subject
        names = [feature["name"] for feature in subject.features]
        text = any(feature["type"] == "string" for feature in subject.features)
        self.inputs = [{"name": "rows", "dtype": "string" if text else "float64", "features": names}]
        self.executable = {"kind": "estimator", "file": file, "loader": subject.format}

    def feed(self, frame: pd.DataFrame) -> Any:
        """A DataFrame of the rows with the types that the service gives its columns, or an array."""
        if not self._subject.framed:
            return self._subject.matrix(frame)
        columns = {
            feature["name"]: pd.Series(frame[feature["name"]].tolist(), dtype=_dtype(feature))
            for feature in self._subject.features
        }
        return pd.DataFrame(columns)

    def run(self, feed: Any) -> Answer:
        """Answers of the estimator."""
        return self._subject.answer_matrix(feed)


def _dtype(feature: dict[str, Any]) -> str:
    """As `specweave_runtime.predictors.estimator` makes them."""
    if feature["type"] == "string":
        return "object"
    if feature["nullable"] or feature["type"] == "number":
        return "object" if feature["type"] == "boolean" else "float64"
    return "int64" if feature["type"] == "integer" else "bool"


def open_engine(subject: Subject, folder: Path) -> EstimatorEngine:
    """Take the model's file as it is."""
    if not isinstance(subject, SklearnSubject):
        raise Refused("there is no estimator in an ONNX file")
    file = f"model{SUFFIXES[subject.format]}"
    shutil.copyfile(subject.path, folder / file)
    return EstimatorEngine(subject, file)
