"""The index of increments: it answers as the files themselves do, whatever became of them and of it."""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specweave.command import Context
from specweave.files import fingerprint
from specweave.host import RealHost
from specweave.increments import evidence, store
from specweave.increments.store import Increment
from specweave.operations import increment_index, increment_summary
from specweave.operations.increment_summary import Record
from specweave.project import Project

INDEX = Path(".specweave", "cache", "increments.jsonl")
TASKS = """\
### T-001: By a test
**Status**: [ ] pending
**Satisfies ACs**: AC-US1-01
**Test**: `test -f src/one.py`
**Files Affected**: `src/one.py`

### T-002: By a command
**Status**: [ ] pending
**Run**: /ml:load-test 0001

### T-003: By a person
**Status**: [x] completed
**Dependencies**: T-001

### T-004: By a test of files of a pattern
**Status**: [ ] pending
**Test**: `true`
**Files Affected**: `src/*/two.py`
"""
SPEC = "# Work\n\n### US-001: Story\n\n- [ ] **AC-US1-01**: Given one, when two, then three\n"
DEPLOYMENT = """\
model: {name: credit-model, version: 0001-v1}
service: {name: credit-model}
environments: {}
"""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of three increments with evidence of a test and of a command."""
    root = tmp_path_factory.mktemp("original")
    context = Context(Project(root), RealHost())
    package = root / ".specweave" / "models" / "credit-model" / "0001-v1"
    for path in (root / "src" / "one.py", root / "src" / "deep" / "two.py", package / "manifest.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1\n")
    for name in ("0001-first", "0002-second", "0003-third"):
        increment = store.create(context, name)
        (increment.folder / "tasks.md").write_text(TASKS.replace("0001", increment.number))
        (increment.folder / "spec.md").write_text(SPEC)
        (increment.folder / "deployment.yaml").write_text(DEPLOYMENT)
        (increment.folder / "api").mkdir()
        (increment.folder / "api" / "main.py").write_text("1\n")
        for operation, command, task in (
            ("test", "test -f src/one.py", "T-001"),
            ("load-test", f"/ml:load-test {increment.number}", "T-002"),
            ("test", "true", "T-004"),
        ):
            evidence.record(
                context,
                increment,
                operation=operation,
                command=command,
                passed=True,
                started=datetime(2026, 11, 20, tzinfo=UTC),
                markdown="It passed.",
                data={},
                task_id=task,
            )
    return root


@pytest.fixture(autouse=True, scope="module")
def _fine_clock() -> Iterator[None]:
    """The file systems that tests run on tell apart what was changed in different ticks of a few milliseconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(increment_index, "GRANULARITY_NS", 0)
        yield


@pytest.fixture
def context(original: Path, tmp_path: Path) -> Context:
    return copied(original, tmp_path / "project")


def copied(original: Path, target: Path) -> Context:
    shutil.copytree(original, target)
    return Context(Project(target), RealHost())


def by_index(context: Context) -> list[Record]:
    return [entry.record for entry in increment_index.entries(context)]


def by_files(context: Context) -> list[Record]:
    readings = (increment_summary.read(increment) for increment in store.list_all(context.project))
    return [increment_summary.record_of(reading) for reading in readings]


