"""What a load generator says of its progress, one JSON object a line, and what people see of it while it runs."""

from collections.abc import Callable

import msgspec

from specweave.command import Progress
from specweave.operations.load_testing.recent import Recent
from specweave.operations.load_testing.wording import figure, milliseconds

_HEADS = ("RPS", "Seconds", "Answered", "Now, a second", "P50", "P95", "Failed", "Late by P95")
# A step that ended and its first tries; more rows than a terminal has are of no use to anybody.
_MOST_ROWS = 12


class Moment(msgspec.Struct, frozen=True):
    """A line of progress; what else a line says is passed over.

    Attributes:
        rate, duration_s, requests: of the step, as planned.
        done, failed: how many requests have ended, and how many of those not well.
        fraction: done part of the whole plan, in [0, 1]; None where that is not known.
        recent: how it goes; None where nothing ended lately, or the generator does not say.
    """

    rate: float
    duration_s: float
    requests: int
    done: int
    failed: int
    fraction: float | None = None
    recent: Recent | None = None


def follow(report: Callable[[Progress], None]) -> Callable[[str], None]:
    """What takes the lines of a generator and passes on what people see; other lines are let be."""
    finished: list[tuple[str, ...]] = []
    last: list[Moment] = []

    def on_line(line: str) -> None:
        try:
            moment = msgspec.json.decode(line, type=Moment)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return
        if last and (moment.rate != last[0].rate or moment.done < last[0].done):
            finished.append(_row(last[0]))
            del finished[:-_MOST_ROWS]
        # What the last line of a step says lately is of the few requests after the one before.
        recent = moment.recent or (last[0].recent if last and moment.rate == last[0].rate else None)
        moment = msgspec.structs.replace(moment, recent=recent)
        last[:] = [moment]
        report(Progress(_said(moment), moment.fraction, (_HEADS, *finished, _row(moment))))

    return on_line


def _said(moment: Moment) -> str:
    said = f"{moment.rate:g} RPS for {moment.duration_s:g} s: {moment.done} of {moment.requests} answered"
    if moment.failed:
        said += f", {moment.failed} failed"
    if moment.recent:
        said += f", P50 {milliseconds(moment.recent.p50_ms)}, P95 {milliseconds(moment.recent.p95_ms)}"
    return said


def _row(moment: Moment) -> tuple[str, ...]:
    recent = moment.recent
    return (
        f"{moment.rate:g}",
        f"{moment.duration_s:g}",
        f"{moment.done:,} of {moment.requests:,}",
        figure(recent.rate) if recent else "n/a",
        milliseconds(recent.p50_ms if recent else None),
        milliseconds(recent.p95_ms if recent else None),
        f"{moment.failed:,}",
        milliseconds(recent.late_ms if recent else None),
    )
