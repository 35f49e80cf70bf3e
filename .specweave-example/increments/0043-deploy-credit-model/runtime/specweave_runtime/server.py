"""The process that serves: `python -m specweave_runtime.server api.main:app [--host ADDRESS] [--port PORT]`.

The same program runs everywhere. In a container or a developer's shell it opens its own port. Under a supervisor
(`specweave_runtime.supervisor`) it inherits the public listening socket and a control socket, serves on a private
loopback port at first, and begins and ends to accept public connections when told:

    supervisor → worker   {"do": "accept"} · {"do": "drain"} · {"do": "stop", "within_s": 90}
    worker → supervisor   {"event": "listening", "port": 40123} · accepting · draining · drained · failed, reason

No request is lost: the public socket is never closed while the supervisor lives, what was accepted is answered, and
while draining each answer carries `Connection: close`, so that clients come back to the worker that accepts now.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, cast

import uvicorn
from uvicorn.importer import import_from_string

from specweave_runtime.connections import Connection, Server

# Longer than the 60 s after which common load balancers and clients drop an idle connection: a server that closes
# first may close while a request is on its way.
KEEP_ALIVE_S = 75
# What a request under way may take when the process ends.
GRACE_S = 30

CLOSE = (b"connection", b"close")


def configuration(app: Any, host: str = "127.0.0.1", port: int = 8000) -> uvicorn.Config:
    """The one way in which a service is served, in a container as on a laptop.

    Args:
        app: an ASGI application, or `module:attribute`.
        host: address to listen on.
        port: TCP port to listen on; 0 takes a free one.
    """
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )


class Worker(Server):
    """A server under a supervisor.

    Args:
        config: how to serve.
        listener: the public listening socket, inherited; only duplicates of it are served and closed here.
        control: a stream socket to the supervisor; end-of-file on it means that the supervisor is gone.
    """

    def __init__(self, config: uvicorn.Config, listener: socket.socket, control: socket.socket) -> None:
        super().__init__(config)
        self._listener = listener
        self._control = control
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn = asyncio.Lock()
        self._public: tuple[asyncio.Server, socket.socket] | None = None
        self._draining = False
        self._leave_at: float | None = None
        # A thread, because it must notice the supervisor's end even while a prediction blocks the event loop.
        threading.Thread(target=self._listen, name="control", daemon=True).start()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, open the private port, and say so."""
        try:
            await super().startup(sockets=sockets)
        except SystemExit:
            self.say("failed", reason="the application did not start; its log says why")
            raise
        self._loop = asyncio.get_running_loop()
        for private in sockets or ():
            self.say("listening", port=private.getsockname()[1])

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: notice that the last connection went."""
        if self._draining and not self.server_state.connections:
            self._draining = False
            self.say("drained")
            if self._leave_at is not None:
                self.should_exit = True
        if self._leave_at is not None and time.monotonic() >= self._leave_at:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, answer what is under way, end."""
        await self._stop_accepting()
        await super().shutdown(sockets=sockets)

    def say(self, event: str, **facts: object) -> None:
        """Tell the supervisor; whether it still listens is found out by the control thread."""
        with suppress(OSError):
            self._control.sendall(json.dumps({"event": event, **facts}).encode() + b"\n")

    def _listen(self) -> None:
        # A supervisor that was killed with something unread of ours resets the connection rather than ending it.
        with suppress(OSError), self._control.makefile("rb") as lines:
            for line in lines:
                command = json.loads(line)
                if self._loop is not None:
                    asyncio.run_coroutine_threadsafe(self._obey(command), self._loop)
                elif command["do"] == "stop":
                    self.should_exit = True
        self.should_exit = True
        time.sleep(GRACE_S)
        os._exit(1)

    async def _obey(self, command: dict[str, Any]) -> None:
        async with self._turn:
            try:
                if command["do"] == "accept":
                    await self._accept()
                elif command["do"] == "drain":
                    await self._drain()
                elif command["do"] == "stop":
                    await self._drain()
                    self._leave_at = time.monotonic() + float(command.get("within_s", 0))
            except OSError as error:
                self.say("failed", reason=f"{command['do']}: {error}")

    async def _accept(self) -> None:
        if self._public is None:
            duplicate = self._listener.dup()
            protocol = partial(
                cast("Any", self.config.http_protocol_class),
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
            )
            server = await asyncio.get_running_loop().create_server(
                protocol, sock=duplicate, backlog=self.config.backlog
            )
            self._public = (server, duplicate)
        self._draining = False
        self._answer_with_close(on=False)
        self.say("accepting")

    async def _drain(self) -> None:
        await self._stop_accepting()
        self._answer_with_close(on=True)
        self._draining = True
        self.say("draining")

    async def _stop_accepting(self) -> None:
        if self._public is None:
            return
        (server, duplicate), self._public = self._public, None
        server.close()
        # The loop closes the descriptor in a later turn; until then it may still take a connection.
        while duplicate.fileno() != -1:  # noqa: ASYNC110 - the loop tells nobody when it has closed it
            await asyncio.sleep(0)

    def _answer_with_close(self, *, on: bool) -> None:
        # uvicorn puts these in front of the headers of every answer, its own error answers included.
        headers = [header for header in self.config.encoded_headers if header != CLOSE] + [CLOSE] * on
        self.config.encoded_headers = headers
        kept = [header for header in self.server_state.default_headers if header != CLOSE]
        self.server_state.default_headers = kept + [CLOSE] * on


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m specweave_runtime.server", description="Serve a model.")
    parser.add_argument("app", help="the ASGI application, module:attribute")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="TCP port to listen on (default %(default)s)")
    parser.add_argument("--listener", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--control", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    # uvicorn raises the signal again once it has stopped: the orderly end of a service is exit status 0.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    if options.listener is not None:
        return _supervised(options.app, options.listener, options.control)
    server = Server(configuration(options.app, options.host, options.port))
    try:
        server.run()
    except KeyboardInterrupt:
        return 0
    return 0 if server.started else 1


def _supervised(app: str, listener: int, control: int) -> int:
    # Inherited once, by this process only: a child of ours that held them would keep the port open.
    os.set_inheritable(listener, False)
    os.set_inheritable(control, False)
    config = configuration(None)
    worker = Worker(config, socket.socket(fileno=listener), socket.socket(fileno=control))
    try:
        config.app = import_from_string(app)
    except Exception as error:
        worker.say("failed", reason=f"{app} cannot be imported: {type(error).__name__}: {error}")
        raise
    with socket.socket() as private:
        private.bind(("127.0.0.1", 0))
        worker.run(sockets=[private])
    return 0 if worker.started else 1


if __name__ == "__main__":
    sys.exit(main())
