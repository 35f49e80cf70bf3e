"""Reading what people and other tools wrote: only real files of a size that can be worked with.

A link may lead out of the project, and a write would put a file in its place; a pipe never ends; a document of many
megabytes takes minutes to take apart. Each is refused by name before a byte is read.
"""

import os
import stat
from pathlib import Path

from specweave.errors import InvalidInputError, explained

DOCUMENT_BYTES = 524_288


def read(path: Path, *, limit: int = DOCUMENT_BYTES) -> bytes:
    """The content of a document.

    Args:
        path: a file, no link.
        limit: bytes that it may have.

    Raises:
        InvalidInputError: `document-is-link`, `document-is-no-file`, `document-too-large`.
        FileNotFoundError: nothing is there.
        HostError: it may not be read.
    """
    try:
        _require_document(path, path.lstat(), limit)
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(error.errno, error.strerror, str(path)) from error
    except OSError as error:
        raise explained(error) from error


def _require_document(path: Path, found: os.stat_result, limit: int) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise InvalidInputError(
            "document-is-link",
            f"{path} is a symbolic link, which is not followed",
            next_step="put the file itself there",
        )
    if not stat.S_ISREG(found.st_mode):
        raise InvalidInputError("document-is-no-file", f"{path} is no file", next_step="move it away")
    if found.st_size > limit:
        raise InvalidInputError(
            "document-too-large",
            f"{path} has {found.st_size:,} bytes, {limit:,} are read at most",
            next_step="split it, or restore it from git",
        )
