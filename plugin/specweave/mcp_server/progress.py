"""Progress of a command's threads for the client, and which calls are under way."""

import threading
import time

import anyio
import anyio.from_thread
import anyio.lowlevel
from mcp.server.mcpserver import Context as McpContext

from specweave.command import Progress
from specweave.errors import OperationError
from specweave.files.sending import sendable

# A client draws a few updates a second; more would only fill its queue.
_SECONDS_BETWEEN_REPORTS = 0.1
_SMALLEST_ADVANCE = 1e-6

RUNNING: set["Reporter"] = set()


class Reporter:
    """Passes progress from a command's threads to the client.

    Attributes:
        closed: set when nobody waits for the call any more; the command is then stopped at its next report.
    """

    def __init__(self, ctx: McpContext, loop: anyio.lowlevel.EventLoopToken) -> None:
        self.closed = threading.Event()
        self._ctx = ctx
        self._loop = loop
        self._lock = threading.Lock()
        self._sent_at = 0.0
        self._message = ""
        self._value = 0.0

    def __call__(self, moment: Progress) -> None:
        """Send a moment, unless the same was said just now.

        Raises:
            OperationError: `cancelled`.
        """
        if self.closed.is_set():
            raise OperationError("cancelled", "the client cancelled the call")
        with self._lock:
            now = time.monotonic()
            if moment.message == self._message and now - self._sent_at < _SECONDS_BETWEEN_REPORTS:
                return
            self._sent_at, self._message = now, moment.message
            # The protocol demands that the value grows with every notification.
            self._value = max(self._value + _SMALLEST_ADVANCE, moment.fraction or 0.0)
            value = self._value
        total = None if moment.fraction is None else 1.0
        try:
            anyio.from_thread.run(self._ctx.report_progress, value, total, sendable(moment.message), token=self._loop)
        except (RuntimeError, anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            raise OperationError("cancelled", "the client has gone") from error
