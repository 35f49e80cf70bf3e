"""The registry of model packages of a project: `.specweave/models/<name>/<version>/`."""

import os
import re
import shutil
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from specweave.errors import ConflictError, InvalidInputError, ModelError, NotFoundError
from specweave.files.atomic import coded_errors, sync_folder
from specweave.project import Project
from specweave_runtime import package as format_
from specweave_runtime.package import Manifest, PackageError, Signature

LONGEST_NAME = 60
_STALE_S = 86_400.0
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_VERSION = re.compile(r"(?P<increment>\d{4,})-v(?P<number>[1-9]\d*)")


@dataclass(frozen=True, slots=True)
class Package:
    """A model package whose files are what its manifest says.

    Attributes:
        path: the directory.
        manifest, signature: as read from it.
        identity: SHA-256 of its manifest.
    """

    path: Path
    manifest: Manifest
    signature: Signature
    identity: str

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """`<increment>-v<N>`."""
        return self.manifest.version


def slug(text: str) -> str:
    """The name of a model as folders and addresses have it: `Credit Model` becomes `credit-model`.

    Raises:
        InvalidInputError: `model-name-invalid` where nothing usable is left, it is too long, or it looks like a path.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = "-".join(re.findall(r"[a-z0-9]+", plain.lower()))
    if not name or len(name) > LONGEST_NAME or "/" in text or "\\" in text or "\0" in text or ".." in text:
        raise InvalidInputError(
            "model-name-invalid",
            f"{text[:80]!r} is no name for a model",
            next_step=f"use lower-case letters, digits and hyphens, at most {LONGEST_NAME}: credit-model",
        )
    return name


def open_package(project: Project, name: str, version: str) -> Package:
    """One version, every file of it checked against the manifest.

    Raises:
        NotFoundError: `package-not-found`, with the versions there are.
        InvalidInputError: `model-name-invalid`, `version-invalid`.
        ModelError: `package-invalid`: incomplete, changed or of an unknown format.
    """
    path = _folder(project, name) / _checked_version(version)
    if not path.is_dir():
        known = ", ".join(sorted(version for _, version in versions(project, name))) or "none"
        raise NotFoundError(
            "package-not-found",
            f"there is no version {version} of the model {name}; there is: {known}",
            next_step="name one of these, or make a package: /ml:deploy-prepare",
        )
    return read(path, name=name, version=version)


def read(path: Path, *, name: str | None = None, version: str | None = None) -> Package:
    """The package in a directory, checked.

    Raises:
        ModelError: `package-invalid`.
    """
    try:
        manifest = format_.verify(path)
        signature = format_.read_signature(path)
        format_.read_golden(path)
        identity = format_.digest_of_manifest(path)
    except (PackageError, OSError) as error:
        raise _invalid(str(error)) from error
    if (name, version) != (None, None) and (manifest.name, manifest.version) != (name, version):
        raise _invalid(f"{path}: the manifest is that of {manifest.name} {manifest.version}")
    return Package(path, manifest, signature, identity)


def versions(project: Project, name: str | None = None) -> list[tuple[str, str]]:
    """Names and versions of all packages, in the order they count; nothing is opened."""
    root = project.state / "models"
    everything = sorted(root.iterdir()) if name is None and root.is_dir() else []
    folders = everything if name is None else [_folder(project, name)]
    found = [
        (folder.name, path.name)
        for folder in folders
        if folder.is_dir() and _NAME.fullmatch(folder.name)
        for path in folder.iterdir()
        if _VERSION.fullmatch(path.name) and (path / format_.MANIFEST).is_file()
    ]
    return sorted(found, key=lambda pair: (pair[0], *_order(pair[1])))


def next_version(project: Project, name: str, increment_number: str) -> str:
    """The version that the next package of an increment gets: `0043-v2` after `0043-v1`."""
    folder = _folder(project, name)
    used = [0]
    for path in folder.iterdir() if folder.is_dir() else ():
        match = _VERSION.fullmatch(path.name)
        if match and match["increment"] == increment_number:
            used.append(int(match["number"]))
    return _checked_version(f"{increment_number}-v{max(used) + 1}")


def add(project: Project, staged: Path) -> Package:
    """Bring a complete directory under its name and version, in one step.

    Args:
        project: where.
        staged: a directory on the same file system, under `.specweave`; it is gone afterwards.

    Raises:
        ModelError: `package-invalid`; nothing was added.
        ConflictError: `version-exists`.
        HostError: disk or permission.
    """
    package = read(staged)
    target = _folder(project, package.name) / _checked_version(package.version)
    with coded_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        for file in staged.iterdir():
            _sync(file)
        sync_folder(staged)
        try:
            # rename() replaces an empty directory only; it fails where another process was quicker.
            staged.rename(target)
        except OSError:
            if target.exists():
                raise ConflictError(
                    "version-exists",
                    f"{package.name} {package.version} exists already",
                    next_step="run the command again",
                ) from None
            raise
        sync_folder(target.parent)
    return Package(target, package.manifest, package.signature, package.identity)


@contextmanager
def staging(project: Project) -> Iterator[Path]:
    """An empty directory in which a package is put together before `add`; it is gone in the end.

    What a killed process left of such a directory is removed a day later.

    Raises:
        HostError: disk or permission, also where the caller's own writing fails.
    """
    root = project.state / "cache" / "packages"
    path = root / f"{os.getpid()}-{os.urandom(6).hex()}"
    with coded_errors(path):
        path.mkdir(parents=True)
        for left in root.iterdir():
            with suppress(FileNotFoundError):  # another process may be done with its own meanwhile
                if left != path and time.time() - left.stat().st_mtime > _STALE_S:
                    shutil.rmtree(left, ignore_errors=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _folder(project: Project, name: str) -> Path:
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise InvalidInputError(
            "model-name-invalid",
            f"{name[:80]!r} is no name of a model",
            next_step=f"use lower-case letters, digits and hyphens, at most {LONGEST_NAME}: credit-model",
        )
    return project.state / "models" / name


def _checked_version(version: str) -> str:
    if not _VERSION.fullmatch(version):
        raise InvalidInputError(
            "version-invalid", f"{version[:80]!r} is no version", next_step="a version looks like 0043-v1"
        )
    return version


def _order(version: str) -> tuple[int, int]:
    match = _VERSION.fullmatch(version)
    return (int(match["increment"]), int(match["number"])) if match else (0, 0)


def _invalid(message: str) -> ModelError:
    return ModelError(
        "package-invalid",
        message,
        next_step="bring the package back from git, or make a new version: /ml:deploy-prepare",
    )
