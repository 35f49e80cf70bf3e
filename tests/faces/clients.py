"""What the tests of the server share: the answers of a client, and what is read from the server's."""

from collections.abc import Callable
from typing import Any, Literal

from mcp_types import ElicitRequestParams, ElicitResult

Mode = Literal["legacy", "auto"]


def answering(
    action: Literal["accept", "decline", "cancel"],
    *,
    approve: bool,
    asked: list[str] | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> Any:
    """A person: what they are asked goes to `asked`, and `meanwhile` happens before they answer."""

    async def answer(_context: object, params: ElicitRequestParams) -> ElicitResult:
        if asked is not None:
            asked.append(params.message)
        meanwhile()
        return ElicitResult(action=action, content={"approve": approve} if action == "accept" else None)

    return answer


def text_of(result: Any) -> str:
    return "\n".join(block.text for block in result.content)


def error_of(result: Any) -> dict[str, Any]:
    """The error of a tool's result; the model must see all of it."""
    assert result.is_error
    error: dict[str, Any] = result.meta["specweave/error"]
    assert error["code"] in text_of(result)
    assert error["message"] in text_of(result)
    assert error["next_step"] in text_of(result)
    return error
