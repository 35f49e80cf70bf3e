"""The YAML at the top of a document: its values, the line of each, and edits of single ones that keep the rest."""

import re
from collections.abc import Iterator, Mapping

from specweave.errors import InvalidInputError
from specweave.files.markdown import Document, Replace, readable

_CHARACTERS = 65_536
_DEPTH = 50
_SCALAR = re.compile(
    r"^(?P<key>[A-Za-z_][\w-]*)[ \t]*:(?P<space>[ \t]*)"
    r"(?P<value>\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'|[^\s#\"'\[{&*!|>%@`-][^\r\n#]*?|-?\d[^\r\n#]*?|)"
    r"(?P<rest>[ \t]*|[ \t]+#[^\r\n]*)[\r\n]*$"
)


def read(document: Document) -> Mapping[str, object]:
    """The values of a document's frontmatter; none where it has none.

    Raises:
        InvalidInputError: `frontmatter-invalid`.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - start-up: most commands read no frontmatter
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415 - as above

    text = readable(document.frontmatter)
    if len(text) > _CHARACTERS:
        raise _invalid(f"it has {len(text):,} characters, {_CHARACTERS:,} are read at most")
    if re.search(rf"[\[{{]{{{_DEPTH}}}", text):
        raise _invalid("it is nested too deeply")
    try:
        found = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        raise _invalid(" ".join(str(error).split())[:200]) from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _invalid("it holds no keys with values")
    return {str(key): value for key, value in found.items() if isinstance(key, str | int)}


def lines(document: Document) -> Mapping[str, int]:
    """Key → line, from 1, of the keys that begin a line."""
    found: dict[str, int] = {}
    left = len(document.frontmatter)
    for number, line in enumerate(document.lines[1:], 2):
        if left <= 0:
            break
        left -= len(line)
        key, colon, _ = line.partition(":")
        if colon and key.strip() == key.rstrip() and not key.startswith((" ", "#", "-")):
            found.setdefault(key.rstrip(), number)
    return found


def edits(document: Document, values: Mapping[str, str]) -> Iterator[Replace]:
    """Put other words for values that stand alone on the line of their key; keys that do not are left as they are.

    Args:
        document: with the frontmatter.
        values: key → plain YAML scalar.
    """
    for key, number in lines(document).items():
        match = _SCALAR.match(document.lines[number - 1])
        # `key:value` without a blank is no key with a value.
        if key in values and match is not None and (match["space"] or not match["value"]):
            text = values[key] if match["space"] else f" {values[key]}"
            yield Replace(number - 1, match.start("value"), match.end("value"), text)


def _invalid(reason: str) -> InvalidInputError:
    return InvalidInputError(
        "frontmatter-invalid",
        f"the frontmatter is no YAML: {reason}",
        next_step="correct the lines between the two ---",
    )
