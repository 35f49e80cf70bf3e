"""A look at a service before it is loaded: is it ready, what does it serve, does it take a request at all."""

import json
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

from specweave.errors import OperationError
from specweave.host import Host
from specweave.operations.load_testing.plan import Target
from specweave.operations.load_testing.redaction import redact

_TIMEOUT_S = 10.0
_EXCERPT = 300
_NO_SUCH_PATH = frozenset({httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED})


class Served(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a service says that it serves; None where it does not say."""

    version: str | None
    digest: str | None


def look(host: Host, target: Target, body: str, headers: Mapping[str, str], *, insists: bool = False) -> Served:
    """What serves at `target`, if it is ready.

    A service without `/health/ready` is asked for one prediction instead. Redirects are not followed.

    Args:
        host: the machine.
        target: where predictions are asked.
        body: JSON of a request that ought to be answered.
        headers: keys.
        insists: the request must be answered, for all others are of its kind.

    Raises:
        OperationError: `service-not-ready` with the reason; `service-unauthorized`; `request-refused`.
    """

    def shown(response: httpx.Response) -> str:
        text = redact(response.text[:_EXCERPT].strip(), headers.values())
        return f"{response.status_code}: {text}" if text else str(response.status_code)

    with host.http(timeout_s=_TIMEOUT_S) as client:
        try:
            ready = client.get(f"{target.base}/health/ready", headers=dict(headers))
            if not ready.is_success and ready.status_code != httpx.codes.NOT_FOUND:
                raise _not_ready(target, f"/health/ready answers {shown(ready)}")
            first = client.post(
                f"{target.base}{target.path}", content=body, headers={"Content-Type": "application/json", **headers}
            )
            if first.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
                raise OperationError(
                    "service-unauthorized",
                    f"{target.base}{target.path} answers {first.status_code}: it demands a key",
                    next_step="put the key into the environment variable SPECWEAVE_API_KEY, or name the header and the "
                    "variable that holds it: --header Authorization=TOKEN",
                )
            if ready.status_code == httpx.codes.NOT_FOUND and not first.is_success:
                raise _not_ready(target, f"{target.path} answers {shown(first)}")
            if first.status_code in _NO_SUCH_PATH or (insists and not first.is_success):
                raise OperationError(
                    "request-refused",
                    f"{target.base}{target.path} answers {shown(first)} to the first request",
                    next_step="correct the path, /predict if none is given"
                    if first.status_code in _NO_SUCH_PATH
                    else "correct the bodies, or send the rows of the package: --bodies golden",
                )
            information = client.get(f"{target.base}/model/info", headers=dict(headers))
        except httpx.HTTPError as error:
            raise _not_ready(target, f"no answer: {error or type(error).__name__}") from error
    return _served(information)


def _served(information: httpx.Response) -> Served:
    try:
        document: Any = information.json() if information.is_success else {}
    except (json.JSONDecodeError, UnicodeDecodeError):
        document = {}
    known = document if isinstance(document, dict) else {}
    version, digest = known.get("version"), known.get("digest")
    return Served(
        version if isinstance(version, str) else None,
        digest if isinstance(digest, str) else None,
    )


def _not_ready(target: Target, reason: str) -> OperationError:
    return OperationError(
        "service-not-ready",
        f"the service at {target.base} is not ready: {reason}",
        next_step="start it or wait for it; /ml:status shows what runs here",
    )
