"""`/sw:migrate`: the generations become ours, and every line that is not named keeps its bytes."""

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.increments.generations.conftest import GENERATIONS, FixedClock, tree

from specweave import slash_line
from specweave.command import Context
from specweave.errors import InvalidInputError, SpecweaveError
from specweave.files import ledger
from specweave.files.markdown import Document
from specweave.increments import criteria, store, tasks
from specweave.increments.store import Increment
from specweave.operations.migration import migrating, planning
from specweave.operations.migration.sheet import LineChange
from specweave.operations.sw.migrate import MigratedIncrement, MigrateResult
from specweave.project import Project

each_generation = pytest.mark.parametrize("generation", GENERATIONS)
NOW = "2026-11-20T12:03:00Z"


def migrate(context: Context, words: str) -> MigrateResult:
    call = slash_line.parse(f"/sw:migrate {words}")
    result = call.command.run(call.request, context)
    assert isinstance(result, MigrateResult)
    json.loads(result.model_dump_json())
    assert result.text()
    return result


def one(context: Context, increment: Increment, options: str = "") -> MigratedIncrement:
    return migrate(context, f"{increment.number} {options}").increments[0]


def metadata_of(increment: Increment) -> dict[str, object]:
    document = json.loads((increment.folder / "metadata.json").read_bytes())
    assert isinstance(document, dict)
    return document


def summary(increment: Increment) -> list[tuple[str, str, str, tuple[str, ...], tuple[str, ...]]]:
    return [(task.id, task.title, task.marked, task.criteria, task.dependencies) for task in tasks.read(increment)]


def applied(before: bytes, changes: Sequence[LineChange]) -> bytes:
    """The content that a list of changes describes: every line that it does not name as it was."""
    lines = Document.parse(before).lines
    first = lines[0] if lines else "\n"
    newline = first[len(first.rstrip("\r\n")) :] or "\n"
    found = []
    for number, line in enumerate([*lines, ""], 1):
        mine = [change for change in changes if change.line == number]
        found += [(change.after or "") + newline for change in mine if change.before is None]
        changed = [change for change in mine if change.before is not None]
        assert [change.before for change in changed] in ([], [line.rstrip("\r\n")])
        kept = [line] if not changed else [] if changed[0].after is None else [changed[0].after + _end(line)]
        found += kept
    return "".join(found).encode("utf-8", "surrogateescape")


def _end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def of_file(plan: planning.Plan, name: str) -> list[LineChange]:
    return [change for change in plan.changes if change.file == name]


@each_generation
def test_every_line_that_is_not_named_keeps_its_bytes(
    of_generation: Callable[[str], Increment], context: Context, generation: str
) -> None:
    increment = of_generation(generation)
    before = {path.name: path.read_bytes() for path in increment.folder.iterdir() if path.is_file()}
    plan = planning.plan(increment, NOW)
    others = {name: digest for name, digest in tree(increment.folder).items() if name.count("/") or "." not in name}
    one(context, increment)
    for name, content in before.items():
        if name != "metadata.json":
            assert (increment.folder / name).read_bytes() == applied(content, of_file(plan, name)), name
    after = tree(increment.folder)
    assert {name: after[name] for name in others} == others


@each_generation
def test_migrating_twice_changes_nothing(
    of_generation: Callable[[str], Increment], context: Context, generation: str
) -> None:
    increment = of_generation(generation)
    assert one(context, increment).generation == generation
    before = tree(increment.folder)
    again = one(context, increment)
    assert (again.generation, again.files, again.changes) == ("", [], [])
    assert tree(increment.folder) == before


@each_generation
def test_a_dry_run_shows_the_differences_and_changes_nothing(
    of_generation: Callable[[str], Increment], context: Context, generation: str
) -> None:
    increment = of_generation(generation)
    before = tree(increment.folder)
    shown = one(context, increment, "--dry-run")
    assert tree(increment.folder) == before
    assert all(file.diff for file in shown.files)
    done = one(context, increment)
    assert [(file.path, file.made) for file in done.files] == [(file.path, file.made) for file in shown.files]
    assert done.changes == shown.changes
    assert not any(file.diff for file in done.files)


