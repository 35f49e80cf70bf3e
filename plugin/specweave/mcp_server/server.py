"""The server of one project, put together."""

from collections.abc import Sequence
from typing import Any

from mcp.server.mcpserver import MCPServer

from specweave import __version__
from specweave.command import Context
from specweave.mcp_server import completion
from specweave.mcp_server.prompts import prompt
from specweave.mcp_server.resources import ServerWithResources
from specweave.mcp_server.tools import tool
from specweave.registry import ENTRIES, Entry

_INSTRUCTIONS = """\
specweave takes a trained machine-learning model to a running, load-tested, reversible service, in increments that \
people review in git. The usual order: ml_deploy_prepare, ml_create_api, ml_containerize, ml_load_test, ml_deploy to \
staging, then to production; ml_rollback returns. sw_status says what comes next. An increment is named by its number \
(0043); leave it out where only one is open. Its documents and reports are resources, see specweave://increments. The \
result of a change has a `revision`: give it back as `expected_revision` to be refused where somebody else changed \
something. An error names its next step: take it instead of repeating the call."""


def create_server(context: Context, entries: Sequence[Entry] = ENTRIES) -> MCPServer[Any]:
    """The server for one project.

    It announces no changes: what the increments hold is changed by people and other programs too, and nothing watches
    the files. A client reads again what it needs to be new.

    Args:
        context: where and on which machine every call works; fixed at start.
        entries: the commands to serve, in the order in which they are listed.
    """
    server = ServerWithResources(
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
        server.add_prompt(prompt(entry))
    completion.add(server, context, entries)
    return server
