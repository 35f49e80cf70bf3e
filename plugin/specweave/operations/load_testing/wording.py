"""Figures as people read them, and what others said."""

_TENTHS_BELOW_MS = 10
_HUNDREDTHS_BELOW_MS = 1


def milliseconds(value: float | None, timeout_ms: float | None = None) -> str:
    """`45ms`, `4.2ms`, `0.31ms`; `n/a` where it is not known; `>10000ms` where only the timeout is known."""
    if value is None:
        return "n/a"
    if timeout_ms is not None and value >= timeout_ms:
        return f">{timeout_ms:.0f}ms"
    digits = 2 if value < _HUNDREDTHS_BELOW_MS else 1 if value < _TENTHS_BELOW_MS else 0
    return f"{value:.{digits}f}ms"


def interval(bounds: tuple[float, float] | None) -> str:
    """`2.5 to 3.1ms`; `n/a` where it is not known."""
    return "n/a" if bounds is None else f"{milliseconds(bounds[0]).removesuffix('ms')} to {milliseconds(bounds[1])}"


def time_span(seconds: float) -> str:
    """`0.5 s`, `42 s`, `3 min`, `2 min 30 s`, `1 h 5 min`."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h" + (f" {minutes} min" if minutes else "")


def achieved(rate: float) -> str:
    """Answers a second: `9.5`, `99.9`, `14994`."""
    return f"{rate:.1f}" if rate < 100 else f"{rate:.0f}"  # noqa: PLR2004 - three figures


def figure(value: float) -> str:
    """Three figures of a number that is no count: `0.25`, `42.1`, `12,400`."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"  # noqa: PLR2004 - from here on none is behind the point


def asked(value: float) -> str:
    """A number that somebody gave as it is, up to two digits behind the point; three figures of a computed one."""
    return f"{value:g}" if round(value, 2) == value else figure(value)


def one_line(text: str, most: int) -> str:
    r"""The beginning of a text that came from elsewhere, on one line and without anything that a terminal obeys.

    >>> one_line("503\n\x1b[31mbusy", 80)
    '503 [31mbusy'
    """
    # Twice as many, so that a margin of blanks does not stand for the text.
    return " ".join("".join(one if one.isprintable() else " " for one in text[: 2 * most]).split())[:most]
