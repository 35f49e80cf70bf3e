"""Rows with the expected answers: over all classes or the range of the answers, with nulls and unseen categories."""

from typing import Any

import numpy as np
import pandas as pd

from .describe import plain
from .frames import plain_rows
from .subject import Answer, Subject, spread

ROWS, HARD_ROWS = 24, 16


def golden(subject: Subject, rows: pd.DataFrame, hard: pd.DataFrame, tolerance: float) -> dict[str, Any]:
    """golden.json.

    Args:
        subject: gives the expected answers.
        rows: to choose from.
        hard: rows with null, or with a category never seen, where the model takes them.
        tolerance: allowed difference.
    """
    chosen = rows.iloc[_choose(subject.predict(rows))]
    if len(hard):
        chosen = pd.concat([chosen, spread(hard, HARD_ROWS)], ignore_index=True)
    expected = subject.predict(chosen)
    features = plain_rows(chosen, subject.types)
    return {
        "rows": [{"features": row, **_expected(expected, index)} for index, row in enumerate(features)],
        "tolerance": tolerance,
    }


def _choose(answer: Answer) -> list[int]:
    """Places of rows: sorted by class and confidence, or by value, at even distances; then one of each class."""
    if "values" in answer:
        values = answer["values"]
        order = np.argsort(values if values.ndim == 1 else values[:, 0], kind="stable")
        return _evenly(order)
    labels = answer["labels"].astype(str)
    confidence = answer["probabilities"].max(axis=1) if "probabilities" in answer else np.zeros(len(labels))
    _, first = np.unique(labels, return_index=True)
    return list(dict.fromkeys([*_evenly(np.lexsort((confidence, labels))), *first[:ROWS].tolist()]))


def _evenly(order: Any) -> list[int]:
    places = np.unique(np.linspace(0, len(order) - 1, min(ROWS, len(order))).astype(int))
    return [int(order[place]) for place in places]


def _expected(answer: Answer, index: int) -> dict[str, Any]:
    if "values" in answer:
        return {
            "prediction": plain(answer["values"][index])
            if answer["values"].ndim == 1
            else answer["values"][index].tolist()
        }
    expected = {"prediction": plain(answer["labels"][index])}
    if "probabilities" in answer:
        expected["probabilities"] = answer["probabilities"][index].tolist()
    return expected
