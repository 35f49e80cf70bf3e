"""h2load of nghttp2: what it prints, its `--output-file` (JSON), and its `--log-file` with each request.

Text: https://nghttp2.org/documentation/h2load.1.html. Up to 1.6x it tells of latencies the least, the largest, mean
and deviation; later ones tell the median, P95 and P99 too.
"""

import re
from typing import Any

from specweave.operations.load_testing.imports.figures import (
    ImportedResult,
    NotUnderstoodError,
    Requests,
    Told,
    cause_of,
    demanded,
    measured_step,
    milliseconds,
    number,
    told_step,
)
from specweave.operations.load_testing.imports.lines import Lines
from specweave.operations.load_testing.wording import one_line

MARK = re.compile(r"^finished in \S+, [\d.]+ req/s, ", re.MULTILINE)

_DURATION = r"[\d.]{1,20}(?:us|ms|s|m|h)"
_FINISHED = re.compile(rf"^finished in ({_DURATION}), ", re.MULTILINE)
_REQUESTS = re.compile(
    r"^requests: \d+ total, (?P<started>\d{1,12}) started, \d+ done, (?P<succeeded>\d{1,12}) succeeded, "
    r"\d+ failed, (?P<errored>\d{1,12}) errored(?:, (?P<timeout>\d{1,12}) timeout)?",
    re.MULTILINE,
)
_CODES = re.compile(
    r"^status codes: \d+ 2xx, \d+ 3xx, (?P<client>\d{1,12}) 4xx, (?P<server>\d{1,12}) 5xx", re.MULTILINE
)
_TIMES = re.compile(rf"^(?:time for )?request *: +((?:{_DURATION} +){{3,7}})", re.MULTILINE)
_COLUMNS = re.compile(r"^ +min +max +median +p95 +p99 +mean +sd ", re.MULTILINE)
_LOG = re.compile(rb"\d{15,17}\t-?\d{1,3}\t\d{1,12}")
_SUCCESS = range(200, 400)
_REMARK = (
    "A client of h2load waits for answers before it sends more, so what a stall of the service delays is not counted; "
    "only `--rps` spaces the requests, in bursts of all clients."
)
_ALL = "Latencies are of all requests that were answered, failed ones too."


def read_text(text: str) -> ImportedResult:
    """What h2load printed.

    Raises:
        NotUnderstoodError: a line is missing, or figures cannot be.
    """
    finished, requests, codes = _FINISHED.search(text), _REQUESTS.search(text), _CODES.search(text)
    if finished is None or requests is None or codes is None:
        where = text.count("\n", 0, MARK.search(text).start()) + 1 if MARK.search(text) else 1  # type: ignore[union-attr] # it was asked
        raise NotUnderstoodError("a line of h2load is missing: finished, requests or status codes", where)
    counts = {key: float(value or 0) for key, value in (requests.groupdict() | codes.groupdict()).items()}
    return _result(counts, milliseconds(finished[1]) / 1e3, _told(text), "text", None)


def _told(text: str) -> Told:
    times = _TIMES.search(text)
    if times is None:
        return Told()
    values = [milliseconds(value) for value in times[1].split()]
    if _COLUMNS.search(text) and len(values) >= 5:  # noqa: PLR2004 - up to p99
        return Told(values[2], values[3], values[4], values[1])
    return Told(maximum=values[1])


def is_document(document: dict[str, Any]) -> bool:
    """Whether a JSON document is one of h2load."""
    metadata = document.get("metadata")
    generator = metadata.get("generator") if isinstance(metadata, dict) else None
    return isinstance(generator, str) and generator.startswith("h2load") and "measurements" in document


def read_document(document: dict[str, Any]) -> ImportedResult:
    """What `--output-file` wrote; its times are seconds.

    Raises:
        NotUnderstoodError: figures are missing or cannot be.
    """
    measured = document["measurements"]
    requests, codes = _part(measured, "requests"), _part(measured, "status_codes")
    counts = {key: demanded(requests, key, "requests") for key in ("started", "succeeded", "errored", "timeout")}
    counts |= {"client": demanded(codes, "4xx", "status_codes"), "server": demanded(codes, "5xx", "status_codes")}
    times = _part(_part(measured, "performance"), "request")
    told = [number(times, key) for key in ("median", "p95", "p99", "max")]
    version = one_line(document["metadata"]["generator"].removeprefix("h2load"), 40)
    return _result(
        counts,
        demanded(measured, "duration", "measurements"),
        Told(*(None if value is None else value * 1e3 for value in told)),
        "JSON",
        version or None,
    )


def _part(document: Any, key: str) -> dict[str, Any]:
    found = document.get(key) if isinstance(document, dict) else None
    if not isinstance(found, dict):
        raise NotUnderstoodError(f"it has no {key}")
    return found


def _result(counts: dict[str, float], duration_s: float, told: Told, form: str, version: str | None) -> ImportedResult:
    failures = {
        "status 4xx": counts["client"],
        "status 5xx": counts["server"],
        "timeout": counts["timeout"],
        "connection failed": max(0.0, counts["errored"] - counts["timeout"]),
    }
    failures["unfinished"] = max(0.0, counts["started"] - counts["succeeded"] - sum(failures.values()))
    never = counts["errored"] + failures["unfinished"]
    return ImportedResult(
        tool="h2load",
        version=version,
        format=form,
        loop="closed",
        counted_from="the sending of a request",
        steps=(
            told_step(
                requests=counts["started"],
                duration_s=duration_s,
                failures=failures,
                latency=told,
                samples=counts["started"] - never,
                missing=never,
            ),
        ),
        remarks=(_REMARK, _ALL),
    )


def is_log(line: bytes) -> bool:
    """Whether a line is one of `--log-file`: start in microseconds, status or -1, microseconds until the answer."""
    return _LOG.fullmatch(line) is not None


def read_log(lines: Lines, slow_s: float) -> ImportedResult:
    """`--log-file`.

    Raises:
        NotUnderstoodError: a line is none of it.
    """
    made = Requests.none()
    for line in lines:
        if not is_log(line):
            raise NotUnderstoodError("it is no line of h2load's log", lines.number)
        start, status, latency = map(int, line.split(b"\t"))
        cause = None if status in _SUCCESS else cause_of("no answer", status)
        made.add(start / 1e6, latency / 1e6, cause)
    return ImportedResult(
        tool="h2load",
        format="log",
        loop="closed",
        counted_from="the sending of a request",
        steps=(measured_step(made, slow_s=slow_s),),
        remarks=(_REMARK,),
    )
