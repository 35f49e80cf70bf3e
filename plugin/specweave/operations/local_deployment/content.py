"""What runs: the service's code and requirements, the runtime and the model package, with their digests.

Not the tests beside the code nor the Dockerfile, which change nothing about what a process answers; nor the number of
workers and the interpreter, which are the environment's.
"""

from collections.abc import Iterator
from pathlib import Path

from specweave.artifacts import service
from specweave.increments.content import PACKAGE, Content, artifacts, walk
from specweave.increments.store import Increment
from specweave.model_packages.store import Package
from specweave.operations.artifact_patterns import WHAT_RUNS
from specweave_runtime import package as packages

_MODEL, _RUNTIME = "model/", "specweave_runtime/"
_ABOVE_RUNTIME = "runtime/"
_REQUIREMENTS = "requirements.txt"


def sources(increment: Increment, package: Package) -> dict[str, Path]:
    """The files that a release is made of: their names in it, and where they lie.

    Raises:
        NotFoundError: `service-missing`.
    """
    service.require(increment)
    found = artifacts(increment.folder, WHAT_RUNS)
    files = {name.removeprefix(_ABOVE_RUNTIME): path for name, path in found.items()}
    files |= {f"{_MODEL}{path.name}": path for path in package.path.iterdir()}
    return {**files, _REQUIREMENTS: increment.folder / "api" / _REQUIREMENTS}


def tree(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files under a folder that count, with their relative names."""
    for path in walk(folder):
        yield path.relative_to(folder).as_posix(), path


def of_increment(increment: Increment, package: Package) -> Content:
    """What an increment's service with a package is, as the files are now.

    Raises:
        NotFoundError: `service-missing`.
    """
    service.require(increment)
    files = {name: packages.digest(path) for name, path in artifacts(increment.folder, WHAT_RUNS).items()}
    return Content({**files, PACKAGE: package.identity})


def of_release(folder: Path, *, record: str) -> Content:
    """What `of_increment` said of the service that a release was made from, where nobody changed the release.

    Args:
        folder: of the release.
        record: name of the file in it that describes it.
    """
    files = {}
    for name, path in tree(folder):
        if name in {record, _REQUIREMENTS} or name.startswith(_MODEL):
            continue
        above = _ABOVE_RUNTIME if name.startswith(_RUNTIME) else ""
        files[f"{above}{name}"] = packages.digest(path)
    return Content({**files, PACKAGE: _identity(folder / _MODEL)})


def _identity(model: Path) -> str:
    try:
        packages.verify(model)
        return packages.digest_of_manifest(model)
    except packages.PackageError as error:
        return str(error)
