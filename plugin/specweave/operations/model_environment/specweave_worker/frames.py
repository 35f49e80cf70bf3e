"""The reference data: read, matched with the model, typed from all of its rows."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .describe import Known, features_of, names_of, output_of
from .failure import WorkerError, reason

PARQUET = (".parquet", ".pq")
# What a cell of a csv file is taken for null by: the list of pandas' `read_csv`, the same with every version of it.
NULLS = frozenset(
    {"", "#N/A N/A", "#N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A"}
    | {"NA", "NULL", "NaN", "None", "n/a", "nan", "null"}
)


@dataclass(frozen=True)
class Table:
    """The model's features in a data file.

    Attributes:
        frame: the feature columns in the model's order, texts as objects, NaN for null.
        target: name of the target column, or None.
        ignored: columns that are neither.
    """

    frame: pd.DataFrame
    target: str | None
    ignored: list[str]


def read(path: Path, texts: Mapping[str, Collection[str]]) -> pd.DataFrame:
    """A csv or parquet file as it is.

    Args:
        path: the file.
        texts: columns that are read as text → texts there that are no null, though they look like it: a category may
            be named None or NA.

    Raises:
        WorkerError: `data-unreadable`, `data-empty`.
    """
    try:
        if path.suffix.lower() in PARQUET:
            data = pd.read_parquet(path)
        else:
            data = _read_csv(path, "\t" if path.suffix.lower() == ".tsv" else ",", texts)
    except MemoryError:
        raise
    except Exception as error:
        raise WorkerError(
            "data-unreadable",
            f"{path.name} cannot be read: {reason(error)}",
            "give a csv file with a header, or a parquet file",
        ) from error
    if data.empty:
        raise WorkerError("data-empty", f"{path.name} has no rows", "give the data that the model was trained on")
    data.columns = pd.Index([str(name) for name in data.columns])
    return data


def _read_csv(path: Path, separator: str, texts: Mapping[str, Collection[str]]) -> pd.DataFrame:
    names = pd.read_csv(path, sep=separator, nrows=0).columns
    return pd.read_csv(
        path,
        sep=separator,
        dtype=dict.fromkeys(texts, str),
        na_values={name: sorted(NULLS.difference(texts.get(name, ()))) for name in names},
        keep_default_na=False,
        low_memory=False,
    )


def table(path: Path, model: Any, target: str | None) -> Table:
    """Match a data file with the features of a fitted model.

    Raises:
        WorkerError: `data-unreadable`, `data-empty`, `data-columns-missing`, `data-columns-mismatch`, `target-missing`.
    """
    names = names_of(model)
    known = features_of(model, names) if names else []
    data = read(path, {feature.name: feature.categories or () for feature in known if feature.text})
    if names is None:
        names, target = by_position(path, data, int(model.n_features_in_), target, _classes(model))
    if absent := [name for name in names if name not in data.columns]:
        raise WorkerError(
            "data-columns-missing",
            f"{path.name} lacks columns that the model was trained on: {', '.join(absent[:20])}",
            "give data with the columns of the training data, under the same names",
            missing=absent,
        )
    others = [name for name in data.columns if name not in names]
    target = (target if target in others else None) or target_of(data, others, _classes(model))
    return Table(plain_frame(data[names]), target, [name for name in others if name != target])


def check_target(path: Path, read: Table, target: str | None) -> None:
    """Refuse a target that the user named and that is not there.

    Raises:
        WorkerError: `target-missing`.
    """
    if target is not None and target != read.target:
        others = ", ".join([read.target, *read.ignored][:30]) if read.target else "none"
        raise WorkerError(
            "target-missing",
            f"{path.name} has no column {target} beside the model's features",
            f"name one of its other columns: {others}",
        )


def plain_frame(data: pd.DataFrame) -> pd.DataFrame:
    """Numbers as numpy has them, everything else as objects, NaN for null: what a service can make from JSON."""
    return pd.DataFrame({str(name): _plain_column(data[name]) for name in data.columns}).reset_index(drop=True)


def _plain_column(column: Any) -> Any:
    if not pd.api.types.is_numeric_dtype(column.dtype):
        texts = column.astype(object)
        return texts.where(texts.notna(), np.nan)
    if not pd.api.types.is_extension_array_dtype(column.dtype):
        return column
    if column.isna().any():
        return pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan), index=column.index)
    return column.astype(column.dtype.numpy_dtype)


def _classes(model: Any) -> set[str]:
    return {str(value) for value in output_of(model)["classes"]}


def by_position(
    path: Path, data: pd.DataFrame, count: int, target: str | None, classes: set[str]
) -> tuple[list[str], str | None]:
    """Names of the features of a model that was trained without names: all columns but the target.

    Raises:
        WorkerError: `data-columns-mismatch`.
    """
    columns = list(data.columns)
    if (target is None or target not in columns) and len(columns) == count + 1:
        target = target_of(data, columns, classes) or columns[-1]
    names = [name for name in columns if name != target]
    if len(names) != count:
        raise WorkerError(
            "data-columns-mismatch",
            f"the model takes {count} features; {path.name} has {len(columns)} columns",
            "give a file with just the features and the target, and name the target",
        )
    return names, target


def target_of(data: pd.DataFrame, others: list[str], classes: set[str]) -> str | None:
    """The one column that can be the target: the only one left, or the only one with just the model's classes in it."""
    if len(others) == 1:
        return others[0]
    fitting = [name for name in others if classes and {str(value) for value in data[name].dropna().unique()} == classes]
    return fitting[0] if len(fitting) == 1 else None


def feature_type(column: Any, known: Known) -> str:
    """`number`, `integer`, `boolean` or `string`, from the encoder's categories, else from all rows.

    Args:
        column: the feature in the reference data; None where there is none.
        known: what the model says of it.
    """
    if known.categories:
        return _categories_type(known.categories)
    if column is None:
        return "number"
    if column.dtype == bool:
        return "boolean"
    if pd.api.types.is_integer_dtype(column.dtype):
        return "integer"
    if pd.api.types.is_float_dtype(column.dtype):
        return "number"
    kinds = {type(value) for value in column.dropna().unique()}
    return "boolean" if kinds and kinds <= {bool, np.bool_} else "string"


def _categories_type(categories: list[Any]) -> str:
    kinds = {type(value) for value in categories}
    if kinds == {bool}:
        return "boolean"
    if str in kinds:
        return "string"
    return "integer" if all(float(value).is_integer() for value in categories) else "number"


def plain_rows(frame: pd.DataFrame, types: dict[str, str]) -> list[dict[str, Any]]:
    """Rows as JSON has them: null for NaN, an integer where the feature is one."""
    columns = {name: [_plain_value(value, kind) for value in frame[name].tolist()] for name, kind in types.items()}
    return [{name: values[index] for name, values in columns.items()} for index in range(len(frame))]


_PLAIN = {"number": float, "integer": int, "boolean": bool, "string": str}


def _plain_value(value: Any, kind: str) -> Any:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return _PLAIN[kind](value)
