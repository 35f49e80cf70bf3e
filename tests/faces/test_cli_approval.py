"""A person's yes at a terminal: good only for what was asked about."""

import json
import os
import pty
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from specweave.cli import run
from specweave.cli.groups import root
from specweave.command import AnyCommand, Context
from specweave.registry import Entry


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Stdin and stderr are a terminal, whose other end is given; stdout stays what pytest captures."""
    ours, theirs = pty.openpty()
    with (
        os.fdopen(theirs, "r", encoding="utf-8") as stdin,
        Path(os.ttyname(theirs)).open("w", encoding="utf-8") as stderr,
        monkeypatch.context() as patch,
    ):
        patch.setattr(sys, "stdin", stdin)
        patch.setattr(sys, "stderr", stderr)
        yield ours
    os.close(ours)


@pytest.mark.parametrize("changes", [False, True])
def test_a_yes_at_a_terminal_counts_only_for_what_was_asked_about(
    tmp_path: Path,
    exercise: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    changes: bool,
) -> None:
    digests = iter(["aaaa", "bbbb" if changes else "aaaa"])

    def question(_request: object, _context: Context) -> str:
        return f"Deploy {next(digests)}?"

    class Asking(Entry):
        def load(self) -> AnyCommand:
            return replace(exercise.EXERCISE, approval=question)

    program = root([Asking("ml", "deploy", "Bring a version to an environment, or stop it there")])
    with terminal(monkeypatch) as person:
        os.write(person, b"y\n")
        status = run(["ml", "deploy", "--project", str(tmp_path), "--json"], program)
        shown = ""
        # What a terminal shows comes in pieces.
        while "Deploy aaaa?" not in shown and select.select([person], [], [], 10)[0]:
            shown += os.read(person, 10_000).decode()
    document = json.loads(capsys.readouterr().out)
    if changes:
        assert (status, document["error"]["code"]) == (4, "approval-outdated")
        assert document["error"]["details"] == {"answered": "Deploy aaaa?", "question": "Deploy bbbb?"}
    else:
        assert (status, document["approved"]) == (0, True)
    assert "Deploy aaaa?" in shown
