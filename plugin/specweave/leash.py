"""Runs a program that must not outlive its starter: `python -I leash.py CORES PROGRAM ARGUMENT…`.

Standard input is a pipe whose other end the starter holds and never writes to. When it closes, by will or because the
starter was killed, the program is asked to end and, after a while, made to. CORES (`0,1`, empty for anywhere) are
where the program may run. The exit status is the program's own. Standard library only: it must start at once.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

_GRACE_S = 10.0
NOT_STARTED = 127
CANNOT_START = "cannot start "


def main(arguments: Sequence[str]) -> int:
    """Run the program to its end; the exit status."""
    cores, *argv = arguments
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [int(core) for core in cores.split(",")])
    try:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f"{CANNOT_START}{argv[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201 - goes to the program's log
        return NOT_STARTED
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: process.terminate())
    threading.Thread(target=_end_with_starter, args=(process,), daemon=True).start()
    return process.wait()


def _end_with_starter(process: subprocess.Popen[bytes]) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    process.terminate()
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()


def end_as(status: int) -> None:
    """End this process as its child did: with that exit status, or by that signal."""
    if status < 0:
        with suppress(OSError):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    end_as(main(sys.argv[1:]))
