"""From rows of values to the arrays of a model's inputs."""

import struct
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from specweave_runtime.package import Input, PackageError, Signature, Value

Array = npt.NDArray[Any]

_DTYPES: dict[str, Any] = {
    "float32": np.float32,
    "float64": np.float64,
    "int64": np.int64,
    "bool": np.bool_,
    "string": np.object_,
}

_CODES: dict[Any, str] = {np.float32: "f", np.float64: "d"}


class Column:
    """One input tensor: which values of a row fill it, and how.

    Args:
        signature: names the features and their order in a row.
        source: the input.

    Raises:
        PackageError: a feature that may be null has nothing that stands for null in this tensor.
    """

    def __init__(self, signature: Signature, source: Input) -> None:
        features = [feature.name for feature in signature.features]
        places = [features.index(name) for name in source.features]
        self.name = source.name
        self.width = len(places)
        self.dtype = _DTYPES[source.dtype]
        self.text = source.dtype == "string"
        self._missing = source.missing
        # A caller may send the very text that stands for null: it is made another one, which is no category either.
        self._replaced: dict[Value, Value] = {None: source.missing, source.missing: f"{source.missing}_"}
        self._take = _taker(places, len(features))
        nullable = [
            name for name, place in zip(source.features, places, strict=True) if signature.features[place].nullable
        ]
        self._fill = bool(nullable) and self.text
        if nullable and ((self.text and source.missing is None) or source.dtype in {"int64", "bool"}):
            raise PackageError(f"signature: {nullable[0]} may be null, but input {source.name} has no value for null")

    def values(self, row: Sequence[Value]) -> Sequence[Value]:
        """The part of a row that is for this input; null in a numeric tensor is left to numpy, which makes it NaN."""
        values = self._take(row)
        if self._fill and (None in values or self._missing in values):
            return [self._replaced.get(value, value) for value in values]
        return values

    def array(self, rows: Sequence[Sequence[Value]]) -> Array:
        """The tensor for rows: one line each."""
        return np.array([self.values(row) for row in rows], dtype=self.dtype).reshape(len(rows), self.width)

    def filler(self, buffer: Array) -> Callable[[Sequence[Value]], None]:
        """What writes the values of a row into a buffer of one row.

        Numbers are packed by the standard library: numpy's own way takes several microseconds between two requests.
        """

        def assign(row: Sequence[Value]) -> None:
            buffer[0] = self.values(row)

        if (code := _CODES.get(self.dtype)) is None:
            return assign
        pack, memory, take = struct.Struct(f"={self.width}{code}").pack_into, buffer.data.cast("B"), self._take

        def fill(row: Sequence[Value]) -> None:
            try:
                pack(memory, 0, *take(row))
            except (struct.error, OverflowError):  # a null, which numpy makes NaN
                assign(row)

        return fill

    def buffer(self) -> Array:
        """An array for one row, to be filled again and again."""
        return np.zeros((1, self.width), dtype=self.dtype)


def _taker(places: list[int], width: int) -> Callable[[Sequence[Value]], Sequence[Value]]:
    if places == list(range(width)):
        return _whole
    if len(places) == 1:
        start = places[0]
        return itemgetter(slice(start, start + 1))
    return itemgetter(*places)


def _whole(row: Sequence[Value]) -> Sequence[Value]:
    return row
