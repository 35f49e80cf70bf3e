"""What others send load with: the highest rate on one core, its cost, and whether the requests left evenly."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from own import measure, plan
from servers import BODY, CLIENT_CORES, clocked
from timetable import pinned

from specweave.operations.load_testing import Step, timer

_HERE = Path(__file__).parent
_REPOSITORY = _HERE.parents[2]
_ENVIRONMENT = _REPOSITORY / ".cache" / "load_generator" / "venv"
_CONNECTIONS, _USERS = 64, 50
_TIME_LIMIT_S = 120
EVEN_RATE, _EVEN_SERVICE_S, _EVEN_CONNECTIONS = 500, 0.002, 20
EVEN_WITHIN_MS = 1.0
_TRIES = 2


@dataclass(frozen=True)
class Evenness:
    """How requests came to a server, of the middle four fifths of them.

    Attributes:
        rate: requests a second.
        gaps: standard deviation of the time between two requests over its mean; 0 is even, 1 is random.
        off_p99_ms: how far a request was from the even schedule that fits best, 99 % are nearer.
    """

    rate: float
    gaps: float
    off_p99_ms: float

    @property
    def is_even(self) -> bool:
        """Whether nearly all came within a millisecond of an even schedule."""
        return self.off_p99_ms < EVEN_WITHIN_MS


@dataclass(frozen=True)
class Peer:
    """One generator on one core.

    Attributes:
        how: what its highest rate means.
        rate: requests a second, at most.
        cpu_us: its own processor microseconds for each request, at that rate.
    """

    name: str
    how: str
    rate: float
    cpu_us: float
    arrivals: Evenness


def evenness(arrivals: Sequence[float]) -> Evenness:
    """Of the moments at which requests came, ascending seconds."""
    tenth = len(arrivals) // 10
    moments = np.asarray(arrivals[tenth:-tenth])
    gaps = np.diff(moments)
    numbers = np.arange(len(moments))
    slope, start = np.polyfit(numbers, moments - moments[0], 1)
    off = np.abs(moments - moments[0] - (start + slope * numbers)) * 1e3
    return Evenness(1 / gaps.mean(), float(gaps.std() / gaps.mean()), float(np.quantile(off, 0.99)))


def evenness_of(send: Callable[[int], object]) -> Evenness:
    """How the requests come that `send` makes to a port, at 500 a second where it can be told to."""
    with clocked(service_s=_EVEN_SERVICE_S) as server:
        send(server.port)
    return evenness(server.arrivals)


def own_evenness(seconds: float) -> Evenness:
    """The engine's, of what it sent after its warm-up."""
    wanted = Step(EVEN_RATE, seconds)
    with clocked(service_s=_EVEN_SERVICE_S) as server:
        measure(plan(server.port, wanted, connections=_EVEN_CONNECTIONS))
    return evenness(server.arrivals[-wanted.requests :])


