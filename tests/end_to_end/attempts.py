"""Commands that are typed in a shell and go wrong, and what they may leave behind: nothing."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

SPECWEAVE = Path(sys.executable).with_name("specweave")
SOURCE, INCREMENT = "0042-train-credit-model", "0043-deploy-credit-model"


class Answer(NamedTuple):
    """How a command ended: exit status, the one document on stdout, and what went to stderr."""

    status: int
    document: dict[str, Any]
    stderr: str


def type_(project: Path, *words: str, environment: Mapping[str, str] | None = None) -> Answer:
    """Type a command with `--json`; stdout is one JSON document, whatever happens."""
    done = subprocess.run(
        [SPECWEAVE, *words, "--json"],
        cwd=project,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    stderr = done.stderr.decode("utf-8", "replace")
    assert "Traceback" not in stderr, stderr[-3000:]
    return Answer(done.returncode, json.loads(done.stdout), stderr)


def succeed(project: Path, *words: str) -> dict[str, Any]:
    """Type a command that must pass."""
    answer = type_(project, *words)
    assert answer.status == 0, answer
    return answer.document


def refuse(project: Path, *words: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Type a command that must be refused with a code and a next step, and change nothing; the error."""
    before = tree(project)
    answer = type_(project, *words, environment=environment)
    error: dict[str, Any] = answer.document["error"]
    assert error["code"] != "internal-error", error
    assert 1 <= answer.status <= 7
    assert error["message"]
    assert error["next_step"], error
    assert tree(project) == before
    return error


def tree(project: Path) -> dict[str, str]:
    """Every file of a project with its digest, leaving aside git's own, caches and locks."""
    found = {}
    for folder, folders, files in os.walk(project):
        where = Path(folder)
        folders[:] = [name for name in folders if name not in {".git", "cache", "hollow"}]
        for name in [*files, *folders]:
            path = where / name
            if path.suffix == ".lock" or name == ".gitignore":
                continue
            regular = path.is_file() and not path.is_symlink()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if regular else "-"
            found[path.relative_to(project).as_posix()] = content
    return found


def duplicate(prepared: Path, folder: Path) -> Path:
    """A project of its own like `prepared`, which lends it its caches."""
    shutil.copytree(prepared, folder, symlinks=True, ignore=_without_cache)
    (folder / ".specweave" / "cache").mkdir()
    for name in ("environments", "overlays"):
        (folder / ".specweave" / "cache" / name).symlink_to(prepared / ".specweave" / "cache" / name)
    return folder


def _without_cache(folder: str, _names: list[str]) -> set[str]:
    return {"cache"} if Path(folder).name == ".specweave" else set()


def set_ports(project: Path, *ports: int) -> None:
    """Let deployment.yaml name other ports: the first environment's, the second's, as many as are given."""
    path = project / ".specweave" / "increments" / INCREMENT / "deployment.yaml"
    text = path.read_text("utf-8")
    for found, port in reversed(list(zip(re.finditer(r"(?<=port: )\d+", text), ports, strict=False))):
        text = text[: found.start()] + str(port) + text[found.end() :]
    path.write_text(text, "utf-8")


def processes_of(project: Path) -> dict[int, str]:
    """Processes whose command line or working directory lies in the project: id → command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            folder = (entry / "cwd").readlink()
        except OSError:
            continue
        if line and (str(project) in line or folder.is_relative_to(project)):
            found[int(entry.name)] = line
    return found
