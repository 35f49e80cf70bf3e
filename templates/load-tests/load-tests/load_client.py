"""The connections of a worker to the service, and whether an answer is the right one."""

import os
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from gevent.pool import Pool
from gevent.timeout import Timeout
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError
from geventhttpclient.url import URL
from locust.contrib.fasthttp import FastHttpSession
from locust.env import Environment
from specweave_runtime.agreement import agrees

from answer_form import AnswerForm, find_form_fault
from load_figures import CORRECT

UNFINISHED, WRONG_ANSWER, MALFORMED, TIMEOUT, REFUSED, RESET, CLOSED = 0, 2, 3, 5, 6, 7, 8
NAMES = {
    UNFINISHED: "unfinished",
    WRONG_ANSWER: "wrong answer",
    MALFORMED: "malformed answer",
    TIMEOUT: "timeout",
    REFUSED: "connection refused",
    RESET: "connection reset",
    CLOSED: "connection closed before the answer",
}
ENDINGS: Mapping[type[Exception], int] = {
    HTTPConnectionClosed: CLOSED,
    HTTPParseError: MALFORMED,
    ConnectionResetError: RESET,
    BrokenPipeError: RESET,
}
LOWEST_STATUS = 100
EXCERPT = 200


class UnreachableError(Exception):
    """No connection could be opened before the test.

    Attributes:
        code: why, for programs.
    """

    def __init__(self, address: str, error: Exception) -> None:
        codes: Mapping[type[Exception], str] = {
            ssl.SSLCertVerificationError: "certificate-refused",
            socket.gaierror: "host-unknown",
        }
        super().__init__(f"{address} cannot be reached: {error}")
        self.code = codes.get(type(error), "service-unreachable")


def cause(outcome: int) -> str:
    """How a request ended, for people: `timeout`, `status 503`."""
    return f"status {outcome}" if outcome >= LOWEST_STATUS else NAMES[outcome]


class Client:
    """The connections of this worker to the service, and what is sent over them.

    Args:
        environment: hears of each request, for Locust's own statistics.
        plan: as in plan.json.
        connections: how many may be open.
    """

    def __init__(self, environment: Environment, plan: Mapping[str, Any], connections: int) -> None:
        parts = urlsplit(plan["url"])
        self.path = parts.path + (f"?{parts.query}" if parts.query else "")
        self.session: Any = FastHttpSession(
            f"{parts.scheme}://{parts.netloc}",
            environment.events.request,
            user=None,
            insecure=False,
            concurrency=connections,
            max_retries=0,
            network_timeout=plan["timeout_s"],
            connection_timeout=plan["timeout_s"],
            ssl_context_factory=_trusting(plan.get("ca")),
        )
        # Callers of an API keep no cookies; and requests go where the plan says, whatever the answers say.
        agent: Any = self.session.client
        agent.cookiejar, agent.redirect_response_codes = None, frozenset()
        values = {name: os.environ[variable] for name, variable in plan["header_variables"].items()}
        accepted = {"Accept": "application/json", "Accept-Encoding": "identity"}
        self.headers = {**accepted, "Content-Type": "application/json", **values}
        self.secrets = tuple(values.values())
        self.corpus = plan["corpus"]
        self.bodies = [exchange["body"].encode() for exchange in self.corpus]
        self.forms = [msgspec.convert(it["form"], AnswerForm) if it.get("form") else None for it in self.corpus]
        self.tolerance, self.scale, self.timeout_s = plan["tolerance"], plan["scale"], plan["timeout_s"]
        self.dialled = 0
        client = agent.clientpool.get_client(URL(plan["url"]))
        self._pool: Any = client._connection_pool  # noqa: SLF001 - it has no other way to open connections beforehand
        self._pool.after_connect = self._count

    def dial(self, connections: int) -> None:
        """Open so many connections: dialling during a step would be counted as latency."""
        dialling = Pool(32)
        opened = list(dialling.imap_unordered(self._dialled, range(connections)))
        for connection in opened:
            if not isinstance(connection, Exception):
                self._pool.return_socket(connection)
        failures = [connection for connection in opened if isinstance(connection, Exception)]
        if len(failures) == connections:
            raise UnreachableError(self.session.base_url, failures[0])

    def _dialled(self, _number: int) -> Any:
        try:
            return self._pool.get_socket()
        except OSError as error:
            return error

    def _count(self, _connection: object) -> None:
        self.dialled += 1

    def find_fault(self, place: int, answer: bytes) -> tuple[int, str]:
        """How a request with a successful status ended, and what is wrong with the answer."""
        try:
            document = msgspec.json.decode(answer, type=dict[str, Any])
        except (msgspec.MsgspecError, RecursionError) as error:
            return MALFORMED, f"no JSON object: {error}: {_excerpt(answer)}"
        exchange, form = self.corpus[place], self.forms[place]
        for field, value in exchange.get("expected", {}).items():
            if field not in document:
                return WRONG_ANSWER, f"{field} is missing"
            if not self._is_right(document[field], value):
                return WRONG_ANSWER, f"{field} is {document[field]!r}, expected {value!r}"
        for field, value in exchange.get("expected_if_given", {}).items():
            if field in document and not self._is_right(document[field], value):
                return WRONG_ANSWER, f"{field} is {document[field]!r}, expected {value!r}"
        fault = find_form_fault(document, form) if form else None
        return (WRONG_ANSWER, fault) if fault else (CORRECT, "")

    def _is_right(self, given: object, expected: object) -> bool:
        try:
            return agrees(given, expected, self.tolerance, self.scale)
        except OverflowError:
            return False  # an integer beyond every float


def ending(response: Any) -> tuple[int, str]:
    """How a request ended, as far as status and connection say."""
    status = response.status_code
    if status:
        return (CORRECT, "") if status // 100 == 2 else (status, _excerpt(response.content or b""))  # noqa: PLR2004 - success
    error = getattr(response.error, "original", response.error)
    if isinstance(error, Timeout | TimeoutError):
        return TIMEOUT, "the answer did not come in time"
    found = next((outcome for kind, outcome in ENDINGS.items() if isinstance(error, kind)), REFUSED)
    return found, f"{type(error).__name__}: {error}"


def _excerpt(answer: bytes) -> str:
    return answer[:EXCERPT].decode("utf-8", "replace") + ("…" if len(answer) > EXCERPT else "")


def _trusting(authorities: str | None) -> Callable[..., ssl.SSLContext]:
    def make(cafile: str | None = None) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=None if authorities else cafile, cadata=authorities)

    return make