def _run(argv: Sequence[str], **environment: str) -> str:
    command = pinned(argv, CLIENT_CORES)
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=_TIME_LIMIT_S, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def _cpu_us(run: Callable[[], str], pattern: str) -> tuple[str, float]:
    """What a program prints, and its processor microseconds for each request; `pattern` finds their number."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return text, used / int(_found(pattern, text)) * 1e6


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"no {pattern!r} in {text}")
    return match[1]


def h2load(port: int, seconds: float, folder: Path) -> Peer:
    """h2load of nghttp2: as fast as its connections answer; paced, by a rate for each connection."""
    body = folder / "body.json"
    body.write_text(BODY)

    def run(at: int, connections: int, *words: str) -> str:
        length = f"{max(1, round(seconds))}"
        argv = ["h2load", "--h1", "-t", "1", "-c", str(connections), "-D", length, *words, "-d", str(body)]
        return _run([*argv, "-H", "Content-Type: application/json", f"http://127.0.0.1:{at}/predict"])

    text, cpu_us = _cpu_us(lambda: run(port, _CONNECTIONS), r"(\d+) succeeded")
    each = str(EVEN_RATE // _EVEN_CONNECTIONS)
    arrivals = evenness_of(lambda at: run(at, _EVEN_CONNECTIONS, "--rps", each))
    return Peer("h2load", "closed loop, unpaced", float(_found(r"([\d.]+) req/s", text)), cpu_us, arrivals)


def wrk(port: int, seconds: float, folder: Path) -> Peer:
    """wrk: as fast as its connections answer; it cannot be told a rate."""
    script = folder / "post.lua"
    # JSON of ASCII letters and no quotation of Lua's long brackets.
    script.write_text(f'wrk.method = "POST"\nwrk.body = [[{BODY}]]\nwrk.headers["Content-Type"] = "application/json"\n')

    def run(at: int, connections: int) -> str:
        argv = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{max(1, round(seconds))}s", "-s", str(script)]
        return _run([*argv, f"http://127.0.0.1:{at}/predict"])

    text, cpu_us = _cpu_us(lambda: run(port, _CONNECTIONS), r"(\d+) requests in")
    arrivals = evenness_of(lambda at: run(at, 1))
    return Peer("wrk", "closed loop, unpaced", float(_found(r"Requests/sec: +([\d.]+)", text)), cpu_us, arrivals)


def locust(port: int, seconds: float) -> Peer:
    """Locust's FastHttpUser, one process."""

    def run(at: int, rate: float) -> dict[str, float]:
        words = ["--headless", "-u", str(_USERS), "-r", str(_USERS), "-t", f"{max(2, round(seconds) + 1)}s"]
        argv = [str(_ENVIRONMENT / "bin" / "locust"), "-f", str(_HERE / "locustfile.py"), *words]
        text = _run(
            [*argv, "--host", f"http://127.0.0.1:{at}", "--only-summary", "--loglevel", "ERROR"],
            RATE=str(rate),
            USERS=str(_USERS),
            BODY=BODY,
        )
        found: dict[str, float] = json.loads(next(line for line in text.splitlines() if line.startswith("{")))
        return found

    highest = run(port, 0)
    arrivals = evenness_of(lambda at: run(at, EVEN_RATE))
    return Peer("Locust FastHttpUser", "closed loop, unpaced", highest["rate"], highest["cpu_us"], arrivals)


def library(name: str, port: int, seconds: float, rates: Sequence[int]) -> Peer:
    """A client library under an open loop, driven by the tool's own timer."""

    def run(at: int, some: Sequence[int], tries: int) -> list[dict[str, float]]:
        argv = [str(_ENVIRONMENT / "bin" / "python"), str(_HERE / "open_loop_client.py"), name, str(at), BODY]
        words = [str(timer.__file__), ",".join(map(str, some)), str(seconds), str(tries)]
        return [json.loads(line) for line in _run([*argv, *words]).splitlines()]

    held = [found for found in run(port, rates, _TRIES) if found["held"]]
    best = held[-1] if held else {"rate": 0.0, "cpu_us": float("nan")}
    arrivals = evenness_of(lambda at: run(at, [EVEN_RATE], 1))
    return Peer(name, "open loop, lateness P99 < 1 ms", best["rate"], best["cpu_us"], arrivals)


def missing() -> dict[str, str]:
    """Peers that cannot run here, each with what installs it."""
    found = {
        name: f"apt-get install {package}"
        for name, package in (("h2load", "nghttp2-client"), ("wrk", "wrk"))
        if shutil.which(name) is None
    }
    if reason := _prepare():
        found |= dict.fromkeys(("Locust FastHttpUser", "aiohttp", "httpx"), reason)
    return found


def _prepare() -> str | None:
    """Have the environment of the Python peers; what hinders it."""
    uv, python = Path(sys.executable).with_name("uv"), _ENVIRONMENT / "bin" / "python"
    steps = [] if python.exists() else [[uv, "venv", "--quiet", "--python", sys.executable, _ENVIRONMENT]]
    steps.append([uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes", _HERE / "requirements.txt"])
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{' '.join(map(str, step))}: {done.stderr.strip()}"
    return None
