import os
from pathlib import Path

import pytest

from specweave.errors import InvalidInputError
from specweave.files import reading


def refusal(path: Path, limit: int = reading.DOCUMENT_BYTES) -> str:
    with pytest.raises(InvalidInputError) as caught:
        reading.read(path, limit=limit)
    assert str(path) in caught.value.message
    assert caught.value.next_step
    return caught.value.code


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(b"\0\xff\r\n")
    assert reading.read(path, limit=4) == b"\0\xff\r\n"
    assert refusal(path, limit=3) == "document-too-large"


def test_what_is_no_file_of_its_own_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "nowhere").symlink_to("/nonexistent")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert [refusal(tmp_path / name) for name in ("link", "nowhere")] == ["document-is-link"] * 2
    assert [refusal(tmp_path / name) for name in ("folder", "pipe")] == ["document-is-no-file"] * 2


def test_what_is_not_there_is_said_as_python_says_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "absent", tmp_path / "file" / "below"):
        with pytest.raises(FileNotFoundError):
            reading.read(path)
