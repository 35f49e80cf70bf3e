"""Which tool wrote a file, and its content, read no further than there is room."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from specweave.errors import InvalidInputError
from specweave.operations.load_testing.imports import h2load, k6, locust, vegeta, wrk
from specweave.operations.load_testing.imports.figures import ImportedResult, NotUnderstoodError
from specweave.operations.load_testing.imports.lines import Lines

_HEAD_BYTES = 65_536
_DOCUMENT_BYTES = 64 * 2**20
_LINES_BYTES = 8 * 2**30
_MARK = b"\xef\xbb\xbf"

_DOCUMENTS: tuple[tuple[Callable[[dict[str, Any]], bool], Callable[[dict[str, Any]], ImportedResult]], ...] = (
    (k6.is_summary, k6.read_summary),
    (vegeta.is_report, vegeta.read_report),
    (h2load.is_document, h2load.read_document),
)
_TEXTS: tuple[tuple[re.Pattern[str], Callable[[str], ImportedResult]], ...] = (
    (wrk.MARK, wrk.read_text),
    (h2load.MARK, h2load.read_text),
    (locust.STATS_MARK, locust.read_stats),
    (locust.HISTORY_MARK, locust.read_history),
)
_LINE_FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[Lines, float], ImportedResult]], ...] = (
    (k6.is_point, k6.read_points),
    (vegeta.is_result, vegeta.read_results),
    (vegeta.is_row, vegeta.read_rows),
    (h2load.is_log, h2load.read_log),
)


def read_result(path: Path, *, slow_s: float) -> ImportedResult:
    """What another load generator measured.

    Args:
        path: its output: k6 (`--summary-export`, `handleSummary`, `--out json`), vegeta (`report -type=json`, `encode`
            to JSON or CSV), wrk or wrk2, h2load (its text, `--output-file`, `--log-file`), Locust (`_stats.csv`,
            `_stats_history.csv`).
        slow_s: what the service may take, in seconds; where each request is known, one that failed later than that
            counts in the latency.

    Raises:
        InvalidInputError: `import-not-understood` with the line where one is to blame, `import-too-large`.
    """
    try:
        with path.open("rb") as stream:
            return _read(path, stream, slow_s)
    except NotUnderstoodError as error:
        where = path.name if error.line is None else f"{path.name}, line {error.line}"
        raise InvalidInputError(
            "import-not-understood",
            f"{where}: {error}",
            next_step="give --summary-export or --out json of k6, report -type=json or encode of vegeta, what wrk, "
            "wrk2 or h2load printed, or _stats.csv of Locust",
            details={"line": error.line} if error.line else {},
        ) from error


def _read(path: Path, stream: BinaryIO, slow_s: float) -> ImportedResult:
    head = stream.read(_HEAD_BYTES)
    skipped = len(_MARK) if head.startswith(_MARK) else 0
    first = head[skipped:].lstrip().partition(b"\n")[0]
    for is_format, read_lines in _LINE_FORMATS:
        if is_format(first):
            _require_room(path, _LINES_BYTES)
            stream.seek(skipped)
            return read_lines(Lines(stream), slow_s)
    _require_room(path, _DOCUMENT_BYTES)
    stream.seek(skipped)
    content = stream.read(_DOCUMENT_BYTES)
    if first.startswith(b"{"):
        return _read_document(content)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotUnderstoodError(
            "it is no text; `vegeta encode` makes results of vegeta readable, and what is packed must be unpacked",
            content.count(b"\n", 0, error.start) + 1,
        ) from error
    for mark, read_text in _TEXTS:
        if mark.search(text[:_HEAD_BYTES]):
            return read_text(text)
    raise NotUnderstoodError("it is the result of no load generator that is known here")


def _read_document(content: bytes) -> ImportedResult:
    try:
        document = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotUnderstoodError(f"it is no JSON object: {error}", _line_of_fault(content)) from error
    for is_format, read_document in _DOCUMENTS:
        if is_format(document):
            return read_document(document)
    raise NotUnderstoodError("it is JSON, but the result of no load generator that is known here")


def _line_of_fault(content: bytes) -> int:
    try:
        json.loads(content)
    except json.JSONDecodeError as error:
        return error.lineno
    except (ValueError, RecursionError):
        pass
    return 1


def _require_room(path: Path, limit: int) -> None:
    size = path.stat().st_size
    if size > limit:
        raise InvalidInputError(
            "import-too-large",
            f"{path.name} has {size:,} bytes, {limit:,} are read at most",
            next_step="give the summary of the test, or a shorter one",
        )
