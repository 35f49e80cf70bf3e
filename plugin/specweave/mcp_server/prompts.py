"""Each command as a prompt: the page that was written for it."""

from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.prompts.base import PromptArgument

from specweave.registry import Entry
from specweave.texts import command_text

ARGUMENTS = "arguments"


def name_of(entry: Entry) -> str:
    """The prompt's name: `ml-load-test`."""
    return f"{entry.group}-{entry.name}"


def prompt(entry: Entry) -> Prompt:
    """The prompt of one command; its one argument is what a person types after the slash command."""

    def render(arguments: str = "") -> str:
        return command_text(entry).with_arguments(arguments)

    text = command_text(entry)
    return Prompt(
        name=name_of(entry),
        title=entry.summary,
        description=text.description,
        arguments=[PromptArgument(name=ARGUMENTS, description=f"As typed after {entry.slash}: {text.argument_hint}")],
        fn=render,
    )
