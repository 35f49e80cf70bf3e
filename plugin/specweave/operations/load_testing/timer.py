"""A timer that fires at an absolute moment of `time.monotonic()`.

Event loops round their own timers up to a millisecond, which would be counted as latency of the server. A Linux timerfd
keeps a schedule to some tens of microseconds.
"""

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

_CLOCK_MONOTONIC = 1
_ABSOLUTE = 1


class Timer(Protocol):
    """Calls back once for each time that it was armed."""

    kind: str

    def arm(self, when: float) -> None:
        """Fire at `when` (seconds of `time.monotonic()`), at once if that is past; replaces an earlier moment."""

    def close(self) -> None:
        """Never fire again."""


def open_timer(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> Timer:
    """The best timer of this machine."""
    if sys.platform == "linux" and sys.maxsize > 2**32:
        return _DescriptorTimer(loop, callback)
    return _LoopTimer(loop, callback)


class _LoopTimer:
    kind = "event loop"

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop, self._callback = loop, callback
        self._handle: asyncio.TimerHandle | None = None

    def arm(self, when: float) -> None:
        self.close()
        self._handle = self._loop.call_later(max(0.0, when - time.monotonic()), self._callback)

    def close(self) -> None:
        if self._handle:
            self._handle.cancel()


class _Moment(ctypes.Structure):
    """`struct itimerspec`: interval, then first expiry, each as seconds and nanoseconds."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class _DescriptorTimer:
    kind = "timerfd"

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        # os.timerfd_create came with Python 3.13; the C library has had it for long.
        self._library = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = self._library.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._armed = False
        self._moment = _Moment()
        self._pointer = ctypes.byref(self._moment)
        self._loop, self._callback = loop, callback
        loop.add_reader(self._descriptor, self._fire)

    def arm(self, when: float) -> None:
        self._armed = True
        seconds = int(when)
        self._moment.value_s = seconds
        # A value of zero would disarm the timer.
        self._moment.value_ns = int((when - seconds) * 1e9) or 1
        if self._library.timerfd_settime(self._descriptor, _ABSOLUTE, self._pointer, None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def close(self) -> None:
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _fire(self) -> None:
        self._armed = False
        self._callback()
        if not self._armed:
            # Arming takes the expiry back as well; only the last one has to be read.
            with suppress(BlockingIOError):
                os.read(self._descriptor, 8)
