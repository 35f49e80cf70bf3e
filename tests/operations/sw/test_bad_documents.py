"""Documents that people, merges and broken disks spoilt, given to every command of the group sw.

Each command gives a result or an error with a code, soon, and loses nothing that somebody wrote: after an error
everything is as it was, and whatever is written otherwise keeps every line that is not specweave's own.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from specweave import slash_line
from specweave.command import Context, Result
from specweave.errors import SpecweaveError
from specweave.files import ledger
from specweave.host import RealHost
from specweave.project import Project
from specweave.registry import ENTRIES

NAME = "0007-rank"
SPEC = """---
increment: 0007-rank
status: active
---
# Rank

### US-001: Rank (P1)

- [ ] **AC-US1-01**: Given two offers, when I look, then the better one is first
"""
TASKS = """---
total_tasks: 2
---
### T-001: Sort
**Satisfies ACs**: AC-US1-01
**Status**: [ ] pending
**Run**: /sw:status

### T-002: Show
**Satisfies ACs**: AC-US1-01
**Status**: [ ] pending
**Dependencies**: T-001
"""
METADATA = json.dumps({"schema": 1, "id": NAME, "status": "active", "type": "feature", "tasks": {}}, indent=2)
WHOLE = {"spec.md": SPEC, "plan.md": "# Plan\n\nSort.\n", "tasks.md": TASKS, "metadata.json": METADATA}
LINES = {
    "inc": "'Another one'",
    "next": "0007",
    "do": "0007",
    "verify": "0007",
    "validate": "--all",
    "done": "0007",
    "status": "0007",
    "progress": "0007",
    "diff": "0007",
    "pause": "0007 --reason 'not now'",
    "resume": "0007",
    "abandon": "0007 --reason 'not at all'",
    "reopen": "0007 --reason 'found more'",
    "archive": "0007",
    "restore": "0007",
    "sync": "0007",
    "migrate": "0007",
    "adopt": ".specweave/increments/0007-rank/tasks.md",
}
SOON_S = 20.0
LARGE_BYTES = 1_500_000
# Lines that are specweave's to write.
OWNED = re.compile(
    rb"[\s*-]*\*\*(Status|Evidence)\*\*|total_tasks:|status:|completed:|[\s\xef\xbb\xbf]*- \[.\] \*\*AC|\s*$"
)

Spoil = Callable[[Path], object]


def text(name: str, change: Callable[[bytes], bytes]) -> Spoil:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def instead(name: str, make: Callable[[Path], object]) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return spoil


def outside(path: Path) -> None:
    target = path.parents[4] / "outside" / path.name
    target.parent.mkdir()
    target.write_text("### T-001: Outside\n**Status**: [ ] pending\n")
    path.symlink_to(target)


def elsewhere(folder: Path) -> None:
    target = next(path for path in folder.parents if path.name == ".specweave").parents[1] / "outside"
    shutil.move(folder, target)
    folder.symlink_to(target)


def bad_report(folder: Path) -> None:
    (folder / "reports").mkdir()
    (folder / "reports" / "001-status.json").write_bytes(b"\xff")


def report_pipe(folder: Path) -> None:
    (folder / "reports").mkdir()
    os.mkfifo(folder / "reports" / "001-status.json")


def linked_artifacts(folder: Path) -> None:
    ledger.plan(folder, {"api/main.py": b"app = 1\n"}, kind="api").apply()
    elsewhere(folder / "api")


CONFLICT = b"<<<<<<< HEAD\n- [ ] ours\n=======\n- [x] theirs\n>>>>>>> branch\n"
CASES: dict[str, Spoil] = {
    **{
        f"{what} in {name}": text(name, change)
        for name in ("tasks.md", "spec.md")
        for what, change in {
            "a byte order mark": lambda content: b"\xef\xbb\xbf" + content,
            "CRLF": lambda content: content.replace(b"\n", b"\r\n"),
            "latin-1": lambda content: content + "Währung\n".encode("latin-1"),
            "NUL bytes": lambda content: content.replace(b"Rank", b"Ra\0nk").replace(b"Sort", b"So\0rt"),
            "20 MB": lambda content: content + b"A line of words.\n" * 1_200_000,
            "conflict marks": lambda content: content + CONFLICT,
            "nothing": lambda _content: b"",
            "an alias bomb": lambda content: b"---\na: &a [x,x]\nb: &b [*a,*a]\nstatus: *b\n---\n" + content,
        }.items()
    },
    "tasks.md is a link out of the project": instead("tasks.md", outside),
    "spec.md is a link out of the project": instead("spec.md", outside),
    "spec.md is a folder": instead("spec.md", Path.mkdir),
    "tasks.md is a pipe": instead("tasks.md", os.mkfifo),
    "the folder is a link out of the project": elsewhere,
    "metadata.json is empty": text("metadata.json", lambda _content: b""),
    "metadata.json is truncated": text("metadata.json", lambda content: content[:40]),
    "metadata.json is of a newer schema": text("metadata.json", lambda content: content.replace(b": 1", b": 99")),
    "metadata.json is a list": text("metadata.json", lambda _content: b"[]"),
    "metadata.json is deep": text("metadata.json", lambda _content: b"[" * 100_000),
    "metadata.json is of other types": text(
        "metadata.json", lambda _content: b'{"id": 7, "status": [], "tasks": {"T-001": 3, "": {}}, "history": "x"}'
    ),
    "metadata.json has conflict marks": text("metadata.json", lambda content: CONFLICT + content),
    "metadata.json is 20 MB": text("metadata.json", lambda content: content + b" " * 20_000_000),
    "metadata.json is a link out of the project": instead("metadata.json", outside),
    "metadata.json is absent": lambda folder: (folder / "metadata.json").unlink(),
    "a report is none": bad_report,
    "a report is a pipe": report_pipe,
    "an artifact's folder is a link out of the project": linked_artifacts,
    "tasks.md is nested": text("tasks.md", lambda content: content + b"- " * 100_000 + b"> " * 100_000),
    "config.yaml is none": lambda folder: (folder.parents[1] / "config.yaml").write_bytes(b"tasks: [1"),
    "deployment.yaml is deep": lambda folder: (folder / "deployment.yaml").write_bytes(b"model: " + b"[" * 500),
    "reports is a file": lambda folder: (folder / "reports").write_text("no folder"),
    "the ledger is none": lambda folder: (folder / ".generated.json").write_bytes(b'{"format": 1, "files": []}'),
    "deployment.yaml is none": lambda folder: (folder / "deployment.yaml").write_bytes(b"model: *nothing\n"),
}


def place(root: Path, spoil: Spoil) -> Path:
    folder = root / ".specweave" / "increments" / NAME
    folder.mkdir(parents=True)
    for name, content in WHOLE.items():
        (folder / name).write_text(content)
    spoil(folder)
    return folder


def snapshot(root: Path) -> dict[str, bytes]:
    """Every file of the project that is people's or git's; lock files and caches are neither."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[name] = str(path.readlink()).encode()
        elif path.is_file() and not name.endswith(".lock") and "/cache/" not in name and "/local/" not in name:
            # Whether it is the same file is enough for a large one: none is written in its place, see atomic.write.
            status = path.stat()
            large = status.st_size > LARGE_BYTES
            found[name] = f"{status.st_ino} {status.st_mtime_ns}".encode() if large else path.read_bytes()
    return found


