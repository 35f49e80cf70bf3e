"""What a local deployment records, and where its supervisor is asked. Standard library only."""

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

STATE, LOCK = "state.json", "supervisor.lock"

# sun_path has 104 bytes on some systems, its end included.
_PATH_BYTES = 100


def read_state(folder: Path) -> dict[str, Any] | None:
    """What the deployment in `folder` recorded, None where it has recorded nothing readable."""
    try:
        state = json.loads((folder / STATE).read_bytes())
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None


def write_state(folder: Path, state: Mapping[str, object]) -> None:
    """Record the state of a deployment: the old one or the new one is there, whatever happens in between."""
    temporary = folder / f".{STATE}.tmp"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(state, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / STATE)


def control_path(folder: Path) -> Path:
    """Where the control socket of a deployment goes: a short path in a directory that only this user can enter.

    Raises:
        PermissionError: the directory belongs to somebody else.
    """
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16] + ".sock"
    bases = [os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"]  # noqa: S108 - what is made in it is checked below
    paths = [Path(base) / f"specweave-{os.getuid()}" / name for base in bases if base]
    path = next(
        (path for path in paths if len(os.fsencode(path)) < _PATH_BYTES and os.access(path.parent.parent, os.W_OK)),
        paths[-1],
    )
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if not private(path.parent):
        raise PermissionError(f"{path.parent} is not a directory of this user alone")
    return path


def private(folder: Path) -> bool:
    """Whether only this user can reach what is in `folder`."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & 0o077


def timestamp(moment: datetime | None = None) -> str:
    """An aware moment, the present one where None: UTC, ISO 8601, whole seconds, `2026-11-20T12:00:00Z`."""
    moment = datetime.now(UTC) if moment is None else moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
