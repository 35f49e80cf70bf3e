"""What the surroundings decide about a service, by environment variables; the generated settings have the defaults."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_YES, _NO = frozenset({"1", "true", "yes", "on"}), frozenset({"", "0", "false", "no", "off"})


class SettingsError(ValueError):
    """An environment variable that cannot be used; the message names it, and never shows a secret."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a service runs.

    Attributes:
        package: directory of the model package (`MODEL_PACKAGE`).
        digest: expected SHA-256 of its manifest, None for any (`MODEL_DIGEST`).
        body_bytes: largest body of a request (`BODY_BYTES`).
        batch_rows: most rows in one batch (`BATCH_ROWS`).
        api_key: what clients must show, None for an open service (`API_KEY`, or a file named by `API_KEY_FILE`).
        rate_limit: requests a second and process, None for no limit (`RATE_LIMIT`).
        request_log: a line of JSON on standard output for each request, without feature values (`REQUEST_LOG`).
    """

    package: Path
    digest: str | None = None
    body_bytes: int = 1_048_576
    batch_rows: int = 1_000
    api_key: bytes | None = field(default=None, repr=False)
    rate_limit: float | None = None
    request_log: bool = False

    @classmethod
    def from_environment(
        cls, package: Path, *, body_bytes: int, batch_rows: int, environment: Mapping[str, str] = os.environ
    ) -> "Settings":
        """The settings of this process; the arguments are the defaults.

        Raises:
            SettingsError: a variable has a value that cannot be used.
        """
        return cls(
            package=Path(environment.get("MODEL_PACKAGE") or package),
            digest=environment.get("MODEL_DIGEST") or None,
            body_bytes=_positive_integer(environment, "BODY_BYTES", body_bytes),
            batch_rows=_positive_integer(environment, "BATCH_ROWS", batch_rows),
            api_key=_api_key(environment),
            rate_limit=_rate(environment),
            request_log=_flag(environment, "REQUEST_LOG"),
        )


def _positive_integer(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise SettingsError(f"{name} must be a whole number from 1, not {text!r}")
    return value


def _rate(environment: Mapping[str, str]) -> float | None:
    text = environment.get("RATE_LIMIT")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise SettingsError(f"RATE_LIMIT must be a number of requests a second above 0, not {text!r}")
    return value


def _flag(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name, "").strip().lower()
    if text not in _YES | _NO:
        raise SettingsError(f"{name} must be 0 or 1, not {text!r}")
    return text in _YES


def _api_key(environment: Mapping[str, str]) -> bytes | None:
    direct, path = environment.get("API_KEY"), environment.get("API_KEY_FILE")
    if direct and path:
        raise SettingsError("set API_KEY or API_KEY_FILE, not both")
    if not path:
        return direct.encode() if direct else None
    try:
        key = Path(path).read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"API_KEY_FILE {path} cannot be read: {error.strerror}") from error
    if not key:
        raise SettingsError(f"API_KEY_FILE {path} is empty")
    return key
