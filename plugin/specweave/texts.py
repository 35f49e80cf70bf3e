"""The hand-written text of each command, `commands/<group>/<name>.md`, for prompts, tools and assistants' files."""

import json
from dataclasses import dataclass
from functools import cache

from specweave.errors import HostError
from specweave.files import resources
from specweave.registry import Entry

_FENCE = "---\n"


@dataclass(frozen=True, slots=True)
class CommandText:
    """One page of commands/.

    Attributes:
        description: the summary and when to use the command; the description of the MCP tool.
        argument_hint: what may follow the slash command.
        body: markdown for the assistant, with `$ARGUMENTS` where the typed words go.
    """

    description: str
    argument_hint: str
    body: str

    def with_arguments(self, words: str) -> str:
        """The body for what a person typed."""
        return self.body.replace("$ARGUMENTS", words)


@cache
def command_text(entry: Entry) -> CommandText:
    """The page of one command.

    Raises:
        HostError: `installation-incomplete` where the page is missing or has no frontmatter of quoted strings.
    """
    path = resources.folder("commands") / entry.group / f"{entry.name}.md"
    try:
        head, body = path.read_text("utf-8").removeprefix(_FENCE).split(_FENCE, 1)
        fields = dict(line.split(": ", 1) for line in head.splitlines())
        # Values are double-quoted, which YAML and JSON read alike; unquoted brackets would be YAML lists.
        return CommandText(json.loads(fields["description"]), json.loads(fields["argument-hint"]), body.strip() + "\n")
    except (OSError, ValueError, KeyError) as error:
        raise HostError(
            "installation-incomplete", f"the text of {entry.slash} cannot be read: {path}", next_step="install it again"
        ) from error
