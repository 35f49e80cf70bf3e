"""A server's life: its transport, its signals, its end."""

import logging
import os
import signal
import sys
import threading
import time
from types import FrameType

from specweave.command import Context
from specweave.errors import ConflictError
from specweave.host import RealHost
from specweave.mcp_server.progress import RUNNING
from specweave.mcp_server.server import create_server
from specweave.project import Project

_SECONDS_TO_STOP = 10.0


def serve(project: Project, *, port: int | None = None) -> None:
    """Serve until the client goes: over stdin and stdout, or at `http://127.0.0.1:<port>/mcp`.

    Over stdio nothing but the protocol reaches stdout: the SDK points descriptor 1 at stderr while it serves.

    Raises:
        ConflictError: `port-in-use`.
    """
    # Before the SDK sets up its own logging, which draws boxes around every line.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    host = RealHost()
    context = Context(project=project, host=host, actor="mcp")
    if port is None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _end)
        create_server(context).run("stdio")
        return
    if not host.port_is_free(port):
        raise ConflictError("port-in-use", f"something listens on 127.0.0.1:{port}", next_step="choose another port")
    print(f"specweave serves {project.root} at http://127.0.0.1:{port}/mcp", file=sys.stderr)  # noqa: T201 - for people
    import uvicorn  # noqa: PLC0415 - start-up over stdio

    # On a loopback address the SDK refuses foreign Host and Origin headers (DNS rebinding). h11, because httptools
    # keeps the white space around a header's value, which the protocol says to ignore.
    app = create_server(context).streamable_http_app(host="127.0.0.1")
    uvicorn.run(app, host="127.0.0.1", port=port, http="h11", loop="asyncio", log_level="warning")


def _end(number: int, _frame: FrameType | None) -> None:
    """Stop what runs, then the process: the thread that reads stdin cannot be woken, so a plain return would hang."""
    for reporter in list(RUNNING):
        reporter.closed.set()
    threading.Thread(target=_exit_when_idle, args=(128 + number,), daemon=True).start()


def _exit_when_idle(status: int) -> None:
    deadline = time.monotonic() + _SECONDS_TO_STOP
    while RUNNING and time.monotonic() < deadline:
        time.sleep(0.02)
    os._exit(status)