def attempt(root: Path, name: str) -> Result | SpecweaveError:
    answer: Result | SpecweaveError
    started = time.monotonic()
    try:
        call = slash_line.parse(f"/sw:{name} {LINES[name]}")
        answer = call.command.run(call.request, Context(Project(root), RealHost()))
    except SpecweaveError as error:
        answer = error
    assert time.monotonic() - started < SOON_S
    if isinstance(answer, SpecweaveError):
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", answer.code)
        assert answer.message
    else:
        assert answer.text()
        assert answer.model_dump_json()
    return answer


def keeps(content: bytes, before: bytes) -> bool:
    """Whether every line that people wrote is there still, in the same order."""
    lines = iter(re.split(rb"\r\n|\n|\r", content))
    return all(line in lines for line in re.split(rb"\r\n|\n|\r", before) if not OWNED.match(line))


def test_every_command_of_the_group_is_tried() -> None:
    assert {entry.name for entry in ENTRIES if entry.group == "sw"} <= set(LINES)


@pytest.mark.parametrize("case", CASES)
def test_every_command_answers_soon_and_loses_nothing(tmp_path: Path, case: str) -> None:
    place(tmp_path / "pristine", CASES[case])
    before, outside_before = snapshot(tmp_path / "pristine"), snapshot(tmp_path / "outside")
    for entry in ENTRIES:
        if entry.group != "sw":
            continue
        root = (tmp_path / entry.name).resolve()
        shutil.copytree(tmp_path / "pristine", root, symlinks=True, copy_function=_copy)
        answer = attempt(root, entry.name)
        after = {name.replace("_archive/", ""): content for name, content in snapshot(root).items()}
        if isinstance(answer, SpecweaveError):
            assert {name: after[name] for name in after if not name.endswith(".gitignore")} == before, entry
        for name, content in before.items():
            kept = keeps(after[name], content) if name.endswith(".md") else after[name] == content
            assert kept or name.endswith("metadata.json"), (entry.name, name)
        assert snapshot(tmp_path / "outside") == outside_before, entry


def _copy(source: str, target: str) -> None:
    if not Path(source).is_file():
        os.mkfifo(target)  # copying a pipe would wait for its writer
    elif Path(source).stat().st_size > LARGE_BYTES:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


@pytest.mark.parametrize("small_disk", ["4m"], indirect=True)
def test_a_folder_that_may_not_be_written_gives_a_coded_error_and_stays(small_disk: Path) -> None:
    place(small_disk, lambda _folder: None)
    before = snapshot(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    codes = {}
    for entry in ENTRIES:
        if entry.group == "sw":
            answer = attempt(small_disk.resolve(), entry.name)
            codes[entry.name] = answer.code if isinstance(answer, SpecweaveError) else ""
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    assert snapshot(small_disk) == before
    assert {codes[name] for name in ("inc", "do", "sync", "pause", "abandon")} <= {"permission-denied"}
    assert {codes[name] for name in ("status", "validate")} == {""}
