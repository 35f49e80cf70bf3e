import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from specweave.errors import ConflictError, HostError
from specweave.files import atomic

MEGABYTE = 1 << 20
WRITE_FOREVER = """
import itertools, sys
from pathlib import Path
from specweave.files import atomic
for letter in itertools.cycle(b"ab"):
    atomic.write(Path(sys.argv[1]), bytes([letter]) * (1 << 20))
    print("written", flush=True)
"""


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    atomic.write(tmp_path / "folder" / "plain", b"x")
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    assert (tmp_path / "folder" / "plain").stat().st_mode == ordinary.stat().st_mode


def test_a_file_keeps_its_mode_and_a_given_mode_is_taken_at_its_word(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.touch(0o700)
    atomic.write(script, b"#!/bin/sh\n")
    assert stat.S_IMODE(script.stat().st_mode) == 0o700
    atomic.write(script, b"secret", mode=0o600)
    assert stat.S_IMODE(script.stat().st_mode) == 0o600


def test_names_as_long_as_the_file_system_takes_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    atomic.write(path, b"x")
    assert path.read_bytes() == b"x"


def test_a_file_in_the_place_of_a_folder_is_a_coded_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="was not written") as caught:
        atomic.write(tmp_path / "file" / "below", b"x")
    assert caught.value.code == "write-failed"


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_a_folder_without_permission_is_a_coded_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(HostError) as caught:
        atomic.write(tmp_path / "file", b"x")
    assert caught.value.code == "permission-denied"


@pytest.mark.parametrize("writes_before", [1, 2, 5])
def test_a_writer_that_is_killed_leaves_the_old_content_or_the_new(tmp_path: Path, writes_before: int) -> None:
    path = tmp_path / "file"
    with subprocess.Popen([sys.executable, "-c", WRITE_FOREVER, path], stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        for _ in range(writes_before):
            assert writer.stdout.readline() == b"written\n"
        writer.send_signal(signal.SIGKILL)
    assert path.read_bytes() in {b"a" * MEGABYTE, b"b" * MEGABYTE}


def test_a_full_disk_is_a_coded_error_that_leaves_the_old_content_alone(small_disk: Path) -> None:
    path = small_disk / "file"
    atomic.write(path, b"old")
    with pytest.raises(HostError) as caught:
        atomic.write(path, b"x" * 4 * MEGABYTE)
    assert caught.value.code == "disk-full"
    assert [(entry.name, entry.read_bytes()) for entry in small_disk.iterdir()] == [("file", b"old")]


def test_what_an_editor_writes_meanwhile_is_changed_and_not_written_over(tmp_path: Path) -> None:
    document = tmp_path / "tasks.md"
    document.write_bytes(b"one\n")
    seen = []

    def change(present: bytes) -> bytes:
        seen.append(present)
        if len(seen) == 1:
            atomic.write(document, b"one\ntwo\n")
        if len(seen) == 2:
            with document.open("ab") as file:
                file.write(b"three\n")
        return present.replace(b"one", b"1")

    assert atomic.rewrite(document, change)
    assert document.read_bytes() == b"1\ntwo\nthree\n"
    assert len(seen) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["tasks.md"]


def test_a_change_that_changes_nothing_writes_nothing(tmp_path: Path) -> None:
    document = tmp_path / "tasks.md"
    document.write_bytes(b"one\n")
    before = document.stat().st_ino
    assert not atomic.rewrite(document, lambda present: present)
    assert document.stat().st_ino == before


def test_a_file_that_is_written_all_the_time_is_named(tmp_path: Path) -> None:
    document = tmp_path / "tasks.md"
    document.write_bytes(b"")

    def change(present: bytes) -> bytes:
        atomic.write(document, present + b"x")
        return present + b"y"

    with pytest.raises(ConflictError) as caught:
        atomic.rewrite(document, change)
    assert caught.value.code == "file-changing"
    assert b"y" not in document.read_bytes()
