"""A repository with worktrees that many processes work in, and what each of them wrote down."""

import fcntl
import json
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specweave.project import Project

CONFIG = "tasks: {test_commands: true}\n"
# What a task's test runs: it leaves a line that shows that it ran, and ends as it is told.
PROGRAM = """#!/bin/sh
echo "$1 $2 $$" >> '{runs}'
sleep 0.02
exit $3
"""
SPEC = """# {title}

## US-001: The work

- [ ] **AC-US1-01**: Given the work, when it is done, then it holds
- [ ] **AC-US1-02**: Given a person, when they look, then they agree

## Notes
"""
TASKS = """# Tasks

### T-001: First
**Satisfies ACs**: AC-US1-01
**Status**: [ ] pending
**Test**: `sh program {id} T-001 0`

### T-002: Second
**Satisfies ACs**: AC-US1-01
**Dependencies**: T-001
**Status**: [ ] pending
**Test**: `sh program {id} T-002 0`

### T-003: By hand
**Satisfies ACs**: AC-US1-02
**Status**: [ ] pending

### T-004: It never passes
**Satisfies ACs**: AC-US1-02
**Dependencies**: T-001
**Status**: [ ] pending
**Test**: `sh program {id} T-004 1`

## Notes
"""


@dataclass(frozen=True)
class Place:
    """Everything that a run of the program needs.

    Attributes:
        folder: of the run.
        trees: the main worktree first.
    """

    folder: Path
    trees: tuple[Path, ...]

    @property
    def runs(self) -> Path:
        """The file in which every test leaves a line."""
        return self.folder / "runs"

    def projects(self) -> tuple[Project, ...]:
        """The project as each worktree has it."""
        return tuple(Project(tree) for tree in self.trees)


def make(folder: Path, *, worktrees: int = 2) -> Place:
    """A repository with some linked worktrees; in each of them a file of the user is staged."""
    main = folder / "main"
    place = Place(folder.resolve(), tuple((folder / f"tree-{number}").resolve() for number in range(1, worktrees + 1)))
    place = Place(place.folder, (main.resolve(), *place.trees))
    (main / ".specweave").mkdir(parents=True)
    (main / ".specweave" / "config.yaml").write_text(CONFIG)
    (main / "program").write_text(PROGRAM.format(runs=place.runs))
    for words in (
        ("init", "-q", "-b", "main"),
        ("config", "user.name", "test"),
        ("config", "user.email", "test@localhost"),
        ("config", "gc.auto", "0"),
        ("add", "-A"),
        ("commit", "-q", "-m", "Begin"),
    ):
        git(main, *words)
    for tree in place.trees[1:]:
        git(main, "worktree", "add", "-q", "-b", tree.name, str(tree))
    for tree in place.trees:
        (tree / "staged.txt").write_text(f"staged in {tree.name}\n")
        git(tree, "add", "staged.txt")
    place.runs.touch()
    return place


def git(tree: Path, *words: str) -> str:
    """What git says.

    Raises:
        CalledProcessError: it refused.
    """
    done = subprocess.run(["git", *words], cwd=tree, capture_output=True, text=True, check=True)
    return done.stdout


@contextmanager
def alone(place: Place, path: Path) -> Iterator[None]:
    """People do not write the same document at the same moment; specweave does not know that they write."""
    with (place.folder / f"hand-{path.parent.name}-{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_by_hand(place: Place, path: Path, change: Callable[[str], str]) -> bool:
    """Change a document as an editor does, which knows no lock: read it, and put another in its place.

    Returns:
        Whether it was there to be changed.
    """
    other = place.folder / f"editor-{os.getpid()}-{secrets.token_hex(4)}"
    with alone(place, path):
        try:
            other.write_text(change(path.read_text("utf-8")), "utf-8")
            if not path.parent.is_dir():
                raise FileNotFoundError(path)  # noqa: TRY301 - it was put away meanwhile
            other.replace(path)
        except FileNotFoundError:
            other.unlink(missing_ok=True)
            return False
    return True


class Journal:
    """What one process did, written down before and after each act, so that nothing depends on its memory."""

    def __init__(self, place: Place, name: str) -> None:
        self._file = (place.folder / f"journal-{name}.jsonl").open("a", buffering=1)

    def note(self, **facts: object) -> None:
        """One line, on its way to the file when this returns."""
        self._file.write(json.dumps(facts) + "\n")

    def close(self) -> None:
        """No more lines."""
        self._file.close()


def journals(place: Place) -> list[dict[str, Any]]:
    """All that was written down; the half line of a process that was killed is no line."""
    found = []
    for path in sorted(place.folder.glob("journal-*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return found
