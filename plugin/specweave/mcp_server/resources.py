"""The increments as resources: what a client reads without calling a tool. They only read."""

import json
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

import anyio.to_thread
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context as McpContext
from mcp.server.mcpserver import MCPServer
from mcp.shared.uri_template import UriTemplate
from mcp_types import InputRequiredResult, Resource, ResourceTemplate
from pydantic import AnyUrl

from specweave.arguments import validate
from specweave.command import Context
from specweave.errors import InternalError, NotFoundError, explained
from specweave.files.sending import sendable
from specweave.mcp_server import problems

if TYPE_CHECKING:
    from specweave.increments.store import Increment

INCREMENTS = "specweave://increments"

_log = logging.getLogger("specweave")


class Content(NamedTuple):
    """What was read; `revision` is the increment's, where the text is a part of it."""

    text: str
    media_type: str
    revision: str | None = None


class Kind(NamedTuple):
    """A kind of resource.

    Attributes:
        uri: template of its addresses.
        name: for programs.
        title, description: for people and models.
        media_type: of all of its kind; None where they differ.
        read: makes the content from the context and the parameters of the address.
    """

    uri: str
    name: str
    title: str
    description: str
    media_type: str | None
    read: Callable[..., Content]


class ServerWithResources(MCPServer[Any]):
    """A server that reads the increments of one project.

    Args:
        context: where.
        options: of `MCPServer`.
    """

    def __init__(self, context: Context, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self._context = context
        self._kinds = [(UriTemplate.parse(kind.uri), kind) for kind in KINDS]

    async def list_resources(self) -> list[Resource]:
        """The one address that is the same in every project."""
        listing = KINDS[0]
        return [
            Resource(
                uri=INCREMENTS,
                name=listing.name,
                title=listing.title,
                description=listing.description,
                mime_type=listing.media_type,
            )
        ]

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        """Every kind of address."""
        return [
            ResourceTemplate(
                uri_template=kind.uri,
                name=kind.name,
                title=kind.title,
                description=kind.description,
                mime_type=kind.media_type,
            )
            for kind in KINDS
        ]

    async def read_resource(
        self,
        uri: AnyUrl | str,
        context: McpContext | None = None,  # noqa: ARG002 - the SDK's signature
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """What is at `uri`.

        Raises:
            MCPError: its data is the code, message, next step and details of an error of ours.
        """
        try:
            content = await anyio.to_thread.run_sync(partial(self._read, str(uri)))
        except Exception as error:
            known = explained(error)
            if isinstance(known, InternalError):
                _log.exception("%s", uri)
            raise problems.protocol_error(known, uri=str(uri)) from error
        meta = {"specweave/revision": content.revision} if content.revision else None
        return [ReadResourceContents(content=sendable(content.text), mime_type=content.media_type, meta=meta)]

    def _read(self, uri: str) -> Content:
        for template, kind in self._kinds:
            parameters = template.match(uri)
            if parameters is not None:
                return kind.read(self._context, **parameters)
        forms = ", ".join(kind.uri for kind in KINDS)
        raise NotFoundError(
            "resource-not-found", f"there is no resource {uri[:200]!r}", next_step=f"read one of the forms {forms}"
        )


def _increments(context: Context, **arguments: str) -> Content:
    from specweave.operations.sw import status  # noqa: PLC0415 - a listing must stay cheap

    result = status.run(validate(status.StatusRequest, arguments), context)
    listed = [
        {
            "uri": f"{INCREMENTS}/{quote(item.increment, errors='surrogateescape')}",
            **item.model_dump(mode="json", exclude={"tasks"}),
        }
        for item in result.increments
    ]
    more = (
        urlencode({**arguments, "cursor": result.cursor}, quote_via=quote, errors="surrogateescape")
        if result.cursor
        else None
    )
    document = {"increments": listed, "states": result.states, "next": f"{INCREMENTS}?{more}" if more else None}
    return Content(json.dumps(document, ensure_ascii=False, indent=1) + "\n", "application/json")


def _increment(context: Context, *, id: str) -> Content:  # noqa: A002 - the parameter's name in the address
    from specweave.operations.sw import status  # noqa: PLC0415 - a listing must stay cheap

    increment = _find(context, id)
    result = status.run(status.StatusRequest(increment=increment.id), context)
    text = f"{result.text()}\n\nRevision: `{result.increments[0].revision}`\n"
    return Content(text, "text/markdown", result.increments[0].revision)


def _document(context: Context, *, id: str, document: str) -> Content:  # noqa: A002 - the parameter's name there
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations import increment_documents  # noqa: PLC0415 - as above

    increment = _find(context, id)
    # Before the document is read: what changes it later makes this revision a stale one.
    revision = store.revision(increment)
    return Content(*increment_documents.document(increment, document), revision)


def _report(context: Context, *, id: str, report: str) -> Content:  # noqa: A002 - the parameter's name there
    from specweave.operations import increment_documents  # noqa: PLC0415 - a listing must stay cheap

    return Content(*increment_documents.report(_find(context, id), report))


def _find(context: Context, name: str) -> "Increment":
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap

    return store.find_any(context.project, name)


KINDS = (
    Kind(
        INCREMENTS + "{?state,limit,cursor}",
        "increments",
        "The increments, the work in progress first",
        "JSON: where each stands, its revision and what it needs next; `next` is the address of those after them.",
        "application/json",
        _increments,
    ),
    Kind(
        INCREMENTS + "/{id}",
        "increment",
        "Where an increment stands",
        "Its state, its tasks with their evidence, and what it needs next. `id` is a number, folder name or prefix, "
        "also of an archived one.",
        "text/markdown",
        _increment,
    ),
    Kind(
        INCREMENTS + "/{id}/{document}",
        "document",
        "A document of an increment",
        "`document` is spec, plan, tasks, metadata or deployment.",
        None,
        _document,
    ),
    Kind(
        INCREMENTS + "/{id}/reports/{report}",
        "report",
        "A report of an increment",
        "`report` is a file name such as 004-load-test.md: markdown, JSON (.json) or a chart (.svg).",
        None,
        _report,
    ),
)
