"""treelite's own interpreter (GTIL) on a bare ensemble of trees over numbers; it needs no compiler."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import treelite

from .engine import most_probable
from .failure import Refused, reason
from .sklearn_subject import SklearnSubject
from .subject import Answer, Array, Subject

FILE = "model.treelite"
BINARY = 2


class TreeliteEngine:
    """An imported ensemble.

    Args:
        model: it.
        names: of the features, in the order of the columns.
        classes: labels in the estimator's order; empty for a regression.
    """

    def __init__(self, model: "treelite.Model", names: list[str], classes: list[Any]) -> None:
        self._model, self._classes = model, np.asarray(classes)
        self._dtype = "float64" if str(model.input_type) == "float64" else "float32"
        self.inputs: list[dict[str, Any]] = [{"name": "rows", "dtype": self._dtype, "features": names}]
        self.executable = {"kind": "treelite", "file": FILE}

    def feed(self, frame: pd.DataFrame) -> Array:
        """The matrix of rows."""
        matrix: Array = frame.to_numpy(dtype=np.float64).astype(self._dtype)
        return matrix

    def run(self, feed: Array) -> Answer:
        """Answers to a matrix."""
        raw = np.asarray(treelite.gtil.predict(self._model, feed, nthread=1), dtype=np.float64).reshape(len(feed), -1)
        if not len(self._classes):
            return {"values": raw[:, 0]}
        probabilities = np.column_stack([1 - raw[:, 0], raw[:, 0]]) if raw.shape[1] == 1 else raw
        return {
            "labels": self._classes[[most_probable(row) for row in probabilities.tolist()]],
            "probabilities": probabilities,
        }


def open_engine(subject: Subject, folder: Path) -> TreeliteEngine:
    """Import a bare ensemble; before it there must be no preprocessing, for GTIL does none."""
    if not isinstance(subject, SklearnSubject):
        raise Refused("the model is ONNX already")
    if hasattr(subject.estimator, "steps"):
        raise Refused("treelite takes a bare ensemble of trees, and this is a Pipeline")
    if any(feature["type"] == "string" for feature in subject.features):
        raise Refused("treelite takes numbers only, and there are texts")
    if subject.output["width"] != 1:
        raise Refused("several targets")
    try:
        model = treelite.sklearn.import_model(subject.estimator)
    except Exception as error:
        raise Refused(f"{type(subject.estimator).__name__}: {reason(error)}") from error
    model.serialize(str(folder / FILE))
    names = [feature["name"] for feature in subject.features]
    return TreeliteEngine(model, names, subject.output["classes"])
