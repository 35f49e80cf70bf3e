import os
from pathlib import Path

import pytest

from specweave.files.fingerprint import Fingerprint, Observer


def of(folder: Path, *others: Path) -> Fingerprint | None:
    return Observer().of(str(folder), map(str, others))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "file").write_text("1")
    (tmp_path / "folder" / ".hidden").mkdir()
    return tmp_path / "folder"


def test_what_was_not_touched_has_the_same_fingerprint(folder: Path) -> None:
    assert of(folder) == of(folder)
    assert of(folder, folder.parent / "missing") == of(folder, folder.parent / "missing")


def test_another_content_of_the_same_size_and_time_has_another(folder: Path) -> None:
    path = folder / "deep" / "file"
    before, found = path.stat(), of(folder)
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # within one tick of the clock nothing tells them apart
        path.write_text("2")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert of(folder) != found


def test_a_file_that_comes_or_goes_gives_another(folder: Path) -> None:
    other = folder.parent / "other"
    found = {of(folder, other)}
    other.write_text("1")
    found.add(of(folder, other))
    (folder / ".hidden" / "new").write_text("")
    found.add(of(folder, other))
    (folder / "deep" / "file").unlink()
    found.add(of(folder, other))
    assert len(found) == 4


def test_hidden_folders_and_caches_count_in_the_folder_itself_alone(folder: Path) -> None:
    found = of(folder / "deep", folder)
    for name in (".hidden", "node_modules", "__pycache__"):
        (folder / name).mkdir(exist_ok=True)
    kept = of(folder / "deep", folder)
    assert kept != found  # the folder that holds them changed
    for name in (".hidden", "node_modules", "__pycache__"):
        (folder / name / "file").write_text("1")
    assert of(folder / "deep", folder) == kept
    assert of(folder) is not None


@pytest.mark.parametrize("target", ["..", "nowhere"])
def test_of_a_link_to_a_folder_or_to_nowhere_nothing_can_be_told(folder: Path, target: str) -> None:
    (folder / "link").symlink_to(target)
    assert of(folder) is None
    assert of(folder / "deep", folder) is None


def test_the_time_of_the_last_change_is_that_of_the_youngest(folder: Path) -> None:
    path = folder / "deep" / "file"
    os.utime(path, (1, 1))
    found = of(folder)
    assert found is not None
    assert found.changed_ns == max(entry.stat().st_ctime_ns for entry in (folder, *folder.rglob("*")))


def test_one_observer_looks_at_another_path_once(folder: Path) -> None:
    observer, other = Observer(), folder.parent / "other"
    found = observer.of(str(folder), [str(other)])
    other.write_text("1")
    assert observer.of(str(folder), [str(other)]) == found
    assert of(folder, other) != found
