"""Where a deployment's supervisor is asked, and what is recorded of it."""

import os
import tempfile
from pathlib import Path

import pytest

from specweave_runtime.deployment_state import control_path, private, read_state, write_state


@pytest.fixture(autouse=True)
def _no_runtime_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)


def test_the_path_is_short_and_private_however_long_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 200) / ("y" * 200)
    folder.mkdir(parents=True)
    path = control_path(folder)
    assert len(os.fsencode(path)) < 100
    assert private(path.parent)
    assert path != control_path(tmp_path)


def test_a_temporary_directory_with_a_long_path_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("z" * 120)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert len(os.fsencode(control_path(tmp_path))) < 100


def test_the_runtime_directory_of_the_user_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        assert control_path(tmp_path).is_relative_to(runtime)


def test_a_directory_that_others_can_enter_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        folder = Path(runtime) / f"specweave-{os.getuid()}"
        folder.mkdir(mode=0o777)
        folder.chmod(0o777)
        with pytest.raises(PermissionError):
            control_path(tmp_path)


def test_what_is_written_is_read_and_what_is_broken_is_nothing(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    write_state(tmp_path, {"active": "0001"})
    assert read_state(tmp_path) == {"active": "0001"}
    for broken in (b"", b"{", b"[]", b"\xff"):
        (tmp_path / "state.json").write_bytes(broken)
        assert read_state(tmp_path) is None
