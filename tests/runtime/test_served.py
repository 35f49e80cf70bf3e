"""The generated service as a process, with its vendored runtime: what only a real server and real bytes show."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.runtime.test_service import BAD_ROWS, ROW, body

from specweave.increments.store import Increment

DEADLINE_S = 30


@pytest.fixture(scope="module")
def port(pipeline_service: Increment) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": "runtime"}
    argv = [sys.executable, "-m", "specweave_runtime.server", "api.main:app", "--port", str(number)]
    with subprocess.Popen(argv, cwd=pipeline_service.folder, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(number)
            yield number
        finally:
            process.terminate()
            assert process.wait(DEADLINE_S) == 0


def wait_for(port: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise TimeoutError(f"nothing listens on {port}")


def post(port: int, content: bytes, path: str = "/predict") -> tuple[int, dict[str, object]]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)) as connection:
        connection.request("POST", path, content, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def raw(port: int, content: bytes) -> bytes:
    """What comes back until the server closes; our side is closed first."""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_it_runs_the_vendored_runtime(pipeline_service: Increment) -> None:
    code = "import specweave_runtime; print(specweave_runtime.__file__)"
    shown = subprocess.run(
        [sys.executable, "-c", code],
        cwd=pipeline_service.folder,
        env={**os.environ, "PYTHONPATH": "runtime"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip().endswith("runtime/specweave_runtime/__init__.py")
    assert "0043-deploy-small-model" in os.path.realpath(pipeline_service.folder / shown.stdout.strip())


def test_every_bad_row_is_refused_and_the_service_lives_on(port: int) -> None:
    for name, (content, status, code, field) in BAD_ROWS.items():
        answered, answer = post(port, content)
        assert (name, answered, answer["error"]) == (name, status, {**answer["error"], "code": code, "field": field})  # type: ignore[dict-item]
    assert post(port, body(ROW))[0] == 200


def test_ten_megabytes_are_refused_with_an_answer(port: int) -> None:
    status, answer = post(port, b"[" * 10_000_000)
    assert (status, answer["error"]["code"]) == (413, "body-too-large")  # type: ignore[index]


def test_a_chunked_body_is_taken(port: int) -> None:
    content = body(ROW)
    head = b"POST /predict HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    chunks = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (5, content[:5], len(content) - 5, content[5:])
    assert raw(port, head + chunks).startswith(b"HTTP/1.1 200 OK")


def test_a_body_longer_than_it_says_is_refused(port: int) -> None:
    content = body(ROW)
    head = b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (len(content) - 3)
    assert raw(port, head + content).startswith(b"HTTP/1.1 400 Bad Request")


@pytest.mark.parametrize(
    "content",
    [
        b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n" + body(ROW),
        b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n{}",
        b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: many\r\n\r\n{}",
        b"POST /predict HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /predict HTTP/9.9\r\n\r\n",
        b"\x00\xff\xfe",
    ],
    ids=["body shorter than it says", "negative length", "no length", "broken chunk", "no HTTP", "no text"],
)
def test_a_broken_request_gets_no_prediction_and_harms_nobody(port: int, content: bytes) -> None:
    assert b"prediction" not in raw(port, content)
    assert post(port, body(ROW))[0] == 200


def test_requests_that_follow_each_other_unasked_are_answered_in_order(port: int) -> None:
    good, bad = body(ROW), b"{}"
    requests = [
        b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%b" % (len(it), it) for it in (good, bad)
    ]
    last = requests[1].replace(b"host: a", b"connection: close")
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as connection:
        connection.sendall(b"".join([*requests, requests[0], last]))
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert re.findall(rb"HTTP/1\.1 (\d+)", answers) == [b"200", b"422"] * 2
