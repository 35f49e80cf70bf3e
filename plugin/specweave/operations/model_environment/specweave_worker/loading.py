"""Open a model file that the user named. Pickles run code: here, in the user's Python, and nowhere else."""

import pickle
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
from sklearn.exceptions import InconsistentVersionWarning

from .failure import WorkerError, reason


def load(path: Path, file_format: str, trusted: Sequence[str]) -> Any:
    """The fitted model of a joblib, pickle or skops file, made to use one thread.

    Args:
        path: the file.
        file_format: `joblib`, `pickle` or `skops`.
        trusted: types that a skops file may hold beyond skops' own.

    Raises:
        WorkerError: `model-version-mismatch`, `model-module-missing`, `model-type-untrusted`, `model-unreadable`,
            `model-unsupported`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", InconsistentVersionWarning)
        try:
            model = _read(path, file_format, trusted)
        except InconsistentVersionWarning as warning:
            raise _version_error(path, warning) from None
        except ModuleNotFoundError as error:
            raise WorkerError(
                "model-module-missing",
                f"{path.name} needs the module {error.name}, which the model environment does not have",
                f"install the package with {error.name} in the model environment",
                module=error.name,
            ) from None
        except (WorkerError, MemoryError):
            raise
        except Exception as error:
            raise WorkerError(
                "model-unreadable",
                f"{path.name} cannot be read as a {file_format} file: {type(error).__name__}: {reason(error)}",
                "check that the file is complete and was written by joblib.dump, pickle.dump or skops.io.dump",
            ) from error
    if not callable(getattr(model, "predict", None)) or isinstance(model, type):
        raise WorkerError(
            "model-unsupported",
            f"{path.name} holds a {type(model).__name__}, which has no predict",
            "save the fitted scikit-learn estimator or Pipeline itself",
        )
    _one_thread(model)
    return model


def _read(path: Path, file_format: str, trusted: Sequence[str]) -> Any:
    if file_format == "joblib":
        return joblib.load(path)
    if file_format == "pickle":
        with path.open("rb") as file:
            return pickle.load(file)  # noqa: S301 - the user named this file, and this process is not the tool's
    import skops.io  # noqa: PLC0415 - only for this format it has to be there

    # What a file asks to be trusted with is compared with the reviewed list, never taken as the list.
    unknown = sorted(set(skops.io.get_untrusted_types(file=path)) - set(trusted))
    if unknown:
        raise WorkerError(
            "model-type-untrusted",
            f"{path.name} holds types that are not on the reviewed list: {', '.join(unknown)}",
            "leave these types out of the model, or save it with joblib if you trust its maker",
            types=unknown,
        )
    return skops.io.load(path, trusted=list(trusted))


def _version_error(path: Path, warning: InconsistentVersionWarning) -> WorkerError:
    made, here = warning.original_sklearn_version, warning.current_sklearn_version
    return WorkerError(
        "model-version-mismatch",
        f"{path.name} was made by scikit-learn {made}; the model environment has {here}",
        f"train it again with {here}, or install scikit-learn=={made} in the model environment",
        made_with=made,
        present=here,
    )


def _one_thread(model: Any) -> None:
    """A forest saved with n_jobs=-1 starts threads for every single row: four times slower."""
    parameters = model.get_params() if hasattr(model, "get_params") else {}
    if jobs := {name: 1 for name in parameters if name.split("__")[-1] == "n_jobs"}:
        model.set_params(**jobs)
