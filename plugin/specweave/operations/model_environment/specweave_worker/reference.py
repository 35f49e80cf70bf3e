"""reference.json: the distribution of the training data, with bin edges that stay fixed for every later comparison."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .subject import LIMIT_ROWS, Subject, spread

BINS, LARGEST = 10, 200


def reference(subject: Subject) -> dict[str, Any]:
    """The distribution of each feature over all rows, and of the predictions over at most 20,000."""
    answer = subject.predict(spread(subject.frame, LIMIT_ROWS))
    if "labels" in answer:
        labels, counts = np.unique(answer["labels"].astype(str), return_counts=True)
        prediction: dict[str, Any] = {"counts": dict(zip(labels.tolist(), counts.tolist(), strict=True))}
        if "probabilities" in answer:
            prediction["probability"] = number(answer["probabilities"].max(axis=1))
    else:
        values = answer["values"]
        prediction = number(values if values.ndim == 1 else values[:, 0])
    return {
        "format": 1,
        "rows": len(subject.frame),
        "real": subject.real,
        "features": {f["name"]: _feature(subject.frame[f["name"]], f) for f in subject.features},
        "prediction": prediction,
    }


def _feature(column: "pd.Series[Any]", feature: dict[str, Any]) -> dict[str, Any]:
    if feature["type"] == "string" or feature.get("categories") is not None or feature["type"] == "boolean":
        return _categories(column)
    return {"type": feature["type"], **number(column.to_numpy(dtype=np.float64))}


def number(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Quantile edges with their counts, mean, standard deviation, range, missing."""
    present = values[~np.isnan(values)]
    if not len(present):
        return {"count": 0, "missing": len(values)}
    edges = np.unique(np.quantile(present, np.linspace(0, 1, BINS + 1)))
    counts = np.histogram(present, edges)[0].tolist() if len(edges) > 1 else [len(present)]
    return {
        "count": len(present),
        "missing": int(len(values) - len(present)),
        "mean": float(present.mean()),
        "std": float(present.std()),
        "minimum": float(present.min()),
        "maximum": float(present.max()),
        "edges": [float(edge) for edge in edges],
        "counts": [int(count) for count in counts],
    }


def _categories(column: "pd.Series[Any]") -> dict[str, Any]:
    counts = column.dropna().astype(str).value_counts()
    return {
        "type": "category",
        "count": int(counts.sum()),
        "missing": int(column.isna().sum()),
        "counts": {str(name): int(count) for name, count in counts.iloc[:LARGEST].items()},
        "other": int(counts.iloc[LARGEST:].sum()),
    }
