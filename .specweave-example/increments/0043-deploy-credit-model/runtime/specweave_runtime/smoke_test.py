"""The last look before a version takes traffic: ready, the one that is meant, and giving the expected answers.

Over HTTP, as a client would. Standard library only: the supervisor runs it.
"""

import http.client
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from specweave_runtime.agreement import agrees, by_class

_TIMEOUT_S = 10.0
_ROWS = 10
_PATIENCE_S = 20.0


class SmokeTestError(Exception):
    """The service does not answer as it must; the message says what was asked, expected and given."""


class Client:
    """Asks one service on this machine.

    Args:
        port: loopback port of the service.
        api_key: what the service demands, if anything.
        timeout_s: how long one answer may take, seconds.
    """

    def __init__(self, port: int, api_key: str | None = None, timeout_s: float = _TIMEOUT_S) -> None:
        self._port = port
        self._timeout_s = timeout_s
        self._headers = {"content-type": "application/json", "connection": "close"}
        if api_key:
            self._headers["x-api-key"] = api_key

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON of one answer; the text where it is no JSON.

        Raises:
            SmokeTestError: there was no answer.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout_s)
        try:
            content = None if body is None else json.dumps(body).encode()
            connection.request(method, path, content, self._headers)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise SmokeTestError(f"{method} {path} got no answer: {error!r}") from error
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text


def readiness(client: Client) -> tuple[bool, str]:
    """Whether the service says it is ready, and what it says otherwise."""
    status, answer = client.ask("GET", "/health/ready")
    if status == http.client.OK:
        return True, ""
    return False, _shown(answer.get("reason", answer) if isinstance(answer, dict) else answer)


def smoke_test(client: Client, package: Path, digest: str) -> int:
    """Ask for the identity of the model and for the answers to its golden rows.

    Args:
        client: the service.
        package: directory of the model package whose answers are expected.
        digest: its identity.

    Returns:
        How many golden rows were asked.

    Raises:
        SmokeTestError: with the first answer that is not the expected one.
    """
    status, info = client.ask("GET", "/model/info")
    if status != http.client.OK or not isinstance(info, dict) or info.get("digest") != digest:
        raise SmokeTestError(f"GET /model/info answers {status} {_shown(info)}, expected the digest {digest}")
    try:
        golden = json.loads((package / "golden.json").read_bytes())
        rows, tolerance, scale = golden["rows"][:_ROWS], float(golden["tolerance"]), float(golden["scale"])
        classes = json.loads((package / "signature.json").read_bytes())["output"]["classes"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SmokeTestError(f"the golden rows in {package} cannot be read: {error!r}") from error
    if not rows:
        raise SmokeTestError(f"{package / 'golden.json'} has no rows")
    for number, row in enumerate(rows, start=1):
        answer = _predict(client, row["features"], number)
        expected = {"prediction": row["prediction"]}
        if row.get("probabilities") is not None:
            expected["probabilities"] = by_class(classes, row["probabilities"])
        if not _agrees(answer, expected, tolerance, scale):
            raise SmokeTestError(f"golden row {number}: expected {_shown(expected)}, got {_shown(answer)}")
    return len(rows)


def _predict(client: Client, features: Mapping[str, object], number: int) -> Mapping[str, Any]:
    end = time.monotonic() + _PATIENCE_S
    while True:
        status, answer = client.ask("POST", "/predict", {"features": features})
        if status == http.client.OK and isinstance(answer, dict):
            return answer
        if status != http.client.TOO_MANY_REQUESTS or time.monotonic() > end:
            raise SmokeTestError(f"golden row {number}: POST /predict answers {status} {_shown(answer)}")
        time.sleep(0.2)


def _agrees(answer: Mapping[str, Any], expected: Mapping[str, Any], tolerance: float, scale: float) -> bool:
    given, probabilities = answer.get("prediction"), expected.get("probabilities")
    if probabilities is None:
        return agrees(given, expected["prediction"], tolerance, scale)
    if given != expected["prediction"]:
        return False
    if "probability" in answer:
        # Of two classes the service says how probable the second is.
        return agrees(answer["probability"], list(probabilities.values())[-1], tolerance, scale)
    return agrees(answer.get("probabilities"), probabilities, tolerance, scale)


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 500 else text[:500] + "…"  # noqa: PLR2004 - enough for a person, short enough for a log
