"""The model and its data together: what both the report and the package are made from."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from . import frames
from .acceptance import described, refusals
from .failure import WorkerError

Array = npt.NDArray[Any]
Answer = dict[str, Array]

LIMIT_ROWS = 20_000


class Subject(ABC):
    """A loaded model, its features, and rows to try it on.

    Attributes:
        path, format: of the model's file.
        kinds: class of the model, and of its last step where it is a pipeline.
        framed: it wants named columns rather than a matrix.
        frame: reference rows in the model's order, null as NaN; `real` says whether they are real.
        target: the column of the data that the model predicts, where it is known.
        features, output: as the signature has them.
        notes: what a reviewer should know.
    """

    path: Path
    format: str
    kinds: list[str]
    framed: bool
    frame: pd.DataFrame
    real: bool
    target: str | None
    features: list[dict[str, Any]]
    output: dict[str, Any]
    notes: list[str]

    @abstractmethod
    def answer(self, frame: pd.DataFrame) -> Answer:
        """What the model says: `values`, or `labels` and, where it gives them, `probabilities`."""

    @abstractmethod
    def once(self, frame: pd.DataFrame) -> Callable[[], object]:
        """A call that predicts these rows as a service would, for measuring."""

    @abstractmethod
    def table(self, path: Path, target: str | None) -> frames.Table:
        """Another data file, matched with the model's features."""

    @property
    def types(self) -> dict[str, str]:
        """Type of each feature."""
        return {feature["name"]: feature["type"] for feature in self.features}

    def predict(self, frame: pd.DataFrame) -> Answer:
        """What the model says of rows.

        Raises:
            WorkerError: `model-refuses-data`.
        """
        try:
            return self.answer(frame)
        except MemoryError:
            raise
        except Exception as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
            raise WorkerError(
                "model-refuses-data",
                f"{self.path.name} cannot predict the rows of the data: {said}",
                "give the data as the model was trained on it",
            ) from error

    def rows(self, held_out: str | None) -> tuple[pd.DataFrame, str]:
        """Rows for the comparison and their origin: all that are held out, else at most 20,000 spread evenly.

        Rows that a service refuses are left out, and a note says so.

        Raises:
            WorkerError: `data-not-served` where none is left.
        """
        frame = self.table(Path(held_out), None).frame if held_out else spread(self.frame, LIMIT_ROWS)
        refused = refusals(frame, self.features)
        if refused:
            out = np.logical_or.reduce(list(refused.values()))
            if out.all():
                raise WorkerError(
                    "data-not-served",
                    f"the service of {self.path.name} would refuse every row for the comparison: {described(refused)}",
                    "give data as the model was trained on it",
                )
            self.notes.append(
                f"{int(out.sum()):,} of {len(out):,} rows were left out of the comparison, as the service refuses "
                f"them: {described(refused)}."
            )
            frame = frame[~out].reset_index(drop=True)
        return frame, "held-out" if held_out else "reference" if self.real else "made-up"

    def hard_rows(self, frame: pd.DataFrame, each: int = 20) -> pd.DataFrame:
        """Rows of `frame` with null, or a category never seen, in one feature after the other, as far as accepted."""
        pieces = []
        null = null_text(self.features)
        for feature in self.features:
            for value in _hard_values(feature, null):
                piece = spread(frame, each)
                piece[feature["name"]] = pd.Series(
                    [value] * len(piece), dtype=object if feature["type"] == "string" else None
                )
                pieces.append(piece)
        return pd.concat(pieces, ignore_index=True) if pieces else frame.iloc[:0]


def null_text(features: list[dict[str, Any]]) -> str:
    """A text for null in a tensor; neither it, nor it with `_` behind, is a category.

    A caller may send this very text: then the service, as `OnnxEngine.feed`, puts `_` behind it.
    """
    taken = {value for feature in features for value in feature.get("categories") or ()}
    text = "(missing)"
    while taken & {text, f"{text}_"}:
        text += "_"
    return text


def _hard_values(feature: dict[str, Any], null: str) -> list[Any]:
    values: list[Any] = [np.nan] if feature["nullable"] else []
    if feature.get("unknown_category") == "accept" and feature.get("categories"):
        if feature["type"] == "string":
            values += ["never seen before", null]
        elif feature["type"] in ("integer", "number"):
            values.append(max(feature["categories"]) + 1)
    return values


def spread(frame: pd.DataFrame, count: int) -> pd.DataFrame:
    """At most so many rows, at even distances from the first to the last."""
    chosen = np.unique(np.linspace(0, len(frame) - 1, min(count, len(frame))).astype(int))
    return frame.iloc[chosen].reset_index(drop=True)


def open_subject(request: dict[str, Any]) -> Subject:
    """The model that a request names, with its data."""
    if request["format"] == "onnx":
        from .onnx_subject import OnnxSubject  # noqa: PLC0415 - each needs libraries the other does without

        return OnnxSubject(request)
    from .sklearn_subject import SklearnSubject  # noqa: PLC0415 - as above

    return SklearnSubject(request)
