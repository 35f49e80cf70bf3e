"""Progress on a terminal: a line with a bar, and above it a table of what is known so far where a command has one."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Display
from rich.table import Column, Table
from rich.text import Text

from specweave.cli.output import Report
from specweave.command import Progress
from specweave.files.quoting import terminal

# Drawing costs time of the machine that may be under test.
_A_SECOND = 4
_BAR, _REST = 24, len("⠋  0:00:00 ")


class _Live(Display):
    """The bar below the rows."""

    rows: tuple[tuple[str, ...], ...] = ()

    def get_renderables(self) -> Iterable[RenderableType]:
        """What is drawn anew a few times a second."""
        if self.rows:
            heads, *body = self.rows
            table = Table(*(Column(head, justify="right") for head in heads), box=None, header_style="bold")
            for row in body:
                table.add_row(*map(Text, row))
            yield table
        yield from super().get_renderables()


@contextmanager
def live(console: Console | None = None) -> Iterator[Report]:
    """A receiver of progress that draws until the block ends, and then leaves the terminal as it was.

    Args:
        console: where; by default standard error.
    """
    screen = console or Console(stderr=True)
    # Only the message gives way where the terminal is narrow.
    widest = max(1, screen.width - _BAR - _REST)
    message = Column(no_wrap=True, overflow="ellipsis", max_width=widest)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False, table_column=message),
        BarColumn(bar_width=_BAR),
        TimeElapsedColumn(),
    )
    with _Live(*columns, console=screen, transient=True, refresh_per_second=_A_SECOND) as display:
        task = display.add_task("", total=None, visible=False)

        def report(moment: Progress) -> None:
            display.rows = moment.rows
            display.update(
                task,
                description=terminal(moment.message),
                total=None if moment.fraction is None else 1.0,
                completed=moment.fraction or 0.0,
                visible=True,
            )

        yield report
