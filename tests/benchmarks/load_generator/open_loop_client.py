"""A client library under an open loop: `python open_loop_client.py LIBRARY PORT BODY TIMER RATE,RATE,… SECONDS TRIES`.

Each rate is tried so many times; two in a row that are not held end it. One line of JSON for each try. The requests are
started by the timer of the tool (file TIMER), so that a difference is the library's.
"""

import asyncio
import gc
import importlib.util
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import uvloop

_CONNECTIONS = 64
_OVERTIME_S = 1.0
_HELD_LATENESS_MS = 1.0
_MISSED = 2

Send = Callable[[], Awaitable[bool]]


@asynccontextmanager
async def aiohttp_client(url: str, body: bytes) -> AsyncIterator[Send]:
    """A call of aiohttp: whether it was answered with 200."""
    import aiohttp  # noqa: PLC0415 - one library a run

    connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector, headers={"Content-Type": "application/json"}) as session:

        async def send() -> bool:
            async with session.post(url, data=body) as answer:
                await answer.read()
                return answer.status == 200

        yield send


@asynccontextmanager
async def httpx_client(url: str, body: bytes) -> AsyncIterator[Send]:
    """A call of httpx: whether it was answered with 200."""
    import httpx  # noqa: PLC0415 - one library a run

    limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
    async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=10) as session:

        async def send() -> bool:
            answer = await session.post(url, content=body, headers={"Content-Type": "application/json"})
            return answer.status_code == 200

        yield send


class Attempt:
    """One rate, held for a time."""

    def __init__(self, send: Send, rate: float, seconds: float, open_timer: Callable[..., object]) -> None:
        self._send = send
        self.rate, self.seconds = rate, seconds
        self._due = [time.monotonic() + 0.05 + number / rate for number in range(round(rate * seconds))]
        self._late: list[float] = []
        self._right, self._all_right = 0, asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer = open_timer(asyncio.get_running_loop(), self._release)

    async def run(self) -> dict[str, float]:
        """Send everything; what has no answer a second after the last was due has none."""
        cpu = time.process_time()
        self._timer.arm(self._due[0])
        with suppress(TimeoutError):
            async with asyncio.timeout(self._due[-1] + _OVERTIME_S - time.monotonic()):
                await self._all_right.wait()
        self._timer.close()
        used = time.process_time() - cpu
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        late = sorted(self._late)
        p99 = late[int(len(late) * 0.99)] * 1e3 if late else float("inf")
        held = self._right == len(self._due) and p99 < _HELD_LATENESS_MS
        return {"rate": self.rate, "held": held, "lateness_p99_ms": p99, "cpu_us": used / len(self._due) * 1e6}

    def _release(self) -> None:
        while len(self._late) < len(self._due):
            now, due = time.monotonic(), self._due[len(self._late)]
            if due > now:
                self._timer.arm(due)
                return
            self._late.append(now - due)
            task = asyncio.get_running_loop().create_task(self._one())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _one(self) -> None:
        if await self._send():
            self._right += 1
            if self._right == len(self._due):
                self._all_right.set()


async def main(arguments: list[str]) -> None:
    """See the module."""
    library, port, body, timer, rates, seconds, tries = arguments
    specification = importlib.util.spec_from_file_location("timer", timer)
    module = importlib.util.module_from_spec(specification)
    # Its annotations are looked up there.
    sys.modules["timer"] = module
    specification.loader.exec_module(module)
    client = {"aiohttp": aiohttp_client, "httpx": httpx_client}[library]
    async with client(f"http://127.0.0.1:{port}/predict", body.encode()) as send:
        for _ in range(40):
            await send()
        missed = 0
        for rate in map(float, rates.split(",")):
            for _ in range(int(tries)):
                gc.collect()
                gc.freeze()
                found = await Attempt(send, rate, float(seconds), module.open_timer).run()
                print(json.dumps(found), flush=True)  # noqa: T201 - what it is for
                if found["held"]:
                    break
            missed = 0 if found["held"] else missed + 1
            if missed == _MISSED:
                return


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1:]))
