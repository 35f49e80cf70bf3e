"""The server process: plain as a container runs it, and its obedience to a supervisor."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.runtime.deployments import exists, free_port, until

APPLICATION = """
import asyncio, os, pathlib

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            if pathlib.Path("refuse").exists():
                await send({"type": "lifespan.startup.failed", "message": "no"})
                return
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                pathlib.Path("ended").touch()
                return
    if scope["path"] == "/slow":
        pathlib.Path("under-way").touch()
        while not pathlib.Path("go-on").exists():
            await asyncio.sleep(0.01)
    if scope["path"] == "/block":
        pathlib.Path("under-way").touch()
        import time
        time.sleep(1000)
    body = str(os.getpid()).encode()
    if scope["path"] == "/body":
        size = 0
        while (message := await receive())["type"] == "http.request":
            size += len(message["body"])
            if not message["more_body"]:
                break
        else:
            pathlib.Path("disconnected").touch()
        body = str(size).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.py").write_text(APPLICATION)
    return tmp_path


@contextmanager
def serving(folder: Path, *arguments: str, pass_fds: tuple[int, ...] = ()) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "specweave_runtime.server", *arguments],
            cwd=folder,
            stdout=log,
            stderr=log,
            pass_fds=pass_fds,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def plain(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port()
    with serving(folder, "tiny:app", "--port", str(port)) as process:
        until(lambda: answers(port))
        yield process, f"http://127.0.0.1:{port}"


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", trust_env=False, timeout=30).is_success
    except httpx.TransportError:
        return False


def test_it_serves_on_loopback_and_does_not_name_its_software(plain: tuple[subprocess.Popen[bytes], str]) -> None:
    answer = httpx.get(plain[1], trust_env=False)
    assert answer.text == str(plain[0].pid)
    assert "server" not in answer.headers


def test_sigterm_answers_what_is_under_way_then_ends_with_status_0(
    plain: tuple[subprocess.Popen[bytes], str], folder: Path
) -> None:
    process, address = plain
    texts: list[str] = []
    client = threading.Thread(
        target=lambda: texts.append(httpx.get(f"{address}/slow", trust_env=False, timeout=60).text)
    )
    client.start()
    until((folder / "under-way").exists)
    process.send_signal(signal.SIGTERM)
    until(lambda: not answers(int(address.rpartition(":")[2])))
    (folder / "go-on").touch()
    client.join()
    assert texts == [str(process.pid)]
    assert process.wait(60) == 0
    assert (folder / "ended").exists()


def test_it_writes_no_line_for_a_request(plain: tuple[subprocess.Popen[bytes], str], folder: Path) -> None:
    httpx.get(f"{plain[1]}/a-path-to-look-for", trust_env=False)
    assert "a-path-to-look-for" not in (folder / "log").read_text()


def test_a_port_in_use_is_said_and_ends_with_an_error(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        with serving(folder, "tiny:app", "--port", port) as process:
            assert process.wait(60) != 0
    assert "address already in use" in (folder / "log").read_text()


class Supervised:
    """A worker, and the supervisor's end of its control socket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.control, self.theirs = socket.socketpair()
        self.control.settimeout(60)
        self.lines = self.control.makefile("rb")

    @contextmanager
    def running(self, app: str = "tiny:app") -> Iterator[subprocess.Popen[bytes]]:
        numbers = (self.listener.fileno(), self.theirs.fileno())
        arguments = ("--listener", str(numbers[0]), "--control", str(numbers[1]))
        with serving(self.folder, app, *arguments, pass_fds=numbers) as process:
            self.theirs.close()
            yield process

    def tell(self, command: str, **facts: object) -> None:
        self.control.sendall(json.dumps({"do": command, **facts}).encode() + b"\n")

    def hear(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.lines.readline())
        return event

    def close(self) -> None:
        self.lines.close()
        self.control.close()
        self.theirs.close()
        self.listener.close()


@pytest.fixture
def supervised(folder: Path) -> Iterator[Supervised]:
    made = Supervised(folder)
    yield made
    made.close()


def test_a_worker_serves_privately_until_it_is_told_to_accept(supervised: Supervised) -> None:
    with supervised.running() as process:
        event = supervised.hear()
        assert event["event"] == "listening"
        assert httpx.get(f"http://127.0.0.1:{event['port']}/", trust_env=False).text == str(process.pid)
        with socket.create_connection(("127.0.0.1", supervised.port)) as waiting:
            waiting.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            waiting.settimeout(60)
            supervised.tell("accept")
            assert supervised.hear() == {"event": "accepting"}
            assert waiting.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_draining_worker_lets_clients_go_at_their_next_request_and_can_accept_again(supervised: Supervised) -> None:
    address = f"http://127.0.0.1:{supervised.port}/"
    with supervised.running(), httpx.Client(trust_env=False, timeout=60) as client:
        supervised.hear()
        supervised.tell("accept")
        supervised.hear()
        assert "connection" not in client.get(address).headers
        supervised.tell("drain")
        assert supervised.hear() == {"event": "draining"}
        # The connection that was idle is still good for one request.
        assert client.get(address).headers["connection"] == "close"
        assert supervised.hear() == {"event": "drained"}
        supervised.tell("accept")
        assert supervised.hear() == {"event": "accepting"}
        assert "connection" not in client.get(address).headers


def test_a_draining_worker_leaves_new_connections_in_the_shared_queue(supervised: Supervised) -> None:
    with supervised.running():
        supervised.hear()
        for command, answer in (("accept", "accepting"), ("drain", "draining")):
            supervised.tell(command)
            assert supervised.hear() == {"event": answer}
        with socket.create_connection(("127.0.0.1", supervised.port)) as client:
            taken, _ = supervised.listener.accept()
            with taken:
                assert taken.getpeername() == client.getsockname()


def test_stop_lets_an_idle_client_come_back_once_more_before_the_end(supervised: Supervised) -> None:
    address = f"http://127.0.0.1:{supervised.port}/"
    with supervised.running() as process, httpx.Client(trust_env=False, timeout=60) as client:
        supervised.hear()
        supervised.tell("accept")
        supervised.hear()
        client.get(address)
        supervised.tell("stop", within_s=60)
        assert supervised.hear() == {"event": "draining"}
        assert client.get(address).headers["connection"] == "close"
        assert process.wait(60) == 0


@pytest.mark.parametrize("unread", [False, True])
def test_the_end_of_the_supervisor_ends_the_worker(supervised: Supervised, *, unread: bool) -> None:
    with supervised.running() as process:
        if not unread:
            supervised.hear()
        else:
            # What was sent and never read turns the end of the connection into a reset.
            until(lambda: select_readable(supervised.control))
        supervised.lines.close()
        supervised.control.close()
        assert process.wait(60) == 0
    assert (supervised.folder / "ended").exists()


def select_readable(stream: socket.socket) -> bool:
    import select  # noqa: PLC0415 - beside its only use

    return bool(select.select([stream], [], [], 0)[0])


def test_an_application_that_cannot_be_imported_is_reported_with_its_reason(supervised: Supervised) -> None:
    (supervised.folder / "broken.py").write_text("raise RuntimeError('no such library')")
    with supervised.running("broken:app") as process:
        event = supervised.hear()
        assert event["event"] == "failed"
        assert "RuntimeError: no such library" in event["reason"]
        assert process.wait(60) != 0


def test_an_application_that_refuses_to_start_is_reported(supervised: Supervised) -> None:
    (supervised.folder / "refuse").touch()
    with supervised.running() as process:
        assert supervised.hear()["event"] == "failed"
        assert process.wait(60) != 0


def test_no_descriptor_of_the_deployment_reaches_a_child_of_the_worker(supervised: Supervised) -> None:
    (supervised.folder / "parent.py").write_text(
        "import subprocess, sys, os\nfrom tiny import app\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'], close_fds=False)\n"
        "open('child', 'w').write(str(child.pid))\n"
    )
    with supervised.running("parent:app"):
        supervised.hear()
        child = int((supervised.folder / "child").read_text())
        try:
            assert exists(child)
            links = [str(path.readlink()) for path in Path(f"/proc/{child}/fd").iterdir()]
            assert not [link for link in links if link.startswith("socket:")]
        finally:
            os.kill(child, signal.SIGKILL)


QUICK = """
import sys
from specweave_runtime import connections, server

connections.RECEIVE_S = 0
sys.exit(server.main(sys.argv[1:]))
"""


@pytest.fixture
def impatient(folder: Path) -> Iterator[int]:
    """A server that gives a request one second or two to arrive; its port."""
    port = free_port()
    program = [sys.executable, "-c", QUICK, "tiny:app", "--port", str(port)]
    with (folder / "log").open("ab") as log, subprocess.Popen(program, cwd=folder, stdout=log, stderr=log) as process:
        try:
            until(lambda: answers(port))
            yield port
        finally:
            process.kill()


def test_half_a_head_is_answered_and_let_go(impatient: int) -> None:
    with socket.create_connection(("127.0.0.1", impatient), timeout=30) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_body_that_does_not_come_is_let_go_and_the_application_knows(impatient: int, folder: Path) -> None:
    with socket.create_connection(("127.0.0.1", impatient), timeout=30) as client:
        client.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
        assert client.recv(4096) == b""
    until((folder / "disconnected").exists)


def test_a_client_that_is_idle_between_requests_is_not_hurried(impatient: int) -> None:
    slow = socket.create_connection(("127.0.0.1", impatient), timeout=30)
    with slow, closing(HTTPConnection("127.0.0.1", impatient, timeout=30)) as idle:
        idle.request("GET", "/")
        assert idle.getresponse().read()
        connection = idle.sock
        slow.sendall(b"GET ")
        assert slow.recv(4096).startswith(b"HTTP/1.1 408 ")
        idle.request("GET", "/")
        assert idle.getresponse().status == 200
        assert idle.sock is connection, "it was not closed in between"


def test_a_request_that_waits_behind_another_is_not_too_slow(impatient: int, folder: Path) -> None:
    slow = socket.create_connection(("127.0.0.1", impatient), timeout=30)
    with slow, socket.create_connection(("127.0.0.1", impatient), timeout=30) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        until((folder / "under-way").exists)
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
        slow.sendall(b"GET ")
        assert slow.recv(4096).startswith(b"HTTP/1.1 408 ")
        (folder / "go-on").touch()
        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")


def is_refused(client: socket.socket, more: bytes) -> bool:
    """Whether the server closes the connection before it has taken 20 MB."""
    try:
        for _ in range(20_000_000 // len(more)):
            client.sendall(more)
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize("line", [b"X-Long: " + b"a" * 4000, b"X-Many: a\r\n" * 400])
def test_a_head_without_end_is_refused(plain: tuple[subprocess.Popen[bytes], str], line: bytes) -> None:
    port = int(plain[1].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
        assert is_refused(client, line)


def test_trailers_without_end_are_refused(plain: tuple[subprocess.Popen[bytes], str]) -> None:
    port = int(plain[1].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n")
        assert is_refused(client, b"X-Many: a\r\n" * 400)


def test_a_large_body_in_tiny_chunks_is_taken(plain: tuple[subprocess.Popen[bytes], str]) -> None:
    answer = httpx.post(f"{plain[1]}/body", content=(b"a" for _ in range(50_000)), trust_env=False, timeout=30)
    assert (answer.status_code, answer.text) == (200, "50000")
