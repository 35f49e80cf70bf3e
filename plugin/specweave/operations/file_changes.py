"""What a command that generates files says of them."""

from collections.abc import Iterable, Sequence
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict


class Planned(Protocol):
    """A change of the ledger (`specweave.files.ledger.Change`)."""

    @property
    def path(self) -> str:
        """Relative to the increment."""

    @property
    def action(self) -> str:
        """What happens to the file."""

    @property
    def diff(self) -> str:
        """From the present content to the generated one."""


class FileChange(BaseModel):
    """One file of the increment, what happens to it, and the difference where there is one."""

    model_config = ConfigDict(extra="forbid")

    path: str
    action: Literal["create", "update", "unchanged", "conflict", "remove"]
    diff: str = ""


def file_changes(changes: Iterable[Planned]) -> list[FileChange]:
    """The changes as a result carries them."""
    return [FileChange.model_validate({"path": it.path, "action": it.action, "diff": it.diff}) for it in changes]


def described(changes: Sequence[FileChange]) -> list[str]:
    """The changes in lines of markdown: counts, and for each conflict its path and its diff."""
    counts: dict[str, int] = {}
    for change in changes:
        counts[change.action] = counts.get(change.action, 0) + 1
    lines = ["- files: " + (", ".join(f"{number} {action}" for action, number in sorted(counts.items())) or "none")]
    for conflict in (change for change in changes if change.action == "conflict"):
        lines += ["", f"`{conflict.path}` was edited by hand and stays as it is; the new text differs:", ""]
        lines += ["```diff", conflict.diff.rstrip("\n"), "```"]
    return lines
