"""The locked requirements of a service: every distribution at one version, with hashes, from no named index.

A service on onnxruntime or treelite has a lock that ships with specweave, valid for Python 3.11 to 3.14; the model
environment proves parity with the same version of the engine (`pinned`). A service on the estimator itself needs the
libraries that trained it, so its lock is compiled when it is generated.
"""

import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from specweave.command import Context, Progress
from specweave.errors import HostError, ModelError, NotFoundError
from specweave.files import resources
from specweave.host import tool_python, uv_program, without_credentials
from specweave.model_packages.store import Package

OLDEST_PYTHON = (3, 11)

Lock = Literal["onnx", "treelite", "tests"]

# What converts a model or runs it in another way; the estimator itself does not need it.
_CONVERSION = frozenset({"onnx", "onnxruntime", "skl2onnx", "treelite"})
_PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9.-]*)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[0-9][A-Za-z0-9.!+-]*")
_OPTIONS = (
    *("--quiet", "--universal", "--generate-hashes", "--no-header", "--no-annotate"),
    *("--no-emit-index-url", "--no-emit-find-links", "--no-build", "--no-python-downloads"),
)
_NO_SOLUTION = 1  # exit status of uv where the requirements contradict each other; 2 where it could not find out
_COMPILE_TIMEOUT_S = 300.0


def locked(package: Package, context: Context) -> bytes:
    """The requirements.txt of a package's service.

    Args:
        package: its kind of executable decides; an estimator's libraries are pinned to those of the manifest.
        context: runs uv for an estimator, which asks the package index that the user's own settings name.

    Raises:
        ModelError: `libraries-invalid`, `python-unsupported` or `requirements-contradict` for an estimator.
        HostError: `requirements-not-locked` where the index cannot be reached.
    """
    manifest = package.manifest
    if manifest.executable.kind == "estimator":
        return _compile(manifest.libraries, _service_python(manifest.python), context)
    return _file(f"{manifest.executable.kind}.txt").read_bytes()


def tests_lock() -> bytes:
    """What the tests of a generated service need on top of its own requirements."""
    return _file("tests.txt").read_bytes()


def locust_lock() -> bytes:
    """What Locust needs to drive a load test: the same in an environment of the tool's, in an image, anywhere."""
    return _file("locust.txt").read_bytes()


def pinned(kind: Lock, distribution: str) -> str:
    """The version that a shipped lock holds; `pinned("onnx", "onnxruntime")`.

    Raises:
        NotFoundError: `distribution-not-locked`.
    """
    for name, version in _pins(kind):
        if name == _normal(distribution):
            return version
    raise NotFoundError("distribution-not-locked", f"the lock of {kind} services does not hold {distribution}")


def _pins(kind: Lock) -> Iterator[tuple[str, str]]:
    for match in _PIN.finditer(_file(f"{kind}.txt").read_text("utf-8")):
        yield match["name"], match["version"]


def _file(name: str) -> Path:
    return resources.folder("templates") / "requirements" / name


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _service_python(version: str) -> str:
    """The `3.12` of `3.12.1`."""
    parts = version.split(".")
    try:
        minor = int(parts[0]), int(parts[1])
    except (ValueError, IndexError):
        raise ModelError("libraries-invalid", f"the manifest's Python version {version!r} is none") from None
    if minor < OLDEST_PYTHON:
        raise ModelError(
            "python-unsupported",
            f"the model was trained by Python {version}, and a service needs 3.11 or newer to run its estimator",
            next_step="train it with Python 3.11 or newer, or as a model that converts to ONNX",
        )
    return f"{minor[0]}.{minor[1]}"


def _compile(libraries: Mapping[str, str], python: str, context: Context) -> bytes:
    context.report(Progress("locking the requirements of the estimator"))
    # An index holds the public part of a version; what stands behind "+" was built elsewhere.
    public = {_normal(name): version.partition("+")[0] for name, version in libraries.items()}
    pins = {name: version for name, version in public.items() if name not in _CONVERSION}
    for name, version in pins.items():
        if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
            raise ModelError("libraries-invalid", f"the manifest's library {name[:80]!r} {version[:80]!r} is none")
    with tempfile.TemporaryDirectory() as scratch:
        wanted, constraints = Path(scratch, "requirements.in"), Path(scratch, "constraints.txt")
        wanted.write_text("\n".join([*_service_requirements(pins), *(f"{n}=={v}" for n, v in sorted(pins.items()))]))
        # What serves stays at the versions that specweave was tested with; the libraries are the user's.
        constraints.write_text("\n".join(f"{n}=={v}" for n, v in _pins("onnx") if n not in pins))
        options = (*_OPTIONS, "--python", tool_python(), "--python-version", python, "--constraints", str(constraints))
        completed = context.host.run(
            [uv_program(), "pip", "compile", *options, str(wanted)],
            cwd=context.project.root,
            timeout_s=_COMPILE_TIMEOUT_S,
        )
    if completed.returncode == _NO_SOLUTION and "No solution found" in completed.stderr:
        raise ModelError(
            "requirements-contradict",
            f"the libraries of the model and of the service cannot be installed together: {_last(completed.stderr)}",
            next_step="train the model again with the versions named there",
        )
    if completed.returncode:
        raise HostError(
            "requirements-not-locked",
            f"uv could not lock the requirements: {_last(completed.stderr)}",
            next_step="check the network and the package index of your uv settings, then run the command again",
        )
    return completed.stdout.encode()


def _service_requirements(pins: Mapping[str, str]) -> Iterator[str]:
    for line in _file("service.in").read_text("utf-8").splitlines():
        name = _NAME.match(line)
        if name and _normal(name.group()) not in pins:
            yield line


def _last(text: str) -> str:
    return without_credentials(" ".join(text.split()))[-500:]
