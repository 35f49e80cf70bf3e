"""The shell face: `specweave ml load-test 0043 --rps 100 --duration 60s`.

Nothing but click and the registry is imported until a command is named, so that `--help` answers at once.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from specweave.cli.groups import root
from specweave.errors import InvalidInputError, Terminated, explained

INTERRUPTED = 130
TERMINATED = 143


def main() -> NoReturn:
    """Entry point of the program `specweave`."""
    signal.signal(signal.SIGTERM, _interrupt)
    _open_missing_streams()
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str], program: click.Group | None = None) -> int:
    """Run one command line and return its exit status.

    Args:
        words: what follows the program's name.
        program: the command tree; by default that of the registry.
    """
    as_json = "--json" in words
    try:
        status = (program or root()).main(list(words), prog_name="specweave", standalone_mode=False)
    except (KeyboardInterrupt, click.Abort) as stop:
        return _stopped(stop, as_json=as_json)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _failed(_usage(error), as_json=as_json, debug=False)
    except Exception as error:  # noqa: BLE001 - the outermost handler: no traceback reaches a user
        return _failed(error, as_json=as_json, debug="--debug" in words)
    return status if isinstance(status, int) else 0


def _open_missing_streams() -> None:
    """A parent may have closed them; without this the next file that is opened would become standard output."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - open until the process ends
            setattr(sys, name, stream)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def _stopped(stop: BaseException, *, as_json: bool) -> int:
    from specweave.cli import output  # noqa: PLC0415 - start-up

    # Click turns every KeyboardInterrupt into Abort and keeps the original as its context.
    cause = stop.__context__ if isinstance(stop.__context__, KeyboardInterrupt) else stop
    terminated = isinstance(cause, Terminated)
    with output.perhaps_unheard():
        output.show_stopped("terminated" if terminated else "interrupted", str(cause), as_json=as_json)
    return TERMINATED if terminated else INTERRUPTED


def _usage(error: click.ClickException) -> InvalidInputError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "specweave"
    return InvalidInputError("usage", error.format_message().rstrip("."), next_step=f"see `{path} --help`")


def _failed(error: Exception, *, as_json: bool, debug: bool) -> int:
    from specweave.cli import output  # noqa: PLC0415 - start-up

    known = explained(error)
    with output.perhaps_unheard():
        output.show_error(known, as_json=as_json, traceback_of=error if debug else None)
    with output.perhaps_unheard():
        # What failed may have been the output itself; what is left of it would be written again at exit.
        sys.stdout.flush()
    return known.exit_status
