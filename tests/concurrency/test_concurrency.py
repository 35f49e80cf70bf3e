"""The programs of this folder with small numbers; `make bench NAME=increments` runs them with large ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent


@pytest.mark.parametrize(
    "words",
    [("writes", "--processes", "8", "--operations", "12"), ("kills", "--kills", "15")],
    ids=["eight processes at once", "commands that are killed"],
)
def test_nothing_is_lost(words: tuple[str, ...], tmp_path: Path) -> None:
    # A process of its own: it forks, which a process with threads had better not do.
    done = subprocess.run(
        [sys.executable, PROGRAM, *words],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0 invariants broken\n"
    assert int(done.stderr.partition(" commands answered")[0]) >= 15, "the invariants hold where nothing happens"
