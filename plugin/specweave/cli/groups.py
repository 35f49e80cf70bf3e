"""The command tree: groups that know their commands by the registry and load one when it is named."""

from collections.abc import Sequence
from difflib import get_close_matches

import click

from specweave.errors import InvalidInputError
from specweave.registry import ALIASES, ENTRIES, Entry

GROUPS = {
    "sw": "Increments: spec, plan, tasks and their evidence",
    "ml": "Models: from a trained file to a running service",
}
_EPILOG = """\b
Examples:
  specweave sw inc "Deploy the credit model"
  specweave ml deploy-prepare 0042 --model models/credit.joblib
  specweave ml load-test 0043 --rps 100 --duration 60s
  specweave mcp"""


class RegistryGroup(click.Group):
    """The commands of one group of the registry; `--help` lists them without loading any."""

    def __init__(self, group: str, summary: str, entries: Sequence[Entry]) -> None:
        super().__init__(name=group, help=summary + ".", short_help=summary, no_args_is_help=True)
        self.entries = {entry.name: entry for entry in entries if entry.group == group}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names in the registry's order."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of that name or alias, loaded now."""
        entry = self.entries.get(ALIASES.get((str(self.name), cmd_name), cmd_name))
        if entry is None:
            return None
        from specweave.cli.commands import click_command  # noqa: PLC0415 - start-up: pydantic

        return click_command(entry)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """The listing, from the registry's summaries."""
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, entry.summary) for entry in self.entries.values()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that `args` begin with; an unknown one suggests the nearest."""
        return _resolve(self, ctx, args, [f"specweave {self.name} {name}" for name in self.entries])


class RootGroup(click.Group):
    """The program itself."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The groups first, as they were added."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The group or command that `args` begin with; an unknown one suggests the nearest of all."""
        near = [f"specweave {name}" for name in self.commands]
        return _resolve(self, ctx, args, near + [_shell(entry) for entry in ENTRIES])


def _shell(entry: Entry) -> str:
    return f"specweave {entry.group} {entry.name}"


def _resolve(
    group: click.Group, ctx: click.Context, args: list[str], known: list[str]
) -> tuple[str | None, click.Command | None, list[str]]:
    try:
        # Explicit, because `group` overrides the method that calls this.
        return click.Group.resolve_command(group, ctx, args)
    except click.exceptions.NoSuchCommand as error:
        typed = args[0]
        by_last_word = {shell.rsplit(" ", 1)[-1]: shell for shell in reversed(known)}
        near = get_close_matches(typed.rsplit(":", 1)[-1].lstrip("/"), list(by_last_word), n=1, cutoff=0.6)
        raise InvalidInputError(
            "command-unknown",
            f"there is no command `{ctx.command_path} {typed}`",
            next_step=f"did you mean `{by_last_word[near[0]]}`?" if near else f"see `{ctx.command_path} --help`",
        ) from error


def _version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from specweave import __version__  # noqa: PLC0415 - reads the distribution's metadata

    click.echo(f"specweave {__version__}")
    ctx.exit()


def _serve(*, http: int | None, project: str | None) -> None:
    from specweave.cli.commands import find_project  # noqa: PLC0415 - start-up
    from specweave.mcp_server import serve  # noqa: PLC0415 - start-up: the SDK takes half a second

    serve(find_project(project), port=http)


def _slash(*, check: bool) -> int:
    from specweave import slash  # noqa: PLC0415 - start-up

    changed = slash.differences() if check else slash.write()
    for path in changed:
        click.echo(f"{'differs' if check else 'wrote'}  {path}")
    if not changed:
        click.echo("the assistants' files are up to date")
    return 1 if check and changed else 0


_VERSION = click.Option(
    ["--version"],
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_version,
    help="Show the version and stop.",
)
_MCP = click.Command(
    "mcp",
    help="Serve the commands to an AI assistant (Model Context Protocol) over stdin and stdout.",
    short_help="Serve the commands to an AI assistant",
    epilog="""\b
Examples:
  specweave mcp
  claude mcp add specweave -- specweave mcp
  specweave mcp --http 8765""",
    callback=_serve,
    params=[
        click.Option(
            ["--http"],
            type=click.IntRange(1, 65535),
            metavar="PORT",
            help="Serve streamable HTTP at http://127.0.0.1:PORT/mcp instead.",
        ),
        click.Option(["--project"], metavar="DIR", help="The project; by default the one of this directory."),
    ],
)
_SLASH = click.Command(
    "slash",
    help="Write the assistants' files of this checkout (plugin folders, marketplace, command reference).",
    short_help="Write or check the assistants' files of this checkout",
    epilog="\b\nExamples:\n  specweave slash\n  specweave slash --check",
    callback=_slash,
    params=[click.Option(["--check"], is_flag=True, help="Write nothing; exit status 1 where a file differs.")],
)


def root(entries: Sequence[Entry] = ENTRIES) -> click.Group:
    """The program's command tree over the registry."""
    program = RootGroup(
        name="specweave",
        help="From a trained model to a running, reversible service, in increments that people review in git.",
        epilog=_EPILOG,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        params=[_VERSION],
    )
    for group, summary in GROUPS.items():
        program.add_command(RegistryGroup(group, summary, entries))
    program.add_command(_MCP)
    program.add_command(_SLASH)
    return program
