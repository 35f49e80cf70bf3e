"""Who may ask, and how often."""

import hmac
import time
from collections.abc import Callable, Iterable

from specweave_runtime.errors import RequestError

Headers = Iterable[tuple[bytes, bytes]]


class ApiKey:
    """Demands a key, in `X-API-Key` or as `Authorization: Bearer`.

    Args:
        key: the expected key; compared in constant time.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def check(self, headers: Headers) -> None:
        """Let the request pass.

        Raises:
            RequestError: 401.
        """
        shown = b""
        for name, value in headers:
            if name == b"x-api-key":
                shown = value
            elif name == b"authorization" and value[:7].lower() == b"bearer ":
                shown = value[7:].strip()
        if not hmac.compare_digest(shown, self._key):
            raise RequestError(
                401,
                "unauthorized",
                "a valid API key is wanted in X-API-Key or as a bearer token",
                headers=((b"www-authenticate", b"Bearer"),),
            )


class RateLimit:
    """A token bucket that holds one second's worth of requests. Each process has its own.

    Args:
        rate: requests a second.
        clock: seconds of a clock that never goes back.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._size = max(rate, 1.0)
        self._tokens = self._size
        self._clock = clock
        self._filled = clock()

    def check(self) -> None:
        """Take a token.

        Raises:
            RequestError: 429, with `Retry-After` in whole seconds.
        """
        now = self._clock()
        self._tokens = min(self._size, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            wait = int((1 - self._tokens) / self._rate) + 1
            raise RequestError(
                429,
                "rate-limited",
                f"more than {self._rate:g} requests a second; try again in {wait} s",
                headers=((b"retry-after", str(wait).encode()),),
            )
        self._tokens -= 1
