"""What was generated, so that a file that a person edited is never overwritten.

`.generated.json` in the folder holds the SHA-256 of each file as it was generated. A file that differs from its entry
was edited: it is a conflict, shown with a diff and left alone. While files are being written an entry carries
`pending`, the SHA-256 that is coming, so that a process killed in between leaves no file that looks edited.
"""

import difflib
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from specweave.errors import ConflictError, InvalidInputError
from specweave.files import atomic, reading
from specweave.files.lock import lock
from specweave.files.rendering import inside

NAME = ".generated.json"
LOCK = ".generated.lock"
_LEDGER_BYTES = 16 * 1_048_576

Action = Literal["create", "update", "unchanged", "conflict", "remove"]
Entries = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one file.

    Attributes:
        path: relative to the folder, forward slashes.
        action: `conflict` is a file that a person edited, or that lay there before.
        diff: unified diff from the present content to the generated one, for update and conflict; else empty.
    """

    path: str
    action: Action
    diff: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Files about to be written.

    Attributes:
        folder: what the paths count from.
        kind: which generator they come from.
        files: path → content.
        changes: one for each file, sorted by path.
    """

    folder: Path
    kind: str
    files: Mapping[str, bytes]
    changes: tuple[Change, ...]

    def apply(self, *, lay_new: bool = False) -> None:
        """Write what is to be created and updated, remove what is no longer generated; conflicts stay.

        Args:
            lay_new: put the generated content of a conflict beside it, as `<path>.new`.

        Raises:
            ConflictError: `files-changed` when a file has changed since the plan was made; nothing is written then.
            HostError: a file cannot be written; those before it are, and the next plan knows which.
        """
        if all(change.action == "unchanged" for change in self.changes) and self._recorded():
            return
        with lock(self.folder / LOCK):
            present = plan(self.folder, self.files, kind=self.kind)
            if present.changes != self.changes:
                raise ConflictError(
                    "files-changed",
                    f"files in {self.folder} changed while they were being generated",
                    next_step="run the command again",
                )
            self._write(lay_new=lay_new)

    def _recorded(self) -> bool:
        entries = read(self.folder)
        return all(entries.get(path, {}).get("sha256") == _sha256(content) for path, content in self.files.items())

    def _write(self, *, lay_new: bool) -> None:
        entries = read(self.folder)
        actions = {change.path: change.action for change in self.changes}
        written = [path for path, action in actions.items() if action in {"create", "update"}]
        for path in written:
            entry = entries.setdefault(path, {"sha256": _sha256(self.files[path])})
            entry.update(self._origin(), pending=_sha256(self.files[path]))
        if written:
            _save(self.folder, entries)
        for path, action in actions.items():
            if action in {"create", "update"}:
                atomic.write(self.folder / path, self.files[path])
            elif action == "conflict" and lay_new:
                atomic.write(self.folder / f"{path}.new", self.files[path])
            elif action == "remove":
                (self.folder / path).unlink()
        for path, action in actions.items():
            if action in {"create", "update", "unchanged"}:
                entries[path] = {"sha256": _sha256(self.files[path]), **self._origin()}
        kept = {path: entry for path, entry in entries.items() if entry.get("kind") != self.kind or path in self.files}
        _save(self.folder, kept)

    def _origin(self) -> dict[str, str]:
        return {"kind": self.kind, "generator": version("specweave-ml")}


def plan(folder: Path, files: Mapping[str, bytes], *, kind: str) -> Plan:
    """What writing `files` into `folder` would do; it writes nothing.

    Files of the same kind that the ledger holds and `files` does not are removed if nobody edited them, and become
    their editor's own otherwise.

    Args:
        folder: an increment's folder.
        files: path relative to `folder`, with forward slashes → content.
        kind: the generator, such as `api`.

    Raises:
        InvalidInputError: `path-leaves-folder`, `path-is-link`, `ledger-invalid`.
        ConflictError: `file-of-another-kind` for a path that another generator made.
    """
    entries = read(folder)
    changes = [_change(folder, path, content, entries.get(path), kind) for path, content in files.items()]
    for path, entry in entries.items():
        if entry.get("kind") != kind or path in files:
            continue
        target = _target(folder, path)
        if target.is_file() and _sha256(target.read_bytes()) in _known(entry):
            changes.append(Change(path, "remove"))
    return Plan(folder, kind, dict(files), tuple(sorted(changes, key=lambda change: change.path)))


