"""The lines that changed, as many as are wanted: what people write first, what was generated later, evidence last."""

from collections.abc import Sequence
from typing import NamedTuple

from specweave.files import ledger
from specweave.operations.increment_diff.changes import ChangedFile, FileLines
from specweave.operations.increment_diff.sides import Sides

_ORDER = ("document", "edited", "by-hand", "generated", "evidence")
_WRITTEN = ("spec.md", "plan.md", "tasks.md", "deployment.yaml")
_LINE_CHARACTERS = 1_000
_FILE_LINES = 100_000


class Excerpt(NamedTuple):
    """What is shown.

    Attributes:
        files: with their lines.
        unshown: paths of files whose lines are not shown at all.
    """

    files: list[FileLines]
    unshown: list[str]


def lines(sides: Sides, files: Sequence[ChangedFile], most: int) -> Excerpt:
    """The changed lines of files.

    Args:
        sides: to be compared.
        files: what became of each file in `sides.changed`, in that order.
        most: lines that are shown of all files together, context included; 0 for none, which leaves nothing out.
    """
    shown = Excerpt([], [])
    if most == 0:
        return shown
    left = most
    pairs = sorted(zip(files, sides.changed, strict=True), key=lambda pair: _rank(pair[0]))
    for file, changed in pairs:
        if left <= 0 or _is_data(file) or (file.lines_added or 0) + (file.lines_removed or 0) > _FILE_LINES:
            shown.unshown.append(file.path)
            continue
        patch = sides.patch(changed.path)
        kept = [line if len(line) <= _LINE_CHARACTERS else f"{line[:_LINE_CHARACTERS]}…" for line in patch[:left]]
        left -= len(kept)
        shown.files.append(FileLines(path=file.path, diff="\n".join(kept), left_out=len(patch) - len(kept)))
    return shown


def _is_data(file: ChangedFile) -> bool:
    # Its page beside it says the same to people.
    return file.origin == "evidence" and file.path.endswith(".json")


def _rank(file: ChangedFile) -> tuple[bool, int, int, str]:
    # The ledger is a list of digests: nobody reads it line by line.
    written = _WRITTEN.index(file.path) if file.path in _WRITTEN else len(_WRITTEN)
    return file.path == ledger.NAME, _ORDER.index(file.origin), written, file.path
