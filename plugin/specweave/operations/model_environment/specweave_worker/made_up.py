"""Rows for the comparison where the user gave no data: made from what the model itself says."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .describe import Known

ROWS = 2_000


def made_up(known: Sequence[Known]) -> pd.DataFrame:
    """Rows that reach the categories, and both sides of the thresholds, that a model speaks of; always the same."""
    random = np.random.default_rng(0)
    return pd.DataFrame({feature.name: _column(feature, random) for feature in known})


def _column(feature: Known, random: np.random.Generator) -> "pd.Series[float] | pd.Series[str]":
    if feature.categories:
        values = pd.Series(random.choice(np.array(feature.categories, dtype=object), ROWS))
        return values if isinstance(feature.categories[0], str) else pd.to_numeric(values)
    if feature.thresholds:
        points = np.unique(feature.thresholds)
        width = float(points.max() - points.min()) or abs(float(points[0])) or 1.0
        return pd.Series(random.choice(points, ROWS) + random.normal(0, width / 50, ROWS))
    return pd.Series(feature.centre + feature.spread * random.standard_normal(ROWS))
