import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Addresses of package indexes and of mirrors, however they are written; and home folders of a machine.
INDEX = re.compile(
    r"(?:^|\s)(?:--)?(?:extra-)?index-url[ =]\s*https?:|registry\s*=\s*\"?https?:|\"resolved\":\s*\"https?:"
    r"|https?://(?:files\.pythonhosted|pypi|registry\.npmjs|registry\.yarnpkg|deb\.debian|snapshot\.debian)\b"
)
HOME = re.compile(r"(?<![\w.])/(?:root|home/[a-z][\w-]*|Users/\w+)/")


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def texts() -> list[tuple[str, str]]:
    found = []
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content[:8192] and path != Path(__file__):
            found.append((path.relative_to(ROOT).as_posix(), content.decode("utf-8")))
    return found


def test_no_tracked_file_names_a_package_index() -> None:
    assert [(name, match.group()) for name, text in texts() if (match := INDEX.search(text))] == []


def test_no_tracked_file_names_a_place_on_a_machine() -> None:
    places = {name for name, text in texts() if HOME.search(text) or f"{ROOT}/" in text}
    assert places == set()


def test_nothing_large_is_tracked() -> None:
    assert [str(path) for path in tracked() if path.stat().st_size > 2_000_000] == []
