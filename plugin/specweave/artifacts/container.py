"""The Dockerfile of a service: `api/Dockerfile` and its ignore file.

The build context is the project's `.specweave` folder, so that the model package needs no second copy.
"""

import re

from specweave.errors import InvalidInputError
from specweave.files import ledger
from specweave.files.rendering import render
from specweave.increments.deployment import Deployment
from specweave.increments.store import Increment
from specweave.model_packages.store import Package

KIND = "container"
DOCKERFILE = "api/Dockerfile"
PYTHON_VERSIONS = ("3.11", "3.12", "3.13", "3.14")

# What a COPY instruction, an ignore pattern and a tag all take without quoting.
_PATH_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CHOSEN = re.compile(rb"^ARG PYTHON_VERSION=(3\.[0-9]+)\r?$", re.MULTILINE)


def generate(
    increment: Increment, package: Package, deployment: Deployment, *, python_version: str | None = None
) -> ledger.Plan:
    """What generating the Dockerfile of an increment's service would do.

    Args:
        increment: where it is written.
        package: what is served; the image carries its identity as a label and as the demanded digest.
        deployment: names the service.
        python_version: of the base image, `3.12`; by default that of the Dockerfile there is, else the model
            environment's, where a service runs on it.

    Raises:
        InvalidInputError: `python-version-invalid`, `name-invalid`.
        ConflictError: `file-of-another-kind`.
    """
    manifest = package.manifest
    for part in (increment.id, manifest.name, manifest.version):
        if not _PATH_PART.fullmatch(part):
            raise InvalidInputError("name-invalid", f"{ascii(part)[:100]} cannot be part of a path in a Dockerfile")
    values = {
        "increment": increment.id,
        "model": manifest.name,
        "version": manifest.version,
        "digest": package.identity,
        "service": deployment.service.name,
        "tag": image_tag(package, deployment),
        "python_version": base_version(increment, package, python_version),
    }
    return ledger.plan(increment.folder, render(KIND, values), kind=KIND)


def image_tag(package: Package, deployment: Deployment) -> str:
    """The name of the image where none is given: `credit-model:0043-v1`."""
    return f"{deployment.service.name}:{package.manifest.version}"


def base_version(increment: Increment, package: Package, wanted: str | None = None) -> str:
    """The Python of the base image.

    An estimator is read back by the Python that wrote it; ONNX and treelite models run on any, and keep the one that
    was chosen before.

    Raises:
        InvalidInputError: `python-version-invalid`.
    """
    own = ".".join(package.manifest.python.split(".")[:2])
    estimator = package.manifest.executable.kind == "estimator"
    if wanted is None:
        usual = own if estimator or own in PYTHON_VERSIONS else PYTHON_VERSIONS[0]
        wanted = usual if estimator else _chosen_before(increment) or usual
    if wanted not in PYTHON_VERSIONS:
        raise InvalidInputError(
            "python-version-invalid",
            f"a service does not run on Python {ascii(wanted)[:40]}",
            next_step=f"name one of {', '.join(PYTHON_VERSIONS)}",
        )
    if estimator and wanted != own:
        raise InvalidInputError(
            "python-version-invalid",
            f"the estimator was made by Python {own} and its requirements are locked for that, not for {wanted}",
            next_step=f"leave the version out, or train the model with Python {wanted}",
        )
    return wanted


def _chosen_before(increment: Increment) -> str | None:
    dockerfile = increment.folder / DOCKERFILE
    found = _CHOSEN.search(dockerfile.read_bytes()) if dockerfile.is_file() else None
    version = found[1].decode() if found else None
    return version if version in PYTHON_VERSIONS else None
