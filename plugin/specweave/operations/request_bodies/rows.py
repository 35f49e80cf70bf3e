"""Rows as the generated service of a model takes them."""

import json
import math
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from specweave_runtime.decoding import Decoder
from specweave_runtime.errors import RequestError
from specweave_runtime.package import Feature, Signature, Value
from specweave_runtime.values import Integer, Number

# What a cell is taken for null by, as where the package was made (specweave_worker.frames).
_NULLS = frozenset(
    {"", "#N/A N/A", "#N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A"}
    | {"NA", "NULL", "NaN", "None", "n/a", "nan", "null"}
)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class RowTypes:
    """Makes bodies from rows of one model, with the types and the refusals of the generated service.

    Attributes:
        names: of the features, in order.

    Raises:
        ValueError: a feature has a name that no service can take.
    """

    def __init__(self, signature: Signature) -> None:
        self._features = {feature.name: feature for feature in signature.features}
        self.names = tuple(self._features)
        fields = [
            (f"feature_{number}", _type(feature), msgspec.field(name=feature.name))
            for number, feature in enumerate(signature.features)
        ]
        row = msgspec.defstruct("Features", fields, forbid_unknown_fields=True, frozen=True)
        self._decoder: Decoder[Any] = Decoder(row, 1)
        self._listed = [
            feature
            for feature in signature.features
            if feature.categories and feature.unknown_category == "error" and feature.type in {"number", "boolean"}
        ]

    def body(self, row: Mapping[str, object]) -> str:
        """The body of a request for one row: `{"features": {…}}`.

        Args:
            row: feature → value; other names are left out.

        Raises:
            ValueError: what the service would refuse, with the name of the feature.
        """
        text = json.dumps({"features": {name: row[name] for name in self.names if name in row}}, ensure_ascii=False)
        try:
            self._decoder.one(text.encode())
        except RequestError as error:
            raise ValueError(str(error).replace("$.features.", "")) from error
        for feature in self._listed:
            value = row[feature.name]
            if value is not None and value not in (feature.categories or ()):
                raise ValueError(f"{value!r} is no known value of {feature.name}")
        return text

    def of_cells(self, cells: Mapping[str, str]) -> dict[str, Value]:
        """A row from the cells of a table; a cell that is no value of its feature stays text, for `body` to refuse."""
        return {name: _value(cells[name], feature) for name, feature in self._features.items() if name in cells}


def _type(feature: Feature) -> Any:
    kind: Any = {"number": Number, "integer": Integer, "string": str, "boolean": bool}[feature.type]
    if feature.categories and feature.unknown_category == "error" and feature.type in {"string", "integer"}:
        kind = Literal[feature.categories]
    return kind | None if feature.nullable else kind


def _value(cell: str, feature: Feature) -> Value:
    # A category may be named None or NA.
    if cell in _NULLS and cell not in (feature.categories or ()):
        return None
    try:
        if feature.type == "boolean":
            return _BOOLEANS[cell.strip().lower()]
        if feature.type == "string":
            return cell
        number = float(cell)
    except (ValueError, KeyError):
        return cell
    if not math.isfinite(number):
        return cell
    return int(cell) if feature.type == "integer" and cell.strip().lstrip("+-").isdecimal() else number
