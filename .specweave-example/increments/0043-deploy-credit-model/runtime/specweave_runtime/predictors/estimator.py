"""The user's own estimator, for models that no faster engine reproduces exactly.

It runs behind the batcher. Its file is code: it is opened only after its hash was verified, and only because the
package's maker named that file.
"""

import pickle
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import joblib
import numpy as np
from sklearn.exceptions import InconsistentVersionWarning

from specweave_runtime.outcomes import Outcome
from specweave_runtime.package import Feature, Manifest, PackageError, Signature
from specweave_runtime.predictors import Row
from specweave_runtime.predictors.trusted import TRUSTED

# Their `predict` is the class of the largest of their own `predict_proba`: one call gives both.
_LABEL_FROM_PROBABILITIES = frozenset(
    {
        "RandomForestClassifier",
        "ExtraTreesClassifier",
        "DecisionTreeClassifier",
        "ExtraTreeClassifier",
        "BaggingClassifier",
    }
)


class EstimatorPredictor:
    """A fitted scikit-learn estimator.

    Args:
        path: the estimator's file.
        manifest: says how to read it, and what it is.
        signature: names the features and the classes.

    Raises:
        PackageError: it cannot be read, or was made by another version of scikit-learn.
    """

    inline = False

    def __init__(self, path: Path, manifest: Manifest, signature: Signature) -> None:
        self._model = _read(path, manifest.executable.loader)
        self._model.set_params(**{name: 1 for name in self._model.get_params() if name.endswith("n_jobs")})
        self._signature = signature
        self._one_call = bool(_LABEL_FROM_PROBABILITIES & set(manifest.estimator[-1:]))
        self._matrix = _frame(signature) if signature.frame else _array(signature)

    def one(self, row: Row) -> Outcome[Any]:
        """The outcome of one row."""
        return self.many([row])[0]

    def many(self, rows: Sequence[Row]) -> list[Outcome[Any]]:
        """The outcomes of rows, in one call of the estimator.

        Raises:
            ValueError: the estimator does not take these values, such as 3e38 where it scales up first.
        """
        # It says so itself where a value has become infinite; numpy's warning of it would be a line in the log.
        with np.errstate(over="ignore"):
            return self._outcomes(self._matrix(rows))

    def _outcomes(self, matrix: Any) -> list[Outcome[Any]]:
        if not self._signature.output.probabilities:
            return [Outcome(prediction) for prediction in self._model.predict(matrix).tolist()]
        probabilities = self._model.predict_proba(matrix)
        if self._one_call:
            classes = self._signature.output.classes
            predictions = [classes[place] for place in probabilities.argmax(axis=1).tolist()]
        else:
            predictions = self._model.predict(matrix).tolist()
        return [Outcome(*both) for both in zip(predictions, probabilities.tolist(), strict=True)]


def _array(signature: Signature) -> Callable[[Sequence[Row]], Any]:
    text = any(feature.type == "string" for feature in signature.features)
    dtype: Any = np.object_ if text else np.float64

    def matrix(rows: Sequence[Row]) -> Any:
        if text:
            rows = [tuple(np.nan if value is None else value for value in row) for row in rows]
        return np.array(rows, dtype=dtype)

    return matrix


def _frame(signature: Signature) -> Callable[[Sequence[Row]], Any]:
    import pandas as pd  # noqa: PLC0415 - only estimators that want named columns need it installed

    columns = [(feature.name, _frame_dtype(feature)) for feature in signature.features]

    def matrix(rows: Sequence[Row]) -> Any:
        series = {}
        for (name, dtype), values in zip(columns, zip(*rows, strict=True), strict=True):
            series[name] = pd.Series([np.nan if value is None else value for value in values], dtype=dtype)
        return pd.DataFrame(series)

    return matrix


def _frame_dtype(feature: Feature) -> str:
    if feature.type == "string":
        return "object"
    if feature.nullable or feature.type == "number":
        return "object" if feature.type == "boolean" else "float64"
    return "int64" if feature.type == "integer" else "bool"


def _read(path: Path, loader: Literal["joblib", "skops", "pickle"] | None) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            return _LOADERS[loader or "joblib"](path)
    except InconsistentVersionWarning as error:
        raise PackageError(
            f"{path}: made by scikit-learn {error.original_sklearn_version}, "
            f"here is {error.current_sklearn_version}; install the version that made it"
        ) from error
    except Exception as error:
        raise PackageError(f"{path}: cannot be read: {type(error).__name__}: {error}") from error


def _read_pickle(path: Path) -> Any:
    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301 - the user's own estimator, verified by hash, named by its maker


def _read_skops(path: Path) -> Any:
    from skops import io  # noqa: PLC0415 - only packages in this format need it installed

    return io.load(path, trusted=sorted(TRUSTED))


_LOADERS: dict[str, Callable[[Path], Any]] = {"joblib": joblib.load, "pickle": _read_pickle, "skops": _read_skops}