def amend(folder: Path, path: str, change: Callable[[bytes], bytes]) -> bool:
    """Change a file; one that lies there as it was generated counts as generated with the new content.

    Args:
        folder: an increment's folder.
        path: relative to it, with forward slashes.
        change: see `atomic.rewrite`.

    Returns:
        Whether it changed.

    Raises:
        InvalidInputError: `path-leaves-folder`, `path-is-link`, `ledger-invalid`.
        HostError: it cannot be written; the old content is untouched then.
        ConflictError: `file-changing`.
    """
    target = _target(folder, path)
    if path not in read(folder):
        return atomic.rewrite(target, change)
    with lock(folder / LOCK):
        entries = read(folder)
        entry = entries.get(path, {})
        present = target.read_bytes() if target.is_file() else b""
        if _sha256(present) not in _known(entry):
            return atomic.rewrite(target, change)
        content = change(present)
        if content == present:
            return False
        entries[path] = {**entry, "sha256": _sha256(present), "pending": _sha256(content)}
        _save(folder, entries)
        # Where a person writes it at this moment, it has their content too, and counts as edited.
        atomic.rewrite(target, change)
        entries[path] = {**{key: value for key, value in entry.items() if key != "pending"}, "sha256": _sha256(content)}
        _save(folder, entries)
        return True


def read(folder: Path) -> Entries:
    """The entries of a folder's ledger; none where there is no ledger.

    Raises:
        InvalidInputError: `ledger-invalid`.
    """
    path = folder / NAME
    try:
        content = reading.read(path, limit=_LEDGER_BYTES)
    except FileNotFoundError:
        return {}
    try:
        document = json.loads(content)
        entries = document["files"]
        if document["format"] != 1 or not all(isinstance(entry, dict) for entry in entries.values()):
            raise ValueError("format")  # noqa: TRY301 - one answer to every malformed ledger
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidInputError(
            "ledger-invalid", f"{path} is not a ledger of format 1", next_step="restore it from git"
        ) from error
    else:
        result: Entries = entries
        return result


def _change(folder: Path, path: str, content: bytes, entry: dict[str, Any] | None, kind: str) -> Change:
    if entry is not None and entry.get("kind") != kind:
        raise ConflictError(
            "file-of-another-kind",
            f"{folder / path} was generated as {entry.get('kind')}, not {kind}",
            next_step=f"restore {NAME} from git",
        )
    target = _target(folder, path)
    if not target.exists():
        return Change(path, "create")
    if not target.is_file():
        raise InvalidInputError("path-is-no-file", f"{target} is no file", next_step="move it away")
    present = target.read_bytes()
    if present == content:
        return Change(path, "unchanged")
    edited = entry is None or _sha256(present) not in _known(entry)
    return Change(path, "conflict" if edited else "update", _diff(path, present, content))


def _target(folder: Path, path: str) -> Path:
    target = folder
    for part in inside(path).split("/"):
        target = target / part
        if target.is_symlink():
            raise InvalidInputError("path-is-link", f"{target} is a symbolic link", next_step="put a file there")
    return target


def _known(entry: Mapping[str, Any]) -> set[object]:
    return {entry.get("sha256"), entry.get("pending")} - {None}


def _diff(path: str, present: bytes, generated: bytes) -> str:
    try:
        before, after = present.decode("utf-8"), generated.decode("utf-8")
    except UnicodeDecodeError:
        return f"{path}: {len(present)} bytes here, {len(generated)} bytes generated, not text\n"
    lines = difflib.unified_diff(before.split("\n"), after.split("\n"), path, f"{path} (generated)", lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _save(folder: Path, entries: Entries) -> None:
    document = {"format": 1, "files": dict(sorted(entries.items()))}
    atomic.write(folder / NAME, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
