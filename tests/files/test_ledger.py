import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.errors import ConflictError, HostError, InvalidInputError
from specweave.files import ledger

NAMES = st.sampled_from(["a", "b", "folder/c", "folder/d"])
FILES = st.dictionaries(NAMES, st.binary(max_size=8))


def actions(plan: ledger.Plan) -> dict[str, str]:
    return {change.path: change.action for change in plan.changes}


def generate(folder: Path, files: dict[str, bytes], kind: str = "api") -> dict[str, str]:
    plan = ledger.plan(folder, files, kind=kind)
    plan.apply()
    return actions(plan)


def test_files_are_created_then_updated_then_left_alone(tmp_path: Path) -> None:
    assert generate(tmp_path, {"api/main.py": b"1"}) == {"api/main.py": "create"}
    assert generate(tmp_path, {"api/main.py": b"2"}) == {"api/main.py": "update"}
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert generate(tmp_path, {"api/main.py": b"2"}) == {"api/main.py": "unchanged"}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_planning_writes_nothing(tmp_path: Path) -> None:
    ledger.plan(tmp_path / "absent", {"a": b"1"}, kind="api")
    assert list(tmp_path.iterdir()) == []


def test_an_edited_file_is_a_conflict_with_a_diff_and_keeps_its_edit(tmp_path: Path) -> None:
    generate(tmp_path, {"main.py": b"one\ntwo\n"})
    (tmp_path / "main.py").write_bytes(b"one\nmine\n")
    plan = ledger.plan(tmp_path, {"main.py": b"one\nthree\n"}, kind="api")
    assert actions(plan) == {"main.py": "conflict"}
    assert "-mine\n+three\n" in plan.changes[0].diff
    plan.apply()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".generated.json", ".generated.lock", "main.py"]
    plan.apply(lay_new=True)
    assert (tmp_path / "main.py").read_bytes() == b"one\nmine\n"
    assert (tmp_path / "main.py.new").read_bytes() == b"one\nthree\n"


def test_a_file_that_lay_there_before_is_a_conflict(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_bytes(b"mine")
    assert generate(tmp_path, {"main.py": b"generated"}) == {"main.py": "conflict"}
    assert (tmp_path / "main.py").read_bytes() == b"mine"


def test_a_file_that_a_person_removed_is_generated_again(tmp_path: Path) -> None:
    generate(tmp_path, {"main.py": b"1"})
    (tmp_path / "main.py").unlink()
    assert generate(tmp_path, {"main.py": b"1"}) == {"main.py": "create"}


def test_a_file_that_is_no_longer_generated_goes_unless_it_was_edited(tmp_path: Path) -> None:
    generate(tmp_path, {"a": b"1", "b": b"1", "c": b"1"})
    (tmp_path / "b").write_bytes(b"mine")
    assert generate(tmp_path, {"c": b"1"}) == {"a": "remove", "c": "unchanged"}
    assert sorted(ledger.read(tmp_path)) == ["c"]
    assert (tmp_path / "b").read_bytes() == b"mine"


def test_kinds_keep_out_of_each_others_files(tmp_path: Path) -> None:
    generate(tmp_path, {"a": b"1"}, kind="api")
    generate(tmp_path, {"b": b"1"}, kind="container")
    assert {path: entry["kind"] for path, entry in ledger.read(tmp_path).items()} == {"a": "api", "b": "container"}
    with pytest.raises(ConflictError) as caught:
        ledger.plan(tmp_path, {"a": b"2"}, kind="container")
    assert caught.value.code == "file-of-another-kind"


@given(FILES, FILES, st.dictionaries(NAMES, st.binary(max_size=8)))
def test_whatever_a_person_wrote_survives_every_generation(
    tmp_path_factory: pytest.TempPathFactory,
    first: dict[str, bytes],
    second: dict[str, bytes],
    edits: dict[str, bytes],
) -> None:
    folder = tmp_path_factory.mktemp("increment")
    generate(folder, first)
    for name, content in edits.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    generate(folder, second)
    for name, content in edits.items():
        if content not in (first.get(name), second.get(name)):
            assert (folder / name).read_bytes() == content
    for name, content in second.items():
        if name not in edits:
            assert (folder / name).read_bytes() == content


def test_a_plan_that_is_out_of_date_writes_nothing(tmp_path: Path) -> None:
    plan = ledger.plan(tmp_path, {"a": b"1", "b": b"1"}, kind="api")
    (tmp_path / "a").write_bytes(b"mine")
    with pytest.raises(ConflictError) as caught:
        plan.apply()
    assert caught.value.code == "files-changed"
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("path", ["../a", "/a", "a/../b", "a//b", "./a", "", "a\\b"])
def test_a_path_that_leaves_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        ledger.plan(tmp_path, {path: b"1"}, kind="api")
    assert caught.value.code == "path-leaves-folder"


def test_a_link_is_never_written_through(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "increment").mkdir()
    (tmp_path / "increment" / "api").symlink_to(tmp_path / "outside")
    with pytest.raises(InvalidInputError) as caught:
        ledger.plan(tmp_path / "increment", {"api/main.py": b"1"}, kind="api")
    assert caught.value.code == "path-is-link"


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 2, "files": {}}', '{"format": 1, "files": []}', "\x00"]
)
def test_a_ledger_that_cannot_be_read_is_a_coded_error(tmp_path: Path, content: str) -> None:
    (tmp_path / ".generated.json").write_text(content)
    with pytest.raises(InvalidInputError) as caught:
        ledger.plan(tmp_path, {"a": b"1"}, kind="api")
    assert caught.value.code == "ledger-invalid"


DIE_WHILE_WRITING = """
import os, sys
from importlib.metadata import version
from pathlib import Path
from specweave.files import atomic, ledger
write = atomic.write
def write_then_die(path, content, **settings):
    write(path, content, **settings)
    if path.name == sys.argv[2]:
        os.kill(os.getpid(), 9)
atomic.write = write_then_die
ledger.plan(Path(sys.argv[1]), {"a": b"new", "b": b"new"}, kind="api").apply()
"""


@pytest.mark.parametrize("last", ["a", "b", ".generated.json"])
def test_a_generation_that_is_killed_leaves_nothing_that_looks_edited(tmp_path: Path, last: str) -> None:
    generate(tmp_path, {"a": b"old", "b": b"old"})
    killed = subprocess.run([sys.executable, "-c", DIE_WHILE_WRITING, tmp_path, last], check=False)
    assert killed.returncode == -9
    assert "conflict" not in generate(tmp_path, {"a": b"newer", "b": b"newer"}).values()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == b"newer"
    assert all("pending" not in entry for entry in ledger.read(tmp_path).values())


def test_a_full_disk_leaves_each_file_old_or_new_and_the_next_generation_goes_on(small_disk: Path) -> None:
    generate(small_disk, {"a": b"old", "b": b"old"})
    with pytest.raises(HostError) as caught:
        generate(small_disk, {"a": b"new", "b": b"x" * (4 << 20)})
    assert caught.value.code == "disk-full"
    assert (small_disk / "a").read_bytes() == b"new"
    assert (small_disk / "b").read_bytes() == b"old"
    assert generate(small_disk, {"a": b"new", "b": b"new"}) == {"a": "unchanged", "b": "update"}


def test_the_ledger_is_what_the_format_says(tmp_path: Path) -> None:
    generate(tmp_path, {"api/main.py": b""})
    document = json.loads((tmp_path / ".generated.json").read_bytes())
    sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert document == {
        "format": 1,
        "files": {"api/main.py": {"sha256": sha256, "kind": "api", "generator": version("specweave-ml")}},
    }
