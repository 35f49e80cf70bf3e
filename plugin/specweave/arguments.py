"""The arguments of a command as people write them, derived from its request model.

One reading of a request model for every face: shell options, argument hints, the slash line in a report, and the
sentence that says which argument is wrong.
"""

import shlex
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, ValidationError
from pydantic.fields import FieldInfo

from specweave.command import AnyCommand, Last, Positional, Request, parse_duration
from specweave.errors import InvalidInputError

Shape = Literal["flag", "one", "many", "pairs"]
RequestT = TypeVar("RequestT", bound=Request)

_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Parameter:
    """One field of a request, as it is typed.

    Attributes:
        field: name of the MCP parameter; that in the request model, or its alias where Python reserves the word.
        attribute: name in the request model.
        shape: a flag, one value, a list (`10,50` or the option repeated), or `KEY=VALUE` pairs.
        positional: may stand without its option name.
        required: has no default.
        default: the value when it is left out; None where it is required.
        placeholder: what stands for a value in help: `N`, `DURATION`, `TEXT`, `a|b`.
        choices: the values allowed, empty where they are not listed.
        description: one sentence.
    """

    field: str
    attribute: str
    shape: Shape
    positional: bool
    required: bool
    default: object
    placeholder: str
    choices: tuple[str, ...]
    description: str

    @property
    def option(self) -> str:
        """As typed in the shell: `--held-out`."""
        return "--" + self.field.replace("_", "-")

    @property
    def hint(self) -> str:
        """As it stands in an argument hint: `[increment]`, `[--rps N,…]`, `<title>`."""
        if self.positional:
            words = self.field.replace("_", "-") + ("…" if self.shape == "many" else "")
            return f"<{words}>" if self.required else f"[{words}]"
        if self.shape == "flag":
            words = self.option if not self.default else "--no-" + self.option[2:]
        else:
            words = f"{self.option} {self.placeholder}" + (",…" if self.shape == "many" else "")
        return words if self.required else f"[{words}]"


def parameters(request: type[Request]) -> tuple[Parameter, ...]:
    """The parameters of a request model, positional ones first, `Last` ones last, else as they are declared."""
    fields = sorted(request.model_fields.items(), key=lambda field: _has(field[1].metadata, Last))
    found = [_parameter(name, info) for name, info in fields]
    return tuple(sorted(found, key=lambda parameter: not parameter.positional))


def _has(metadata: Sequence[object], mark: type[Positional | Last]) -> bool:
    return any(isinstance(item, mark) for item in metadata)


def hint(request: type[Request]) -> str:
    """The argument hint of a slash command: `[increment] [--rps N,…] [--duration DURATION]`."""
    return " ".join(parameter.hint for parameter in parameters(request))


def validate(request: type[RequestT], values: Mapping[str, object]) -> RequestT:
    """A request from the values of its fields.

    A list may also be given as one value or as text, `10,50` or `[10, 50]`, and pairs as `KEY=VALUE`, one or a list:
    people and some clients do.

    Raises:
        InvalidInputError: `argument-missing`, `argument-unknown` or `argument-invalid`, naming the first bad field.
    """
    read = {parameter.field: _READERS.get(parameter.shape) for parameter in parameters(request)}
    given = {field: reader(value) if (reader := read.get(field)) else value for field, value in values.items()}
    try:
        return request.model_validate(given)
    except ValidationError as error:
        raise _explained(request, error) from error


def _items(value: object) -> object:
    if isinstance(value, str):
        inner = value.strip().removeprefix("[").removesuffix("]")
        return [item for part in inner.split(",") if (item := part.strip().strip("\"'"))]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return [value]
    return value


def _pairs(value: object) -> object:
    items = [value] if isinstance(value, str) else value
    if isinstance(items, list) and all(isinstance(item, str) and "=" in item for item in items):
        return dict(item.split("=", 1) for item in items)
    return value


_READERS: Mapping[Shape, Callable[[object], object]] = {"many": _items, "pairs": _pairs}


def slash_line(command: AnyCommand, request: Request) -> str:
    """What a person would type in chat for this request; arguments that were left out or are the default stay out."""
    words = [f"/{command.group}:{command.name}"]
    for parameter in parameters(type(request)):
        value = getattr(request, parameter.attribute)
        if value is None or (value == parameter.default and not parameter.positional):
            continue
        words += _words(parameter, value)
    return " ".join(words)


def _words(parameter: Parameter, value: object) -> list[str]:
    if parameter.shape == "flag":
        return [parameter.option if value else "--no-" + parameter.option[2:]]
    if isinstance(value, Mapping):
        return [word for key, item in value.items() for word in (parameter.option, shlex.quote(f"{key}={item}"))]
    if parameter.shape == "many" and isinstance(value, (list, tuple, set, frozenset)):
        text = ",".join(_text(parameter, item) for item in value)
    else:
        text = _text(parameter, value)
    # A word that begins with a hyphen would be read as an option where it stands by position.
    by_position = parameter.positional and not text.startswith("-")
    return [shlex.quote(text)] if by_position else [parameter.option, shlex.quote(text)]


