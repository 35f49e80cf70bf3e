"""wrk and wrk2: what they print. Several runs one after the other are several steps.

wrk2 is known by its calibration and its HdrHistogram; its latencies count from the intended start, of the requests
after the first ten seconds or so. Where it prints uncorrected latencies too (`-U`), those are passed over.
"""

import re

from specweave.operations.load_testing.imports.figures import (
    ImportedResult,
    NotUnderstoodError,
    Told,
    milliseconds,
    told_step,
)
from specweave.operations.load_testing.statistics import StepMeasurement
from specweave.operations.load_testing.wording import one_line

MARK = re.compile(r"^Running \S+ test @ ", re.MULTILINE)

_TARGET = re.compile(r"^Running \S+ test @ (\S{1,200})", re.MULTILINE)
_DURATION = r"[\d.]{1,20}(?:us|ms|s|m|h)"
_LATENCY = re.compile(rf"^ +Latency +{_DURATION} +{_DURATION} +({_DURATION}) ", re.MULTILINE)
_SHARE = re.compile(rf"^ *(\d{{1,3}}(?:\.\d{{1,6}})?)% +({_DURATION}) *$", re.MULTILINE)
_SPECTRUM = re.compile(r"^ *(\d{1,12}\.\d+) +0\.950000 +\d+ +20\.00 *$", re.MULTILINE)
_COUNTED = re.compile(r"^#\[Max +=.{1,40}Total count += +(\d{1,12})\]", re.MULTILINE)
_UNCORRECTED = "Uncorrected Latency"
_REQUESTS = re.compile(rf"^ +(\d{{1,12}}) requests in ({_DURATION}), ", re.MULTILINE)
_SOCKETS = re.compile(
    r"^ +Socket errors: connect (\d{1,12}), read (\d{1,12}), write (\d{1,12}), timeout (\d{1,12})", re.MULTILINE
)
_STATUS = re.compile(r"^ +Non-2xx or 3xx responses: (\d{1,12})", re.MULTILINE)
_OF_WRK2 = ("Thread calibration:", "HdrHistogram")


def read_text(text: str) -> ImportedResult:
    """The output of one or several runs.

    Raises:
        NotUnderstoodError: a run is not whole, or its figures cannot be.
    """
    starts = [found.start() for found in MARK.finditer(text)]
    is_wrk2 = any(mark in text for mark in _OF_WRK2)
    steps = []
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        try:
            steps.append(_step(text[start:end].partition(_UNCORRECTED), is_wrk2=is_wrk2))
        except NotUnderstoodError as error:
            raise NotUnderstoodError(str(error), text.count("\n", 0, start) + 1) from error
    target = _TARGET.search(text)
    remarks = ["Latencies are of all requests that were answered, failed ones too."]
    if is_wrk2:
        remarks.append("wrk2 calibrates itself first; its latencies leave out the first ten seconds.")
    return ImportedResult(
        tool="wrk2" if is_wrk2 else "wrk",
        format="text",
        loop="open" if is_wrk2 else "closed",
        counted_from="the intended start of a request" if is_wrk2 else "the sending of a request",
        target=one_line(target[1], 200) if target else None,
        steps=tuple(steps),
        remarks=tuple(remarks),
    )


def _step(parts: tuple[str, str, str], *, is_wrk2: bool) -> StepMeasurement:
    """One run: what it says of latencies before the uncorrected ones, and its totals, which come last."""
    corrected, whole = parts[0], "".join(parts)
    requests = _REQUESTS.search(whole)
    if requests is None:
        raise NotUnderstoodError("the run has no line of its requests; it was not finished")
    sockets, status = _SOCKETS.search(whole), _STATUS.search(whole)
    connect, read, write, timeout = (int(count) for count in sockets.groups()) if sockets else (0, 0, 0, 0)
    answered = int(requests[1])
    # Whose answer came after the timeout is among the answered; the others never were.
    failures: dict[str, float] = {
        "status of an error": int(status[1]) if status else 0,
        "connection refused": connect,
        "read error": read,
        "write error": write,
    }
    failures["timeout"] = min(timeout, answered - min(answered, int(failures["status of an error"])))
    counted = _COUNTED.search(corrected)
    return told_step(
        requests=answered + connect + read + write,
        duration_s=milliseconds(requests[2]) / 1e3,
        failures=failures,
        latency=_told(corrected),
        samples=int(counted[1]) if counted else answered,
        # wrk leaves what timed out out of its latencies, wrk2 does not.
        missing=0 if is_wrk2 else timeout,
    )


def _told(text: str) -> Told:
    shares = {float(share): milliseconds(value) for share, value in _SHARE.findall(text)}
    slowest, spectrum = _LATENCY.search(text), _SPECTRUM.search(text)
    p95 = float(spectrum[1]) if spectrum else shares.get(95.0)
    return Told(shares.get(50.0), p95, shares.get(99.0), milliseconds(slowest[1]) if slowest else None)