def test_the_first_generation_gets_our_metadata_and_keeps_its_own_keys(
    of_generation: Callable[[str], Increment], context: Context
) -> None:
    increment = of_generation("0.23")
    before = summary(increment)
    said = one(context, increment)
    assert metadata_of(increment) == {
        "schema": 1,
        "id": "0012-user-login",
        "status": "active",
        "type": "feature",
        "created": "2025-11-18T09:12:44.120Z",
        "lastActivity": "2025-11-20T16:40:02.003Z",
        "testMode": "TDD",
        "coverageTarget": 95,
        "epic_id": None,
        "externalLinks": {"github": {"issue": 417}},
        "backlogReason": "waits for the design of the form",
        "backlogAt": "2025-11-18T10:00:00.000Z",
        "updated": "2025-11-20T16:40:02.003Z",
        "title": "User login",
        "tasks": {"T-001": {"status": "completed"}},
        "links": [],
        "history": [
            {
                "at": "2025-11-18T10:00:00.000Z",
                "from": "active",
                "to": "planned",
                "reason": "waits for the design of the form",
                "by": "specweave",
            }
        ],
        "migrated": {"from": "0.23", "at": NOW, "replaced": {"status": "in_progress"}},
    }
    assert summary(increment) == before
    assert [(left.target, "to be discussed" in left.message) for left in said.left_alone] == [("tasks.md:72", True)]
    # One key of the frontmatter changes; the key that nobody knows and its comment stay.
    spec = (increment.folder / "spec.md").read_text()
    assert "status: active\ncreated: 2025-11-18\n" in spec
    assert "reviewer: anna   # a key nobody knows\n" in spec


def test_the_later_first_generation_reads_the_tasks_it_could_not_and_keeps_why_it_paused(
    of_generation: Callable[[str], Increment], context: Context
) -> None:
    increment = of_generation("1.x")
    said = one(context, increment)
    assert summary(increment) == [
        ("T-001", "[P] haiku - Initialize the index", "completed", (), ()),
        ("T-002", "haiku - Setup testing", "pending", (), ()),
        ("T-003", "Fill the index", "completed", ("AC-US1-01",), ("T-001", "T-002")),
        ("T-004", "Forgive typing errors", "in-progress", ("AC-US1-02",), ("T-003",)),
        ("T-005", "Ranking", "skipped", (), ()),
    ]
    document = metadata_of(increment)
    assert (document["status"], document["pausedReason"]) == ("paused", "the cluster is rebuilt")
    assert document["migrated"] == {"from": "1.x", "at": NOW, "replaced": {"tasks": 5}}
    assert [left.target for left in said.left_alone] == ["spec.md:21", "tasks.md:4", "tasks.md:27"]
    assert b"\r\n" in (increment.folder / "tasks.md").read_bytes()
    assert b"\n" not in (increment.folder / "tasks.md").read_bytes().replace(b"\r\n", b"")
    slash = slash_line.parse("/sw:resume 0031")
    slash.command.run(slash.request, context)
    assert store.find(context.project, "31").metadata().status == "ready_for_review"


def test_the_second_generation_gets_ids_that_name_their_story(
    of_generation: Callable[[str], Increment], context: Context
) -> None:
    increment = of_generation("2.x")
    ledger_then = (increment.folder / "ledger.jsonl").read_bytes()
    said = one(context, increment)
    assert [criterion.id for criterion in criteria.read(increment).criteria] == ["AC-US1-01", "AC-US1-02", "AC-US2-03"]
    assert summary(increment)[:2] == [
        ("T-001", "count requests", "completed", ("AC-US1-01", "AC-US1-02"), ()),
        ("T-002", "send the header", "pending", ("AC-US2-03",), ("T-001", "T-099")),
    ]
    spec = (increment.folder / "spec.md").read_bytes()
    assert spec.startswith(b'\xef\xbb\xbf---\nincrement: "0104-rate-limits"\ntitle: "Rate limits"\ntype: hotfix\n')
    assert spec.count(b"\xef\xbb\xbf") == 1
    assert b"```text\nAC-01 in a fence stays\n```" in spec
    assert b"and the T-5 model." in spec
    assert (increment.folder / "ledger.jsonl").read_bytes() == ledger_then
    assert ("ledger.jsonl:3", "this line is no JSON") in [(left.target, left.message) for left in said.left_alone]
    # What another tool ran is no evidence here: the task has a test, and nothing shows that it passed.
    assert metadata_of(increment)["tasks"] == {}


