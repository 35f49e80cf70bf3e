"""The only module that touches processes, the network and the clock.

Everything above receives a `Host` as an argument; tests pass one whose answers they choose.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from specweave import leash
from specweave.errors import HostError

if TYPE_CHECKING:
    import ssl

    import httpx


_CREDENTIALS = re.compile(r"//[^/@\s]+@")

# The keeper of an attached process gives that process less (specweave.leash).
_END_S = 15.0
_WATCH_S = 0.2
# A datagram socket that is connected looks for its route, and sends nothing.
_ANY_PORT = 9


@dataclass(frozen=True, slots=True)
class Completed:
    """A process that ended.

    Attributes:
        argv: the argument list that was run.
        returncode: exit status; negative for the signal that ended it.
        stdout: everything written to standard output, decoded as UTF-8 with replacement.
        stderr: the same of standard error.
        seconds: wall-clock time.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float


class Host(Protocol):
    """What specweave asks of the machine."""

    def now(self) -> datetime:
        """The present time, UTC, aware."""

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""

    def sleep(self, seconds: float) -> None:
        """Wait; only for polling a condition, with a deadline."""

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        on_line: Callable[[str], None] | None = None,
        on_wait: Callable[[], None] | None = None,
        end_s: float = 0.0,
    ) -> Completed:
        """Run a program to its end; `env` is added to the inherited one; `on_line` sees each line of stderr.

        `on_wait` is called a few times a second meanwhile. When it is interrupted the program is asked to end and gets
        `end_s` seconds for it.
        """

    def start_daemon(self, argv: Sequence[str], *, cwd: Path, log: Path, env: Mapping[str, str] | None = None) -> int:
        """Start a process in a session of its own that outlives this one; its process id."""

    def attached(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        log: Path,
        env: Mapping[str, str] | None = None,
        cores: Sequence[int] = (),
    ) -> AbstractContextManager[Callable[[], int | None]]:
        """A process that ends with the block and with this process, however that ends; gives its exit status."""

    def http(self, *, timeout_s: float = 5.0, tls: "ssl.SSLContext | None" = None) -> "httpx.Client":
        """A client for single calls; redirects are not followed, proxies of the environment are not used.

        `tls` says which certificates are trusted; without it those that certifi lists.
        """

    def port_is_free(self, port: int, address: str = "127.0.0.1") -> bool:
        """Whether a listener could be opened there now."""

    def free_port(self) -> int:
        """A loopback TCP port that nothing listened on a moment ago."""

    def address_towards(self, machine: str) -> str:
        """The address of this machine that another one can reach; nothing is sent."""


