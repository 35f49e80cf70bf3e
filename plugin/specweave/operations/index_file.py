"""The file of the index of increments: a header and one line for each increment, in their order, each with a checksum.

It is a cache, and may be deleted, damaged or of another machine. One file of JSON lines rather than a database: it is
read in one pass that holds one line, it is replaced in one step, and a damaged line costs only itself.
With 1,000 increments reading it takes 4 ms and writing it 3 ms (SQLite: 5 and 7), far less than looking at the files.
One process writes at a time; another that has read something meanwhile keeps it to itself.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from shutil import copyfileobj
from stat import S_ISREG
from typing import BinaryIO, Self

import msgspec

from specweave.increments import names
from specweave.operations.increment_summary import Record
from specweave.project import Project

FILE = Path("cache", "increments.jsonl")
_FORMAT = 1
_CHECKSUM_DIGITS = 16
_LONGEST_LINE = 64 * 1024 * 1024
_CODE = ("", "files", "increments", "operations", "operations/ml", "operations/sw")


class Line(msgspec.Struct, frozen=True):
    """What is kept of one increment.

    Attributes:
        fingerprint: of its folder and of `others` before it was read.
        others: what else it was made from, relative to the project.
        record: the increment in short.
    """

    fingerprint: str
    others: tuple[str, ...]
    record: Record


class _Header(msgspec.Struct, frozen=True):
    """What the lines hold for; with another one, none of them counts."""

    format: int
    root: str
    user: int
    made_by: str


_ENCODER = msgspec.json.Encoder()
_LINES = msgspec.json.Decoder(Line)


class IndexFile:
    """The lines of a project, read once from the first to the last while those that changed are written anew.

    Nothing about the file is an error: what cannot be read is not there, what cannot be written is not kept. Lines are
    asked for in the order of the increments.
    """

    def __init__(self, project: Project) -> None:
        self._path = project.state / FILE
        self._spare = self._path.with_suffix(".new")
        self._header = _sealed(_Header(_FORMAT, str(project.root), os.geteuid(), _code()))
        self._old: BinaryIO | None = None
        self._held: tuple[Line, bytes] | None = None
        self._same_bytes = 0
        self._new: BinaryIO | None = None
        self._writable = True

    def __enter__(self) -> Self:
        with suppress(OSError):
            self._old = _regular(self._path)
            if self._old.readline(len(self._header)) == self._header:
                self._same_bytes = len(self._header)
            else:
                self._old.close()
                self._old = None
        return self

    def __exit__(self, *_: object) -> None:
        """Keep what was put, and the lines that were not asked for."""
        with self._writing() as new:
            if new is not None and self._held is not None:
                new.write(self._held[1])
            if new is not None and self._old is not None:
                copyfileobj(self._old, new)
        with self._writing() as new:
            if new is not None:
                new.flush()
                self._spare.replace(self._path)
                new.close()
                self._new = None
        self._abandon()
        if self._old is not None:
            self._old.close()

    def find(self, increment_id: str) -> Line | None:
        """The line of an increment, None where there is none; lines of increments before it are dropped."""
        wanted = _order(increment_id)
        while (held := self._held or self._next()) is not None:
            self._held = held
            if _order(held[0].record.id) >= wanted:
                return held[0] if held[0].record.id == increment_id else None
            self._drop()
        return None

    def keep(self) -> None:
        """The line that was found goes on to hold."""
        if self._held is not None:
            self._same_bytes += len(self._held[1])
            with self._writing() as new:
                if new is not None:
                    new.write(self._held[1])
            self._held = None

    def put(self, increment_id: str, line: Line | None) -> None:
        """Have this line for the increment that was asked for last, or none."""
        if self._held is not None and self._held[0].record.id == increment_id:
            self._drop()
        if line is not None:
            with suppress(UnicodeEncodeError):  # the name of a folder may be no text
                sealed = _sealed(line)
                self._begin()
                with self._writing() as new:
                    if new is not None:
                        new.write(sealed)

    def end(self) -> None:
        """All increments were asked for: lines that are left are of increments that are gone."""
        while (held := self._held or self._next()) is not None:
            self._held = held
            self._drop()

    def now_ns(self) -> int | None:
        """The time by the clock of the file system, nanoseconds since the epoch; None where nothing can be kept."""
        self._begin()
        with self._writing() as new:
            if new is not None:
                os.utime(new.fileno())
                return os.fstat(new.fileno()).st_mtime_ns
        return None

    def _next(self) -> tuple[Line, bytes] | None:
        while self._old is not None and (raw := _read(self._old)):
            line = _unsealed(raw)
            if line is not None:
                return line, raw
            self._begin()
        return None

    def _drop(self) -> None:
        self._held = None
        self._begin()

    def _begin(self) -> None:
        """Start the new file with the lines that were kept so far."""
        if self._new is not None or not self._writable:
            return
        with self._writing():
            _prepare(self._path.parent)
            self._new = _alone(self._spare)
            if self._old is None:
                self._new.write(self._header)
            else:
                position = self._old.tell()
                self._old.seek(0)
                self._new.write(self._old.read(self._same_bytes))
                self._old.seek(position)

    @contextmanager
    def _writing(self) -> Iterator[BinaryIO | None]:
        try:
            yield self._new
        except OSError:
            self._abandon()

    def _abandon(self) -> None:
        self._writable = False
        new, self._new = self._new, None
        if new is not None:
            with suppress(OSError):
                self._spare.unlink()
            with suppress(OSError):
                new.close()


def _sealed(content: Line | _Header) -> bytes:
    encoded = _ENCODER.encode(content)
    return _checksum(encoded) + encoded + b"\n"


def _unsealed(raw: bytes) -> Line | None:
    checksum, encoded = raw[:_CHECKSUM_DIGITS], raw[_CHECKSUM_DIGITS:-1]
    if not raw.endswith(b"\n") or checksum != _checksum(encoded):
        return None
    try:
        return _LINES.decode(encoded)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _checksum(encoded: bytes) -> bytes:
    return blake2b(encoded, digest_size=_CHECKSUM_DIGITS // 2).hexdigest().encode()


def _read(file: BinaryIO) -> bytes:
    try:
        return file.readline(_LONGEST_LINE)
    except OSError:
        return b""


def _regular(path: Path) -> BinaryIO:
    """A file to read; opening a pipe that somebody laid there must not wait for its other end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(path)
    return os.fdopen(descriptor, "rb")


