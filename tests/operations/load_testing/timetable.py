"""The clocked server and its timetable, and the latencies that a schedule and that timetable make true."""

import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ANSWER = {"prediction": "good", "probabilities": {"bad": 0.25, "good": 0.75}}
_PROGRAM = Path(__file__).with_name("clocked_server.py")
_START_S = 60.0


@dataclass
class Clocked:
    """A clocked server; once its block has ended, when each request came and when it stood still.

    Attributes:
        service_s: from the reading of a request to its answer.
        arrivals: seconds of `time.monotonic()`, ascending.
        freezes: beginning and end of each.
    """

    port: int
    service_s: float
    arrivals: list[float] = field(default_factory=list)
    freezes: list[tuple[float, float]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it takes predictions."""
        return f"http://127.0.0.1:{self.port}/predict"

    def latencies(self, offsets: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each request of a schedule, the last that the server saw, must have taken: seconds from its due time.

        A request that comes during a freeze is read at its end, and an answer that would leave during a freeze leaves
        at its end. Where the schedule lay in time follows from the request that was read soonest after it was due.
        """
        arrivals = np.asarray(self.arrivals[-len(offsets) :])
        due = offsets + (arrivals - offsets).min()
        read = self._after_freezes(due)
        return self._after_freezes(read + self.service_s) - due

    def _after_freezes(self, moments: NDArray[np.float64]) -> NDArray[np.float64]:
        moved = moments.copy()
        for start, end in self.freezes:
            moved[(moments >= start) & (moments < end)] = end
        return moved


@contextmanager
def clocked(
    *, service_s: float, every_s: float = 0.0, freeze_s: float = 0.0, cores: Sequence[int] = ()
) -> Iterator[Clocked]:
    """A server that answers after `service_s`, and stands still for `freeze_s` in each `every_s`; on `cores` alone."""
    server = Clocked(free_port(), service_s)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.json"
        words = (server.port, service_s, every_s, freeze_s, log)
        with process([sys.executable, str(_PROGRAM), *map(str, words)], server.port, cores):
            yield server
        kept = json.loads(log.read_text())
    server.arrivals = kept["arrivals"]
    server.freezes = [(start, end) for start, end in kept["freezes"]]


@contextmanager
def process(argv: Sequence[str], port: int, cores: Sequence[int]) -> Iterator["subprocess.Popen[bytes]"]:
    """A program that listens on `port`, on `cores` alone; it is stopped with the block."""
    with subprocess.Popen(pinned(argv, cores)) as running:
        try:
            _wait(port, running)
            yield running
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(timeout=_START_S)


def pinned(argv: Sequence[str], cores: Sequence[int]) -> list[str]:
    """The command that runs `argv` on `cores` alone; empty for anywhere."""
    return ["taskset", "--cpu-list", ",".join(map(str, cores)), *argv] if cores else list(argv)


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(port: int, running: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if running.poll() is not None:
            raise RuntimeError(f"the server ended with status {running.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(f"no answer on port {port} within {_START_S} s")