def _text(parameter: Parameter, value: object) -> str:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, float):
        return f"{value:.12g}" + ("s" if parameter.placeholder == "DURATION" else "")
    return str(value)


def _parameter(name: str, info: FieldInfo) -> Parameter:
    annotation, metadata = _unwrapped(info.annotation)
    metadata = [*info.metadata, *metadata]
    shape, inner = _shape(annotation)
    choices = _choices(inner)
    required = info.is_required()
    return Parameter(
        field=info.alias or name,
        attribute=name,
        shape=shape,
        positional=_has(metadata, Positional),
        required=required,
        default=None if required else info.get_default(call_default_factory=True, validated_data={}),
        placeholder=_placeholder(inner, metadata, shape, choices),
        choices=choices,
        description=(info.description or "").strip(),
    )


def _unwrapped(annotation: object) -> tuple[Any, list[object]]:
    """The type below `Annotated` and `| None`, and what was said about it on the way."""
    metadata: list[object] = []
    while True:
        if typing.get_origin(annotation) is Annotated:
            annotation, *said = typing.get_args(annotation)
            metadata += said
            continue
        if typing.get_origin(annotation) in (typing.Union, types.UnionType):
            arms = [arm for arm in typing.get_args(annotation) if arm is not type(None)]
            if len(arms) == 1:
                annotation = arms[0]
                continue
        return annotation, metadata


def _shape(annotation: Any) -> tuple[Shape, Any]:
    if annotation is bool:
        return "flag", annotation
    origin = typing.get_origin(annotation) or annotation
    arguments = [argument for argument in typing.get_args(annotation) if argument is not Ellipsis]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "pairs", str
    if isinstance(origin, type) and issubclass(origin, Sequence | set | frozenset) and origin not in (str, bytes):
        return "many", _unwrapped(arguments[0])[0] if arguments else str
    return "one", annotation


def _choices(annotation: Any) -> tuple[str, ...]:
    if typing.get_origin(annotation) is Literal:
        return tuple(str(choice) for choice in typing.get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return tuple(str(member.value) for member in annotation)
    return ()


def _placeholder(annotation: Any, metadata: Sequence[object], shape: Shape, choices: tuple[str, ...]) -> str:
    if choices:
        return "|".join(choices)
    if shape == "pairs":
        return "KEY=VALUE"
    if any(isinstance(item, BeforeValidator) and item.func is parse_duration for item in metadata):
        return "DURATION"
    if annotation in (int, float):
        return "N"
    return "FILE" if annotation is Path else "TEXT"


def _explained(request: type[Request], error: ValidationError) -> InvalidInputError:
    first = error.errors(include_url=False, include_context=False)[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    fields = {info.alias or name: info for name, info in request.model_fields.items()}
    known = ", ".join(fields) or "none"
    details = {"field": field, "problems": error.error_count()}
    if first["type"] == "missing":
        return InvalidInputError(
            "argument-missing", f"{field} is missing", next_step=_give(field, fields), details=details
        )
    if first["type"] == "extra_forbidden":
        near = get_close_matches(field, list(fields), n=1)
        return InvalidInputError(
            "argument-unknown",
            f"there is no argument {field}",
            next_step=f"did you mean {near[0]}?" if near else f"use one of: {known}",
            details=details,
        )
    where = ".".join(str(part) for part in first["loc"]) or "arguments"
    reason = first["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    shown = "" if first["type"] == "value_error" and not first["loc"] else f", not {_shown(first['input'])}"
    counted = len(first["loc"]) == 1 and field in fields
    said = (counted and _miscounted(first["type"], first["input"], fields[field])) or f"{reason}{shown}"
    description = fields[field].description if field in fields else None
    return InvalidInputError(
        "argument-invalid",
        f"{where}: {said}",
        next_step=f"give another value. About {field}: {description}" if description else f"correct {where}",
        details=details,
    )


def _miscounted(problem: str, given: Any, field: FieldInfo) -> str | None:
    """How many values a list needs and how many it has; None where that is not what is wrong."""
    if problem not in {"too_short", "too_long"}:
        return None
    least, most = (
        next((found for item in field.metadata if (found := getattr(item, bound, None)) is not None), None)
        for bound in ("min_length", "max_length")
    )
    short = problem == "too_short"
    limit = least if short else most
    if limit is None:
        return None
    bound = "" if least == most else "at least " if short else "at most "
    return f"needs {bound}{limit:,} value{'s' * (limit != 1)}, {len(given):,} given"


def _give(field: str, fields: Mapping[str, FieldInfo]) -> str:
    description = (fields[field].description or "") if field in fields else ""
    if description.startswith("Why"):
        return f'say why: --{field} "…"'
    return f"give {field}. About it: {description}" if description else f"give {field}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
