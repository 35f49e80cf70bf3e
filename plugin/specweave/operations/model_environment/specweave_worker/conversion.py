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
from .golden import choose, golden_rows
from .subject import Answer, Array, Subject, spread

TOLERANCE = 1e-5
SPEED_SECONDS, SPEED_ROUNDS = 0.3, 300
SINGLE_ROWS, SINGLE_SECONDS = 1_000, 1.0
PART_ROWS = 20_000


def convert(subject: Subject, request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """One attempt: `attempt.refused` says why it is not to be taken, and is None where it is.

    Raises:
        WorkerError: the model does not fit the data.
    """
    rows, origin = subject.rows(request["held_out"])
    hard = subject.hard_rows(rows)
    compared = pd.concat([rows, hard], ignore_index=True) if len(hard) else rows
    attempt = {"kind": request["kind"], "rows": 0, "label_mismatches": 0, "max_difference": 0.0, "refused": None}
    try:
        engine = open_engine(request["kind"], subject, folder)
        expected = _in_parts(subject.predict, compared)
        scale, places = _scale(expected), choose(expected, len(rows), len(hard))
        labels, difference = _compare_all(engine, compared, expected, scale, places)
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
        "rows": len(rows),
        "hard_rows": len(hard),
        "origin": origin,
        "tolerance": TOLERANCE,
        "executable": engine.executable,
        "inputs": engine.inputs,
        "estimator_us": _microseconds(subject.once(one)),
        "executable_us": _microseconds(lambda: engine.run(feed)),
        "golden": {
            "rows": golden_rows(compared.iloc[places], subject.types, _at(expected, places)),
            "tolerance": TOLERANCE,
            "scale": scale,
        },
    }


def _compare_all(
    engine: Engine, frame: pd.DataFrame, expected: Answer, scale: float, places: list[int]
) -> tuple[int, float]:
    """All rows at once, then some one by one: a service gets single rows, and an engine may add them up otherwise.

    The golden rows come first among these: what is proven here is what a service must show before it is ready.
    """
    actual = _in_parts(lambda part: engine.run(engine.feed(part)), frame)
    labels, difference = _compare(expected, actual, scale)
    sample = spread(pd.DataFrame({"at": range(len(frame))}), SINGLE_ROWS)["at"]
    deadline = time.perf_counter() + SINGLE_SECONDS
    for number, at in enumerate([*places, *sample]):
        alone = engine.run(engine.feed(frame.iloc[at : at + 1]))
        more, further = _compare(_at(expected, [at]), alone, scale)
        labels, difference = max(labels, more), max(difference, further)
        if number >= len(places) and time.perf_counter() > deadline:
            break
    return labels, difference


def _in_parts(answer: Callable[[pd.DataFrame], Answer], frame: pd.DataFrame) -> Answer:
    """The answers to all rows, asked for in parts: held-out rows may be millions, and an engine takes room for each."""
    parts = [answer(frame.iloc[start : start + PART_ROWS]) for start in range(0, len(frame), PART_ROWS)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _at(answer: Answer, places: list[int]) -> Answer:
    return {name: values[places] for name, values in answer.items()}


def _scale(expected: Answer) -> float:
    """Size below which a difference is measured against it: 1 for probabilities, a hundredth of the mean of values."""
    return 0.01 * float(np.abs(expected["values"]).mean()) or 1.0 if "values" in expected else 1.0


def _compare(expected: Answer, actual: Answer, scale: float) -> tuple[int, float]:
    """Labels that differ, and the largest difference, by the rule of `specweave_runtime.agreement`."""
    if "values" in expected:
        return 0, _relative(actual["values"], expected["values"], scale)
    labels = int((actual["labels"] != expected["labels"]).sum())
    if "probabilities" not in expected:
        return labels, 0.0
    return labels, _relative(actual["probabilities"], expected["probabilities"], scale)


def _relative(actual: Array, expected: Array, scale: float) -> float:
    return _largest(np.abs(actual - expected) / np.maximum(np.abs(expected), scale))


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
