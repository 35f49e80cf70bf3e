"""What tells, without reading them, that files are as they were: their names, sizes, times and inodes.

The time of the last change of the inode (ctime) is among it: no program can set it, so a file whose time of
modification was put back is noticed too.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from stat import S_ISDIR, S_ISLNK
from typing import NamedTuple

# Two seconds is the coarsest clock among the file systems in use (FAT); others have one second or a tick of 10 ms.
GRANULARITY_NS = 2_000_000_000
# What many folders look at is looked at once; more than so many paths are not kept in mind.
_REMEMBERED = 4096
_UNCOUNTED = frozenset({"__pycache__", "node_modules"})


class Fingerprint(NamedTuple):
    """How files stand.

    Attributes:
        digest: hexadecimal; another one when any of them was changed, added, removed or replaced.
        changed_ns: when the last of them was changed, nanoseconds since the epoch by the clock of the file system.
    """

    digest: str
    changed_ns: int


class Observer:
    """Tells how files stand at the moment when they are first asked for."""

    def __init__(self) -> None:
        self._other = lru_cache(_REMEMBERED)(_other)

    def of(self, folder: str, others: Iterable[str] = ()) -> Fingerprint | None:
        """How a folder with everything in it and some other paths stand; None where that cannot be told.

        It cannot be told of a link to a folder, whose content may change unseen, of a link to nowhere, and of what may
        not be looked at.

        Args:
            folder: absolute; its whole content counts; asked again, it is looked at again.
            others: absolute; that one is missing counts too. Of folders among them all content counts but for caches
                and hidden folders.
        """
        found = [_whole(folder), *map(self._other, others)]
        known = [fingerprint for fingerprint in found if fingerprint is not None]
        if len(known) < len(found):
            return None
        together = hashlib.sha256("\n".join(fingerprint.digest for fingerprint in known).encode())
        return Fingerprint(together.hexdigest()[:32], max(fingerprint.changed_ns for fingerprint in known))


class _UnknownError(Exception):
    """What a path leads to cannot be watched."""


def _whole(folder: str) -> Fingerprint | None:
    try:
        return _summed(_tree(folder, os.lstat(folder), whole=True))
    except (OSError, _UnknownError):
        return None


def _other(path: str) -> Fingerprint | None:
    try:
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            # A file that is removed while it is read leaves no time of its own; its folder has it.
            parent = next(parent for parent in Path(path).parents if parent.exists())
            return Fingerprint(hashlib.sha256(os.fsencode(path)).hexdigest(), parent.stat().st_ctime_ns)
        return _summed(_tree(path, status, whole=False))
    except (OSError, ValueError, _UnknownError):
        return None


def _summed(entries: Iterable[tuple[str, os.stat_result]]) -> Fingerprint:
    digest, changed_ns = hashlib.sha256(), 0
    for path, status in entries:
        changed_ns = max(changed_ns, status.st_ctime_ns)
        facts = (status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        digest.update(f"{path}\0{facts}\n".encode("utf-8", "surrogateescape"))
    return Fingerprint(digest.hexdigest(), changed_ns)


def _tree(path: str, status: os.stat_result, *, whole: bool) -> Iterator[tuple[str, os.stat_result]]:
    waiting = [(path, status)]
    while waiting:
        path, status = waiting.pop()
        yield path, status
        if S_ISLNK(status.st_mode):
            behind = os.stat(path)  # noqa: PTH116 - thousands of times: a Path costs more than the call
            if S_ISDIR(behind.st_mode):
                raise _UnknownError(path)
            yield path, behind
        elif S_ISDIR(status.st_mode):
            with os.scandir(path) as entries:
                found = sorted((entry.path, entry.stat(follow_symlinks=False)) for entry in entries)
            waiting += reversed(found if whole else [entry for entry in found if _counts(*entry)])


def _counts(path: str, status: os.stat_result) -> bool:
    name = path.rpartition("/")[2]
    return not S_ISDIR(status.st_mode) or not (name in _UNCOUNTED or name.startswith("."))