def _alone(path: Path) -> BinaryIO:
    """A new file that one process at a time writes; what a kill left of it is written over.

    Raises:
        OSError: another process writes it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _require_at(path, descriptor)
        os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "wb")


def _require_at(path: Path, descriptor: int) -> None:
    """Refuse a file that another process has put in its place meanwhile."""
    if not os.path.samestat(os.fstat(descriptor), os.lstat(path)):
        raise FileNotFoundError(path)


def _prepare(folder: Path) -> None:
    """Make the folder of the cache, unseen by git also where another tool made `.specweave`."""
    folder.mkdir(exist_ok=True)
    with suppress(FileExistsError), (folder / ".gitignore").open("x", encoding="utf-8") as file:
        file.write("*\n")


def _order(increment_id: str) -> tuple[int, str]:
    return names.number_of(increment_id) or 0, increment_id


@cache
def _code() -> str:
    """What tells this code from another version of it: records are what it makes of documents."""
    package = Path(__file__).parents[1]
    digest = blake2b(digest_size=_CHECKSUM_DIGITS // 2)
    try:
        for folder in _CODE:
            with os.scandir(package / folder) as found:
                for path, status in sorted((entry.name, entry.stat()) for entry in found if entry.name.endswith(".py")):
                    facts = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
                    digest.update(f"{folder}/{path} {facts}\n".encode())
    except OSError:
        return secrets.token_hex()  # code that is no file any more has no other version to be told from
    return digest.hexdigest()
