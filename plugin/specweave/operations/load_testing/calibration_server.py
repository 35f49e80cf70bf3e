"""A server that does nothing but answer: `python -P -m specweave.operations.load_testing.calibration_server PORT`.

What the load generator cannot send on time even to this one, it could not send on time to any service.
"""

import asyncio
import sys
from collections.abc import Sequence
from typing import cast

import httptools
import uvloop

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class _Answering(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_complete(self) -> None:
        self._transport.write(_ANSWER)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def main(arguments: Sequence[str]) -> None:
    """Serve on the loopback port `arguments[0]` until the process is ended."""
    uvloop.run(_serve(int(arguments[0])))


if __name__ == "__main__":
    main(sys.argv[1:])
