"""Each command as a tool.

A tool is not built from a function's signature but from the request model itself: its schema is what the client sees,
its validation what a call goes through, so that a misspelt argument is refused with a sentence that names the right
one.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import anyio.lowlevel
import anyio.to_thread
from mcp.server.mcpserver import AcceptedElicitation, Elicit, ElicitationResult, Resolve
from mcp.server.mcpserver import Context as McpContext
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata
from mcp_types import CallToolResult, ClientCapabilities, TextContent, ToolAnnotations
from pydantic import BaseModel, Field
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import NullableSchema, WithDefaultSchema

from specweave.arguments import slash_line, validate
from specweave.command import AnyCommand, Context, Result
from specweave.errors import GateError, InternalError, explained
from specweave.files.sending import sendable
from specweave.mcp_server import expected_revision, problems
from specweave.mcp_server.progress import RUNNING, Reporter
from specweave.registry import Entry
from specweave.texts import command_text

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


class _InputSchema(_Schema):
    """The same for arguments: that one may be left out says enough; null is taken all the same."""

    def nullable_schema(self, schema: NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        return {key: value for key, value in made.items() if key != "default" or value is not None}


class _WholeArguments(FuncMetadata):
    """Hands a call's arguments over unread: the request model validates them, with coded errors."""

    def validate_arguments(self, arguments_to_validate: dict[str, Any]) -> dict[str, Any]:
        return {"arguments": arguments_to_validate}


def tool(entry: Entry, context: Context) -> Tool:
    """The tool of one command, for one project."""
    command = entry.load()
    function = _asking(command, context) if command.approval else _plain(command, context)
    said = command.annotations
    made = Tool.from_function(
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
    metadata = _WholeArguments(
        arg_model=made.fn_metadata.arg_model,
        output_model=command.result,
        output_schema=command.result.model_json_schema(schema_generator=_Schema, mode="serialization"),
    )
    schema = command.request.model_json_schema(schema_generator=_InputSchema)
    # The name and the docstring of the model are for who reads the source.
    arguments = {key: value for key, value in schema.items() if key not in {"title", "description"}}
    arguments = expected_revision.added(arguments, command)
    return made.model_copy(update={"parameters": arguments, "fn_metadata": metadata})


def _plain(command: AnyCommand, context: Context) -> Callable[..., Any]:
    async def call(arguments: dict[str, Any], ctx: McpContext) -> CallToolResult:
        return await _answer(command, context, arguments, ctx)

    return call


def _asking(command: AnyCommand, context: Context) -> Callable[..., Any]:
    async def find_question(arguments: dict[str, Any]) -> str | None:
        try:
            return await anyio.to_thread.run_sync(partial(_question, command, arguments, context))
        except Exception:  # noqa: BLE001 - the call itself meets the same error and explains it
            return None

    async def ask(
        question: Annotated[str | None, Resolve(find_question)], ctx: McpContext
    ) -> Approval | Elicit[Approval]:
        askable = question is not None and _can_be_asked(ctx.client_capabilities)
        return Elicit(sendable(question), Approval) if askable else _NOT_ASKED

    async def call(
        arguments: dict[str, Any],
        ctx: McpContext,
        question: Annotated[str | None, Resolve(find_question)],
        approval: Annotated[ElicitationResult[Approval], Resolve(ask)],
    ) -> CallToolResult:
        if question is None:
            return await _answer(command, context, arguments, ctx)
        if not _can_be_asked(ctx.client_capabilities):
            return problems.result_of(_unaskable(command, arguments, question))
        if not isinstance(approval, AcceptedElicitation) or not approval.data.approve:
            return problems.result_of(_DECLINED)
        return await _answer(command, context.with_approval(question), arguments, ctx)

    return call


def _question(command: AnyCommand, arguments: dict[str, Any], context: Context) -> str | None:
    values, expected = expected_revision.taken(arguments, command)
    request = validate(command.request, values)
    expected_revision.require(context, request, expected)
    return command.question(request, context)


def _unaskable(command: AnyCommand, arguments: dict[str, Any], question: str) -> GateError:
    request = validate(command.request, expected_revision.taken(arguments, command)[0])
    line = "specweave " + slash_line(command, request).removeprefix("/").replace(":", " ", 1)
    return GateError(
        "approval-required",
        f"{question} A person must answer, and this client cannot ask them",
        next_step=f"ask the user to type `{line} --approve` in a shell; do not work around it",
    )


def _can_be_asked(capabilities: ClientCapabilities | None) -> bool:
    elicitation = capabilities.elicitation if capabilities else None
    # A bare `elicitation: {}`, the only shape before modes existed, means forms.
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


async def _answer(command: AnyCommand, context: Context, arguments: dict[str, Any], ctx: McpContext) -> CallToolResult:
    reporter = Reporter(ctx, anyio.lowlevel.current_token())
    work = partial(_run, command, context, reporter, arguments)
    try:
        result = await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
    except Exception as error:  # noqa: BLE001 - the outermost handler: everything becomes a coded error for the model
        known = explained(error)
        if isinstance(known, InternalError):
            _log.exception("%s:%s", command.group, command.name)
        return problems.result_of(known)
    finally:
        reporter.closed.set()
    return CallToolResult(
        content=[TextContent(type="text", text=sendable(result.text()))],
        structured_content=sendable(result.model_dump(mode="json")),
    )


def _run(command: AnyCommand, context: Context, reporter: Reporter, arguments: dict[str, Any]) -> Result:
    RUNNING.add(reporter)
    try:
        values, expected = expected_revision.taken(arguments, command)
        request = validate(command.request, values)
        with expected_revision.held(context, command, request, expected):
            if context.answered is not None:
                context.require_answer_to(command.question(request, context))
            result: Result = command.run(request, context.with_report(reporter))
    finally:
        RUNNING.discard(reporter)
    return result
