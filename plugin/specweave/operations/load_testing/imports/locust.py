"""Locust: `_stats.csv` and `_stats_history.csv`, as `--csv` writes them.

Its percentiles are of rounded values (two figures from 100 ms on). Columns are found by their names, which have
changed between versions.
"""

import csv
import re
from collections.abc import Iterator, Mapping

import msgspec

from specweave.operations.load_testing.archive import MOST_INTERVALS, Interval
from specweave.operations.load_testing.imports.figures import (
    ImportedResult,
    NotUnderstoodError,
    Told,
    told_step,
)
from specweave.operations.load_testing.statistics import StepMeasurement

STATS_MARK = re.compile(r'\A\ufeff?"?(?:Type|Method)"?,"?Name"?,"?(?:Request Count|# requests)"?,')
HISTORY_MARK = re.compile(r'\A\ufeff?"?Timestamp"?,"?User Count"?,"?Type"?,"?Name"?,')

_CLOSED = (
    "A user of Locust waits for the answer before it sends the next request: what a stall of the service delays is not "
    "counted, unless the file is of a plan of ours, whose users follow a schedule."
)
_LAST = "Locust writes the file now and then: the last seconds of the test may not be in it."
_ALL = "Latencies are of all requests, failed ones too, in Locust's rounded values."
_NAMES = {"# requests": "Request Count", "# failures": "Failure Count", "Max response time": "Max Response Time"}
_WHOLE = {"Aggregated", "Total", "None Total"}

Row = Mapping[str, str]


def read_stats(text: str) -> ImportedResult:
    """`_stats.csv`: the row of all requests together.

    Raises:
        NotUnderstoodError: a row is not whole, or there is none of all.
    """
    for line, row in _rows(text):
        if row["Name"] not in _WHOLE:
            continue
        requests, rate = _number(row, "Request Count", line), _number(row, "Requests/s", line)
        if not requests or not rate:
            raise NotUnderstoodError("it holds no requests", line)
        maximum = _known(row, "100%", line)
        step = told_step(
            requests=requests,
            duration_s=requests / rate,
            failures={"failed request": _number(row, "Failure Count", line)},
            latency=Told(
                _known(row, "50%", line),
                _known(row, "95%", line),
                _known(row, "99%", line),
                maximum if maximum is not None else _known(row, "Max Response Time", line),
            ),
        )
        return _result(step, "stats", (_CLOSED, _LAST, _ALL))
    raise NotUnderstoodError("it has no row of all requests (Aggregated); the test may have been killed")


def read_history(text: str) -> ImportedResult:
    """`_stats_history.csv`: totals, and how latency went over time.

    Percentiles there are of the ten seconds before each row; those of the whole test are not in it.

    Raises:
        NotUnderstoodError: a row is not whole, or none has a request.
    """
    rows = [(line, row) for line, row in _rows(text) if row["Name"] in _WHOLE]
    counted = [(line, row) for line, row in rows if _number(row, "Total Request Count", line)]
    if not counted:
        raise NotUnderstoodError("it holds no requests")
    line, last = counted[-1]
    first_line, first = rows[0]
    start = _number(first, "Timestamp", first_line)
    step = told_step(
        requests=_number(last, "Total Request Count", line),
        duration_s=_number(last, "Timestamp", line) - start or 1.0,
        failures={"failed request": _number(last, "Total Failure Count", line)},
        latency=Told(
            p50=_known(last, "Total Median Response Time", line), maximum=_known(last, "Total Max Response Time", line)
        ),
    )
    every = -(-len(counted) // MOST_INTERVALS)
    course = tuple(_interval(row, number, start) for number, row in counted[::every])
    remark = "P95 over time is of the ten seconds before each moment."
    return _result(msgspec.structs.replace(step, timeline=course), "history", (_CLOSED, _LAST, _ALL, remark))


def _interval(row: Row, line: int, start: float) -> Interval:
    return Interval(
        max(0.0, _number(row, "Timestamp", line) - start),
        int(_number(row, "Requests/s", line)),
        *(_known(row, share, line) for share in ("50%", "95%", "100%")),
    )


def _result(step: StepMeasurement, form: str, remarks: tuple[str, ...]) -> ImportedResult:
    return ImportedResult(
        tool="Locust",
        format=form,
        loop="closed",
        counted_from="the sending of a request",
        steps=(step,),
        remarks=remarks,
    )


def _rows(text: str) -> Iterator[tuple[int, Row]]:
    """Each row with its line; of a version that named columns otherwise, by the present names."""
    reader = csv.reader(text.removeprefix("\ufeff").replace("\0", "").splitlines())
    names: list[str] = []
    try:
        for cells in reader:
            if not names:
                names = [_NAMES.get(cell.strip(), cell.strip()) for cell in cells]
            elif cells:
                if len(cells) < len(names):
                    raise NotUnderstoodError(f"the row has {len(cells)} cells of {len(names)}", reader.line_num)
                yield reader.line_num, dict(zip(names, cells, strict=False))
    except csv.Error as error:
        raise NotUnderstoodError(f"it is no CSV: {error}", reader.line_num) from error


def _number(row: Row, column: str, line: int) -> float:
    found = _known(row, column, line)
    if found is None:
        raise NotUnderstoodError(f"it has no number in the column {column}", line)
    return found


def _known(row: Row, column: str, line: int) -> float | None:
    text = row.get(column, "").strip()
    if text in {"", "N/A"}:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise NotUnderstoodError(f"{text[:40]!r} in the column {column} is no number", line) from error
    if not 0 <= value <= 1e12:  # noqa: PLR2004 - beyond any time, count or rate
        raise NotUnderstoodError(f"{text[:40]!r} in the column {column} cannot be", line)
    return value
