"""From the bytes of a request to typed rows, in one step, or to a refusal that names the field.

The types are those of the generated `api/models.py`: extra fields are forbidden, a boolean is no integer, text is no
number, numbers are finite. 30.0 is taken for an integer, 30.5 is not. Of a name that is given twice the last counts.
"""

import re
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from specweave_runtime.errors import RequestError

FeaturesT = TypeVar("FeaturesT", bound=msgspec.Struct)

_AT = re.compile(r" - at `(\$.*)`$", re.DOTALL)
_NAMED = re.compile(r"(?:required|unknown) field `(.*)`", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field")
_INTEGRAL = re.compile(r"^Expected `int(?: \| null)?`, got `float`")
_ENUM = re.compile(r"^Invalid enum value")


class Decoder(Generic[FeaturesT]):
    """Reads requests for one model.

    Args:
        features: the type of one row.
        batch_rows: most rows in one batch.

    Attributes:
        names: of the features, in order.
        request, batch: the types of `{"features": {…}}` and `{"instances": [{…}, …]}`, for the documentation.
    """

    def __init__(self, features: type[FeaturesT], batch_rows: int) -> None:
        rows = Annotated[list[features], msgspec.Meta(min_length=1, max_length=batch_rows)]  # type: ignore[valid-type]
        request = msgspec.defstruct("PredictRequest", [("features", features)], forbid_unknown_fields=True, frozen=True)
        batch = msgspec.defstruct("BatchRequest", [("instances", rows)], forbid_unknown_fields=True, frozen=True)
        self.names = tuple(field.encode_name for field in msgspec.structs.fields(features))
        self.request: type[Any] = request
        self.batch: type[Any] = batch
        self._integers = _integers(features)
        # A feature that is itself called "features" holds no object, so the brace tells the two forms apart.
        self._is_wrapped = re.compile(
            rb'\s*\{\s*"features"\s*:\s*\{' if "features" in self.names else rb'\s*\{\s*"features"\s*:'
        ).match
        self._wrapped = msgspec.json.Decoder(request)
        self._bare = msgspec.json.Decoder(features)
        self._instances = msgspec.json.Decoder(batch)
        self._array = msgspec.json.Decoder(rows)

    def one(self, body: bytes) -> FeaturesT:
        """The row of `{"features": {…}}` or of the bare object.

        Raises:
            RequestError: 400 for what is no JSON, 422 for what is no row of this model.
        """
        row: FeaturesT = (
            self._decode(self._wrapped, body).features if self._is_wrapped(body) else self._decode(self._bare, body)
        )
        return row

    def many(self, body: bytes) -> list[FeaturesT]:
        """The rows of `{"instances": [{…}, …]}` or of the bare array.

        Raises:
            RequestError: as `one`; also for no row, and for more rows than allowed.
        """
        is_array = body.lstrip()[:1] == b"["
        rows: list[FeaturesT] = (
            self._decode(self._array, body) if is_array else self._decode(self._instances, body).instances
        )
        return rows

    def _decode(self, decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
        try:
            return decoder.decode(body)
        except msgspec.ValidationError as error:
            if _INTEGRAL.match(str(error)):
                return self._decode_integral(decoder, body)
            raise _invalid(error) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _malformed(body, error) from None

    def _decode_integral(self, decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
        """The slow way, for clients that write whole numbers as 30.0, which msgspec takes for floats."""
        try:
            return msgspec.convert(_with_integers(msgspec.json.decode(body), self._integers), decoder.type)
        except msgspec.ValidationError as error:
            raise _invalid(error) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(body, error) from None


def _integers(features: type[msgspec.Struct]) -> frozenset[str]:
    names = set()
    for field in msgspec.structs.fields(features):
        kind = msgspec.inspect.type_info(field.type)
        options = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
        if any(isinstance(option, msgspec.inspect.IntType) or _is_integer_literal(option) for option in options):
            names.add(field.encode_name)
    return frozenset(names)


def _is_integer_literal(kind: msgspec.inspect.Type) -> bool:
    return isinstance(kind, msgspec.inspect.LiteralType) and all(isinstance(value, int) for value in kind.values)


def _with_integers(data: Any, names: frozenset[str]) -> Any:
    """The same data with 30.0 as 30 where an integer is wanted; rows lie at most three levels deep."""
    if isinstance(data, list):
        return [_with_integers(item, names) for item in data]
    if isinstance(data, dict):
        return {
            name: int(value)
            if name in names and isinstance(value, float) and value.is_integer()
            else _with_integers(value, names)
            for name, value in data.items()
        }
    return data


def _malformed(body: bytes, error: Exception) -> RequestError:
    if not body.strip():
        return RequestError(400, "body-empty", "the body is empty; a JSON object is wanted")
    return RequestError(400, "body-malformed", f"the body is not JSON: {error}")


def _invalid(error: msgspec.ValidationError) -> RequestError:
    text = str(error)
    path = _AT.search(text)
    message = text[: path.start()] if path else text
    place = path.group(1) if path else "$"
    if named := _NAMED.search(message):
        field: str | None = named.group(1)
        code = "field-unknown" if _UNKNOWN.match(message) else "field-missing"
    else:
        field = _field(place)
        code = "category-unknown" if field and _ENUM.match(message) else "field-invalid" if field else "body-invalid"
    where = "" if place == "$" else f" at {place}"
    return RequestError(422, code, f"{message}{where}", field=field)


def _field(place: str) -> str | None:
    """The feature in a path as msgspec writes it: `$.features.age`, `$[3].age`, `$.instances[3].age`, `$.age`."""
    rest = re.sub(r"^\$(?:\.instances(?=\[))?(?:\[\d+\])?", "", place)
    rest = rest.removeprefix(".features") if rest.startswith(".features.") else rest
    return rest[1:] if rest.startswith(".") else None
