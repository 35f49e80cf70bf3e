"""One line of JSON for each request: when, what, how it ended, how long it took. Never a value of a feature."""

from datetime import UTC, datetime
from typing import BinaryIO

import msgspec


class Line(msgspec.Struct, frozen=True):
    """One request.

    Attributes:
        time: when it was answered, UTC.
        method, path: as asked.
        status: of the answer.
        duration_ms: from the head of the request to the answer.
        rows: how many rows were predicted.
        model_version: which version answered; None before one is loaded.
        error: code of the refusal, where there was one.
    """

    time: datetime
    method: str
    path: str
    status: int
    duration_ms: float
    rows: int
    model_version: str | None
    error: str | None


class RequestLog:
    """Writes lines to a stream.

    Args:
        stream: unbuffered or flushed by each line, so that a killed process loses none.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(
        self,
        method: str,
        path: str,
        status: int,
        duration_s: float,
        *,
        rows: int,
        version: str | None,
        error: str | None,
    ) -> None:
        """Add one line."""
        line = Line(datetime.now(UTC), method, path, status, round(duration_s * 1000, 3), rows, version, error)
        self._stream.write(msgspec.json.encode(line) + b"\n")
        self._stream.flush()
