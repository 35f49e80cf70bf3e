"""What the service under test uses of this machine, where it runs on this machine: found by the port it listens on."""

import time
from collections.abc import Sequence

import psutil

from specweave.operations.load_testing.plan import Target
from specweave.operations.load_testing.summary import ServerSample


class ServerProcesses:
    """The processes that listen on the port of a loopback address.

    There are none where the service is elsewhere, or belongs to another user.

    Args:
        target: where the requests go.
    """

    def __init__(self, target: Target) -> None:
        self._port = target.port if target.is_loopback else None
        self._found: Sequence[psutil.Process] = ()

    def find(self) -> None:
        """Look which processes there are; it takes some 20 ms, so not while requests are sent."""
        self._found = list(_listening(self._port)) if self._port is not None else ()

    def sample(self) -> ServerSample | None:
        """Processor time so far and present memory of all that were found; None where one of them is gone."""
        cpu_s, memory = 0.0, 0
        try:
            for process in self._found:
                with process.oneshot():
                    times = process.cpu_times()
                    cpu_s += times.user + times.system
                    memory += process.memory_info().rss
        except psutil.Error:
            return None
        if not self._found:
            return None
        return ServerSample(time.monotonic(), len(self._found), cpu_s, memory, _machine_cpu_s())


def _machine_cpu_s() -> float:
    times = psutil.cpu_times()
    # On Linux the time of guests is part of user and nice.
    waiting = (
        times.idle + getattr(times, "iowait", 0.0) + getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    )
    return float(sum(times) - waiting)


def _listening(port: int) -> set[psutil.Process]:
    try:
        sockets = psutil.net_connections(kind="tcp")
        return {
            psutil.Process(entry.pid)
            for entry in sockets
            if entry.status == psutil.CONN_LISTEN and entry.laddr[-1:] == (port,) and entry.pid
        }
    except psutil.Error:
        return set()
