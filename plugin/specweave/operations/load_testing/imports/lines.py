"""A file line by line, of which none is longer than there is room for."""

from collections.abc import Iterator
from typing import BinaryIO

from specweave.operations.load_testing.imports.figures import NotUnderstoodError

LONGEST_LINE = 16 * 2**20


class Lines:
    """Lines without their ends, empty ones left out.

    Attributes:
        number: of the line that was given last, from 1 on.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.number = 0

    def __iter__(self) -> Iterator[bytes]:
        """Each line.

        Raises:
            NotUnderstoodError: one is longer than 16 MiB.
        """
        while line := self._stream.readline(LONGEST_LINE + 1):
            self.number += 1
            if len(line) > LONGEST_LINE:
                raise NotUnderstoodError(f"the line is longer than {LONGEST_LINE:,} bytes", self.number)
            if kept := line.strip():
                yield kept
