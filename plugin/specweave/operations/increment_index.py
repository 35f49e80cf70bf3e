"""Every increment of a project in short, for the price of a look at its files: only what changed is read again.

What was read is kept in `.specweave/cache/increments.jsonl`, see `index_file`. A record counts only where the
fingerprint kept with it is that of the files as they are now, so the answer never depends on what is kept.
"""

from collections.abc import Iterator
from typing import NamedTuple

from specweave.command import Context, Progress
from specweave.files.fingerprint import GRANULARITY_NS, Fingerprint, Observer
from specweave.increments import store
from specweave.increments.store import Increment
from specweave.operations import increment_summary
from specweave.operations.increment_summary import Record
from specweave.operations.index_file import IndexFile, Line

_WORTH_TELLING = 20


class Entry(NamedTuple):
    """An increment and what is known of it in short, as its files are now."""

    increment: Increment
    record: Record


def entries(context: Context) -> Iterator[Entry]:
    """Every increment that is not put away, by number; memory holds one record at a time.

    What is not in the index, or may have changed since, is read; that takes some 10 ms for an increment of 30 tasks,
    and is told as progress where it is much. Whoever stops half-way loses nothing of what was read.
    """
    increments = store.list_all(context.project)
    observer = Observer()
    with IndexFile(context.project) as index:
        read = 0
        for position, increment in enumerate(increments):
            line = index.find(increment.id)
            if line is not None and _is_current(line, increment, observer):
                index.keep()
            else:
                line = _read_again(increment, index, observer)
                if not increment.folder.is_dir():
                    continue  # it was put away since the folders were listed
                read += 1
                if read > _WORTH_TELLING:
                    told = f"reading increments: {position + 1} of {len(increments)}"
                    context.report(Progress(told, (position + 1) / len(increments)))
            yield Entry(increment, line.record)
        index.end()


def archived(context: Context) -> Iterator[Entry]:
    """Every increment that is put away, by number; nothing of them is kept in the index."""
    for increment in store.list_all(context.project, archived=True):
        if increment.archived:
            yield Entry(increment, increment_summary.record_of(increment_summary.read(increment)))


def _is_current(line: Line, increment: Increment, observer: Observer) -> bool:
    found = _fingerprint(increment, line.others, observer)
    return found is not None and found.digest == line.fingerprint


def _read_again(increment: Increment, index: IndexFile, observer: Observer) -> Line:
    before_ns = index.now_ns()
    reading = increment_summary.read(increment)
    record = increment_summary.record_of(reading)
    found = None if reading.others is None else _fingerprint(increment, reading.others, observer)
    line = Line(found.digest if found else "", reading.others or (), record)
    # What was changed so shortly before, or since, may have changed unseen: the clock of the file system is too coarse.
    certain = found and before_ns and found.changed_ns < before_ns - GRANULARITY_NS
    index.put(increment.id, line if certain else None)
    return line


def _fingerprint(increment: Increment, others: tuple[str, ...], observer: Observer) -> Fingerprint | None:
    root = str(increment.project.root)
    return observer.of(str(increment.folder), (f"{root}/{other}" for other in others))
