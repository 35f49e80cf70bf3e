"""Values written so that they mean themselves in the language they land in.

Each function takes a value and gives text that a parser of that language reads back as the same value.
"""

import json as _json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from specweave.errors import InvalidInputError

# Unicode that YAML 1.1 readers do not take, or take as a line break, inside a double-quoted scalar.
_NOT_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_ENTITY = re.compile(r"&(?=#|[A-Za-z])")
_MARKDOWN_ALWAYS = re.compile(r"([\\`*\[\]<|~])")
_MARKDOWN_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_MARKDOWN_LEADING = re.compile(r"^([#+\-=>:])|^(\d{1,9})([.)])(?=\s|$)")
_STEERING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def python(value: object) -> str:
    """A Python literal."""
    plain = _plain(value)
    if isinstance(plain, float) and not math.isfinite(plain):
        return f'float("{plain}")'
    if isinstance(plain, str):
        literal = repr(plain)
        # The formatter's choice of quotes; where the text holds one, repr has chosen already.
        return literal if '"' in plain else f'"{literal[1:-1]}"'
    if isinstance(plain, list):
        return "[" + ", ".join(python(item) for item in plain) + "]"
    if isinstance(plain, dict):
        return "{" + ", ".join(f"{python(key)}: {python(item)}" for key, item in plain.items()) + "}"
    return repr(plain)


def json(value: object, indent: int | None = None) -> str:
    """A JSON document."""
    try:
        return _json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, indent=indent)
    except ValueError as error:
        raise _impossible(value, "JSON") from error


def yaml(value: object) -> str:
    """A YAML flow value that readers of YAML 1.1 and 1.2 take for the same."""
    plain = _plain(value)
    if isinstance(plain, float):
        if not math.isfinite(plain):
            return ".nan" if math.isnan(plain) else (".inf" if plain > 0 else "-.inf")
        mantissa, exponent, power = repr(plain).partition("e")
        # Without the point, YAML 1.1 reads 1e-05 as text.
        return mantissa + (".0" if exponent and "." not in mantissa else "") + exponent + power
    if isinstance(plain, list):
        return "[" + ", ".join(yaml(item) for item in plain) + "]"
    if isinstance(plain, dict):
        return "{" + ", ".join(f"{yaml(key)}: {yaml(item)}" for key, item in plain.items()) + "}"
    return _NOT_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", json(plain))


def shell(value: object) -> str:
    """One word of a POSIX shell."""
    text = str(value)
    if "\0" in text:
        raise _impossible(value, "a shell word")
    return shlex.quote(text)


def dockerfile(value: object) -> str:
    """A value of ENV, LABEL or ARG, in double quotes, without substitution."""
    text = str(value)
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise _impossible(value, "a Dockerfile")
    return '"' + re.sub(r'(["\\$])', r"\\\1", text) + '"'


def markdown(value: object) -> str:
    """Inline text of CommonMark that shows the value as it is, on one line; control characters become spaces."""
    text = " ".join(_CONTROL.sub(" ", str(value)).split())
    text = _MARKDOWN_ALWAYS.sub(r"\\\1", text)
    text = _ENTITY.sub(r"\\&", text)
    text = _MARKDOWN_UNDERSCORE.sub(r"\\_", text)
    return _MARKDOWN_LEADING.sub(lambda match: f"\\{match[1]}" if match[1] else f"{match[2]}\\{match[3]}", text)


def code_span(value: object, *, cell: bool = False) -> str:
    """Inline code of CommonMark that shows the value as it is, on one line.

    Args:
        value: what is shown; line breaks and control characters become spaces.
        cell: it stands in a table, whose cells end at a bare `|` even within code.
    """
    text = _CONTROL.sub(" ", str(value)) or " "
    fence = "`" * (_longest_run(text) + 1)
    if text.strip(" ") and (text[0] + text[-1] == "  " or "`" in text[0] + text[-1]):
        text = f" {text} "  # CommonMark takes one space off at either end
    return fence + (text.replace("|", r"\|") if cell else text) + fence


def code_block(value: object) -> str:
    """Lines of code of CommonMark, with a fence that nothing within it can close; no line break at the end."""
    text = "\n".join(_CONTROL.sub(" ", line) for line in str(value).splitlines())
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}\n{text}\n{fence}"


def message(value: object) -> str:
    """What a program said: the first line as text, further ones, such as the end of a log, as a block of code."""
    first, _, rest = str(value).strip().partition("\n")
    return markdown(first) + (f"\n\n{code_block(rest)}" if rest.strip() else "")


def terminal(text: str) -> str:
    """Text that a terminal only shows: control characters but line breaks and tabs become replacement characters."""
    return _STEERING.sub("\ufffd", text)


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def _plain(value: object) -> Any:
    """Only the types that every language here has: a subclass's repr is anybody's text."""
    if value is None or type(value) in {bool, int, float}:
        return value
    if isinstance(value, str):
        text = str.__str__(value)
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            raise _impossible(value, "UTF-8")
        return text
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [_plain(item) for item in value]
    raise _impossible(value, "generated text")


def _impossible(value: object, language: str) -> InvalidInputError:
    return InvalidInputError(
        "value-not-writable", f"{ascii(value)[:100]} of type {type(value).__name__} cannot be written in {language}"
    )


FILTERS = {
    "python": python,
    "json": json,
    "yaml": yaml,
    "shell": shell,
    "dockerfile": dockerfile,
    "markdown": markdown,
    "code_span": code_span,
    "code_block": code_block,
}
