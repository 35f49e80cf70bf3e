"""A model of scikit-learn, or of a library that keeps to its ways."""

from collections.abc import Callable
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from . import frames
from .describe import Known, features_of, final_of, names_of, output_of, unwrapped
from .failure import WorkerError
from .loading import load
from .made_up import made_up
from .subject import Answer, Subject


class SklearnSubject(Subject):
    """A fitted estimator or pipeline.

    Attributes:
        estimator: it, or what a finished search found.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self.path, self.format = Path(request["model"]), request["format"]
        self._model = load(self.path, self.format, request["trusted"])
        self.estimator = unwrapped(self._model)
        self.kinds = list(dict.fromkeys([type(self.estimator).__name__, type(final_of(self._model)).__name__]))
        self._names = names_of(self._model)
        self.framed = self._names is not None
        self.notes, self.target = [], None
        self.output = output_of(self.estimator)
        if self._names is None and not isinstance(getattr(self.estimator, "n_features_in_", None), Integral):
            raise WorkerError(
                "model-unsupported",
                f"{self.path.name} does not say what it takes: a model of raw texts, or not fitted",
                "fit it on a table with named columns",
            )
        if self.output["task"] == "several":
            raise WorkerError(
                "model-unsupported",
                f"{self.path.name} predicts several labels at once",
                "save one model for each target",
            )
        self.real = request["data"] is not None
        known = self._from_data(Path(request["data"]), request["target"]) if self.real else self._alone()
        self.features = [self._feature(feature) for feature in known]
        if self.output["task"] == "regression":
            values = self.predict(self.frame.iloc[:1])["values"]
            self.output["width"] = 1 if values.ndim == 1 else values.shape[1]

    def _from_data(self, path: Path, target: str | None) -> list[Known]:
        read = self.table(path, target)
        frames.check_target(path, read, target)
        self.frame, self.target = read.frame, read.target
        if read.ignored:
            self.notes.append(f"Columns of the data that are no features: {', '.join(read.ignored[:20])}.")
        return features_of(self._model, list(self.frame.columns))

    def _alone(self) -> list[Known]:
        names = self._names or [f"x{index}" for index in range(self.estimator.n_features_in_)]
        known = features_of(self._model, names)
        self.frame = made_up(known)
        self.notes.append(
            "No reference data was given: features without an encoder are taken as numbers, ranges are unknown, and "
            "the rows for the comparison were made up from what the model says."
        )
        return known

    def _feature(self, known: Known) -> dict[str, Any]:
        column = self.frame[known.name]
        kind = frames.feature_type(column if self.real else None, known)
        # An estimator that could take null but never met one in training has learnt nothing of it.
        seen = self.real and bool(column.isna().any())
        feature = {"name": known.name, "type": kind, "nullable": not known.blocked and (known.imputed or seen)}
        if known.categories is not None:
            return {**feature, "categories": known.categories, "unknown_category": known.unknown}
        if kind in ("number", "integer") and self.real and column.notna().any():
            return {**feature, "minimum": float(column.min()), "maximum": float(column.max())}
        return feature

    def table(self, path: Path, target: str | None) -> frames.Table:
        """A data file, matched with the model's features."""
        return frames.table(path, self._model, target or self.target)

    def matrix(self, frame: pd.DataFrame) -> Any:
        """The rows as the estimator takes them: a DataFrame with names, or an array."""
        if self.framed:
            return frame
        text = any(feature["type"] == "string" for feature in self.features) if hasattr(self, "features") else False
        return frame.to_numpy(dtype=object if text else np.float64)

    def answer(self, frame: pd.DataFrame) -> Answer:
        """The estimator's own answers."""
        return self.answer_matrix(self.matrix(frame))

    def answer_matrix(self, matrix: Any) -> Answer:
        """The estimator's own answers to rows as it takes them."""
        predicted = np.asarray(self.estimator.predict(matrix))
        if self.output["task"] == "regression":
            return {"values": predicted.astype(np.float64)}
        if not self.output["probabilities"]:
            return {"labels": predicted}
        return {
            "labels": predicted,
            "probabilities": np.asarray(self.estimator.predict_proba(matrix), dtype=np.float64),
        }

    def once(self, frame: pd.DataFrame) -> Callable[[], object]:
        """One call of the estimator, as a service makes it."""
        matrix = self.matrix(frame)
        call = self.estimator.predict_proba if self.output["probabilities"] else self.estimator.predict
        return lambda: call(matrix)
