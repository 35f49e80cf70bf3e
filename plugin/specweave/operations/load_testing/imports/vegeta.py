"""vegeta: `report -type=json`, and results that `encode` made JSON or CSV of. Durations are nanoseconds.

Formats: https://github.com/tsenart/vegeta, lib/metrics.go and lib/results.go. The CSV has no header; versions differ in
the columns after the first six.
"""

import csv
import re
from datetime import datetime
from typing import Any

import msgspec

from specweave.operations.load_testing.imports.figures import (
    ImportedResult,
    NotUnderstoodError,
    Requests,
    Told,
    cause_of,
    demanded,
    measured_step,
    number,
    told_step,
)
from specweave.operations.load_testing.imports.lines import Lines
from specweave.operations.load_testing.wording import one_line

_COUNTED_FROM = "the sending of a request, which follows a schedule"
_WORKERS = (
    "vegeta sends on a schedule as long as it has workers; with `-max-workers` a stall of the service delays requests "
    "that are not counted as delayed."
)
_ROW = re.compile(rb'"?\d{15,20}"?,"?\d{1,3}"?,"?\d+"?,"?\d+"?,"?\d+"?,')
_FEWEST_COLUMNS = 6
_SUCCESS = range(200, 400)


def is_report(document: dict[str, Any]) -> bool:
    """Whether a JSON document is a report of vegeta."""
    return isinstance(document.get("latencies"), dict) and "requests" in document


def read_report(document: dict[str, Any]) -> ImportedResult:
    """`vegeta report -type=json`.

    Raises:
        NotUnderstoodError: figures are missing or cannot be.
    """
    requests = demanded(document, "requests", "the report")
    # Of one request, or with a rate of "infinity", the duration is 0.
    duration_ns = demanded(document, "duration", "the report") or demanded(document, "wait", "the report")
    codes = document.get("status_codes")
    if not isinstance(codes, dict):
        raise NotUnderstoodError("the report has no status_codes")
    failures: dict[str, float] = {}
    for code in codes:
        status = int(code) if code.isdecimal() and len(code) <= 3 else 0  # noqa: PLR2004 - digits of an HTTP status
        if status not in _SUCCESS:
            cause = cause_of("" if status else "no answer", status)
            failures[cause] = failures.get(cause, 0.0) + demanded(codes, code, "status_codes")
    latencies = document["latencies"]
    told = [number(latencies, key) for key in ("50th", "95th", "99th", "max")]
    return ImportedResult(
        tool="vegeta",
        format="report",
        loop="open",
        counted_from=_COUNTED_FROM,
        steps=(
            told_step(
                requests=requests,
                duration_s=duration_ns / 1e9,
                failures=failures,
                latency=Told(*(None if value is None else value / 1e6 for value in told)),
            ),
        ),
        remarks=(_WORKERS, "Latencies are of all requests, failed ones too; vegeta estimates the percentiles."),
    )


class _Result(msgspec.Struct):
    timestamp: datetime
    latency: int
    code: int
    error: str = ""
    url: str = ""


def is_result(line: bytes) -> bool:
    """Whether a line is a result as JSON."""
    try:
        msgspec.json.decode(line, type=_Result)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def read_results(lines: Lines, slow_s: float) -> ImportedResult:
    """`vegeta encode -to json`.

    Raises:
        NotUnderstoodError: a line is no result.
    """
    made, target = Requests.none(), None
    decoder = msgspec.json.Decoder(_Result)
    for line in lines:
        try:
            result = decoder.decode(line)
            made.add(result.timestamp.timestamp(), result.latency / 1e9, _cause(result.code, result.error))
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
            raise NotUnderstoodError(f"it is no result of vegeta: {error}", lines.number) from error
        target = target or one_line(result.url, 200) or None
    return _of_results(made, target, slow_s)


def is_row(line: bytes) -> bool:
    """Whether a line is a result as CSV."""
    return _ROW.match(line) is not None


def read_rows(lines: Lines, slow_s: float) -> ImportedResult:
    """`vegeta encode -to csv`.

    Raises:
        NotUnderstoodError: a line is no result.
    """
    made, target = Requests.none(), None
    try:
        for row in csv.reader(line.decode("utf-8", "replace").replace("\0", "") for line in lines):
            if len(row) < _FEWEST_COLUMNS:
                raise NotUnderstoodError(f"a result has {_FEWEST_COLUMNS} columns or more, this one {len(row)}")
            made.add(int(row[0]) / 1e9, int(row[2]) / 1e9, _cause(int(row[1]), row[5]))
            target = target or (one_line(row[10], 200) if len(row) > 10 else None)  # noqa: PLR2004 - the column of the URL
    except (csv.Error, ValueError, OverflowError) as error:
        raise NotUnderstoodError(f"it is no result of vegeta: {error}", lines.number) from error
    return _of_results(made, target, slow_s)


def _of_results(made: Requests, target: str | None, slow_s: float) -> ImportedResult:
    return ImportedResult(
        tool="vegeta",
        format="results",
        loop="open",
        counted_from=_COUNTED_FROM,
        target=target,
        steps=(measured_step(made, slow_s=slow_s),),
        remarks=(_WORKERS,),
    )


def _cause(code: int, error: str) -> str | None:
    if code in _SUCCESS and not error:
        return None
    return cause_of(error or "no answer", code if code not in _SUCCESS else 0)
