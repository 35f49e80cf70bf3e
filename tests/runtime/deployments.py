"""Deployments for tests: releases of a small ASGI application whose model is one number, and a real supervisor.

The application speaks as the generated service does (health, identity, golden rows), so that what starts, checks,
switches and stops it is exercised as it is, in a fraction of the time.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import specweave_runtime
from specweave_runtime.deployment_state import read_state

DEADLINE_S = 60.0

APPLICATION = """
import asyncio, json, os, pathlib

package = pathlib.Path(os.environ["MODEL_PACKAGE"])
model = json.loads((package / "model.json").read_text())
broken = json.loads((package.parent / "broken.json").read_text())
if broken.get("import"):
    raise RuntimeError(broken["import"])

async def answer(send, status, body):
    content = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})

async def lifespan(receive, send):
    while True:
        message = await receive()
        if broken.get("startup") == "hang":
            await asyncio.Event().wait()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    path = scope["path"]
    if path == "/health/ready":
        reason = broken.get("ready")
        return await answer(send, 503 if reason else 200, {"status": "ready", "reason": reason})
    if path == "/model/info":
        return await answer(send, 200, {"version": model["version"], "digest": os.environ["MODEL_DIGEST"]})
    if path == "/crash":
        os._exit(7)
    if path == "/slow":
        await asyncio.sleep(0.5)
    if path == "/environment":
        return await answer(send, 200, dict(os.environ))
    if key := os.environ.get("API_KEY"):
        if dict(scope["headers"]).get(b"x-api-key") != key.encode():
            return await answer(send, 401, {})
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    features = json.loads(body or b"{}").get("features", {"x": 0})
    await answer(send, 200, {
        "prediction": features["x"] * model["factor"] + broken.get("shift", 0.0), "model_version": model["version"],
        "pid": os.getpid(),
    })
"""


class Deployment:
    """A folder with releases, and the supervisor that was started in it.

    Args:
        folder: stands for `.specweave/local/<environment>/<service>`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.supervisor: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)

    def release(self, factor: float, *, workers: int = 1, **broken: object) -> str:
        """A new release whose model multiplies by `factor`; its name."""
        number = len(list(self.folder.glob("releases/*"))) + 1
        name, folder = f"{number:04d}", self.folder / "releases" / f"{number:04d}"
        (folder / "api").mkdir(parents=True)
        (folder / "api" / "main.py").write_text(APPLICATION)
        (folder / "broken.json").write_text(json.dumps(broken))
        runtime = Path(specweave_runtime.__file__).parent
        shutil.copytree(runtime, folder / "specweave_runtime", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "model").mkdir()
        version = f"0001-v{number}"
        (folder / "model" / "model.json").write_text(json.dumps({"version": version, "factor": factor}))
        rows = [{"features": {"x": x}, "prediction": x * factor} for x in (1.0, 2.5)]
        (folder / "model" / "golden.json").write_text(json.dumps({"rows": rows, "tolerance": 1e-6, "scale": 1.0}))
        (folder / "model" / "signature.json").write_text(json.dumps({"output": {"classes": []}}))
        record = {
            "format": 1,
            "version": version,
            "digest": hashlib.sha256(version.encode()).hexdigest(),
            "python": sys.executable,
            "workers": workers,
            "environment": {},
        }
        (folder / "release.json").write_text(json.dumps(record))
        return name

    def start(self) -> None:
        """Start the supervisor and wait until it can be asked."""
        with (self.folder / "supervisor.log").open("ab") as output:
            self.supervisor = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "specweave_runtime.supervisor", str(self.folder)),
                    *("--port", str(self.port), "--environment", "staging", "--service", "tiny"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        pid = self.supervisor.pid
        until(lambda: (self.recorded().get("supervisor") or {}).get("pid") == pid)

    def recorded(self) -> dict[str, Any]:
        """What state.json says."""
        return read_state(self.folder) or {}

    def open(self, **request: object) -> socket.socket:
        """Send a request to the supervisor, without waiting for the answer."""
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(DEADLINE_S)
        try:
            client.connect(self.recorded()["supervisor"]["control"])
            client.sendall(json.dumps(request).encode() + b"\n")
        except OSError:
            client.close()
            raise
        return client

    def ask(self, **request: object) -> dict[str, Any]:
        """The last line of the supervisor's answer."""
        with self.open(**request) as client, client.makefile("rb") as lines:
            answer: dict[str, Any] = json.loads(lines.readlines()[-1])
        return answer

    def activate(self, release: str, **settings: str) -> dict[str, Any]:
        """Ask for a switch."""
        return self.ask(do="activate", operation="deploy", release=release, within_s=30, settings=settings)

    def pids(self, state: str) -> list[int]:
        """Processes of the workers that are in `state`."""
        workers = self.ask(do="status")["workers"]
        return [worker["pid"] for worker in workers if worker["state"] == state]

    def end(self) -> None:
        """Stop everything that was started."""
        if self.supervisor is None:
            return
        with contextlib.suppress(OSError, ValueError, IndexError):
            self.ask(do="stop")
        try:
            self.supervisor.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.supervisor.kill()
            self.supervisor.wait()

    def kill(self) -> None:
        """What no program can prepare for."""
        assert self.supervisor is not None
        self.supervisor.send_signal(signal.SIGKILL)
        self.supervisor.wait()


@contextlib.contextmanager
def deployment(folder: Path) -> Iterator[Deployment]:
    """A deployment with a running supervisor, stopped at the end."""
    made = Deployment(folder)
    made.start()
    try:
        yield made
    finally:
        made.end()


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(condition: Callable[[], object], deadline_s: float | None = None) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: it did not come true in time.
    """
    end = time.monotonic() + (deadline_s or DEADLINE_S)
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the condition did not come true")
        time.sleep(0.01)


def exists(pid: int) -> bool:
    """Whether a process is there; a zombie of somebody else's is not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
