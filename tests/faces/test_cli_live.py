"""Progress as a terminal draws it."""

import io

from rich.console import Console

from specweave.cli.live import live
from specweave.command import Progress

ROWS = (("RPS", "P95"), ("10", "4.2ms"), ("50", "[red]"))


def drawn(width: int, *moments: Progress) -> str:
    screen = io.StringIO()
    with live(Console(file=screen, force_terminal=True, width=width, color_system=None)) as report:
        for moment in moments:
            report(moment)
    return screen.getvalue()


def test_what_is_known_so_far_stands_above_the_bar() -> None:
    shown = drawn(100, Progress("starting the service"), Progress("50 RPS: 3 of 500 answered", 0.5, ROWS))
    assert shown.rindex("4.2ms") < shown.rindex("50 RPS: 3 of 500 answered")
    assert "[red]" in shown, "words of others are no markup"


def test_a_long_line_is_cut_and_does_not_push_the_bar_off_a_narrow_terminal() -> None:
    shown = drawn(60, Progress("x" * 200, 0.5))
    assert "x" * 200 not in shown
    assert "…" in shown
    assert "━" in shown


def test_a_message_cannot_steer_the_terminal() -> None:
    shown = drawn(100, Progress("serves \x1b]0;owned\x07 v1\x9b2J", 0.5))
    assert "\x1b]0" not in shown
    assert "\x9b" not in shown
    assert "serves \ufffd]0;owned\ufffd v1\ufffd2J" in shown
