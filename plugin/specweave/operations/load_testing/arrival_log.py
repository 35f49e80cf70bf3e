"""Reads from a log when its requests came, to send others at the same moments.

What a line says of its request decides, whatever the name of the file:

- the request log of a generated service: a JSON object with `time`, when it was answered, and `duration_ms`;
- an access log in the combined or common format of nginx and Apache: `[20/Nov/2026:21:00:00 +0000]`;
- any other: a moment comes first in each line, as ISO 8601 or as seconds or milliseconds since 1970.

Where a log names methods, requests that are no POST are left out: nobody predicts with them. A log of whole seconds
says nothing of the moments within one; the requests of a second are then spread over it at random.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from specweave.errors import InvalidInputError
from specweave.operations.load_testing.plan import MAX_REQUESTS, Floats

_LONGEST_LINE = 65_536
_ACCESS = re.compile(r"\[(\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})\](?: \"([A-Z]+) )?")
_ACCESS_TIME = "%d/%b/%Y:%H:%M:%S %z"
_EPOCH = re.compile(r"\d{9,13}(?:\.\d+)?")
_LONGEST_OF_SECONDS = 11
_LENGTH_OF_DATE = 10
_SEED = 0


class _Line(msgspec.Struct):
    time: datetime | float
    method: str = "POST"
    duration_ms: float = 0.0


def read_arrivals(path: Path, speed: float = 1.0) -> Floats:
    """When the requests of a log came: seconds from the first of them, ascending.

    Args:
        path: the log.
        speed: how many times as fast they are to come.

    Raises:
        InvalidInputError: `arrival-log-invalid` with the line.
    """
    moments = np.sort(np.fromiter(_moments(path), np.float64))
    if len(moments) < 2 or moments[0] == moments[-1]:  # noqa: PLR2004 - one request has no distance to another
        raise _invalid(path, "it holds fewer than two requests at different times")
    if (moments == np.floor(moments)).all():
        moments = np.sort(moments + np.random.default_rng(_SEED).random(len(moments)))
    offsets: Floats = (moments - moments[0]) / speed
    return offsets


def count_lines(path: Path) -> int:
    """How many lines of a log hold something, requests to be sent again or not."""
    with path.open("rb") as lines:
        return sum(1 for line in lines if line.strip())


def _moments(path: Path) -> Iterator[float]:
    count = 0
    with path.open("rb") as lines:
        for number, line in enumerate(iter(lambda: lines.readline(_LONGEST_LINE), b""), start=1):
            try:
                moment = _moment(line.decode("utf-8", "replace").strip())
            except (ValueError, OverflowError, RecursionError) as error:
                raise _invalid(path, str(error), number) from error
            if moment is None:
                continue
            count += 1
            if count > MAX_REQUESTS:
                raise _invalid(path, f"it holds more than {MAX_REQUESTS:,} requests", number)
            yield moment


def _moment(line: str) -> float | None:
    """Seconds since 1970; None for a line that is no request to be sent again."""
    if not line:
        return None
    if line.startswith("{"):
        found = msgspec.json.decode(line, type=_Line)
        ended = found.time if isinstance(found.time, float) else _seconds(found.time)
        return ended - found.duration_ms / 1e3 if found.method == "POST" else None
    if access := _ACCESS.search(line):
        moment = datetime.strptime(access[1], _ACCESS_TIME)  # noqa: DTZ007 - the format has %z
        return _seconds(moment) if access[2] in {None, "POST"} else None
    return _first(line)


def _first(line: str) -> float:
    words = line.replace(";", " ").replace("\t", " ").split(" ")
    word = words[0].rstrip(",").partition(",")[0] if _EPOCH.match(words[0]) else words[0].rstrip(",")
    if _EPOCH.fullmatch(word):
        value = float(word)
        return value if len(word.partition(".")[0]) < _LONGEST_OF_SECONDS else value / 1e3
    if len(word) == _LENGTH_OF_DATE and len(words) > 1:
        word = f"{word} {words[1]}"
    try:
        return _seconds(datetime.fromisoformat(word))
    except ValueError as error:
        raise ValueError(f"{line[:80]!r} does not begin with a moment") from error


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _invalid(path: Path, reason: str, line: int | None = None) -> InvalidInputError:
    return InvalidInputError(
        "arrival-log-invalid",
        f"{path.name}{f', line {line}' if line else ''}: {reason}",
        next_step="give a service's request log, an access log, or lines that begin with an ISO 8601 time",
        details={"line": line} if line else {},
    )
