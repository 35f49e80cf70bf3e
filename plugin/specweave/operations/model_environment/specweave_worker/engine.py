"""The ways to execute a model, behind one protocol."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from .subject import Answer, Subject

_MODULES = {"onnx": "onnx_engine", "treelite": "treelite_engine", "estimator": "estimator_engine"}
_DIGITS = 6


class Engine(Protocol):
    """An executable model.

    Attributes:
        inputs: its tensors, as the signature has them.
        executable: what the manifest says of it.
    """

    inputs: list[dict[str, Any]]
    executable: dict[str, Any]

    def feed(self, frame: pd.DataFrame) -> Any:
        """Rows in the form that `run` takes."""

    def run(self, feed: Any) -> Answer:
        """The answers, labels chosen as the service chooses them."""


def open_engine(kind: str, subject: Subject, folder: Path) -> Engine:
    """Convert a model one way and write what it needs into a folder.

    Raises:
        Refused: the model cannot go this way.
    """
    # Each needs libraries that the others do without.
    engine: Engine = import_module(f"{__package__}.{_MODULES[kind]}").open_engine(subject, folder)
    return engine


def most_probable(probabilities: Sequence[float]) -> int:
    """The first of the largest after rounding to 6 digits, as in `specweave_runtime.outcomes`."""
    rounded = [round(probability, _DIGITS) for probability in probabilities]
    return rounded.index(max(rounded))
