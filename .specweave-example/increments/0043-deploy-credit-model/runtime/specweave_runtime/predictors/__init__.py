"""The ways a model package predicts, behind one protocol."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from specweave_runtime.outcomes import Outcome
from specweave_runtime.package import Golden, Manifest, Signature, Value

Row = tuple[Value, ...]


class Predictor(Protocol):
    """An executable model.

    Attributes:
        inline: a row takes microseconds, so that the event loop itself may run those of `/predict`; otherwise
            they go through a worker thread. `one` uses buffers of its own and belongs to one thread; `many` may be
            called from any.
    """

    inline: bool

    def one(self, row: Row) -> Outcome[Any]:
        """The outcome of one row; its values are in the order of the signature's features."""

    def many(self, rows: Sequence[Row]) -> list[Outcome[Any]]:
        """The outcomes of rows, in their order."""


def open_predictor(package: Path, manifest: Manifest, signature: Signature, golden: Golden) -> Predictor:
    """The predictor of a package whose files were verified.

    Raises:
        PackageError: the executable model does not fit the signature, or cannot be read.
    """
    path = package / manifest.executable.file
    # Each engine is imported only where a model needs it: a service is installed with one of them.
    if manifest.executable.kind == "onnx":
        from specweave_runtime.predictors.onnx import OnnxPredictor  # noqa: PLC0415 - as said

        sample = tuple(golden.rows[0].features[feature.name] for feature in signature.features)
        return OnnxPredictor(path, manifest.executable, signature, sample)
    if manifest.executable.kind == "treelite":
        from specweave_runtime.predictors.treelite import TreelitePredictor  # noqa: PLC0415 - as said

        return TreelitePredictor(path, signature)
    # Read once, when scikit-learn is imported: threads of its own make a row slower, not faster.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from specweave_runtime.predictors.estimator import EstimatorPredictor  # noqa: PLC0415 - as said

    return EstimatorPredictor(path, manifest, signature)
