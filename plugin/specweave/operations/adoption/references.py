"""What a task's text says of others: the name in front of it, the tasks it waits for, the files it changes."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_NAME = re.compile(
    r"(?:\*\*)?\[?(?P<id>T-?\d{1,4}|\d{1,3}(?:\.\d{1,3})+)\]?(?:\*\*)?(?![\w-])[:.)]?(?:\*\*)?"
    r"(?:[ \t]+[\u2013\u2014-])?[ \t]+(?P<text>\S.*)"
)
_ONE = r"(?:#?T-?\d{1,4}|#?\d{1,3}(?:\.\d{1,3})*)"
_MANY = rf"(?:(?:tasks?|steps?|items?)[ \t]+)?{_ONE}(?:[ \t]*(?:,|and\b|&|\+|,[ \t]*and\b|-|\u2013|to\b)[ \t]*{_ONE})*"
_WAITS = re.compile(
    rf"\b(?:depends[ \t]+on|depend[ \t]+on|dependenc(?:y|ies)|blocked[ \t]+by|requires|after)\b[ \t*:]*(?P<ids>{_MANY})"
    r"(?=[ \t]*(?:[).,;\]|]|$))",
    re.IGNORECASE,
)
_RANGE = re.compile(r"T-?(?P<first>\d{1,4})[ \t]*(?:-|\u2013|to\b)[ \t]*T-?(?P<last>\d{1,4})", re.IGNORECASE)
_EACH = re.compile(_ONE, re.IGNORECASE)
_PATH = re.compile(r"(?<![\w/:.@~-])(?:[\w.@-]+/)+[\w.@*-]*\w(?![\w/])")
_LONGEST_RANGE = 100


class Named(NamedTuple):
    """Text with the name that stood in front of it.

    Attributes:
        name: `T001`, `1.2`, or empty.
        text: the rest.
    """

    name: str
    text: str


def named(text: str) -> Named:
    """`T001 Set up` → T001 and Set up; `1.2 Write tests` → 1.2 and Write tests."""
    match = _NAME.fullmatch(text.strip())
    return Named(match["id"], match["text"].strip()) if match else Named("", text.strip())


def key(name: str) -> str:
    """The same for `T001`, `T-1` and `#T1`; numbers as they are."""
    bare = name.strip().lstrip("#").upper()
    return f"T{int(bare.removeprefix('T').removeprefix('-'))}" if bare.startswith("T") else bare


def waits_for(text: str, ids: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """The tasks that a text says it waits for: as written, and the id that it has now, None for one that is not there.

    Args:
        text: of a task, any number of lines.
        ids: `key` of what the source calls a task → its id.
    """
    for match in _WAITS.finditer(text):
        for name in _each(match["ids"]):
            known = ids.get(key(name))
            # A bare number may be anything: "requires 2".
            if known is not None or key(name).startswith("T"):
                yield name, known


def _each(text: str) -> Iterator[str]:
    for span in _RANGE.finditer(text):
        first, last = int(span["first"]), int(span["last"])
        if first < last <= first + _LONGEST_RANGE:
            yield from (f"T{number}" for number in range(first, last + 1))
    yield from (match[0] for match in _EACH.finditer(text))


def paths_in(text: str) -> tuple[str, ...]:
    """The paths of files that a text names: with a slash, and a suffix or a wildcard at the end."""
    found = (match[0] for match in _PATH.finditer(text))
    return tuple(dict.fromkeys(path for path in found if "." in path.rpartition("/")[2] or "*" in path))
