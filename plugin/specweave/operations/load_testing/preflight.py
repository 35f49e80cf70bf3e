"""A look at a service before it is loaded: is it ready, what does it serve, does it take a request at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from specweave.errors import OperationError
from specweave.host import Host
from specweave.operations.load_testing.plan import Target
from specweave.operations.load_testing.reaching import SERVICE_UNREACHABLE, tls_context, unreachable
from specweave.operations.load_testing.redaction import redact
from specweave.operations.load_testing.wording import one_line

_TIMEOUT_S = 10.0
_MOST_BYTES = 1_048_576
_EXCERPT, _LONGEST_NAME = 300, 100
_KEY_WANTED = frozenset({httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN})
_NO_SUCH_PATH = frozenset({httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED})


class Served(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a service says that it serves; None where it does not say."""

    version: str | None
    digest: str | None


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        return httpx.codes.is_success(self.status)


class _Asker:
    """Asks, and takes no more of an answer than there is room and time for."""

    def __init__(self, host: Host, client: httpx.Client, headers: Mapping[str, str]) -> None:
        self._host, self._client, self._headers = host, client, dict(headers)

    def ask(self, method: str, url: str, body: str | None = None) -> _Answer:
        """Send a request.

        Raises:
            httpx.HTTPError: no answer, or none that ends.
        """
        kind = {} if body is None else {"Content-Type": "application/json"}
        deadline, taken = self._host.monotonic() + _TIMEOUT_S, bytearray()
        with self._client.stream(method, url, content=body, headers={**kind, **self._headers}) as response:
            for chunk in response.iter_bytes():
                taken += chunk
                if len(taken) > _MOST_BYTES:
                    raise httpx.ReadError(f"an answer of more than {_MOST_BYTES:,} bytes")
                if self._host.monotonic() > deadline:
                    raise httpx.ReadTimeout(f"an answer that did not end within {_TIMEOUT_S:g} s")
        return _Answer(response.status_code, bytes(taken))


def look(
    host: Host,
    target: Target,
    body: str,
    headers: Mapping[str, str],
    *,
    insists: bool = False,
    ca_file: str | None = None,
) -> Served:
    """What serves at `target`, if it is ready.

    A service without `/health/ready` is asked for one prediction instead. Redirects are not followed.

    Args:
        host: the machine.
        target: where predictions are asked.
        body: JSON of a request that ought to be answered.
        headers: keys.
        insists: the request must be answered, for all others are of its kind.
        ca_file: see `Plan`.

    Raises:
        OperationError: `service-not-ready` with the reason; `service-unauthorized`; `request-refused`;
            `certificate-refused`, `host-unknown`.
    """

    def shown(answer: _Answer) -> str:
        text = one_line(answer.body[:_EXCERPT].decode("utf-8", "replace"), _EXCERPT)
        return f"{answer.status}: {redact(text, headers.values())}" if text else str(answer.status)

    tls = tls_context(ca_file) if target.secure else None
    with host.http(timeout_s=_TIMEOUT_S, tls=tls) as client:
        asker = _Asker(host, client, headers)
        try:
            ready = asker.ask("GET", f"{target.base}/health/ready")
            if ready.status in _KEY_WANTED:
                raise _unauthorized(target, "/health/ready", ready.status)
            if not ready.is_success and ready.status != httpx.codes.NOT_FOUND:
                raise _not_ready(target, f"/health/ready answers {shown(ready)}")
            first = asker.ask("POST", f"{target.base}{target.path}", body)
            if first.status in _KEY_WANTED:
                raise _unauthorized(target, target.path, first.status)
            if ready.status == httpx.codes.NOT_FOUND and not first.is_success:
                raise _not_ready(target, f"{target.path} answers {shown(first)}")
            if first.status in _NO_SUCH_PATH or (insists and not first.is_success):
                raise OperationError(
                    "request-refused",
                    f"{target.base}{target.path} answers {shown(first)} to the first request",
                    next_step="correct the path, /predict if none is given"
                    if first.status in _NO_SUCH_PATH
                    else "correct the bodies, or send the rows of the package: --bodies golden",
                )
            information = asker.ask("GET", f"{target.base}/model/info")
        except (httpx.HTTPError, UnicodeError) as error:
            reason = unreachable(target, error)
            if reason.code == SERVICE_UNREACHABLE:
                reason = _not_ready(target, f"no answer: {error or type(error).__name__}")
            raise reason from error
    return _served(information)


def _served(information: _Answer) -> Served:
    try:
        known = msgspec.json.decode(information.body, type=dict[str, Any]) if information.is_success else {}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        known = {}
    return Served(*(_name(known.get(key)) for key in ("version", "digest")))


def _name(value: object) -> str | None:
    """What a service calls something; None where that is no text, or none but blanks."""
    return (one_line(value, _LONGEST_NAME) or None) if isinstance(value, str) else None


def _unauthorized(target: Target, path: str, status: int) -> OperationError:
    return OperationError(
        "service-unauthorized",
        f"{target.base}{path} answers {status}: it demands a key",
        next_step="put the key into the environment variable SPECWEAVE_API_KEY, or name the header and the variable "
        "that holds it: --header Authorization=TOKEN",
    )


def _not_ready(target: Target, reason: str) -> OperationError:
    return OperationError(
        "service-not-ready",
        f"the service at {target.base} is not ready: {reason}",
        next_step="start it or wait for it; /ml:status shows what runs here",
    )
