"""The process that a local deployment consists of: it holds the public socket and the workers behind it.

`python -m specweave_runtime.supervisor FOLDER --port PORT --environment NAME --service NAME`, where FOLDER is
`.specweave/local/<environment>/<service>` with `releases/NNNN/`. Standard library only.

One JSON object a line on a Unix socket; the answer is any number of `{"progress": "…"}` and one object with `ok`:

    {"do": "status"}
    {"do": "activate", "operation": "deploy" | "rollback", "release": "0007", "within_s": 120, "settings": {…}}
    {"do": "stop"}

Settings that are not given are those of the release that serves: they live in memory, and go with the supervisor.
An operation goes on to its end when the client that asked goes away. What is true is in FOLDER/state.json, written
atomically before the answer; the lock file is held for life, so a deployment has one supervisor or none.
"""

import argparse
import asyncio
import fcntl
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from specweave_runtime.deployment_state import LOCK, STATE, control_path, read_state, timestamp, write_state
from specweave_runtime.service_log import shorten
from specweave_runtime.worker_group import Group
from specweave_runtime.worker_process import SETTINGS, Release, WorkerError

# Longer than the workers keep an idle connection: then no client can find its connection closed under a request.
_RETIRE_S = 90.0
_BIND_S = 3.0
_BACKLOG = 2048
# A supervisor that nobody gave anything to do: the tool that started it was killed.
_IDLE_S = 60.0
LOG = "service.log"
_LOG_LOOK_S = 2.0
# Two ways to name one thing: a new one takes the place of either.
_KEYS = {"API_KEY", "API_KEY_FILE"}

log = logging.getLogger("specweave.supervisor")
Say = Callable[[str], Awaitable[None]]