def fill(context: Context) -> None:
    """Ask until all is kept: what was changed within a tick of the clock is not."""
    for _ in range(10_000):
        by_index(context)
        if (context.project.root / INDEX).read_bytes().count(b"\n") == 1 + len(store.list_all(context.project)):
            return
    raise AssertionError("the index does not fill")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The increments that are read from their files, in order."""
    found: list[str] = []
    real = increment_summary.read

    def counting(increment: Increment) -> increment_summary.Reading:
        found.append(increment.id)
        return real(increment)

    monkeypatch.setattr(increment_summary, "read", counting)
    return found


def test_only_what_changed_is_read_again(context: Context, read: list[str]) -> None:
    fill(context)
    read.clear()
    assert by_index(context) == by_index(context)
    assert read == []
    (context.project.root / ".specweave" / "increments" / "0002-second" / "plan.md").write_text("Another plan.\n")
    fill(context)
    assert set(read) == {"0002-second"}
    read.clear()
    shutil.rmtree(context.project.state / "increments" / "0001-first")
    assert [record.id for record in by_index(context)] == ["0002-second", "0003-third"]
    assert read == []


def test_evidence_goes_stale_by_files_outside_the_increment(context: Context) -> None:
    fill(context)
    assert [record.notes for record in by_index(context)] == [(), (), ()]
    (context.project.root / "src" / "deep" / "two.py").write_text("2\n")
    for record in by_index(context):
        assert [(note.task, note.standing, note.why) for note in record.notes] == [
            ("T-004", "stale", "src/deep/two.py changed")
        ]
        assert record.standings == {"passed": 2, "stale": 1, "claimed": 1}


def test_a_model_package_made_again_is_noticed(context: Context) -> None:
    fill(context)
    manifest = context.project.state / "models" / "credit-model" / "0001-v1" / "manifest.json"
    manifest.write_text("2\n")
    assert [[note.task for note in record.notes] for record in by_index(context)] == [["T-002"]] * 3


def test_what_was_changed_a_moment_ago_is_read_again(
    context: Context, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(increment_index, "GRANULARITY_NS", fingerprint.GRANULARITY_NS)
    by_index(context)
    by_index(context)
    assert read == ["0001-first", "0002-second", "0003-third"] * 2


def test_what_changes_while_it_is_read_is_read_again(
    context: Context, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = increment_summary.record_of

    def meanwhile(reading: increment_summary.Reading) -> Record:
        (reading.increment.folder / "spec.md").write_text("# Another\n")
        (context.project.root / "src" / "one.py").unlink(missing_ok=True)
        return real(reading)

    with monkeypatch.context() as patch:
        patch.setattr(increment_summary, "record_of", meanwhile)
        by_index(context)
    assert by_index(context) == by_files(context)


def test_who_stops_half_way_keeps_what_was_read_and_what_was_known(context: Context, read: list[str]) -> None:
    fill(context)
    for name in ("0001-first", "0003-third"):
        (context.project.state / "increments" / name / "plan.md").write_text("Another plan.\n")
    known = (context.project.root / INDEX).read_bytes().splitlines()
    entries = increment_index.entries(context)
    next(entries)
    entries.close()
    assert (context.project.root / INDEX).read_bytes().splitlines()[-2:] == known[-2:]
    assert by_index(context) == by_files(context)


def test_two_that_ask_at_once_get_the_same(context: Context) -> None:
    pairs = zip(increment_index.entries(context), increment_index.entries(context), strict=True)
    assert [first.record.id for first, second in pairs if first == second] == [
        "0001-first",
        "0002-second",
        "0003-third",
    ]
    assert by_index(context) == by_files(context)


def test_what_is_put_away_meanwhile_is_not_shown(context: Context) -> None:
    entries = increment_index.entries(context)
    assert next(entries).record.id == "0001-first"
    shutil.rmtree(context.project.state / "increments" / "0002-second")
    assert [entry.record.id for entry in entries] == ["0003-third"]
    assert by_index(context) == by_files(context)


def test_what_a_killed_process_left_is_written_over(context: Context) -> None:
    spare = (context.project.root / INDEX).with_suffix(".new")
    spare.parent.mkdir(parents=True)
    spare.write_bytes(b"half a line" * 100_000)
    fill(context)
    assert not spare.exists()
    assert by_index(context) == by_files(context)


def test_an_index_of_another_place_counts_for_nothing(context: Context, read: list[str], tmp_path: Path) -> None:
    fill(context)
    moved = Context(Project(context.project.root.rename(tmp_path / "moved")), RealHost())
    read.clear()
    by_index(moved)
    assert read == ["0001-first", "0002-second", "0003-third"]


def test_git_does_not_see_the_index_where_another_tool_made_the_folder(context: Context) -> None:
    by_index(context)
    assert (context.project.root / INDEX).with_name(".gitignore").read_text() == "*\n"
    assert sorted(path.name for path in (context.project.root / INDEX).parent.iterdir()) == [
        ".gitignore",
        "increments.jsonl",
    ]


def test_a_project_without_increments_gets_no_folder(tmp_path: Path) -> None:
    assert by_index(Context(Project(tmp_path), RealHost())) == []
    assert list(tmp_path.iterdir()) == []


def as_folder(index: Path) -> None:
    index.unlink()
    (index / "x").mkdir(parents=True)


def as_pipe(index: Path) -> None:
    index.unlink()
    os.mkfifo(index)


def without_folder(index: Path) -> None:
    shutil.rmtree(index.parent)
    index.parent.write_text("a file is in the way\n")


def with_wrong_records(index: Path) -> None:
    """What a careless hand makes of it."""
    index.write_text(index.read_text().replace('"title":"', '"title":"Not '))


@pytest.mark.parametrize("spoil", [as_folder, as_pipe, without_folder, with_wrong_records])
def test_an_index_that_cannot_be_used_changes_no_answer(context: Context, spoil: Callable[[Path], None]) -> None:
    fill(context)
    spoil(context.project.root / INDEX)
    assert by_index(context) == by_files(context)
    assert by_index(context) == by_files(context)


def test_a_link_to_a_folder_is_followed_each_time(context: Context, tmp_path: Path) -> None:
    reports = context.project.state / "increments" / "0002-second" / "reports"
    elsewhere = reports.rename(tmp_path / "elsewhere")
    reports.symlink_to(elsewhere)
    wait_for_the_clock(tmp_path)
    for content in ("{}", "[]"):
        by_index(context)
        for path in elsewhere.glob("*.json"):
            path.write_text(content)
        assert by_index(context) == by_files(context)


def test_what_lies_behind_a_link_to_a_file_is_watched(context: Context) -> None:
    path, target = context.project.root / "src" / "one.py", context.project.root / "target.py"
    path.symlink_to(path.rename(target))
    fill(context)
    target.write_text("2\n")
    assert by_index(context) == by_files(context)
    assert [note.why for note in by_index(context)[0].notes] == ["src/one.py changed"]


def test_a_link_that_leads_out_of_the_project_may_lead_into_it_later(context: Context, tmp_path: Path) -> None:
    root = context.project.root
    for tasks in root.glob(".specweave/increments/*/tasks.md"):
        tasks.write_text(tasks.read_text().partition("### T-004")[0])
    shutil.copytree(root / "src", tmp_path / "outside")
    (root / "src").rename(root / "inside")
    (root / "src").symlink_to(tmp_path / "outside")
    fill(context)
    assert [[note.why for note in record.notes] for record in by_index(context)] == [["src/one.py is gone"]] * 3
    (root / "src").unlink()
    (root / "src").symlink_to(root / "inside")
    assert [record.notes for record in by_index(context)] == [(), (), ()]


def test_a_pattern_leads_into_no_cache_and_no_hidden_folder(context: Context) -> None:
    fill(context)
    for name in ("node_modules", ".hidden"):
        (context.project.root / "src" / name).mkdir()
        (context.project.root / "src" / name / "two.py").write_text("2\n")
    assert [record.notes for record in by_index(context)] == [(), (), ()]


def test_a_word_that_is_too_long_for_a_name_is_no_path(context: Context) -> None:
    for tasks in context.project.root.glob(".specweave/increments/*/tasks.md"):
        tasks.write_text(tasks.read_text().replace("`true`", f"`python -c {'x' * 300}`"))
    fill(context)
    assert [note.why for note in by_index(context)[0].notes] == ["its text changed, or that of a criterion"]
    assert by_index(context) == by_files(context)


def test_a_link_to_a_folder_that_a_pattern_goes_through_is_followed_each_time(context: Context) -> None:
    root = context.project.root
    (root / "elsewhere").mkdir()
    (root / "elsewhere" / "two.py").write_text("2\n")
    (root / "src" / "link").symlink_to(root / "elsewhere")
    wait_for_the_clock(root)
    by_index(context)
    (root / "elsewhere" / "two.py").write_text("3\n")
    assert by_index(context) == by_files(context)


def wait_for_the_clock(folder: Path) -> None:
    """Until what is written now has another time than what was written before."""
    (folder / "clock").touch()
    began = (folder / "clock").stat().st_mtime_ns
    while (folder / "clock").stat().st_mtime_ns <= began:
        (folder / "clock").touch()


# Edits: each takes the project, the path in question and a number, and may do nothing.
Edit = Callable[[Path, Path, int], None]


def spliced(content: bytes, number: int) -> bytes:
    """The same length with one letter, digit or mark different."""
    places = [index for index, byte in enumerate(content) if chr(byte).isalnum() or byte in b"[] "]
    if not places:
        return content
    place = places[number % len(places)]
    return content[:place] + (b"x" if content[place : place + 1] != b"x" else b" ") + content[place + 1 :]


def in_place(root: Path, path: Path, number: int) -> None:
    """The same length and, by hand, the same time of modification."""
    before = path.stat()
    with path.open("r+b") as file:
        content = spliced(file.read(), number)
        file.seek(0)
        file.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(root: Path, path: Path, number: int) -> None:
    """By another file of the same length and time of modification."""
    before = path.stat()
    other = path.with_name("other.tmp")
    other.write_bytes(spliced(path.read_bytes(), number))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def completed(root: Path, path: Path, number: int) -> None:
    path.write_text(path.read_text().replace("[ ] pending", "[x] completed").replace('"active"', '"paused"'))


def removed(root: Path, path: Path, number: int) -> None:
    path.unlink()


def linked(root: Path, path: Path, number: int) -> None:
    target = root / f"target-{number % 2}"
    target.write_bytes(spliced(path.read_bytes(), number))
    path.unlink()
    path.symlink_to(target)


def behind_links(root: Path, path: Path, number: int) -> None:
    for target in root.glob("target-*"):
        in_place(root, target, number)


def added(root: Path, path: Path, number: int) -> None:
    shutil.copy2(path, path.with_name(f"{number:03d}-added{path.suffix}"))


def renamed(root: Path, path: Path, number: int) -> None:
    increment = increment_of(root, path)
    increment.rename(increment.with_name(f"{number % 5:04d}-renamed"))


def put_away(root: Path, path: Path, number: int) -> None:
    shutil.rmtree(increment_of(root, path))


def doubled(root: Path, path: Path, number: int) -> None:
    increment = increment_of(root, path)
    shutil.copytree(increment, increment.with_name(f"{number % 9:04d}-copy"))


def index_cut(root: Path, path: Path, number: int) -> None:
    os.truncate(root / INDEX, number % ((root / INDEX).stat().st_size + 1))


def index_spoilt(root: Path, path: Path, number: int) -> None:
    (root / INDEX).write_bytes(spliced((root / INDEX).read_bytes(), number))


def index_shuffled(root: Path, path: Path, number: int) -> None:
    header, *lines = (root / INDEX).read_bytes().splitlines(keepends=True)
    orders = list(itertools.permutations(lines[:4]))
    (root / INDEX).write_bytes(header + b"".join(orders[number % len(orders)]))


def index_kept(root: Path, path: Path, number: int) -> None:
    shutil.copy2(root / INDEX, root / "kept")


def index_of_before(root: Path, path: Path, number: int) -> None:
    shutil.copy2(root / "kept", root / INDEX)


def increment_of(root: Path, path: Path) -> Path:
    folder = root / ".specweave" / "increments"
    return folder / path.relative_to(folder).parts[0]


EDITS: tuple[Edit, ...] = (
    *(in_place, replaced, completed, removed, linked, behind_links, added, renamed, put_away, doubled),
    *(index_cut, index_spoilt, index_shuffled, index_kept, index_of_before),
)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(EDITS), st.integers(0, 999), st.integers(0, 9999)), min_size=1, max_size=4))
def test_whatever_is_edited_the_answer_is_that_of_the_files(
    original: Path, tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[Edit, int, int]]
) -> None:
    context = copied(original, tmp_path_factory.mktemp("edited") / "project")
    root = context.project.root
    fill(context)
    for edit, which, number in edits:
        watched = [root / "src", root / ".specweave" / "models", root / ".specweave" / "increments"]
        paths = sorted(path for folder in watched for path in folder.rglob("*") if path.is_file())
        try:
            edit(root, paths[which % len(paths)], number)
        except (OSError, ValueError, IndexError, ZeroDivisionError):
            continue  # this edit cannot be made here
        expected = by_files(context)
        assert by_index(context) == expected, edit
        assert by_index(context) == expected, edit