def test_the_tasks_of_the_third_generation_move_byte_by_byte(
    of_generation: Callable[[str], Increment], context: Context
) -> None:
    increment = of_generation("3.0")
    one(context, increment)
    assert (increment.folder / "tasks.md").read_text() == (
        "# Tasks: Export as CSV\n\nSome words about the tasks.\n\n- [ ] **T-001**: Write the rows\n"
        "  - **User Story**: US-001\n  - **Acceptance Criteria**: AC-US1-01\n- [x] T-002: Double the quotes\n"
        "  - **Acceptance Criteria**: AC-US1-02\n  - **Dependencies**: T-001\n\n"
    )
    spec = (increment.folder / "spec.md").read_text()
    assert "T-0" not in spec
    assert "## Out of Scope\n\n- Excel\n" in spec
    assert 'custom: {owner: "team-data", tags: [csv, export]}\n' in spec
    assert [task.document for task in tasks.read(increment)] == ["tasks.md", "tasks.md"]


@each_generation
def test_originals_that_git_does_not_have_are_kept_in_the_increment(
    of_generation: Callable[[str], Increment], context: Context, generation: str
) -> None:
    increment = of_generation(generation)
    before = {path.name: path.read_bytes() for path in increment.folder.iterdir() if path.is_file()}
    said = one(context, increment)
    changed = [file.path for file in said.files if not file.made]
    assert sorted(said.originals) == sorted(f".original/{name}" for name in changed)
    for name in changed:
        assert (increment.folder / ".original" / name).read_bytes() == before[name]


def test_what_the_last_commit_has_is_not_copied(
    of_generation: Callable[[str], Increment], context: Context, tmp_path: Path
) -> None:
    increment = of_generation("0.23")

    def git(*words: str) -> str:
        identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
        return subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True).stdout.decode()

    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "all")
    spec = increment.folder / "spec.md"
    committed = (increment.folder / "metadata.json").read_bytes()
    spec.write_bytes(spec.read_bytes() + b"an edit that is not committed\n")
    edited = spec.read_bytes()
    said = one(context, increment)
    assert said.originals == [".original/spec.md"]
    assert (increment.folder / ".original" / "spec.md").read_bytes() == edited
    shown = git("show", "HEAD:.specweave/increments/0012-user-login/metadata.json")
    assert shown.encode() == committed != (increment.folder / "metadata.json").read_bytes()


class Killed(BaseException):
    """What ends a process in the middle."""


@each_generation
@pytest.mark.parametrize("survive", range(4))
def test_a_migration_that_was_killed_is_finished_by_the_next(
    of_generation: Callable[[str], Increment],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    generation: str,
    *,
    survive: int,
) -> None:
    increment = of_generation(generation)
    before = {path.name: path.read_bytes() for path in increment.folder.iterdir() if path.is_file()}
    written: list[str] = []

    def amend(folder: Path, path: str, change: Callable[[bytes], bytes]) -> None:
        if len(written) >= survive:
            raise Killed
        written.append(path)
        present = (folder / path).read_bytes() if (folder / path).exists() else b""
        (folder / path).write_bytes(change(present))

    expected = {file.name: file.after for file in planning.plan(increment, NOW).files}
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "amend", amend)
        if survive < len(expected):
            with pytest.raises(Killed):
                migrating.migrate(increment, context)
        else:
            migrating.migrate(increment, context)
    migrating.migrate(increment, context)
    for name, content in expected.items():
        if name != "metadata.json":
            assert (increment.folder / name).read_bytes() == content, name
    assert metadata_of(increment)["schema"] == 1
    for name, content in before.items():
        copies = [path.read_bytes() for path in (increment.folder / ".original").iterdir()]
        assert content in (*copies, (increment.folder / name).read_bytes())


def test_all_increments_are_migrated_and_what_cannot_be_read_is_named(
    of_generation: Callable[[str], Increment], context: Context
) -> None:
    for generation in GENERATIONS:
        of_generation(generation)
    broken = context.project.state / "increments" / "0001-broken"
    broken.mkdir()
    (broken / "metadata.json").write_text('{"id": ')
    (broken / "spec.md").write_text("# Broken\n")
    before = tree(broken)
    result = migrate(context, "--all")
    assert not result.passed
    assert [(item.increment, item.generation, bool(item.error)) for item in result.increments] == [
        ("0001-broken", "", True),
        *((name, generation, False) for generation, name in GENERATIONS.items()),
    ]
    assert "metadata-invalid" in result.increments[0].error
    assert tree(broken) == before
    with pytest.raises(InvalidInputError) as caught:
        migrate(context, "0001")
    assert caught.value.code == "metadata-invalid"


