"""Try one way of execution: convert, compare on every row, measure one row, choose the golden rows."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .engine import Engine, open_engine
from .failure import Refused
from .golden import golden
from .subject import Answer, Subject, spread

TOLERANCE = 1e-5
SPEED_SECONDS, SPEED_ROUNDS = 0.3, 300
SINGLE_ROWS, SINGLE_SECONDS = 1_000, 1.0


def convert(subject: Subject, request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """One attempt: `attempt.refused` says why it is not to be taken, and is None where it is.

    Raises:
        WorkerError: the model does not fit the data.
    """
    rows, held_out = subject.rows(request["held_out"])
    hard = subject.hard_rows(rows)
    compared = pd.concat([rows, hard], ignore_index=True) if len(hard) else rows
    attempt = {"kind": request["kind"], "rows": 0, "label_mismatches": 0, "max_difference": 0.0, "refused": None}
    try:
        engine = open_engine(request["kind"], subject, folder)
        labels, difference = _compare_all(subject, engine, compared)
    except Refused as refusal:
        return {"attempt": {**attempt, "refused": str(refusal)}}
    attempt |= {"rows": len(compared), "label_mismatches": labels, "max_difference": difference}
    if labels or not difference <= TOLERANCE:
        attempt["refused"] = (
            f"{labels} of {len(compared)} labels differ, largest difference {difference:.2g} (allowed {TOLERANCE:g})"
        )
        return {"attempt": attempt}
    one = rows.iloc[:1]
    feed = engine.feed(one)
    return {
        "attempt": attempt,
        "held_out": held_out,
        "tolerance": TOLERANCE,
        "executable": engine.executable,
        "inputs": engine.inputs,
        "estimator_us": _microseconds(subject.once(one)),
        "executable_us": _microseconds(lambda: engine.run(feed)),
        "golden": golden(subject, rows, hard, TOLERANCE),
    }


def _compare_all(subject: Subject, engine: Engine, frame: pd.DataFrame) -> tuple[int, float]:
    """All rows at once, then some one by one: a service gets single rows, and an engine may add them up otherwise."""
    expected = subject.predict(frame)
    labels, difference = _compare(expected, engine.run(engine.feed(frame)))
    deadline = time.perf_counter() + SINGLE_SECONDS
    sample = spread(pd.DataFrame({"at": range(len(frame))}), SINGLE_ROWS)["at"]
    for at in sample:
        alone = engine.run(engine.feed(frame.iloc[at : at + 1]))
        more, further = _compare({name: values[at : at + 1] for name, values in expected.items()}, alone, expected)
        labels, difference = max(labels, more), max(difference, further)
        if time.perf_counter() > deadline:
            break
    return labels, difference


def _compare(expected: Answer, actual: Answer, whole: Answer | None = None) -> tuple[int, float]:
    """Labels that differ, and the largest difference: absolute for probabilities, relative for values."""
    if "values" in expected:
        # Values near zero are measured against a hundredth of the usual size.
        usual = float(np.abs((whole or expected)["values"]).mean())
        size = np.maximum(np.abs(expected["values"]), 0.01 * usual or 1.0)
        return 0, _largest(np.abs(actual["values"] - expected["values"]) / size)
    labels = int((actual["labels"] != expected["labels"]).sum())
    if "probabilities" not in expected:
        return labels, 0.0
    return labels, _largest(np.abs(actual["probabilities"] - expected["probabilities"]))


def _largest(differences: Any) -> float:
    """The largest; a NaN counts as infinitely far, and JSON has no infinity."""
    return float(np.nan_to_num(differences, nan=1e300, posinf=1e300).max(initial=0.0))


def _microseconds(call: Callable[[], object]) -> float:
    """Median time of a call, over at most a third of a second."""
    call()
    times: list[float] = []
    deadline = time.perf_counter() + SPEED_SECONDS
    while len(times) < SPEED_ROUNDS and (time.perf_counter() < deadline or not times):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return round(statistics.median(times) * 1e6, 2)
