"""Bodies from a file: JSON, JSON lines, or a table with the features as columns."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from specweave.errors import InvalidInputError
from specweave.operations.request_bodies.rows import RowTypes
from specweave_runtime.package import Value

MOST_BYTES, MOST_BODIES = 64 * 1024 * 1024, 100_000
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_NAMES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Body:
    """A body as it is sent.

    Attributes:
        text: JSON.
        rows: how many rows it has where it is one for many, else None.
    """

    text: str
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class BodyFile:
    """What was read.

    Attributes:
        bodies: in the order of the file; one at least.
        left_out: names in it that are no features of the model, and are not sent.
    """

    bodies: tuple[Body, ...]
    left_out: tuple[str, ...]


def is_table(path: Path) -> bool:
    """Whether a file is read as a table, by the end of its name."""
    return path.suffix.lower() in _SEPARATORS


def read_file(path: Path, types: RowTypes) -> BodyFile:
    """Every body of a file.

    Each line of a table is a row. In JSON an object with a feature of the model is a row; any other element of an array
    or line is a body, sent as it is.

    Args:
        path: the file; `.csv` and `.tsv` are tables, anything else is JSON.
        types: of the rows.

    Raises:
        InvalidInputError: `bodies-invalid`, with the line; `bodies-too-large`.
    """
    if path.stat().st_size > MOST_BYTES:
        raise _too_large(path, f"{MOST_BYTES // 2**20} MiB")
    bodies: list[Body] = []
    others: dict[str, None] = {}
    for place, element in _rows(path, types, others) if is_table(path) else _elements(path):
        if len(bodies) == MOST_BODIES:
            raise _too_large(path, f"{MOST_BODIES:,} bodies")
        try:
            bodies.append(_body(element, types, others))
        except ValueError as error:
            raise invalid(path, f"{place}: {error}") from error
    if not bodies:
        raise invalid(path, "it has no rows")
    return BodyFile(tuple(bodies), tuple(others))


def read_table(path: Path, types: RowTypes, others: dict[str, None]) -> Iterator[tuple[int, dict[str, Value]]]:
    """The rows of a table with their lines, one by one.

    Args:
        path: UTF-8, with the names of the columns in its first line.
        types: which columns are wanted, and of which type they are.
        others: receives the names of the other columns.

    Raises:
        InvalidInputError: `bodies-invalid`.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, delimiter=_SEPARATORS[path.suffix.lower()], strict=True)
        try:
            header = next(lines, [])
            _check_header(path, header, types)
            others.update(dict.fromkeys(name for name in header if name not in types.names))
            for cells in lines:
                if cells and len(cells) != len(header):
                    raise invalid(path, f"line {lines.line_num} has {len(cells)} cells, the first line {len(header)}")
                if cells:
                    yield lines.line_num, types.of_cells(dict(zip(header, cells, strict=True)))
        except (csv.Error, UnicodeDecodeError) as error:
            raise invalid(path, f"line {lines.line_num}: {error}") from error


def invalid(path: Path, reason: str) -> InvalidInputError:
    """A file of bodies that cannot be used."""
    return InvalidInputError(
        "bodies-invalid",
        f"{path.name} cannot be sent: {reason}",
        next_step="give a CSV with the model's features as columns, or JSON lines with one row or body in each",
    )


def _too_large(path: Path, limit: str) -> InvalidInputError:
    return InvalidInputError(
        "bodies-too-large", f"{path.name} has more than {limit}", next_step="take a sample of it: bodies are repeated"
    )


def _check_header(path: Path, header: list[str], types: RowTypes) -> None:
    if missing := [name for name in types.names if name not in header]:
        more = f" and {len(missing) - _NAMES_SHOWN} more" if len(missing) > _NAMES_SHOWN else ""
        raise invalid(path, f"it lacks the columns {', '.join(missing[:_NAMES_SHOWN])}{more}")
    if twice := [name for name in types.names if header.count(name) > 1]:
        raise invalid(path, f"it has the column {twice[0]} twice")


def _rows(path: Path, types: RowTypes, others: dict[str, None]) -> Iterator[tuple[str, object]]:
    for line, row in read_table(path, types, others):
        yield f"line {line}", row


def _elements(path: Path) -> Iterator[tuple[str, object]]:
    """What a JSON file holds, with where it stands."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise invalid(path, f"it is no text in UTF-8: {error}") from error
    try:
        document = _decoded(text)
    except ValueError as whole:
        # A line of JSON may hold what `str.splitlines` takes for the end of one.
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        for place, (number, line) in enumerate(lines):
            try:
                element = _decoded(line)
            except ValueError as error:
                reason = f"line {number}: {error}" if place else f"it is neither JSON nor JSON lines: {whole}"
                raise invalid(path, reason) from error
            yield f"line {number}", element
        return
    for number, element in enumerate(document if isinstance(document, list) else [document], 1):
        yield f"element {number}", element


def _decoded(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _body(element: object, types: RowTypes, others: dict[str, None]) -> Body:
    """Raises: ValueError: what cannot be sent."""
    instances = element.get("instances") if isinstance(element, dict) else element
    if isinstance(instances, list):
        return Body(_encoded(element), len(instances))
    if not isinstance(element, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - a value in a file
    if isinstance(element.get("features"), dict) or not element.keys() & set(types.names):
        return Body(_encoded(element))
    others.update(dict.fromkeys(name for name in element if name not in types.names))
    return Body(types.body(element))


def _encoded(element: object) -> str:
    return json.dumps(element, ensure_ascii=False, allow_nan=False)
