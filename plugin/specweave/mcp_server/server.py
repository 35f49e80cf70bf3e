"""The server of one project, put together."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from mcp.server.mcpserver import Context as McpContext
from mcp.server.mcpserver import MCPServer
from mcp_types import CallToolResult, GetPromptResult, InputRequiredResult

from specweave import __version__
from specweave.command import Context
from specweave.errors import InvalidInputError, NotFoundError
from specweave.mcp_server import completion, problems, prompts
from specweave.mcp_server.resources import ServerWithResources
from specweave.mcp_server.tools import tool
from specweave.registry import ENTRIES, Entry

_INSTRUCTIONS = """\
specweave takes a trained machine-learning model to a running, load-tested, reversible service, in increments that \
people review in git. The usual order: ml_deploy_prepare, ml_create_api, ml_containerize, ml_load_test, ml_deploy to \
staging, then to production; ml_rollback returns. Any other work goes round sw_next, sw_do, sw_verify and sw_done; \
sw_status shows all. An increment is named by its number \
(0043); leave it out where only one is open. Its documents and reports are resources, see specweave://increments. The \
result of a change has a `revision`: give it back as `expected_revision` to be refused where somebody else changed \
something. An error names its next step: take it instead of repeating the call."""


class _Server(ServerWithResources):
    """A server that explains what it has not got."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: McpContext | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool; one that is not there is a failure that the model reads."""
        known = [tool.name for tool in await self.list_tools()]
        if name not in known:
            return problems.result_of(_unknown("tool", name, known))
        return await super().call_tool(name, arguments, context)

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: McpContext | None = None
    ) -> GetPromptResult | InputRequiredResult:
        """The text of a prompt.

        Raises:
            MCPError: there is no such prompt, or it has no such argument.
        """
        known = [prompt.name for prompt in await self.list_prompts()]
        if name not in known:
            raise problems.protocol_error(_unknown("prompt", name, known), prompt=name)
        others = sorted(set(arguments or ()) - {prompts.ARGUMENTS})
        if others:
            error = InvalidInputError(
                "argument-unknown",
                f"the prompt {name} has no argument {others[0][:80]!r}",
                next_step=f"its one argument is `{prompts.ARGUMENTS}`: all that is typed after the slash command",
            )
            raise problems.protocol_error(error, prompt=name)
        return await super().get_prompt(name, arguments, context)


def _unknown(kind: str, name: str, known: Sequence[str]) -> NotFoundError:
    near = get_close_matches(name, known)
    return NotFoundError(
        f"{kind}-unknown",
        f"there is no {kind} {name[:80]!r}",
        next_step=f"did you mean {' or '.join(near)}?" if near else f"use one of {', '.join(known)}",
    )


def create_server(context: Context, entries: Sequence[Entry] = ENTRIES) -> MCPServer[Any]:
    """The server for one project.

    It announces no changes: what the increments hold is changed by people and other programs too, and nothing watches
    the files. A client reads again what it needs to be new.

    Args:
        context: where and on which machine every call works; fixed at start.
        entries: the commands to serve, in the order in which they are listed.
    """
    server = _Server(
        context,
        "specweave",
        title="specweave",
        version=__version__,
        instructions=_INSTRUCTIONS,
        tools=[tool(entry, context) for entry in entries],
        log_level="WARNING",
        subscriptions=False,
    )
    for entry in entries:
        server.add_prompt(prompts.prompt(entry))
    completion.add(server, context, entries)
    return server