class Refusal(Exception):  # noqa: N818 - an answer to the client, not a fault
    """An operation that was not done; state is as before."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Supervisor:
    """One deployment.

    Args:
        folder: of the deployment.
        port: public loopback port.
        names: `environment` and `service`, for state.json.
        control: path of the Unix socket.
    """

    def __init__(self, folder: Path, port: int, names: Mapping[str, str], control: Path) -> None:
        self._folder = folder
        self._port = port
        self._listener: socket.socket | None = None
        self._active: Group | None = None
        self._previous: Group | None = None
        self._retiring: set[Group] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._turn = asyncio.Lock()
        self._ending = False
        self._finished = asyncio.Event()
        past = read_state(folder) or {}
        self._state: dict[str, Any] = {
            "format": 1,
            **names,
            "port": port,
            "address": f"http://127.0.0.1:{port}",
            "supervisor": {"pid": os.getpid(), "control": str(control), "started": timestamp()},
            "status": "starting",
            "active": past.get("active"),
            "previous": past.get("previous"),
            "served": list(past.get("served") or []),
            "since": past.get("since"),
            "operation": None,
            "demands_key": bool(past.get("demands_key")),
            "last": past.get("last"),
            "restarts": 0,
            "last_failure": None,
        }

    async def run(self, control: Path) -> None:
        """Serve the control socket until there is nothing more to supervise."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._finished.set)
        mask = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(self._converse, control)
        finally:
            os.umask(mask)
        write_state(self._folder, self._state)
        loop.call_later(_IDLE_S, self._finish_if_idle)
        shortening = asyncio.create_task(self._shorten_log())
        await self._finished.wait()
        shortening.cancel()
        await self._end_workers()
        # Not waited for: a client that hangs must not keep it alive.
        server.close()

    async def _shorten_log(self) -> None:
        while True:
            await asyncio.sleep(_LOG_LOOK_S)
            with suppress(OSError):
                await asyncio.to_thread(shorten, self._folder / LOG)

    def _finish_if_idle(self) -> None:
        if self._active is None and not self._turn.locked():
            self._finished.set()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send(answer: Mapping[str, object]) -> None:
            # A client that went away changes nothing about the operation.
            with suppress(ConnectionError):
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()

        try:
            request = json.loads(await reader.readline())
            answer = await self._answer(request, lambda text: send({"progress": text}))
        except Refusal as refusal:
            answer = {"ok": False, "code": refusal.code, "message": str(refusal)}
        except (ValueError, KeyError, TypeError) as error:
            answer = {"ok": False, "code": "request-invalid", "message": f"not understood: {error!r}"}
        except Exception as error:
            log.exception("operation failed")
            answer = {"ok": False, "code": "supervisor-failed", "message": f"{type(error).__name__}: {error}"}
        await send({**answer, "state": self._state})
        writer.close()
        if self._ending:
            self._finished.set()

    async def _answer(self, request: Mapping[str, Any], say: Say) -> dict[str, object]:
        if request["do"] == "status":
            groups = [group for group in (self._active, self._previous, *self._retiring) if group]
            return {"ok": True, "workers": [worker for group in groups for worker in group.describe()]}
        if self._turn.locked():
            await say("waiting for the operation before this one to end")
        async with self._turn:
            if request["do"] == "stop":
                return await self._stop(say)
            try:
                return await self._activate(request, say)
            finally:
                self._ending = self._active is None

    async def _activate(self, request: Mapping[str, Any], say: Say) -> dict[str, object]:
        if self._ending:
            raise Refusal("deployment-ending", "the supervisor is ending")
        name, operation, within_s = str(request["release"]), str(request["operation"]), float(request["within_s"])
        settings = self._carried({key: str(value) for key, value in request["settings"].items() if key in SETTINGS})
        began = time.monotonic()
        self._state["operation"] = {"operation": operation, "release": name, "started": timestamp()}
        try:
            self._announce(operation)
            release = Release.read(self._folder / "releases" / Path(name).name)
            await self._listen()
            group, rows, started = await self._prepared(release, settings, within_s, say)
            await say(f"switching to release {name}")
            changed = await self._switch(group)
        except (WorkerError, Refusal, OSError) as error:
            code = error.code if isinstance(error, Refusal) else "release-not-ready"
            self._conclude(operation, name, reason=str(error))
            raise Refusal(code, str(error)) from error
        except BaseException as error:
            self._conclude(operation, name, reason=repr(error))
            raise
        served = [old for old in self._state["served"] if old != name and (self._folder / "releases" / old).is_dir()]
        self._state |= {"status": "running", "active": name, "served": [*served, name]}
        self._state["demands_key"] = _demands_key(group.settings)
        self._conclude(operation, name)
        seconds = time.monotonic() - began
        return {"ok": True, "rows": rows, "started": started, "changed": changed, "seconds": seconds}

    def _carried(self, given: Mapping[str, str]) -> dict[str, str]:
        # A shell without the variables must not open what is closed, nor lift a limit.
        before = dict(self._active.settings) if self._active else {}
        if given.keys() & _KEYS:
            before = {name: value for name, value in before.items() if name not in _KEYS}
        return {**before, **given}

    def _announce(self, operation: str) -> None:
        # What cannot be recorded is not begun; but a full disk must not stand before the way back.
        if operation == "rollback":
            self._write_if_possible()
        else:
            write_state(self._folder, self._state)

    async def _prepared(
        self, release: Release, settings: Mapping[str, str], within_s: float, say: Say
    ) -> tuple[Group, int, bool]:
        for group in (self._active, self._previous):
            if group and group.up and group.release == release and group.settings == settings:
                await say(f"release {release.name} is loaded: asking its golden rows")
                with suppress(WorkerError):
                    return group, await group.smoke_test(), False
        assert self._listener is not None  # noqa: S101 - narrows the type: _listen came before
        if self._state["demands_key"] and not _demands_key(settings):
            raise Refusal("api-key-missing", "what serves demands an API key, and this release would not")
        await say(f"starting release {release.name} ({release.version})")
        group = Group(release, self._listener, settings, self._folder / LOG, self._failed)
        await group.start(within_s)
        await say("asking the golden rows")
        try:
            return group, await group.smoke_test(), True
        except BaseException:
            await group.stop(0)
            raise

    async def _switch(self, group: Group) -> bool:
        active = self._active
        if group is active:
            return False
        try:
            await group.accept()
        except WorkerError:
            if group is not self._previous:
                await group.stop(0)
            raise
        self._active = group
        if active is not None:
            await active.drain()
        # The recorded one, where the supervisor was started anew and nothing is loaded.
        before = self._state["active"]
        if before not in {None, group.release.name}:
            self._state["previous"] = before
        self._state["since"] = timestamp()
        self._keep_previous(active, group)
        return True

    def _keep_previous(self, before: Group | None, now: Group) -> None:
        replaced = before is not None and before.release.name == now.release.name
        previous = self._previous if replaced else before
        for group in (before, self._previous):
            if group is not None and group not in (previous, now):
                self._retire(group)
        self._previous = None if previous is now else previous

    def _retire(self, group: Group) -> None:
        async def end() -> None:
            await group.stop(_RETIRE_S)
            self._retiring.discard(group)

        self._retiring.add(group)
        task = asyncio.create_task(end())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop(self, say: Say) -> dict[str, object]:
        await say("stopping")
        self._state |= {"status": "stopped", "demands_key": False}
        await self._end_workers()
        self._conclude("stop", self._state["active"])
        self._ending = True
        return {"ok": True}

    async def _end_workers(self) -> None:
        groups = [group for group in (self._active, self._previous, *self._retiring) if group]
        if self._listener is not None:
            self._listener.close()
        await asyncio.gather(*(group.stop(0) for group in groups))
        self._active = self._previous = None

    async def _listen(self) -> None:
        if self._listener is not None:
            return
        end = time.monotonic() + _BIND_S
        while True:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", self._port))
                listener.listen(_BACKLOG)
            except OSError as error:
                listener.close()
                # Workers of a supervisor that was killed may be on their way out.
                if time.monotonic() > end:
                    raise Refusal("port-in-use", f"port {self._port} cannot be opened: {error.strerror}") from error
                await asyncio.sleep(0.1)
            else:
                self._listener = listener
                return

    def _failed(self, group: Group, reason: str) -> None:
        log.warning("%s", reason)
        self._state["restarts"] += 1
        self._state["last_failure"] = {"release": group.release.name, "reason": reason, "at": timestamp()}
        self._write_if_possible()

    def _conclude(self, operation: str, release: str | None, reason: str | None = None) -> None:
        log.info("%s of release %s: %s", operation, release, reason or "done")
        last = {
            "operation": operation,
            "release": release,
            "passed": reason is None,
            "reason": reason,
            "at": timestamp(),
        }
        self._state |= {"operation": None, "last": last}
        self._write_if_possible()

    def _write_if_possible(self) -> None:
        # A full disk must not end what serves; the truth is still told over the control socket.
        try:
            write_state(self._folder, self._state)
        except OSError as error:
            log.error("%s was not written: %s", STATE, error)  # noqa: TRY400 - the errno says it all


def _demands_key(settings: Mapping[str, str]) -> bool:
    return bool(settings.keys() & _KEYS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Supervise until stopped; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m specweave_runtime.supervisor", description="Hold a deployment.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--environment", required=True)
    parser.add_argument("--service", required=True)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    folder = options.folder.resolve()
    with (folder / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("%s has a supervisor already", folder)
            return 0
        control = control_path(folder)
        control.unlink(missing_ok=True)
        supervisor = Supervisor(
            folder, options.port, {"environment": options.environment, "service": options.service}, control
        )
        try:
            asyncio.run(supervisor.run(control))
        finally:
            control.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
