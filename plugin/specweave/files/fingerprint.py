"""What tells, without reading them, that files are as they were: their names, sizes, times and inodes.

The time of the last change of the inode (ctime) is among it: no program can set it, so a file whose time of
modification was put back is noticed too.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from stat import S_ISDIR, S_ISLNK
from typing import NamedTuple

# Two seconds is the coarsest clock among the file systems in use (FAT); others have one second or a tick of 10 ms.
GRANULARITY_NS = 2_000_000_000


class Fingerprint(NamedTuple):
    """How files stand.

    Attributes:
        digest: hexadecimal; another one when any of them was changed, added, removed or replaced.
        changed_ns: when the last of them was changed, nanoseconds since the epoch by the clock of the file system.
    """

    digest: str
    changed_ns: int


def of(folder: Path, others: Iterable[Path] = ()) -> Fingerprint | None:
    """How a folder with everything in it and some other paths stand; None where that cannot be told.

    It cannot be told of a link to a folder, whose content may change unseen, of a link to nowhere, and of what may not
    be looked at.

    Args:
        folder: its whole content counts.
        others: files; of folders among them the whole content counts, of those that are missing that they are.
    """
    digest, changed_ns = hashlib.sha256(), 0
    try:
        for path, status in _entries(folder, others):
            facts: tuple[int, ...] = ()
            if status is not None:
                changed_ns = max(changed_ns, status.st_ctime_ns)
                facts = (status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            digest.update(f"{path}\0{facts}\n".encode("utf-8", "surrogateescape"))
    except (OSError, _UnknownError):
        return None
    return Fingerprint(digest.hexdigest()[:32], changed_ns)


class _UnknownError(Exception):
    """What a path leads to cannot be watched."""


def _entries(folder: Path, others: Iterable[Path]) -> Iterator[tuple[str, os.stat_result | None]]:
    yield from _tree(str(folder), Path(folder).lstat())
    for path in others:
        try:
            status = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            yield str(path), None
            # A file that is removed while it is read leaves no time of its own; its folder has it.
            parent = next(parent for parent in path.parents if parent.exists())
            yield str(parent), parent.stat()
        else:
            yield from _tree(str(path), status)


def _tree(path: str, status: os.stat_result) -> Iterator[tuple[str, os.stat_result | None]]:
    waiting = [(path, status)]
    while waiting:
        path, status = waiting.pop()
        yield path, status
        if S_ISLNK(status.st_mode):
            yield from _behind_link(path)
        elif S_ISDIR(status.st_mode):
            with os.scandir(path) as entries:
                found = sorted((entry.path, entry.stat(follow_symlinks=False)) for entry in entries)
            waiting += reversed(found)


def _behind_link(path: str) -> Iterator[tuple[str, os.stat_result]]:
    status = os.stat(path)  # noqa: PTH116 - thousands of times: a Path costs more than the call
    if S_ISDIR(status.st_mode):
        raise _UnknownError(path)
    yield path, status
