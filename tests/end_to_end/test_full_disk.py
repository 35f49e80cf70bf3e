"""A disk that is full or cannot be written: it is named, nothing half-written is left, and with room all goes on."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.end_to_end.attempts import INCREMENT, SPECWEAVE, duplicate, succeed, tree, type_

LOAD_TEST = ("ml", "load-test", "0043", "--rps", "250", "--duration", "1s")
DEPLOY = ("ml", "deploy", "0043", "--environment", "staging")


def fill(disk: Path, leave_bytes: int) -> Path:
    """Take the room of a file system but for a little."""
    ballast = disk / "ballast"
    free = os.statvfs(disk)
    with ballast.open("wb") as file:
        file.write(b"\0" * max(0, free.f_bavail * free.f_frsize - leave_bytes))
    return ballast


FULL: dict[str, tuple[str, ...]] = {
    "inc": ("sw", "inc", "thing"),
    "deploy-prepare": ("ml", "deploy-prepare", "0043", "--model", "models/credit-v2.joblib"),
    "create-api": ("ml", "create-api", "0043"),
    "load-test": LOAD_TEST,
    "deploy": DEPLOY,
}


@pytest.mark.parametrize("room", [0, 24_576])
@pytest.mark.parametrize("command", FULL)
@pytest.mark.parametrize("small_disk", ["32m"], indirect=True)
def test_a_full_disk_is_named_and_the_command_succeeds_once_there_is_room(
    project: Path, small_disk: Path, command: str, room: int
) -> None:
    moved = duplicate(project, small_disk / "project")
    if command == "create-api":
        for name in ("main.py", "models.py", "predict.py", "settings.py"):
            (moved / ".specweave" / "increments" / INCREMENT / "api" / name).unlink()
    before = tree(moved)
    ballast = fill(small_disk, room)
    try:
        answer = type_(moved, *FULL[command])
        if answer.status == 0:
            assert room, "nothing can be written to a full disk"
        else:
            assert answer.document["error"]["code"] == "disk-full", answer
            assert answer.status == 7
            assert_whole(moved, before)
    finally:
        ballast.unlink()
    try:
        succeed(moved, *FULL[command])
    finally:
        type_(moved, *DEPLOY, "--stop")


def assert_whole(project: Path, before: dict[str, str]) -> None:
    """What was there is there, and what came is whole: no empty file, no half document, no temporary one."""
    after = tree(project)
    assert before.keys() <= after.keys()
    for name in after.keys() - before.keys():
        path = project / name
        assert not path.name.endswith(".tmp"), name
        assert "/.new-" not in name
        if path.suffix == ".json":
            json.loads(path.read_bytes())
    for path in (project / ".specweave" / "increments").iterdir():
        json.loads((path / "metadata.json").read_bytes())


@pytest.mark.skipif(not Path("/proc/mounts").exists(), reason="there is no read-only file system at hand")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    if os.getuid() == 0:
        folder = Path("/proc/self")  # even root cannot make a folder there
        done = subprocess.run(
            [SPECWEAVE, "sw", "inc", "thing", "--project", str(folder), "--json"], capture_output=True, check=False
        )
    else:
        folder = tmp_path / "closed"
        folder.mkdir(mode=0o500)
        done = subprocess.run([SPECWEAVE, "sw", "inc", "thing", "--json"], cwd=folder, capture_output=True, check=False)
    error = json.loads(done.stdout)["error"]
    assert error["code"] in {"permission-denied", "write-failed"}
    assert done.returncode == 7
    assert b"Traceback" not in done.stderr
