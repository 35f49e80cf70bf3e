"""The HTTP service of a model: `api/`, and the runtime it calls, copied into the increment."""

from pathlib import Path

import specweave_runtime
from specweave.artifacts import api_types, requirements
from specweave.artifacts.api_types import ModelTypes
from specweave.command import Context
from specweave.files import ledger
from specweave.files.quoting import json
from specweave.files.rendering import render
from specweave.increments.deployment import Deployment
from specweave.increments.store import Increment
from specweave.model_packages.store import Package
from specweave_runtime import package as packages

KIND = "api"
RUNTIME = "runtime/specweave_runtime"


def generate(context: Context, increment: Increment, package: Package, deployment: Deployment) -> ledger.Plan:
    """What generating the service of an increment would do.

    Args:
        context: locks the requirements where they depend on the user's libraries.
        increment: where it is written.
        package: what is served.
        deployment: names the service and its limits.

    Raises:
        InvalidInputError: `value-not-writable` for a name that cannot be written in Python.
        ConflictError: `file-of-another-kind`.
        ModelError, HostError: the requirements of an estimator cannot be locked.
    """
    files = render(KIND, _values(increment, package, deployment))
    files["api/requirements.txt"] = requirements.locked(package, context)
    files["api/tests/requirements.txt"] = requirements.tests_lock()
    files.update(_runtime())
    return ledger.plan(increment.folder, files, kind=KIND)


def type_values(types: ModelTypes) -> dict[str, object]:
    """What the templates need to know of the types of a model."""
    named = any("field(" in feature.declaration for feature in types.features)
    return {
        "aliases": types.aliases,
        "features": types.features,
        "value_type": types.value_type,
        "answer": types.answer,
        "positive": types.positive,
        "prediction_documentation": types.prediction,
        "classes": types.classes,
        "typing_imports": ["Literal"] if any(" = Literal[" in alias for alias in types.aliases) else [],
        "msgspec_imports": ["Struct", "field"] if named else ["Struct"],
        "value_imports": types.imports,
    }


def _values(increment: Increment, package: Package, deployment: Deployment) -> dict[str, object]:
    golden = packages.read_golden(package.path).rows[0]
    depth = "../" * len(increment.folder.joinpath("api").relative_to(increment.project.state).parts)
    return {
        "name": package.name,
        "version": package.version,
        "package": f"{depth}models/{package.name}/{package.version}",
        "body_bytes": f"{deployment.service.body_bytes:_}",
        "batch_rows": f"{deployment.service.batch_rows:_}",
        "example_request": json({"features": golden.features}, indent=2),
        **type_values(api_types.of(package.signature)),
    }


def _runtime() -> dict[str, bytes]:
    """The sources of the runtime, byte for byte."""
    root = Path(specweave_runtime.__path__[0])
    sources = (path for path in sorted(root.rglob("*")) if path.suffix == ".py" or path.name == "py.typed")
    return {f"{RUNTIME}/{path.relative_to(root).as_posix()}": path.read_bytes() for path in sources}
