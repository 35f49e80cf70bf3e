"""The face for AI assistants: every command as a tool and a prompt. The only module that imports `mcp`.

A tool is not built from a function's signature but from the request model itself: its schema is what the client
sees, its validation what a call goes through, so that a misspelt argument is refused with a sentence that names the
right one.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import Annotated, Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
from mcp.server.mcpserver import AcceptedElicitation, Elicit, ElicitationResult, MCPServer, Resolve
from mcp.server.mcpserver import Context as McpContext
from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.prompts.base import PromptArgument
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata
from mcp_types import CallToolResult, ClientCapabilities, TextContent, ToolAnnotations
from pydantic import BaseModel, Field
from pydantic.json_schema import GenerateJsonSchema

from specweave import __version__
from specweave.arguments import slash_line, validate
from specweave.command import AnyCommand, Context, Progress, Request, Result
from specweave.errors import ConflictError, GateError, InternalError, OperationError, SpecweaveError, explained
from specweave.host import RealHost
from specweave.project import Project
from specweave.registry import ENTRIES, Entry
from specweave.texts import command_text

_INSTRUCTIONS = """\
specweave takes a trained machine-learning model to a running, load-tested, reversible service, in increments that \
people review in git. The usual order: ml_deploy_prepare, ml_create_api, ml_containerize, ml_load_test, ml_deploy to \
staging, then to production; ml_rollback returns. sw_status says what comes next. An increment is named by its number \
(0043); leave it out where only one is open. An error names its next step: take it instead of repeating the call."""

# A client draws a few updates a second; more would only fill its queue.
_SECONDS_BETWEEN_REPORTS = 0.1
_SMALLEST_ADVANCE = 1e-6
_SECONDS_TO_STOP = 10.0

_RUNNING: set["_Reporter"] = set()

_log = logging.getLogger("specweave")


class Approval(BaseModel):
    """A person's answer to the question of a command."""

    approve: bool = Field(description="Yes: go on. No: do nothing.")


_NOT_ASKED = Approval(approve=False)
_DECLINED = GateError("approval-declined", "the person did not agree; nothing was done", next_step="ask them why")


class _Schema(GenerateJsonSchema):
    """JSON Schema without the titles that repeat every field's name: they cost the model tokens and say nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def create_server(context: Context, entries: Sequence[Entry] = ENTRIES) -> MCPServer[Any]:
    """The server for one project.

    Args:
        context: where and on which machine every call works; fixed at start.
        entries: the commands to serve, in the order in which they are listed.
    """
    server: MCPServer[Any] = MCPServer(
        "specweave",
        title="specweave",
        version=__version__,
        instructions=_INSTRUCTIONS,
        tools=[_tool(entry, context) for entry in entries],
        log_level="WARNING",
    )
    for entry in entries:
        server.add_prompt(_prompt(entry))
    return server


def serve(project: Project, *, port: int | None = None) -> None:
    """Serve until the client goes: over stdin and stdout, or at `http://127.0.0.1:<port>/mcp`.

    Over stdio nothing but the protocol reaches stdout: the SDK points descriptor 1 at stderr while it serves.

    Raises:
        ConflictError: `port-in-use`.
    """
    # Before the SDK sets up its own logging, which draws boxes around every line.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    host = RealHost()
    context = Context(project=project, host=host, actor="mcp")
    if port is None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _end)
        create_server(context).run("stdio")
        return
    if not host.port_is_free(port):
        raise ConflictError("port-in-use", f"something listens on 127.0.0.1:{port}", next_step="choose another port")
    print(f"specweave serves {project.root} at http://127.0.0.1:{port}/mcp", file=sys.stderr)  # noqa: T201 - for people
    import uvicorn  # noqa: PLC0415 - start-up over stdio

    # On a loopback address the SDK refuses foreign Host and Origin headers (DNS rebinding). h11, because httptools
    # keeps the white space around a header's value, which the protocol says to ignore.
    app = create_server(context).streamable_http_app(host="127.0.0.1")
    uvicorn.run(app, host="127.0.0.1", port=port, http="h11", loop="asyncio", log_level="warning")


def _end(number: int, _frame: FrameType | None) -> None:
    """Stop what runs, then the process: the thread that reads stdin cannot be woken, so a plain return would hang."""
    for reporter in list(_RUNNING):
        reporter.closed.set()
    threading.Thread(target=_exit_when_idle, args=(128 + number,), daemon=True).start()


def _exit_when_idle(status: int) -> None:
    deadline = time.monotonic() + _SECONDS_TO_STOP
    while _RUNNING and time.monotonic() < deadline:
        time.sleep(0.02)
    os._exit(status)


class _WholeArguments(FuncMetadata):
    """Hands a call's arguments over unread: the request model validates them, with coded errors."""

    def validate_arguments(self, arguments_to_validate: dict[str, Any]) -> dict[str, Any]:
        return {"arguments": arguments_to_validate}


def _tool(entry: Entry, context: Context) -> Tool:
    command = entry.load()
    function = _asking(command, context) if command.approval else _plain(command, context)
    said = command.annotations
    tool = Tool.from_function(
        function,
        name=entry.tool,
        title=entry.summary,
        description=command_text(entry).description,
        annotations=ToolAnnotations(
            title=entry.summary,
            read_only_hint=said.read_only,
            destructive_hint=said.destructive,
            idempotent_hint=said.idempotent,
            open_world_hint=said.open_world,
        ),
        structured_output=False,
    )
    schema = command.request.model_json_schema(schema_generator=_Schema)
    metadata = _WholeArguments(
        arg_model=tool.fn_metadata.arg_model,
        output_model=command.result,
        output_schema=command.result.model_json_schema(schema_generator=_Schema, mode="serialization"),
    )
    return tool.model_copy(update={"parameters": schema, "fn_metadata": metadata})


