"""What a load generator says of its progress: one JSON object a line, read by the tool that started it."""

import json
from collections.abc import Callable

from specweave.command import Progress


def follow(report: Callable[[Progress], None]) -> Callable[[str], None]:
    """What takes the lines of a generator and passes on what people see; other lines are let be."""

    def on_line(line: str) -> None:
        try:
            moment = json.loads(line)
            failed = f", {moment['failed']} failed" if moment["failed"] else ""
            said = f"{moment['done']} of {moment['requests']} answered{failed}"
            progress = Progress(f"{moment['rate']:g} RPS for {moment['duration_s']:g} s: {said}", moment["fraction"])
        except (ValueError, KeyError, TypeError):
            return
        report(progress)

    return on_line
