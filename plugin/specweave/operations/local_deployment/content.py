"""What runs, as one digest: the service's code and requirements, the runtime and the model package.

Not the tests beside the code nor the Dockerfile, which change nothing about what a process answers; nor the number of
workers and the interpreter, which are the environment's.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from specweave.artifacts import service
from specweave.increments.store import Increment
from specweave.model_packages.store import Package
from specweave_runtime import package as packages

_SKIPPED = {"__pycache__", ".pytest_cache", "tests", "Dockerfile", "Dockerfile.dockerignore"}


def sources(increment: Increment, package: Package) -> dict[str, Path]:
    """The files that a release is made of: their names in it, and where they lie.

    Raises:
        NotFoundError: `service-missing`.
    """
    api, runtime = increment.folder / "api", increment.folder / "runtime" / "specweave_runtime"
    service.require(increment)
    files = {f"api/{name}": path for name, path in tree(api)}
    files |= {f"specweave_runtime/{name}": path for name, path in tree(runtime)}
    files |= {f"model/{path.name}": path for path in package.path.iterdir()}
    return {**files, "requirements.txt": api / "requirements.txt"}


def tree(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files under a folder that count, with their relative names."""
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if path.is_file() and not _SKIPPED.intersection(relative.parts):
            yield relative.as_posix(), path


def digest(files: Mapping[str, Path], settings: Mapping[str, object] | None = None) -> str:
    """SHA-256 over the names and contents of files, and over settings."""
    total = hashlib.sha256(json.dumps(settings or {}, sort_keys=True).encode())
    for name in sorted(files):
        total.update(f"\0{name}\0{packages.digest(files[name])}".encode())
    return total.hexdigest()


def of_increment(increment: Increment, package: Package) -> str:
    """The content of an increment's service with a package, as the files are now.

    Raises:
        NotFoundError: `service-missing`.
    """
    return digest(sources(increment, package))
