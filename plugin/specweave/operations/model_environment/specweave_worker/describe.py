"""What the fitted model says of its inputs and outputs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils import get_tags

IMPUTERS = ("KNNImputer", "IterativeImputer")
TREES_READ = 20


@dataclass
class Known:
    """What the model says of one feature.

    Attributes:
        categories: values an encoder knows, without null; None where no encoder looks at it.
        unknown: `accept` where every encoder takes other values.
        imputed: an imputer, or an encoder with a category for null, stands behind it.
        blocked: a step that refuses null stands behind it.
        centre, spread: from a scaler; for rows made up where there is no data.
        thresholds: of trees that look at the raw feature.
    """

    name: str
    categories: list[Any] | None = None
    unknown: str = "accept"
    imputed: bool = False
    blocked: bool = False
    centre: float = 0.0
    spread: float = 1.0
    thresholds: list[float] = field(default_factory=list)

    @property
    def text(self) -> bool:
        """Whether an encoder looks for texts in it."""
        return bool(self.categories) and all(isinstance(value, str) for value in self.categories or ())


@dataclass(frozen=True)
class Column:
    """A column on its way.

    Attributes:
        origins: the features it was made of.
        null: whether null can be in it.
        raw: whether it still is the one feature as the user gives it.
    """

    origins: tuple[Known, ...]
    null: bool = True
    raw: bool = True

    def block(self) -> None:
        """A step refuses null here."""
        for feature in self.origins if self.null else ():
            feature.blocked = True


def is_null(value: Any) -> bool:
    """Whether a category or a statistic stands for a missing value."""
    return value is None or bool(isinstance(value, (float, np.floating)) and np.isnan(value))


def plain(value: Any) -> Any:
    """A numpy scalar as Python's own."""
    return value.item() if isinstance(value, np.generic) else value


def unwrapped(model: Any) -> Any:
    """The model that a finished search found, else the model."""
    return unwrapped(model.best_estimator_) if hasattr(model, "best_estimator_") else model


def final_of(model: Any) -> Any:
    """The last step of a pipeline, else the model."""
    model = unwrapped(model)
    return final_of(model.steps[-1][1]) if isinstance(model, Pipeline) else model


def names_of(model: Any) -> list[str] | None:
    """Names of the features as the fitted model keeps them."""
    for candidate in (model, unwrapped(model)):
        names = getattr(candidate, "feature_names_in_", None)
        if names is not None:
            return [str(name) for name in names]
    return None


def positions(columns: Any, names: Sequence[str]) -> list[int]:
    """The indices that a fitted ColumnTransformer means by its columns."""
    if isinstance(columns, slice):
        return _slice_positions(columns, names)
    if isinstance(columns, (str, int, np.integer)):
        columns = [columns]
    columns = list(columns)
    if columns and all(isinstance(column, (bool, np.bool_)) for column in columns):
        return [index for index, chosen in enumerate(columns) if chosen]
    return [names.index(column) if isinstance(column, str) else int(column) % len(names) for column in columns]


def _slice_positions(columns: slice, names: Sequence[str]) -> list[int]:
    if not isinstance(columns.start, str) and not isinstance(columns.stop, str):
        return list(range(len(names)))[columns]
    # A slice of names includes its end, as in pandas.
    start = names.index(columns.start) if columns.start is not None else 0
    stop = names.index(columns.stop) + 1 if columns.stop is not None else len(names)
    return list(range(start, stop))


def features_of(model: Any, names: Sequence[str]) -> list[Known]:
    """What the model says of each feature."""
    known = [Known(name) for name in names]
    _walk(unwrapped(model), [Column((feature,)) for feature in known])
    for feature in known:
        if feature.categories is None:
            feature.unknown = "error"
    return known


def _walk(step: Any, columns: list[Column]) -> list[Column]:
    if isinstance(step, str) or step is None:
        return columns
    if isinstance(step, Pipeline):
        for _, inner in step.steps:
            columns = _walk(inner, columns)
        return columns
    if isinstance(step, FeatureUnion):
        return [column for _, inner in step.transformer_list if inner != "drop" for column in _walk(inner, columns)]
    if isinstance(step, ColumnTransformer):
        return _routed(step, columns)
    encodes, imputes = hasattr(step, "categories_"), hasattr(step, "statistics_") or type(step).__name__ in IMPUTERS
    return (_encoder if encodes else _imputer if imputes else _other)(step, columns)


def _routed(step: ColumnTransformer, columns: list[Column]) -> list[Column]:
    names = [str(name) for name in getattr(step, "feature_names_in_", range(len(columns)))]
    outputs = []
    for _, inner, chosen in step.transformers_:
        if not (isinstance(inner, str) and inner == "drop"):
            outputs += _walk(inner, [columns[index] for index in positions(chosen, names)])
    return outputs


def _encoder(step: Any, columns: list[Column]) -> list[Column]:
    outputs = []
    for column, categories in zip(columns, step.categories_, strict=False):
        values = [plain(value) for value in categories]
        takes_null = any(is_null(value) for value in values)
        if not takes_null:
            column.block()
        for feature in column.origins if column.raw else ():
            feature.categories = [value for value in values if not is_null(value)]
            feature.imputed |= column.null and takes_null
            if getattr(step, "handle_unknown", "error") == "error":
                feature.unknown = "error"
        outputs.append(Column(column.origins, null=False, raw=False))
    return outputs


def _imputer(step: Any, columns: list[Column]) -> list[Column]:
    takes_null = is_null(getattr(step, "missing_values", np.nan))
    for column in columns:
        if not takes_null:
            column.block()
        for feature in column.origins if column.null else ():
            feature.imputed |= takes_null
    return [Column(column.origins, null=column.null and not takes_null, raw=column.raw) for column in columns]


def _other(step: Any, columns: list[Column]) -> list[Column]:
    if not get_tags(step).input_tags.allow_nan:
        for column in columns:
            column.block()
    centres = getattr(step, "mean_", getattr(step, "center_", None))
    spreads = getattr(step, "scale_", None)
    if centres is not None and spreads is not None and np.shape(centres) == np.shape(spreads) == (len(columns),):
        for column, centre, spread in zip(columns, centres, spreads, strict=True):
            for feature in column.origins if column.raw else ():
                feature.centre, feature.spread = float(centre), float(spread)
        return [Column(column.origins, column.null, raw=False) for column in columns]
    _thresholds(step, columns)
    nullable = tuple(feature for column in columns if column.null for feature in column.origins)
    return [Column(nullable, null=bool(nullable), raw=False)]


def _thresholds(step: Any, columns: list[Column]) -> None:
    trees = getattr(step, "estimators_", [])
    trees = [step] if hasattr(step, "tree_") else list(trees.ravel() if isinstance(trees, np.ndarray) else trees)
    for tree in trees[:TREES_READ]:
        inner = getattr(tree, "tree_", None)
        if inner is None or inner.n_features != len(columns):
            return
        for index, threshold in zip(inner.feature, inner.threshold, strict=True):
            if index >= 0 and columns[index].raw:
                columns[index].origins[0].thresholds.append(float(threshold))


def output_of(model: Any) -> dict[str, Any]:
    """Task, classes, probabilities and width, as the signature has them."""
    classes = getattr(unwrapped(model), "classes_", None)
    if classes is None:
        return {"task": "regression", "classes": [], "probabilities": False, "width": 1}
    if isinstance(classes, list):
        return {"task": "several", "classes": [], "probabilities": False, "width": 1}
    return {
        "task": "classification",
        "classes": [plain(value) for value in classes],
        "probabilities": callable(getattr(model, "predict_proba", None)),
        "width": 1,
    }
