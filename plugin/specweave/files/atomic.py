"""Writes that leave the old content or the new one, whatever happens in between."""

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from specweave.errors import ConflictError, HostError
from specweave.files import reading

_TEMPORARY = ".tmp"
_ATTEMPTS = 50


def write(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Put `content` at `path`; parent folders are made.

    The bytes go to a temporary file beside the target, to the disk, and under the target's name in one step.

    Args:
        path: the file; its folder is created where it is missing.
        content: the whole of it.
        mode: permission bits; those of the present file, else what the umask leaves of 0666.

    Raises:
        HostError: `disk-full`, `permission-denied`, `write-failed`; the old content is untouched then.
    """
    with coded_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if mode is None:
            mode = _present_mode(path)
        _put(path, content, mode, only_if=lambda: True)


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> bool:
    """Put at `path` what `change` makes of what is there; where that is the same, nothing is written.

    Editors of people know no lock: what one of them writes meanwhile is read and changed again, not written over. Only
    the moment between two system calls is left, in which nobody could tell.

    Args:
        path: a document; none is an empty one.
        change: makes the new content of the present one; it may be called several times.

    Returns:
        Whether it changed.

    Raises:
        InvalidInputError: what `specweave.files.reading.read` raises.
        HostError: as `write`.
        ConflictError: `file-changing` where somebody writes it again and again.
    """
    for _ in range(_ATTEMPTS):
        before = _identity(path)
        try:
            present = reading.read(path)
        except FileNotFoundError:
            present = b""
        content = change(present)
        if content == present:
            return False
        with coded_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if _put(path, content, _present_mode(path), only_if=lambda before=before: _identity(path) == before):  # type: ignore[misc]
                return True
    raise ConflictError(
        "file-changing",
        f"{path} is being written by another program all the time",
        next_step="see what writes it, then run the command again",
    )


def _put(path: Path, content: bytes, mode: int | None, *, only_if: Callable[[], bool]) -> bool:
    # A long name and the random part together must stay within the 255 bytes of a file name.
    temporary = path.parent / f".{path.name[:40]}.{secrets.token_hex(6)}{_TEMPORARY}"
    try:
        _write_through(temporary, content, mode)
        if not only_if():
            temporary.unlink()
            return False
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)
    return True


def _identity(path: Path) -> tuple[int, ...] | None:
    """What is other after each write of a file: by a rename the inode, by a write in place the rest."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, so that a rename survives a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _present_mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.lstat().st_mode) if not path.is_symlink() else None
    except FileNotFoundError:
        return None


def _write_through(path: Path, content: bytes, mode: int | None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else mode)
    with os.fdopen(descriptor, "wb") as file:
        if mode is not None:
            os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


@contextmanager
def coded_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says about writing into errors of ours that name `path`.

    Raises:
        HostError: `disk-full`, `permission-denied`, `write-failed`.
    """
    try:
        yield
    except HostError:
        raise
    except OSError as error:
        raise _coded(error, path) from error


def _coded(error: OSError, path: Path) -> HostError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return HostError(
            "disk-full",
            f"{path} was not written: no space is left there",
            next_step="make room and run the command again",
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return HostError(
            "permission-denied",
            f"{path} was not written: {error.strerror}",
            next_step="allow writing there and run the command again",
        )
    return HostError("write-failed", f"{path} was not written: {error.strerror or error}")
