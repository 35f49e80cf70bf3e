"""The text of a slash command, as typed in chat and bound to a task, to a request and back.

`/ml:load-test 0043 --rps 10,50 --duration 10s`
"""

import re
import shlex
from typing import NamedTuple

from specweave import command_line
from specweave.arguments import slash_line
from specweave.command import AnyCommand, Request
from specweave.errors import InvalidInputError
from specweave.registry import ALIASES, Entry, find

_HEAD = re.compile(r"/(?P<group>[a-z]+):(?P<name>[a-z][a-z0-9-]*)")


class Line(NamedTuple):
    """A slash command taken apart, before anything is known of the command.

    Attributes:
        group: `ml`.
        name: `load-test`.
        words: the arguments, quotes removed.
    """

    group: str
    name: str
    words: tuple[str, ...]


class Call(NamedTuple):
    """A slash command that can be run."""

    entry: Entry
    command: AnyCommand
    request: Request


def split(text: str) -> Line:
    """Take a slash command apart.

    Raises:
        InvalidInputError: `slash-line-invalid`.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidInputError("slash-line-invalid", f"{text!r}: {error}", next_step="close the quotation") from error
    head = _HEAD.fullmatch(words[0]) if words else None
    if head is None:
        raise InvalidInputError(
            "slash-line-invalid", f"{text!r} is no slash command", next_step="write it as /ml:load-test 0043 --rps 100"
        )
    group, name = head["group"], head["name"]
    return Line(group, ALIASES.get((group, name), name), tuple(words[1:]))


def parse(text: str) -> Call:
    """The command of a slash line and its request.

    Raises:
        InvalidInputError: `slash-line-invalid`, or the argument that is wrong.
        NotFoundError: `command-not-found`.
    """
    line = split(text)
    entry = find(line.group, line.name)
    command = entry.load()
    return Call(entry, command, command_line.parse(command.request, line.words))


__all__ = ["Call", "Line", "parse", "slash_line", "split"]
