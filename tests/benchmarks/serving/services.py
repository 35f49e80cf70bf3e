"""The services under test: processes of their own, each on the server's core."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

# The first core takes most of a machine's interrupts.
SERVER_CORE = min(1, (os.cpu_count() or 1) - 1)
CLIENT_CORE = 0
_START_S = 60
_HERE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Running:
    """A service that answers."""

    port: int
    process: psutil.Process

    def cpu(self) -> float:
        """CPU seconds so far, user and system."""
        times = self.process.cpu_times()
        return times.user + times.system


@contextmanager
def plain(model: Path, features: list[str], *, frame: bool, folder: Path) -> Iterator[Running]:
    """The service that people write by hand."""
    names = folder / "features.json"
    names.write_text(json.dumps(features))
    environment = {"MODEL": str(model), "FEATURES": str(names), "FRAME": "1" if frame else "0"}
    words = ("-m", "uvicorn", "plain_service:app", "--no-access-log", "--log-level", "warning")
    with _running(words, environment, _HERE) as running:
        yield running


@contextmanager
def generated(increment: Path) -> Iterator[Running]:
    """The generated service, with everything it does by default."""
    words = ("-m", "specweave_runtime.server", "api.main:app")
    with _running(words, {"PYTHONPATH": str(increment / "runtime")}, increment) as running:
        yield running


@contextmanager
def _running(words: tuple[str, ...], environment: dict[str, str], folder: Path) -> Iterator[Running]:
    port = _free_port()
    argv = [sys.executable, *words, "--port", str(port)]
    with subprocess.Popen(argv, cwd=folder, env={**os.environ, **environment}, preexec_fn=_pin) as process:  # noqa: PLW1509 - single-threaded here
        try:
            _wait(port, process)
            yield Running(port, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait(timeout=30)


def _pin() -> None:
    # Before the program starts: threads that its libraries make would keep an affinity given later for themselves.
    os.sched_setaffinity(0, {SERVER_CORE})


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the service ended with status {process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                return
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from error
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"no answer on port {port} within {_START_S} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
