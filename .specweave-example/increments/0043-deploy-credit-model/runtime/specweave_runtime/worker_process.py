"""One worker process of a release: start, ready, smoke test, commands, end. Standard library only."""

import asyncio
import json
import logging
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from specweave_runtime.smoke_test import Client, SmokeTestError, readiness, smoke_test

# What the person who deploys decides for the service: passed on from the tool, kept in memory, never written down.
SETTINGS = ("API_KEY", "API_KEY_FILE", "RATE_LIMIT", "REQUEST_LOG")

_ACKNOWLEDGE_S = 20.0

log = logging.getLogger("specweave.supervisor")


class WorkerError(Exception):
    """A worker ended, said that it failed, or did not answer in time; the message is the reason."""


class Release(NamedTuple):
    """A release directory and what release.json says of it.

    Attributes:
        name: of the directory: `0007`.
        folder: the directory.
        version, digest: of the model package in `model/`.
        python: interpreter of the service's environment.
        workers: how many processes.
        environment: variables of the service.
    """

    name: str
    folder: Path
    version: str
    digest: str
    python: str
    workers: int
    environment: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path) -> "Release":
        """The release in `folder`.

        Raises:
            WorkerError: it is missing or not complete.
        """
        try:
            data = json.loads((folder / "release.json").read_bytes())
            return cls(
                folder.name,
                folder,
                str(data["version"]),
                str(data["digest"]),
                str(data["python"]),
                int(data["workers"]),
                {str(name): str(value) for name, value in data["environment"].items()},
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise WorkerError(f"{folder / 'release.json'} cannot be read: {error!r}") from error


class Worker:
    """One process that serves a release.

    Args:
        release: what it serves.
        listener: the public listening socket that it inherits.
        settings: variables of `SETTINGS`.
        output: file that its output is appended to.
    """

    def __init__(self, release: Release, listener: socket.socket, settings: Mapping[str, str], output: Path) -> None:
        self._release = release
        self._listener = listener
        self._settings = settings
        self._output = output
        self._process: asyncio.subprocess.Process | None = None
        self._control: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()
        self._up = False
        self.port = 0

    @property
    def pid(self) -> int:
        """Process id; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def up(self) -> bool:
        """Whether it became ready and has not ended."""
        return self._up

    async def start(self, within_s: float) -> None:
        """Start the process and wait until it is ready.

        Raises:
            WorkerError: why it is not; the process is gone then.
        """
        try:
            async with asyncio.timeout(within_s):
                await self._launch()
                self.port = int((await self._event("listening"))["port"])
                await self._ready()
            self._up = True
        except TimeoutError:
            await self.kill()
            raise WorkerError(f"not ready after {within_s:g} s") from None
        except (WorkerError, OSError) as error:
            await self.kill()
            raise WorkerError(str(error)) from error
        except asyncio.CancelledError:
            await self.kill()
            raise

    async def smoke_test(self) -> int:
        """Ask the golden rows on the private port; how many were asked.

        Raises:
            WorkerError: an answer is not the expected one.
        """
        try:
            client = Client(self.port, self._api_key())
            return await asyncio.to_thread(smoke_test, client, self._release.folder / "model", self._release.digest)
        except (SmokeTestError, OSError, UnicodeDecodeError) as error:
            raise WorkerError(str(error)) from error

    async def tell(self, command: str, answer: str, **facts: object) -> None:
        """Send a command and wait for its acknowledgement.

        Raises:
            WorkerError: the process ended or does not answer.
        """
        async with self._turn:
            if self._control is None or not self._up:
                raise WorkerError("the worker is not up")
            try:
                self._control[1].write(json.dumps({"do": command, **facts}).encode() + b"\n")
                await self._control[1].drain()
                async with asyncio.timeout(_ACKNOWLEDGE_S):
                    await self._event(answer)
            except TimeoutError:
                raise WorkerError(f"no answer to {command} within {_ACKNOWLEDGE_S:g} s") from None
            except OSError as error:
                raise WorkerError(f"{command}: {error}") from error

    async def ended(self) -> int:
        """Wait for the end of the process; its exit status."""
        assert self._process is not None  # noqa: S101 - narrows the type: only asked of a started worker
        status = await self._process.wait()
        self._up = False
        if self._control is not None:
            self._control[1].close()
        return status

    async def stop(self, within_s: float, grace_s: float) -> None:
        """Answer what is there, then end; killed when that takes longer than both times together, seconds."""
        with suppress(WorkerError):
            await self.tell("stop", "draining", within_s=within_s)
        try:
            async with asyncio.timeout(within_s + grace_s):
                await self.ended()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End it now."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self.ended()

    async def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        arguments = ["-m", "specweave_runtime.server", "api.main:app"]
        inherited = ["--listener", str(self._listener.fileno()), "--control", str(theirs.fileno())]
        try:
            with theirs, self._output.open("ab") as output:
                self._process = await asyncio.create_subprocess_exec(
                    self._release.python,
                    *arguments,
                    *inherited,
                    cwd=self._release.folder,
                    env=self._environment(),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=(self._listener.fileno(), theirs.fileno()),
                )
        except OSError:
            ours.close()
            raise
        self._control = await asyncio.open_connection(sock=ours)

    def _environment(self) -> dict[str, str]:
        # The tool's own Python must not leak into the service's.
        dropped = {"VIRTUAL_ENV", *SETTINGS}
        kept = {name: value for name, value in os.environ.items() if name not in dropped and name[:6] != "PYTHON"}
        model = {"MODEL_PACKAGE": str(self._release.folder / "model"), "MODEL_DIGEST": self._release.digest}
        return {**kept, "PYTHONUNBUFFERED": "1", **self._release.environment, **model, **self._settings}

    def _api_key(self) -> str | None:
        if path := self._settings.get("API_KEY_FILE"):
            return Path(path).read_text("utf-8").strip()
        return self._settings.get("API_KEY")

    async def _event(self, name: str) -> dict[str, Any]:
        assert self._control is not None  # noqa: S101 - narrows the type: only asked of a started worker
        while line := await self._control[0].readline():
            event: dict[str, Any] = json.loads(line)
            if event["event"] == "failed":
                raise WorkerError(str(event.get("reason")))
            if event["event"] == name:
                return event
        raise WorkerError(f"the process ended with {describe(await self.ended())}; see {self._output}")

    async def _ready(self) -> None:
        # Asked once: the application has started, so what it says now is its last word.
        try:
            ready, reason = await asyncio.to_thread(readiness, Client(self.port, timeout_s=_ACKNOWLEDGE_S))
        except SmokeTestError as error:
            raise WorkerError(str(error)) from error
        if not ready:
            raise WorkerError(f"not ready: {reason}")


def describe(status: int) -> str:
    """An exit status for people.

    >>> describe(1), describe(-9)
    ('exit status 1', 'signal SIGKILL')
    """
    return f"exit status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"