class RealHost:
    """The machine this process runs on."""

    def now(self) -> datetime:
        """The present time, UTC, aware."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait; only for polling a condition, with a deadline."""
        time.sleep(seconds)

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        on_line: Callable[[str], None] | None = None,
        on_wait: Callable[[], None] | None = None,
        end_s: float = 0.0,
    ) -> Completed:
        """Run a program to its end.

        The child gets a process group of its own, which is ended with it on timeout or interruption, and when `on_line`
        or `on_wait` raises; what it raised is then raised here. It ends with this process, however that ends. When it
        is interrupted it is asked to end and gets `end_s` seconds for it; a second interruption ends it at once.

        Raises:
            HostError: `program-missing` when it cannot be started, `timeout` when it takes longer than `timeout_s`.
        """
        started = time.monotonic()
        require_program(argv[0], cwd)
        try:
            process = subprocess.Popen(
                _leashed(argv),
                cwd=cwd,
                env={**os.environ, **env} if env else None,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise _program_missing(argv[0], str(error.strerror)) from error
        stderr: list[str] = []
        failures: list[BaseException] = []
        end = _Ending(process, end_s)
        reader = threading.Thread(target=_drain, args=(process, stderr, on_line, failures, end), daemon=True)
        timer = threading.Timer(timeout_s, _end_group, args=(process,)) if timeout_s else None
        ended = threading.Event()
        watcher = threading.Thread(target=_watch, args=(on_wait, failures, ended, end), daemon=True)
        reader.start()
        watcher.start()
        if timer:
            timer.start()
        try:
            assert process.stdout is not None  # noqa: S101 - narrows the type: stdout=PIPE was given
            stdout = process.stdout.read()
            returncode = process.wait()
            reader.join()
        except BaseException:
            end()
            _wait(process)
            raise
        finally:
            end.is_over()
            ended.set()
            watcher.join()
            if timer:
                timer.cancel()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream and not reader.is_alive():
                    stream.close()
        if failures:
            raise failures[0]
        _require_started(argv[0], returncode, stderr)
        seconds = time.monotonic() - started
        if timeout_s and seconds >= timeout_s and returncode < 0:
            raise HostError("timeout", f"{argv[0]} took longer than {timeout_s:g} s and was stopped")
        return Completed(tuple(argv), returncode, stdout, "".join(stderr), seconds)

    def start_daemon(self, argv: Sequence[str], *, cwd: Path, log: Path, env: Mapping[str, str] | None = None) -> int:
        """Start a process in a session of its own that outlives this one; its process id."""
        with log.open("ab") as output:
            try:
                process = subprocess.Popen(
                    list(argv),
                    cwd=cwd,
                    env={**os.environ, **env} if env else None,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as error:
                raise HostError("program-missing", f"cannot start {argv[0]}: {error.strerror}") from error
        # The child is not ours to wait for: forget it, so that its life does not end in a ResourceWarning here.
        process.returncode = 0
        return process.pid

    @contextmanager
    def attached(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        log: Path,
        env: Mapping[str, str] | None = None,
        cores: Sequence[int] = (),
    ) -> Iterator[Callable[[], int | None]]:
        """A process that ends with the block and with this process, however that ends.

        `env` is added to the inherited one; `cores` are where it may run, empty for anywhere.

        Yields:
            A function that says its exit status, None while it runs.

        Raises:
            HostError: `program-missing`.
        """
        keeper = _leashed(argv, cores)
        with log.open("ab") as output:
            try:
                process = subprocess.Popen(
                    keeper,
                    cwd=cwd,
                    env={**os.environ, **env} if env else None,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as error:
                raise HostError("program-missing", f"cannot start {argv[0]}: {error.strerror}") from error
        try:
            yield process.poll
        finally:
            assert process.stdin is not None  # noqa: S101 - narrows the type: stdin=PIPE was given
            process.stdin.close()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                _end_group(process)
                process.wait()

    def http(self, *, timeout_s: float = 5.0, tls: "ssl.SSLContext | None" = None) -> "httpx.Client":
        """A client for single calls; redirects are not followed, proxies of the environment are not used.

        `tls` says which certificates are trusted; without it those that certifi lists.
        """
        import httpx  # noqa: PLC0415 - 0.2 s of start-up that most commands do not need

        return httpx.Client(timeout=timeout_s, trust_env=False, verify=True if tls is None else tls)

    def port_is_free(self, port: int, address: str = "127.0.0.1") -> bool:
        """Whether a listener could be opened there now."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
        return True

    def free_port(self) -> int:
        """A loopback TCP port that nothing listened on a moment ago."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            return port

    def address_towards(self, machine: str) -> str:
        """The address of this machine that another one can reach, by the routes of the system; nothing is sent.

        Raises:
            HostError: `host-unknown`.
        """
        try:
            family, kind, _, _, address = socket.getaddrinfo(machine, _ANY_PORT, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, kind) as probe:
                probe.connect(address)
                own: str = probe.getsockname()[0]
        except (OSError, UnicodeError) as error:
            raise HostError(
                "host-unknown",
                f"there is no way to {machine[:200]!r}: {error}",
                next_step="name the machine as it is known here, or by its address",
            ) from error
        return own


def _leashed(argv: Sequence[str], cores: Sequence[int] = ()) -> list[str]:
    # Without site-packages (-S) the keeper starts in a third of the time.
    return [sys.executable, "-I", "-S", str(leash.__file__), ",".join(map(str, cores)), *argv]


def _require_started(program: str, returncode: int, stderr: Sequence[str]) -> None:
    if returncode == leash.NOT_STARTED and stderr and stderr[0].startswith(leash.CANNOT_START):
        raise _program_missing(program, stderr[0].rpartition(": ")[2].strip())


def require_program(program: str, cwd: Path | None = None) -> None:
    """Refuse a program that cannot be started from a folder; one without a slash is looked for on PATH.

    Raises:
        HostError: `program-missing`.
    """
    if shutil.which(str((cwd or Path()) / program) if "/" in program else program) is None:
        raise _program_missing(program, "it is not there, or no program")


def _program_missing(program: str, reason: str) -> HostError:
    name = Path(program).name
    return HostError(
        "program-missing", f"cannot start {program}: {reason}", next_step=f"install {name} or correct its path"
    )


def tool_python() -> str:
    """The interpreter that runs the tool."""
    return sys.executable


def uv_program() -> str:
    """The uv that was installed with the tool.

    Raises:
        HostError: `program-missing`.
    """
    from uv import find_uv_bin  # noqa: PLC0415 - most commands need no uv

    try:
        return find_uv_bin()
    except FileNotFoundError as error:
        raise HostError(
            "program-missing", "uv is not installed beside the tool", next_step="install specweave-ml again"
        ) from error


def _drain(
    process: subprocess.Popen[str],
    lines: list[str],
    on_line: Callable[[str], None] | None,
    failures: list[BaseException],
    end: Callable[[], None],
) -> None:
    assert process.stderr is not None  # noqa: S101 - narrows the type: stderr=PIPE was given
    for line in process.stderr:
        lines.append(line)
        if on_line and not failures:
            try:
                on_line(line.rstrip("\n"))
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for the process
                failures.append(error)
                end()


def _watch(
    on_wait: Callable[[], None] | None,
    failures: list[BaseException],
    ended: threading.Event,
    end: Callable[[], None],
) -> None:
    while on_wait and not failures and not ended.wait(_WATCH_S):
        try:
            on_wait()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for the process
            failures.append(error)
            end()


class _Ending:
    """Ends a process and its group: asks first where it may take its time."""

    def __init__(self, process: subprocess.Popen[str], end_s: float) -> None:
        self._process = process
        self._timer = threading.Timer(end_s, _end_group, args=(process,)) if end_s else None

    def __call__(self) -> None:
        if self._timer is None:
            _end_group(self._process)
        elif not self._timer.ident:
            # The keeper hands it on to the program.
            self._process.terminate()
            self._timer.start()

    def is_over(self) -> None:
        """The process ended: nothing is left to be killed."""
        if self._timer:
            self._timer.cancel()


def _wait(process: subprocess.Popen[str]) -> None:
    try:
        process.wait()
    except BaseException:
        _end_group(process)
        process.wait()
        raise


def _end_group(process: subprocess.Popen[Any]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def without_credentials(text: str) -> str:
    """What a program printed, without the name and password in addresses: it goes into logs and messages.

    >>> without_credentials("Looking in https://me:secret@index.example/simple")
    'Looking in https://…@index.example/simple'
    """
    return _CREDENTIALS.sub("//…@", text)
