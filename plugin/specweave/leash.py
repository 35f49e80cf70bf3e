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

_GRACE_S = 10.0
_NOT_STARTED = 127


def main(arguments: Sequence[str]) -> int:
    """Run the program to its end; the exit status."""
    cores, *argv = arguments
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [int(core) for core in cores.split(",")])
    try:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f"cannot start {argv[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201 - goes to the program's log
        return _NOT_STARTED
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
