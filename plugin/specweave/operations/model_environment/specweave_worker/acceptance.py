"""Which rows a service would answer, judged by the signature as the generated request types judge them."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Mask = npt.NDArray[np.bool_]

# As in `specweave_runtime.values`.
_SINGLE = float(np.finfo(np.float32).max)
_INTEGER = 2.0**63
_NAMED = 5


def refusals(frame: pd.DataFrame, features: list[dict[str, Any]]) -> dict[str, Mask]:
    """Feature → rows whose value a service refuses; only features with such rows."""
    found = {feature["name"]: _refused(frame[feature["name"]], feature) for feature in features}
    return {name: refused for name, refused in found.items() if refused.any()}


def described(refused: dict[str, Mask]) -> str:
    """The features in words, those with most rows first."""
    order = sorted(refused, key=lambda name: -int(refused[name].sum()))
    named = ", ".join(f"{name} ({int(refused[name].sum()):,} rows)" for name in order[:_NAMED])
    return named + (", …" if len(order) > _NAMED else "")


def _refused(column: "pd.Series[Any]", feature: dict[str, Any]) -> Mask:
    null = column.isna().to_numpy(dtype=bool)
    refused: Mask = np.zeros(len(column), dtype=bool) if feature["nullable"] else null
    if feature.get("categories") and feature["unknown_category"] == "error":
        refused = refused | (~null & ~column.isin(feature["categories"]).to_numpy(dtype=bool))
    if feature["type"] not in ("number", "integer"):
        return refused
    # What is no number at all is left to the estimator, which says what it thinks of it.
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    if feature["type"] == "number":
        beyond: Mask = np.abs(values) > _SINGLE
        return refused | beyond
    whole: Mask = (values == np.floor(values)) & (values >= -_INTEGER) & (values < _INTEGER)
    broken: Mask = ~np.isnan(values) & ~whole
    return refused | broken
