"""The log of a service, kept small while its workers write to it. Standard library only."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

LOG_BYTES = 10_000_000


def shorten(path: Path) -> None:
    """Move what is in a log to `<name>.1` where it has grown beyond `LOG_BYTES`; the `.1` before it goes.

    The workers go on writing to the same file, which they opened for appending; what they write between the copy and
    the cut is lost. On a full disk all of it is: a service that runs is worth more than its log.

    Raises:
        OSError: the log cannot be cut.
    """
    try:
        if path.stat().st_size <= LOG_BYTES:
            return
    except FileNotFoundError:
        return
    with suppress(OSError):
        shutil.copyfile(path, path.with_name(f"{path.name}.1"))
    os.truncate(path, 0)
