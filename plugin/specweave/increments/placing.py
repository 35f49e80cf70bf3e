"""Putting the folder of an increment in its place: whole, or not at all."""

import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from specweave.errors import ConflictError, InvalidInputError
from specweave.files import atomic
from specweave.project import Project

IGNORE_FILE = ".gitignore"
_IGNORED = "# What belongs to this machine only.\nlocal/\ncache/\n*.lock\n.*.tmp\nincrements/.new-*/\n"
_STAGING = ".new-"


def place(project: Project, identifier: str, files: Mapping[str, bytes], owned: Sequence[str]) -> Path:
    """Put a whole folder under its name in one step; the caller holds the lock."""
    increments = project.state / "increments"
    target, staging = increments / identifier, increments / f"{_STAGING}{secrets.token_hex(6)}"
    with atomic.coded_errors(target):
        increments.mkdir(parents=True, exist_ok=True)
        for abandoned in increments.glob(f"{_STAGING}*"):
            shutil.rmtree(abandoned)
        if not (project.state / IGNORE_FILE).exists():
            atomic.write(project.state / IGNORE_FILE, _IGNORED.encode())
        try:
            target.mkdir()
        except FileExistsError as error:
            raise ConflictError("increment-exists", f"{target} exists already") from error
        try:
            _fill(staging, files, owned)
            # A rename onto an empty folder takes its place; onto any other it fails.
            staging.rename(target)
        except BaseException:
            with suppress(OSError):
                target.rmdir()
            shutil.rmtree(staging, ignore_errors=True)
            raise
        atomic.sync_folder(increments)
    return target


def move(folder: Path, parent: Path) -> Path:
    """Put the folder of an increment into another folder in one step; the caller holds the lock.

    Raises:
        ConflictError: `increment-exists` where one of its name is there.
        InvalidInputError: `path-is-link` where the other folder is a symbolic link.
        HostError: it cannot be moved; it is where it was then.
    """
    target = parent / folder.name
    if parent.is_symlink():
        raise InvalidInputError("path-is-link", f"{parent} is a symbolic link", next_step="put a folder there")
    if target.exists() or target.is_symlink():
        raise ConflictError(
            "increment-exists",
            f"{target} exists already",
            next_step="compare the two, and remove or rename one of them",
        )
    with atomic.coded_errors(target):
        parent.mkdir(exist_ok=True)
        folder.rename(target)
        atomic.sync_folder(parent)
        atomic.sync_folder(folder.parent)
    return target


def _fill(folder: Path, files: Mapping[str, bytes], owned: Sequence[str]) -> None:
    from specweave.files import ledger  # noqa: PLC0415 - start-up: finding increments generates nothing

    if owned:
        ledger.plan(folder, {path: files[path] for path in owned}, kind="documents").apply()
        (folder / ledger.LOCK).unlink()
    for path, content in files.items():
        if path not in owned:
            atomic.write(folder / path, content)