def _bare(context: Context, name: str, spec: str) -> Increment:
    folder = context.project.state / "increments" / name
    folder.mkdir(parents=True)
    (folder / "spec.md").write_text(spec, "utf-8")
    return store.find(context.project, name)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("Status: completed", "completed"),
        ("**Status**: Completed \u2705", "completed"),
        ("**Status:** In Progress - since Monday", "active"),
        ("- **Status**: paused (no data)", "paused"),
        ("> status: done", "completed"),
        ("Status: as agreed", "planned"),
        ("## Part\n\nStatus: completed", "planned"),
        ("```\nStatus: completed\n```", "planned"),
    ],
)
def test_the_state_is_what_a_line_at_the_top_of_the_specification_says(
    context: Context, line: str, status: str
) -> None:
    increment = _bare(context, "0007-work", f"# Work\n\n{line}\n\n## Stories\n")
    assert increment.metadata().status == status
    before = (increment.folder / "spec.md").read_text("utf-8")
    one(context, increment)
    assert metadata_of(increment)["status"] == status
    assert (increment.folder / "spec.md").read_text("utf-8").endswith(before)


def test_tasks_without_a_hyphen_are_read_in_place_and_named_as_ours(context: Context) -> None:
    increment = _bare(context, "0007-work", "# Work\n")
    (increment.folder / "tasks.md").write_text(
        "# Tasks\n\n### T001: One\n\n**Status**: [x] completed\n\n### T002: Two\n\n**Dependencies**: T001\n",
        "utf-8",
    )
    state = {
        "id": "0007-work",
        "status": "active",
        "tasks": {"T002": {"status": "pending", "evidence": "reports/1.md"}},
    }
    (increment.folder / "metadata.json").write_text(json.dumps(state), "utf-8")
    assert summary(increment) == [("T001", "One", "completed", (), ()), ("T002", "Two", "pending", (), ("T001",))]
    said = one(context, increment)
    assert summary(increment) == [("T-001", "One", "completed", (), ()), ("T-002", "Two", "pending", (), ("T-001",))]
    assert metadata_of(increment)["tasks"] == {"T-001": {"status": "completed"}, "T-002": state["tasks"]["T002"]}
    assert not any("number of another" in left.message for left in said.left_alone)


def test_frontmatter_says_the_state_before_any_line_does(context: Context) -> None:
    spec = "---\nstatus: paused\n---\n\n# Work\n\nStatus: completed\n"
    assert _bare(context, "0007-work", spec).metadata().status == "paused"


@pytest.mark.parametrize("command", ["migrate", "sync"])
def test_nothing_is_made_up_of_when_an_increment_began(context: Context, command: str) -> None:
    increment = _bare(context, "0007-work", "# Work\n")
    call = slash_line.parse(f"/sw:{command} 7")
    call.command.run(call.request, context)
    assert "created" not in metadata_of(increment)
    assert "" not in metadata_of(increment).values()


def test_each_commit_of_a_migration_of_all_is_named(context: Context, tmp_path: Path) -> None:
    for name in ("0001-one", "0002-two"):
        _bare(context, name, "# Work\n")

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    git("init", "--quiet")
    git("config", "user.name", "Ann")
    git("config", "user.email", "ann@example.org")
    result = migrate(context, "--all --commit")
    text = result.text()
    commits = git("log", "--reverse", "--pretty=%H").split()
    assert len(commits) == 2
    assert (result.commits, result.commit) == (commits, commits[-1])
    assert "Committed as " + ", ".join(f"`{commit[:7]}`" for commit in commits) in text
    assert all(text.count(commit[:7]) == 2 for commit in commits)


def test_an_increment_and_all_of_them_are_not_asked_for_together(
    of_generation: Callable[[str], Increment], context: Context
) -> None:
    of_generation("0.23")
    with pytest.raises(InvalidInputError, match="all are asked for"):
        migrate(context, "0012 --all")


@pytest.mark.parametrize("kind", ["feature", "bug", "experiment", "deployment"])
def test_an_increment_of_ours_stays_as_it_is(context: Context, kind: str) -> None:
    call = slash_line.parse(f"/sw:inc 'Some work' --type {kind}")
    call.command.run(call.request, context)
    before = tree(context.project.state)
    assert migrate(context, "--all").increments[0].files == []
    assert tree(context.project.state) == before


def ambiguous(folder: Path) -> None:
    (folder / "spec.md").write_text("### US-001: A\n- [ ] AC-01: a\n### US-002: B\n- [ ] AC-01: b\n\nSee AC-01.\n")
    (folder / "tasks.md").write_text("### T-1: X\n**User Story**: US-002\n**AC**: AC-01\n")


