"""Completion: increments, tasks, documents and reports, while a person types an address or a prompt's arguments."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import anyio.to_thread
from mcp.server.mcpserver import MCPServer
from mcp_types import Completion, CompletionArgument, CompletionContext, PromptReference, ResourceTemplateReference

from specweave.arguments import Parameter, parameters
from specweave.command import Context
from specweave.errors import SpecweaveError
from specweave.mcp_server import prompts
from specweave.registry import Entry

# The protocol allows no more in one answer.
_MOST = 100
_INCREMENT_FIELDS = frozenset({"increment", "links"})
_TASK_FIELDS = frozenset({"task", "until"})
_LAST_WORD = re.compile(r"(?P<before>.*\s|)(?P<word>\S*)", re.DOTALL)


def add(server: MCPServer[Any], context: Context, entries: Sequence[Entry]) -> None:
    """Make `server` complete what its prompts and resource templates take."""
    by_prompt = {prompts.name_of(entry): entry for entry in entries}

    async def complete(
        reference: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        known: CompletionContext | None,
    ) -> Completion:
        work: Callable[[], list[str]]
        if isinstance(reference, PromptReference):
            entry = by_prompt.get(reference.name)
            if entry is None or argument.name != prompts.ARGUMENTS:
                return _completion([])
            work = partial(_words, context, entry, argument.value)
        else:
            others = (known.arguments if known else None) or {}
            work = partial(_address_part, context, argument.name, argument.value, others)
        try:
            return _completion(await anyio.to_thread.run_sync(work))
        except SpecweaveError:
            # What was typed so far names nothing that can be read: there is nothing to offer.
            return _completion([])

    server.completion()(complete)  # type: ignore[no-untyped-call] # the SDK's decorator has no types


def _completion(found: Iterable[str]) -> Completion:
    # A file's name may be no text at all.
    values = [value for value in found if value.isprintable()]
    return Completion(values=values[:_MOST], total=len(values), has_more=len(values) > _MOST)


def _address_part(context: Context, name: str, value: str, others: Mapping[str, str]) -> list[str]:
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations import increment_documents  # noqa: PLC0415 - as above

    if name == "id":
        return _increments(context, value)
    if name == "state":
        return _beginning(_states(), value)
    names = {"document": increment_documents.documents, "report": increment_documents.reports}.get(name)
    if names is None or "id" not in others:
        return []
    return _beginning(names(store.find(context.project, others["id"])), value)


def _states() -> tuple[str, ...]:
    from specweave.operations.sw import status  # noqa: PLC0415 - a listing must stay cheap

    return next(parameter.choices for parameter in parameters(status.StatusRequest) if parameter.field == "state")


def _words(context: Context, entry: Entry, value: str) -> list[str]:
    """What a prompt's whole argument could become; its last word is the one that is being typed."""
    last = _LAST_WORD.fullmatch(value)
    assert last  # noqa: S101 - the pattern takes any text
    words = last["before"].split()
    return [last["before"] + word for word in _word(context, entry, words, last["word"])]


def _word(context: Context, entry: Entry, words: Sequence[str], word: str) -> list[str]:
    known = parameters(entry.load().request)
    by_option = {parameter.option: parameter for parameter in known}
    if words and (parameter := by_option.get(words[-1])) and parameter.shape != "flag":
        return _values(context, parameter, _positional(by_option, words), word)
    if word.startswith("-"):
        return _beginning((option for option in by_option if option not in words), word)
    first = next((parameter for parameter in known if parameter.positional), None)
    if first is None or _positional(by_option, words) is not None:
        return []
    if first.field in _INCREMENT_FIELDS and entry.name == "restore":
        return _increments(context, word, archived=True)
    return _values(context, first, None, word)


def _values(context: Context, parameter: Parameter, increment: str | None, word: str) -> list[str]:
    if parameter.field in _INCREMENT_FIELDS:
        return _increments(context, word)
    if parameter.field in _TASK_FIELDS:
        from specweave.increments import store, tasks  # noqa: PLC0415 - a listing must stay cheap

        return _beginning((task.id for task in tasks.read(store.find(context.project, increment))), word)
    return _beginning(parameter.choices, word)


def _positional(by_option: Mapping[str, Parameter], words: Sequence[str]) -> str | None:
    """The first word that is no option and no option's value."""
    before = ""
    for word in words:
        parameter = by_option.get(before)
        if not word.startswith("-") and (parameter is None or parameter.shape == "flag"):
            return word
        before = word
    return None


def _increments(context: Context, typed: str, *, archived: bool = False) -> list[str]:
    """Ids that begin so, or whose number or slug does, newest first; of those put away, or of the others."""
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap

    found = reversed(store.list_all(context.project, archived=archived))
    return [
        increment.id
        for increment in found
        if increment.archived == archived
        and any(
            text.startswith(typed)
            for text in (increment.id, increment.number.lstrip("0"), increment.id.partition("-")[2])
        )
    ]


def _beginning(values: Iterable[str], typed: str) -> list[str]:
    return [value for value in values if value.casefold().startswith(typed.casefold())]
