"""Rows that the training data might have had: each feature drawn for itself from the distribution in the package."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from specweave_runtime.package import Feature, Signature, Value

# How often null and a category that the training data has not come in, where the service takes them.
RARE = 0.01
_UNSEEN = "never seen before"
_DIGITS = 6
# What a service takes at most, see `specweave_runtime.values`.
_LARGEST_NUMBER, _LARGEST_INTEGER = float(np.finfo(np.float32).max), 2**63 - 1

Numbers = NDArray[np.float64]


class Distribution(msgspec.Struct, frozen=True):
    """One feature in reference.json.

    Attributes:
        missing: how many values were null.
        count: how many were not.
        edges: of the bins of a number, ascending.
        counts: values in each bin, or of each category by its name.
    """

    count: int = 0
    missing: int = 0
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] | dict[str, int] = ()


class Reference(msgspec.Struct, frozen=True):
    """reference.json, as far as rows are drawn from it.

    Attributes:
        real: it is of rows that there were; else of rows that were made up when the package was.
        features: by name.
    """

    real: bool = True
    features: dict[str, Distribution] = {}


def generate(signature: Signature, reference: Reference, count: int, seed: int) -> list[dict[str, Value]]:
    """Rows that a service of this signature takes; the same for the same arguments.

    Numbers are drawn from the bins, evenly within each, so that most were not in the data; categories by how often they
    occurred. Where the service takes them, null comes as often as it occurred and in 1 % of the rows at least, and a
    category that nobody has seen in 1 %. What depends on what is not known, so rows may be unlikely as a whole.

    Args:
        signature: types, categories, what may be null.
        reference: distributions; for a feature without one, its range or categories are drawn from evenly.
        count: how many rows.
        seed: of the drawing.
    """
    draw = np.random.default_rng(seed)
    columns = {
        feature.name: _column(feature, reference.features.get(feature.name, Distribution()), count, draw)
        for feature in signature.features
    }
    return [{name: column[number] for name, column in columns.items()} for number in range(count)]


def _column(feature: Feature, known: Distribution, count: int, draw: np.random.Generator) -> list[Value]:
    if feature.type == "string" or feature.categories is not None or feature.type == "boolean":
        values = _categories(feature, known, count, draw)
    else:
        values = _numbers(feature, known, count, draw)
    if feature.nullable:
        share = known.missing / (known.count + known.missing) if known.missing else 0.0
        for number in np.flatnonzero(draw.random(count) < max(share, RARE)):
            values[number] = None
    return values


def _numbers(feature: Feature, known: Distribution, count: int, draw: np.random.Generator) -> list[Value]:
    low, high = _bins(feature, known, count, draw)
    shares = draw.random(count)
    if feature.type == "integer":
        # A bin goes up to its upper edge without it, the last one with it.
        widths = high - low + (high == high.max())
        whole = np.clip(np.floor(low + shares * widths), np.ceil(low), np.floor(high))
        return [max(-_LARGEST_INTEGER, min(_LARGEST_INTEGER, int(value))) for value in whole]
    short = np.array([float(f"{value:.{_DIGITS}g}") for value in low + shares * (high - low)])
    return [float(value) for value in np.clip(short, low, high)]


def _bins(feature: Feature, known: Distribution, count: int, draw: np.random.Generator) -> tuple[Numbers, Numbers]:
    """The ends of the bin of each value."""
    ends = known.edges or (feature.minimum or 0.0, 1.0 if feature.maximum is None else feature.maximum)
    edges = np.clip(np.asarray(ends, dtype=np.float64), -_LARGEST_NUMBER, _LARGEST_NUMBER)
    weights = np.asarray(known.counts if isinstance(known.counts, tuple) else (), dtype=np.float64)
    if len(edges) == len(weights) + 1 and weights.sum() > 0:
        chosen = draw.choice(len(weights), count, p=weights / weights.sum())
        return edges[chosen], edges[chosen + 1]
    return np.full(count, edges[0]), np.full(count, edges[-1])


def _categories(feature: Feature, known: Distribution, count: int, draw: np.random.Generator) -> list[Value]:
    values, weights = _weighted(feature, known)
    chosen = draw.choice(len(values), count, p=np.asarray(weights) / sum(weights))
    column = [values[place] for place in chosen]
    unseen = _unseen(feature)
    if unseen is not None:
        for number in np.flatnonzero(draw.random(count) < RARE):
            column[number] = unseen
    return column


def _weighted(feature: Feature, known: Distribution) -> tuple[list[Value], list[float]]:
    """Values of a category with how often they occurred; evenly where that is not known."""
    spelt: dict[str, Value] = {}
    for category in feature.categories or ((False, True) if feature.type == "boolean" else ()):
        spelt[str(category)] = category
        if isinstance(category, int) and not isinstance(category, bool):
            spelt[str(float(category))] = category  # a column of integers with nulls
    occurred = known.counts if isinstance(known.counts, dict) else {}
    weighted = [(spelt[name], float(times)) for name, times in occurred.items() if name in spelt and times > 0]
    if feature.type == "string" and (feature.categories is None or feature.unknown_category == "accept"):
        weighted += [(name, float(times)) for name, times in occurred.items() if name not in spelt and times > 0]
    if not weighted:
        weighted = [(value, 1.0) for value in dict.fromkeys(spelt.values())] or [(_UNSEEN, 1.0)]
    return [value for value, _ in weighted], [weight for _, weight in weighted]


def _unseen(feature: Feature) -> Value:
    """A value that no encoder knows and that the service takes all the same; None where there is none."""
    if not feature.categories or feature.unknown_category == "error" or feature.type == "boolean":
        return None
    if feature.type == "string":
        return _UNSEEN
    beyond = max(float(category) for category in feature.categories) + 1
    return int(beyond) if feature.type == "integer" else beyond
