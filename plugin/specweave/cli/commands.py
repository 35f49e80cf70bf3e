"""One registry entry as a click command: options from the request model, `run`, the result on stdout."""

import contextlib
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from specweave.arguments import slash_line
from specweave.cli import output
from specweave.command import AnyCommand, Context, Request
from specweave.command_line import click_parameters, to_request
from specweave.errors import GateError, NotFoundError
from specweave.host import RealHost
from specweave.project import Project
from specweave.registry import Entry

# Names that no request field can have, so that the shell's own options never hide one.
_JSON, _APPROVE, _PROJECT, _DEBUG = "shell_json", "shell_approve", "shell_project", "shell_debug"


def click_command(entry: Entry) -> click.Command:
    """The sub-command of one registry entry."""
    command = entry.load()
    examples = "\n".join(f"  specweave {entry.group} {entry.name} {words}".rstrip() for words in command.examples)
    return click.Command(
        entry.name,
        params=[*click_parameters(command.request), *_shell_options(command)],
        callback=partial(_call, command),
        help=f"{entry.summary}.",
        epilog=f"\b\nExamples:\n{examples}",
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def find_project(folder: str | None) -> Project:
    """The project of `folder`, or of the current directory.

    Raises:
        NotFoundError: `project-not-found`.
    """
    try:
        start = Path(folder) if folder else Path.cwd()
    except FileNotFoundError as error:
        raise NotFoundError(
            "project-not-found", "the current folder was removed", next_step="change to the folder of the project"
        ) from error
    if not start.is_dir():
        raise NotFoundError(
            "project-not-found", f"there is no folder {folder}", next_step="give --project an existing folder"
        )
    return Project.find(start)


def _shell_options(command: AnyCommand) -> list[click.Parameter]:
    options: list[click.Parameter] = [
        click.Option(["--json", _JSON], is_flag=True, help="Print one JSON document on stdout and nothing else."),
        click.Option(["--project", _PROJECT], metavar="DIR", help="The project; by default that of this directory."),
        click.Option(["--debug", _DEBUG], is_flag=True, help="Show the traceback of an error."),
    ]
    if command.approval:
        options.insert(0, click.Option(["--approve", _APPROVE], is_flag=True, help="Answer the question with yes."))
    return options


def _call(command: AnyCommand, **values: Any) -> int:
    request = to_request(command.request, values)
    context = Context(
        project=find_project(values[_PROJECT]), host=RealHost(), approved=bool(values.get(_APPROVE)), actor="cli"
    )
    context = _approved(command, request, context)
    # A stray print of a library must not spoil the document on stdout.
    with output.progress() as report, contextlib.redirect_stdout(sys.stderr):
        result = command.run(request, context.with_report(report))
    output.show_result(result, as_json=values[_JSON])
    return 0 if result.passed else 1


def _approved(command: AnyCommand, request: Request, context: Context) -> Context:
    """The context with a person's yes where this request needs one.

    Raises:
        GateError: `approval-required` where nobody can be asked, `approval-declined`.
        ConflictError: `approval-outdated` where what they were asked about changed before they answered.
    """
    question = command.question(request, context)
    if question is None or context.approved:
        return context
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        line = "specweave " + slash_line(command, request).removeprefix("/").replace(":", " ", 1)
        raise GateError(
            "approval-required",
            f"a person has to say yes first: {question}",
            next_step=f"a person who agrees types `{line} --approve`",
        )
    if not click.confirm(question, err=True):
        raise GateError("approval-declined", "the question was answered with no; nothing was done")
    approved = context.with_approval(question)
    approved.require_answer_to(command.question(request, approved))
    return approved
