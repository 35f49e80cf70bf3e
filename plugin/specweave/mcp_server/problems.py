"""Errors of ours as the protocol has them: a result that the model reads, or an error of the protocol."""

from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, CallToolResult, TextContent

from specweave.errors import InvalidInputError, NotFoundError, SpecweaveError
from specweave.files.sending import sendable


def result_of(error: SpecweaveError) -> CallToolResult:
    """The failure of a tool: text for the model, `specweave/error` in the metadata for programs."""
    return CallToolResult(
        content=[TextContent(type="text", text=_text(error))],
        is_error=True,
        _meta={"specweave/error": sendable(error.as_dict())},
    )


def protocol_error(error: SpecweaveError, **asked: str) -> MCPError:
    """The failure to read what was asked for: its data is that and the error's code, message, next step and details."""
    asked_badly = isinstance(error, (NotFoundError, InvalidInputError))
    return MCPError(
        code=INVALID_PARAMS if asked_badly else INTERNAL_ERROR,
        message=_text(error),
        data=sendable({**asked, **error.as_dict()}),
    )


def _text(error: SpecweaveError) -> str:
    return str(sendable(f"{error.code}: {error.message}" + (f"\nNext: {error.next_step}" if error.next_step else "")))
