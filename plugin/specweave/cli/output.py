"""What the shell shows: results on stdout, everything else on stderr."""

import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from specweave.errors import SpecweaveError
from specweave.files.quoting import terminal
from specweave.files.sending import sendable
from specweave.registry import ENTRIES

if TYPE_CHECKING:
    from specweave.command import Progress, Result

Report = Callable[["Progress"], None]

_NUMBER = re.compile(r"\d[\d.,]*")
_TENTH = 0.1
_BUILT = "|".join(f"{entry.group}:{entry.name}" for entry in ENTRIES)
_SLASH = re.compile(rf"/(?P<command>{_BUILT})(?![\w-])")


def show_result(result: "Result", *, as_json: bool) -> None:
    """A result: one JSON document, or markdown, drawn where the reader is a terminal."""
    if as_json:
        click.echo(_document(result))
        return
    text = _typed(result.text().rstrip())
    if sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415 - start-up
        from rich.markdown import Markdown  # noqa: PLC0415 - start-up

        Console().print(Markdown(text))
    else:
        click.echo(text)


def _document(result: "Result") -> str:
    from pydantic_core import PydanticSerializationError  # noqa: PLC0415 - start-up

    try:
        return result.model_dump_json(indent=2)
    except PydanticSerializationError:
        return json.dumps(sendable(result.model_dump(mode="json")), indent=2, ensure_ascii=False)


def show_error(error: SpecweaveError, *, as_json: bool, traceback_of: Exception | None = None) -> None:
    """An error: with `--json` as the document on stdout, else on stderr."""
    if traceback_of is not None:
        traceback.print_exception(traceback_of)
    if as_json:
        click.echo(json.dumps({"error": sendable(error.as_dict())}, indent=2, ensure_ascii=False, default=str))
        return
    click.echo(f"{click.style('error', fg='red')}: {_typed(error.message)} ({error.code})", err=True)
    if error.next_step:
        click.echo(f"{click.style('next', fg='cyan')}: {_typed(error.next_step)}", err=True)


def show_stopped(how: str, kept: str, *, as_json: bool) -> None:
    """The one line after ctrl-C or SIGTERM, with what the command kept, if it says so."""
    said = f"; {kept}" if kept else ""
    if as_json:
        error = {"code": how, "message": f"the command was {how}{said}", "next_step": "run it again", "details": {}}
        click.echo(json.dumps({"error": error}, indent=2))
    else:
        click.echo(terminal(how + said), err=True)


@contextmanager
def perhaps_unheard() -> Iterator[None]:
    """Nobody may read any more, or the disk behind stdout may be full: then the exit status alone has to tell."""
    try:
        yield
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            # What is buffered is written once more at exit.
            os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


@contextmanager
def progress() -> Iterator[Report]:
    """A receiver of progress that draws a bar on a terminal and prints lines elsewhere."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from specweave.cli.live import live  # noqa: PLC0415 - start-up

    with live() as report:
        yield report


def _typed(text: str) -> str:
    """Slash commands as they are typed in a shell: `/ml:load-test 0043` becomes `specweave ml load-test 0043`.

    What a server or a file said may stand in it, and must not steer the terminal.
    """
    return _SLASH.sub(lambda found: "specweave " + found["command"].replace(":", " "), terminal(text))


def _lines() -> Report:
    """Lines for logs: each new kind of message, and of one that only counts every tenth part."""
    last, shown = "", 0.0

    def report(moment: "Progress") -> None:
        nonlocal last, shown
        kind, fraction = _NUMBER.sub("#", moment.message), moment.fraction
        if kind == last and fraction is not None and shown <= fraction < shown + _TENTH:
            return
        if kind != last or fraction is not None:
            click.echo(terminal(moment.message), err=True)
        last, shown = kind, fraction or 0.0

    return report