def test_an_id_that_stands_in_two_stories_is_told_apart_by_the_story_of_the_task(
    tmp_path: Path, context: Context
) -> None:
    folder = tmp_path / ".specweave" / "increments" / "0001-work"
    folder.mkdir(parents=True)
    ambiguous(folder)
    said = one(context, store.find(context.project, "1"))
    spec = (folder / "spec.md").read_text()
    assert "- [ ] AC-US1-01: a\n" in spec
    assert "- [ ] AC-US2-01: b\n" in spec
    assert "See AC-01.\n" in spec
    assert "**AC**: AC-US2-01\n" in (folder / "tasks.md").read_text()
    assert [left.target for left in said.left_alone] == ["spec.md:6"]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("metadata.json", b"", "metadata-invalid"),
        ("metadata.json", b"[]", "metadata-invalid"),
        ("metadata.json", b'{"schema": 99}', "metadata-newer"),
        ("tasks.md", b"- [ ] T-1: x\n" * 200_000, "document-too-large"),
        ("spec.md", None, "document-is-link"),
    ],
)
def test_documents_that_cannot_be_worked_with_are_refused_and_nothing_changes(
    of_generation: Callable[[str], Increment], context: Context, name: str, content: bytes | None, code: str
) -> None:
    increment = of_generation("0.23")
    path = increment.folder / name
    path.unlink()
    if content is None:
        path.symlink_to(increment.folder / "README.md")
    else:
        path.write_bytes(content)
    before = tree(increment.folder)
    with pytest.raises(SpecweaveError) as caught:
        one(context, increment)
    assert caught.value.code == code
    assert tree(increment.folder) == before


PIECES = st.lists(
    st.sampled_from(
        [
            "# Spec: A thing",
            "### US-001: First (P1)",
            "### US-2 second",
            "- [ ] **AC-01**: Given a, when b, then c",
            "- [x] AC-02: see AC-01 and T-1",
            "- [ ] **AC-US1-01**: there already",
            "## Tasks",
            "### T-01 do it",
            "### T-1: again",
            "- [x] **T-002**: more",
            "- [ ] [T003] [P] unread",
            "  - **Acceptance Criteria**: AC-01",
            "**Status**: [?] who knows",
            "**Dependencies**: T01, T-99",
            "**User Story**: US-001 | **Satisfies ACs**: AC-02",
            "| T-1 | AC-01 |",
            "```",
            "<!--",
            "-->",
            "---",
            "status: in_progress",
            "key: [1, 2]",
            "text \udcff with odd bytes",
            "",
            "",
        ]
    ),
    max_size=14,
)


@settings(max_examples=60)
@given(
    spec=PIECES,
    listed=PIECES,
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    marked=st.booleans(),
    known=st.booleans(),
)
def test_whatever_the_documents_only_named_lines_change_and_a_second_run_finds_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    spec: list[str],
    listed: list[str],
    *,
    end: str,
    marked: bool,
    known: bool,
) -> None:
    root = tmp_path_factory.mktemp("project")
    folder = root / ".specweave" / "increments" / "0001-work"
    folder.mkdir(parents=True)
    for name, pieces in (("spec.md", spec), ("tasks.md", listed)):
        text = ("\ufeff" if marked else "") + end.join(pieces)
        (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    if known:
        (folder / "metadata.json").write_text('{"status": "done", "tasks": {"T-1": {"note": 1}}}')
    before = {name: (folder / name).read_bytes() for name in ("spec.md", "tasks.md")}
    context, increment = Context(Project(root), FixedClock()), Increment(Project(root), folder)
    read_before = [(task.title, task.marked) for task in tasks.read(increment)]
    plan = planning.plan(increment, NOW)
    migrating.migrate(increment, context)
    moved = any(change.line is None and change.file == "tasks.md" for change in plan.changes)
    for name, content in before.items():
        if not (moved and name == "tasks.md"):
            assert (folder / name).read_bytes() == applied(content, of_file(plan, name))
    if moved:
        gone = [change.before for change in of_file(plan, "spec.md") if change.after is None]
        kept = (folder / "tasks.md").read_bytes().decode("utf-8", "surrogateescape")
        assert all("T-" in (line or "") or "AC-" in (line or "") or (line or "") in kept for line in gone[1:])
    read_after = [(task.title, task.marked) for task in tasks.read(increment)]
    assert [item for item in read_before if item not in read_after] == []
    assert metadata_of(increment)["schema"] == 1
    assert planning.plan(increment, NOW).files == ()
