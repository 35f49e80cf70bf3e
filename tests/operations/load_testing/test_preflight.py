"""The look at a service before it is loaded, at services that mean no good."""

import asyncio
import json

import pytest
from tests.operations.load_testing.servers import Handler, serve

from specweave.errors import OperationError
from specweave.host import RealHost
from specweave.operations.load_testing.plan import parse_target
from specweave.operations.load_testing.preflight import Served, look


def answering(information: bytes, *, ready: str = "200 OK", reason: bytes = b"{}") -> Handler:
    """Answers the three requests of a look in their order."""

    async def handle(_body: dict[str, object], writer: asyncio.StreamWriter, number: int) -> None:
        content = (reason, b'{"prediction": "good"}', information)[min(number, 2)]
        status = ready if number == 0 else "200 OK"
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        writer.write(head.encode() + content)

    return handle


def seen(handler: Handler) -> Served:
    with serve(handler) as server:
        return look(RealHost(), parse_target(server.url), "{}", {"X-API-Key": "s3cret-key"})


@pytest.mark.parametrize(
    "information",
    [
        b"[" * 100_000,
        b'{"version": 1' + b"0" * 10_000 + b"}",
        b'{"version": 7, "digest": ["a"]}',
        b'{"version": "\\ud800"}',
        b'{"version": "\xff"}',
        b"null",
        b"",
    ],
)
def test_what_a_service_says_of_itself_in_no_known_form_says_nothing(information: bytes) -> None:
    assert seen(answering(information)) == Served(None, None)


def test_what_a_service_says_of_itself_is_short_and_cannot_steer_a_terminal() -> None:
    named = {"version": "\x1b]0;owned\x07 0043-v1\u202e\n" + "x" * 5_000, "digest": "d" * 5_000}
    served = seen(answering(json.dumps(named).encode()))
    assert served.version is not None
    assert served.version.startswith("]0;owned 0043-v1 xxx")
    assert (len(served.version), served.digest) == (100, "d" * 100)


def test_the_reason_why_a_service_is_not_ready_cannot_steer_a_terminal_or_tell_the_key() -> None:
    reason = b"\x1b[2J no such key:\r\n s3cret-key \xc2\x9b31m"
    with pytest.raises(OperationError) as refused:
        seen(answering(b"{}", ready="503 Service Unavailable", reason=reason))
    assert refused.value.code == "service-not-ready"
    assert refused.value.message.endswith("/health/ready answers 503: [2J no such key: *** 31m")


def test_an_answer_that_never_ends_is_not_read_to_its_end() -> None:
    taken = 0

    async def handle(_body: dict[str, object], writer: asyncio.StreamWriter, _number: int) -> None:
        nonlocal taken
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(10_000):
            writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            await writer.drain()
            taken += 65_536

    with pytest.raises(OperationError, match="an answer of more than 1,048,576 bytes"):
        seen(handle)
    assert taken < 100_000_000


def test_a_redirect_is_not_followed() -> None:
    asked = 0

    async def handle(_body: dict[str, object], writer: asyncio.StreamWriter, _number: int) -> None:
        nonlocal asked
        asked += 1
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")

    with pytest.raises(OperationError, match="answers 302"):
        seen(handle)
    assert asked == 1
