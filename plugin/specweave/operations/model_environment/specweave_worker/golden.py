"""Rows with the expected answers: over all classes or the range of the answers, with nulls and unseen categories."""

from typing import Any

import numpy as np
import pandas as pd

from .describe import plain
from .frames import plain_rows
from .subject import Answer

ROWS, HARD_ROWS = 24, 16


def choose(expected: Answer, rows: int, hard: int) -> list[int]:
    """Places of the rows to keep, over all answers: some of the first `rows`, some of the `hard` ones behind them."""
    chosen = _choose({name: values[:rows] for name, values in expected.items()})
    return chosen + [rows + at for at in _evenly(np.arange(hard), HARD_ROWS)] if hard else chosen


def golden_rows(frame: pd.DataFrame, types: dict[str, str], expected: Answer) -> list[dict[str, Any]]:
    """Rows as JSON has them, each with its answer."""
    return [{"features": row, **_expected(expected, index)} for index, row in enumerate(plain_rows(frame, types))]


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


def _evenly(order: Any, count: int = ROWS) -> list[int]:
    places = np.unique(np.linspace(0, len(order) - 1, min(count, len(order))).astype(int))
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
