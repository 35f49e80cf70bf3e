"""Shell words to a request and back to click: what `specweave ml load-test …` and a task's `**Run**` line share."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import click

from specweave.arguments import Parameter, parameters, validate
from specweave.command import Request
from specweave.errors import InvalidInputError

RequestT = TypeVar("RequestT", bound=Request)

# Click keeps one value per name; a field given by position and by option needs two.
_BY_POSITION = "position_"


def click_parameters(request: type[Request]) -> list[click.Parameter]:
    """Arguments and options for every field of a request model."""
    found: list[click.Parameter] = []
    for parameter in parameters(request):
        if parameter.positional:
            found.append(_argument(parameter))
        found.append(_option(parameter))
    return found


def to_request(request: type[RequestT], values: Mapping[str, Any]) -> RequestT:
    """A request from what click collected for `click_parameters`.

    Raises:
        InvalidInputError: `argument-repeated`, or what `specweave.arguments.validate` raises.
    """
    given: dict[str, object] = {}
    for parameter in parameters(request):
        by_option = _given(parameter, values.get(parameter.field))
        by_position = _given(parameter, values.get(_BY_POSITION + parameter.field))
        if by_option is not None and by_position is not None:
            raise InvalidInputError(
                "argument-repeated",
                f"{parameter.field} is given twice: {by_position!r} and {parameter.option} {by_option!r}",
                next_step=f"leave out one; quote a value with spaces, such as {parameter.option} 'two words'",
            )
        value = by_position if by_option is None else by_option
        if value is not None:
            given[parameter.field] = value
    return validate(request, given)


def parse(request: type[RequestT], words: Sequence[str]) -> RequestT:
    """A request from shell words, the command's name left out: `["0043", "--rps", "100"]`.

    Raises:
        InvalidInputError: `usage` where an option is unknown or lacks its value; see also `to_request`.
    """
    command = click.Command("command", params=click_parameters(request), add_help_option=False)
    try:
        with command.make_context("command", list(words)) as context:
            return to_request(request, context.params)
    except click.ClickException as error:
        raise InvalidInputError("usage", error.format_message().rstrip(".")) from error


def _argument(parameter: Parameter) -> click.Argument:
    return click.Argument(
        [_BY_POSITION + parameter.field],
        required=False,
        nargs=-1 if parameter.shape == "many" else 1,
        metavar=parameter.hint,
    )


def _option(parameter: Parameter) -> click.Option:
    help_text = parameter.description
    if parameter.default not in (None, False, (), [], {}, True):
        help_text = f"{help_text} [default: {_default(parameter)}]".strip()
    if parameter.shape == "flag":
        names = parameter.option if parameter.default is False else f"{parameter.option}/--no-{parameter.option[2:]}"
        return click.Option([names, parameter.field], default=None, is_flag=True, help=help_text)
    return click.Option(
        [parameter.option, parameter.field],
        multiple=parameter.shape in ("many", "pairs"),
        metavar=parameter.placeholder + (",…" if parameter.shape == "many" else ""),
        help=help_text,
    )


def _default(parameter: Parameter) -> str:
    values = parameter.default if isinstance(parameter.default, (list, tuple)) else (parameter.default,)
    return ",".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)


def _given(parameter: Parameter, value: Any) -> object:
    if value is None or value == ():
        return None
    if parameter.shape == "pairs":
        return dict(_pair(parameter, item) for item in value)
    if parameter.shape == "many":
        return ",".join(value)
    single: object = value
    return single


def _pair(parameter: Parameter, text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        # What stands there may be a secret that lacks its name.
        raise InvalidInputError(
            "argument-invalid", f"{parameter.option} has no KEY=VALUE behind it", next_step="write it as KEY=VALUE"
        )
    return key, value
