"""What the service says when it refuses a request or cannot serve.

Every refusal is one JSON object: `{"error": {"code": "…", "message": "…", "field": "…" | null}}`.
"""

import msgspec

_MESSAGE_LENGTH = 500


class Error(msgspec.Struct, frozen=True):
    """The body of a refusal.

    Attributes:
        code: stable kebab-case name, for programs.
        message: one sentence for people.
        field: the feature it concerns, where there is one.
    """

    code: str
    message: str
    field: str | None = None


class ErrorAnswer(msgspec.Struct, frozen=True):
    """How a refusal travels."""

    error: Error


class RequestError(Exception):
    """A request that is answered with a status other than 200.

    Args:
        status: the HTTP status, 4xx or 503.
        code: stable kebab-case name of the error.
        message: one sentence that names the thing; cut at 500 characters, for it may quote the client.
        field: the feature it concerns.
        headers: further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = Error(code, message[:_MESSAGE_LENGTH], field[:_MESSAGE_LENGTH] if field else field)
        self.headers = headers

    def body(self) -> bytes:
        """The JSON of the answer."""
        return msgspec.json.encode(ErrorAnswer(self.error))
