"""One lock between processes, and between the threads of one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from specweave.errors import ConflictError
from specweave.files.atomic import coded_errors


@contextmanager
def lock(path: Path, *, timeout_s: float = 30) -> Iterator[None]:
    """Hold the lock file `path`; taking it again in the same thread is no new lock.

    Hold it for a read-change-write of files, never while a command runs.

    Args:
        path: the lock file; it stays, empty, after the release.
        timeout_s: how long to wait for another holder, seconds.

    Raises:
        ConflictError: `project-locked`.
        HostError: the lock file cannot be made.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415 - start-up: listings take no lock

    with coded_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        holder = FileLock(path, is_singleton=True)
        try:
            holder.acquire(timeout=timeout_s)
        except Timeout:
            raise ConflictError(
                "project-locked",
                f"another process has held {path} for {timeout_s:g} s",
                next_step="wait for the other command to end, then run this one again",
            ) from None
    try:
        yield
    finally:
        holder.release()