def _plain(command: AnyCommand, context: Context) -> Callable[..., Any]:
    async def call(arguments: dict[str, Any], ctx: McpContext) -> CallToolResult:
        return await _answer(command, context, arguments, ctx)

    return call


def _asking(command: AnyCommand, context: Context) -> Callable[..., Any]:
    async def ask(arguments: dict[str, Any], ctx: McpContext) -> Approval | GateError | Elicit[Approval]:
        try:
            request = validate(command.request, arguments)
            question = await anyio.to_thread.run_sync(partial(_question, command, request, context))
        except Exception:  # noqa: BLE001 - the call itself meets the same error and explains it
            return _NOT_ASKED
        if question is None:
            return _NOT_ASKED
        if not _can_be_asked(ctx.client_capabilities):
            line = "specweave " + slash_line(command, request).removeprefix("/").replace(":", " ", 1)
            return GateError(
                "approval-required",
                f"{question} A person must answer, and this client cannot ask them",
                next_step=f"ask the user to type `{line} --approve` in a shell; do not work around it",
            )
        return Elicit(question, Approval)

    async def call(
        arguments: dict[str, Any], ctx: McpContext, approval: Annotated[ElicitationResult[Approval], Resolve(ask)]
    ) -> CallToolResult:
        answer: Approval | GateError = approval.data if isinstance(approval, AcceptedElicitation) else _DECLINED
        if isinstance(answer, GateError):
            return _error_result(answer)
        if answer is not _NOT_ASKED and not answer.approve:
            return _error_result(_DECLINED)
        return await _answer(command, context.with_approval() if answer.approve else context, arguments, ctx)

    return call


def _question(command: AnyCommand, request: Request, context: Context) -> str | None:
    return command.approval(request, context) if command.approval else None


def _can_be_asked(capabilities: ClientCapabilities | None) -> bool:
    elicitation = capabilities.elicitation if capabilities else None
    # A bare `elicitation: {}`, the only shape before modes existed, means forms.
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


async def _answer(command: AnyCommand, context: Context, arguments: dict[str, Any], ctx: McpContext) -> CallToolResult:
    reporter = _Reporter(ctx, anyio.lowlevel.current_token())
    work = partial(_run, command, context, reporter, arguments)
    try:
        result = await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
    except Exception as error:  # noqa: BLE001 - the outermost handler: everything becomes a coded error for the model
        known = explained(error)
        if isinstance(known, InternalError):
            _log.exception("%s:%s", command.group, command.name)
        return _error_result(known)
    finally:
        reporter.closed.set()
    return CallToolResult(
        content=[TextContent(type="text", text=result.text())], structured_content=result.model_dump(mode="json")
    )


def _run(command: AnyCommand, context: Context, reporter: "_Reporter", arguments: dict[str, Any]) -> Result:
    _RUNNING.add(reporter)
    try:
        result: Result = command.run(validate(command.request, arguments), context.with_report(reporter))
    finally:
        _RUNNING.discard(reporter)
    return result


def _error_result(error: SpecweaveError) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=_error_text(error))],
        is_error=True,
        _meta={"specweave/error": error.as_dict()},
    )


def _error_text(error: SpecweaveError) -> str:
    return f"{error.code}: {error.message}" + (f"\nNext: {error.next_step}" if error.next_step else "")


class _Reporter:
    """Passes progress from a command's threads to the client.

    Attributes:
        closed: set when nobody waits for the call any more; the command is then stopped at its next report.
    """

    def __init__(self, ctx: McpContext, loop: anyio.lowlevel.EventLoopToken) -> None:
        self.closed = threading.Event()
        self._ctx = ctx
        self._loop = loop
        self._lock = threading.Lock()
        self._sent_at = 0.0
        self._message = ""
        self._value = 0.0

    def __call__(self, moment: Progress) -> None:
        if self.closed.is_set():
            raise OperationError("cancelled", "the client cancelled the call")
        with self._lock:
            now = time.monotonic()
            if moment.message == self._message and now - self._sent_at < _SECONDS_BETWEEN_REPORTS:
                return
            self._sent_at, self._message = now, moment.message
            # The protocol demands that the value grows with every notification.
            self._value = max(self._value + _SMALLEST_ADVANCE, moment.fraction or 0.0)
            value = self._value
        total = None if moment.fraction is None else 1.0
        try:
            anyio.from_thread.run(self._ctx.report_progress, value, total, moment.message, token=self._loop)
        except (RuntimeError, anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            raise OperationError("cancelled", "the client has gone") from error


def _prompt(entry: Entry) -> Prompt:
    def render(arguments: str = "") -> str:
        return command_text(entry).with_arguments(arguments)

    text = command_text(entry)
    return Prompt(
        name=f"{entry.group}-{entry.name}",
        title=entry.summary,
        description=text.description,
        arguments=[PromptArgument(name="arguments", description=f"As typed after {entry.slash}: {text.argument_hint}")],
        fn=render,
    )
