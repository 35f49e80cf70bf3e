"""What the tool may ask: inspect a model, or convert it one way."""

import sys
import warnings
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from .conversion import convert
from .reference import reference
from .subject import Subject, open_subject

LIBRARIES = (
    "scikit-learn",
    "numpy",
    "scipy",
    "joblib",
    "pandas",
    "skops",
    "lightgbm",
    "xgboost",
    "catboost",
    "imbalanced-learn",
    "category-encoders",
)


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Do one operation; `request["operation"]` is `inspect` or `convert`.

    Raises:
        WorkerError: what is wrong with the user's model or data.
    """
    warnings.simplefilter("ignore")
    overlay = set(request["overlay"])
    subject = open_subject(request)
    attempt = convert(subject, request, Path(request["folder"])) if request["operation"] == "convert" else None
    if attempt and attempt["attempt"]["refused"]:
        return attempt
    return {**_facts(subject, overlay), "reference": reference(subject), **(attempt or {})}


def _facts(subject: Subject, overlay: set[str]) -> dict[str, Any]:
    return {
        "features": subject.features,
        "output": subject.output,
        "frame": subject.framed,
        "estimator": subject.kinds,
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "libraries": _libraries(overlay),
        "rows": len(subject.frame) if subject.real else 0,
        "target": subject.target,
        "notes": subject.notes,
    }


def _libraries(overlay: set[str]) -> dict[str, str]:
    """Versions of what a model may lean on, in the user's own environment: the overlay comes last on the path."""
    own = [entry for entry in sys.path if entry not in overlay]
    found = {name: next(iter(distributions(name=name, path=own)), None) for name in LIBRARIES}
    return {name: distribution.version for name, distribution in found.items() if distribution is not None}
