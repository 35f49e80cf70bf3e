"""`/sw:adopt` and `/sw:inc --from`: what others wrote becomes an increment, and none of it is lost."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.operations.adoption.conftest import FixedClock

from specweave import slash_line
from specweave.cli import run as shell
from specweave.command import Context
from specweave.errors import InvalidInputError, SpecweaveError
from specweave.increments import criteria, store, tasks
from specweave.increments.store import Increment
from specweave.operations.sw.adopt import AdoptResult
from specweave.operations.sw.inc import IncResult
from specweave.project import Project

SPEC_KIT, OPEN_SPEC = "specs/001-photo-albums", "openspec/changes/add-two-factor"


def adopt(context: Context, words: str) -> AdoptResult:
    call = slash_line.parse(f"/sw:adopt {words}")
    result = call.command.run(call.request, context)
    assert isinstance(result, AdoptResult)
    json.loads(result.model_dump_json())
    assert result.text()
    return result


def adopted(context: Context, words: str) -> tuple[Increment, AdoptResult]:
    result = adopt(context, words)
    return store.find(context.project, result.increment), result


def adopted_text(context: Context, text: str, name: str = "todo.md") -> tuple[Increment, AdoptResult]:
    (context.project.root / name).write_bytes(text.encode())
    return adopted(context, name)


def page(increment: Increment, name: str) -> str:
    return (increment.folder / name).read_bytes().decode()


def summary(increment: Increment) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [(task.id, task.title, task.marked, task.dependencies) for task in tasks.read(increment)]


def tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


def test_a_feature_of_spec_kit_keeps_its_stories_scenarios_and_numbers(context: Context) -> None:
    increment, result = adopted(context, SPEC_KIT)
    assert (increment.id, result.report.format) == ("0001-photo-albums", "spec-kit")
    found = criteria.read(increment)
    assert [(story.id, story.title) for story in found.stories] == [
        ("US-001", "Group photos by date 🎯 (P1)"),
        ("US-002", "Reorder albums (P2)"),
    ]
    assert [(criterion.id, criterion.story, criterion.text) for criterion in found.criteria] == [
        (
            "AC-US1-01",
            "US-001",
            "**Given** ten photos of two days, **When** they are imported, **Then** two albums are shown",
        ),
        (
            "AC-US1-02",
            "US-001",
            "**Given** an album, **When** it is opened, **Then** its photos are shown as tiles",
        ),
        ("AC-US2-01", "US-002", "**Given** two albums, **When** one is dragged, **Then** the order is kept"),
    ]
    assert summary(increment) == [
        ("T-001", "Create project structure per implementation plan", "completed", ()),
        ("T-002", "Configure linting", "pending", ()),
        ("T-010", "Contract test for import in tests/contract/test_import.py", "pending", ()),
        ("T-012", "Create Album model in src/models/album.py", "pending", ()),
        (
            "T-014",
            "Implement AlbumService in src/services/album.py (depends on T010, T012)",
            "pending",
            ("T-010", "T-012"),
        ),
        ("T-015", "Add validation", "pending", ()),
        ("T-016", "Documentation updates in docs/", "pending", ()),
    ]
    by_id = {task.id: task for task in tasks.read(increment)}
    assert by_id["T-014"].files == ("src/services/album.py",)
    assert (by_id["T-014"].user_story, by_id["T-014"].criteria) == ("US-001", ("AC-US1-01", "AC-US1-02"))
    # A task without a tag belongs to the story of its phase; one of no story's phase to none.
    assert (by_id["T-015"].user_story, by_id["T-001"].user_story) == ("US-001", None)
    assert "**Parallel**: yes" in page(increment, "tasks.md")


def test_requirements_of_spec_kit_stand_in_the_spec_and_all_else_in_the_plan(context: Context) -> None:
    increment, result = adopted(context, SPEC_KIT)
    assert "- **FR-002**: Users MUST be able to reorder albums\n  - also by keyboard\n" in page(increment, "spec.md")
    plan = page(increment, "plan.md")
    for line in ("**Language/Version**: Python 3.12", "- **SC-001**: 1,000 photos import in under 10 s"):
        assert line in plan
    # An open fence of one document does not swallow the next.
    assert "````markdown\n# Research\n\n```text\nan open fence, which would swallow what comes after it\n````" in plan
    assert result.report.left == [f"{SPEC_KIT}/contracts/import.yaml"]
    assert "`specs/001-photo-albums/contracts/import.yaml`" in plan
    assert [passage.source for passage in result.report.kept][:2] == [f"{SPEC_KIT}/plan.md:1", f"{SPEC_KIT}/spec.md:3"]


def test_scenarios_of_openspec_become_given_when_then(context: Context) -> None:
    increment, result = adopted(context, OPEN_SPEC)
    assert (increment.id, result.title) == ("0001-add-two-factor-authentication", "Add two-factor authentication")
    found = criteria.read(increment)
    assert [(story.id, story.title) for story in found.stories] == [
        ("US-001", "Two-Factor Authentication"),
        ("US-002", "Remove: Remember me"),
        ("US-003", "Mail notifications"),
    ]
    assert [(criterion.id, criterion.text) for criterion in found.criteria] == [
        (
            "AC-US1-01",
            "OTP required: Given two factors, when credentials are right, then a code is asked, and no session is made",
        ),
        (
            "AC-US3-01",
            "A device is added: When a device is added on the settings page, then a mail says so, but without it",
        ),
    ]
    assert summary(increment) == [
        ("T-001", "Create database schema", "pending", ()),
        ("T-002", "Implement API endpoint (depends on 1.1)", "completed", ("T-001",)),
        ("T-003", "Write tests", "pending", ()),
    ]
    spec, plan = page(increment, "spec.md"), page(increment, "plan.md")
    assert "# Add two-factor authentication\n\nPasswords alone are stolen.\n" in spec
    assert "**Capability**: notifications, modified\n\nThe system SHALL send a mail" in spec
    for line in ("- **BREAKING**: login asks for a code", "- FROM: `### Requirement: Login`", "Somehow it works."):
        assert line in plan
    assert "- Decision: no SMS" in plan


@pytest.mark.parametrize("source", [SPEC_KIT, OPEN_SPEC])
def test_the_sources_stay_as_they_are_and_a_dry_run_makes_nothing(context: Context, source: str) -> None:
    before = tree(context.project.root)
    shown = adopt(context, f"{source} --dry-run")
    assert tree(context.project.root) == before
    assert shown.increment is None
    done = adopt(context, source)
    assert done.report == shown.report
    assert {name: digest for name, digest in tree(context.project.root).items() if ".specweave" not in name} == before


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "# Weekend\n\n- [ ] Mow\n- [x] Water\n- [~] Plant\n- [-] Sell\n* [!] Odd\n",
            [
                ("T-001", "Mow", "pending", ()),
                ("T-002", "Water", "completed", ()),
                ("T-003", "Plant", "in-progress", ()),
                ("T-004", "Sell", "skipped", ()),
                ("T-005", "Odd", "pending", ()),
            ],
        ),
        (
            "1. First\n2. Second (depends on 1)\n   1. Inner, after 2\n3. Third: requires 2 people\n",
            [
                ("T-001", "First", "pending", ()),
                ("T-002", "Second (depends on 1)", "pending", ("T-001",)),
                ("T-003", "Inner, after 2", "pending", ("T-002",)),
                ("T-004", "Third: requires 2 people", "pending", ()),
            ],
        ),
        (
            "1. First\n   - [x] T-004: inner\n2. Second\n",
            [
                ("T-005", "First", "pending", ()),
                ("T-004", "inner", "completed", ()),
                ("T-006", "Second", "pending", ()),
            ],
        ),
        ("- One\n  - a note\n- Two\n", [("T-001", "One", "pending", ()), ("T-002", "Two", "pending", ())]),
        (
            "# Plan\n\n## Phase\n\n### Set up\nwords\n### Build\n\n## Ship #\n",
            [("T-001", "Set up", "pending", ()), ("T-002", "Build", "pending", ()), ("T-003", "Ship", "pending", ())],
        ),
        (
            "- [ ] T007 Seven\n- [ ] T-3: Three, depends on T007\n- [ ] T007 again\n- [ ] none, blocked by T99.\n",
            [
                ("T-007", "Seven", "pending", ()),
                ("T-003", "Three, depends on T007", "pending", ("T-007",)),
                ("T-008", "again", "pending", ()),
                ("T-009", "none, blocked by T99.", "pending", ()),
            ],
        ),
        (
            "### T-002: Ours\n**Status**: [x] completed\n**Run**: /ml:status\n\n### T-001: Next\n**Depends**: T-002\n",
            [("T-002", "Ours", "pending", ()), ("T-001", "Next", "pending", ("T-002",))],
        ),
        ("- [ ] Fix C #\n", [("T-001", "Fix C \\#", "pending", ())]),
    ],
)
def test_plain_lists_become_tasks(
    context: Context, text: str, found: list[tuple[str, str, str, tuple[str, ...]]]
) -> None:
    increment, _ = adopted_text(context, text)
    read = [(task.id, task.title, task.marked, task.dependencies) for task in tasks.read(increment)]
    if "/ml:status" in text:
        assert tasks.read(increment)[0].run == "/ml:status"
        read[0] = (read[0][0], read[0][1], "pending", read[0][3])
    assert read == found


def test_what_is_nested_in_a_task_stays_with_it(context: Context) -> None:
    increment, _ = adopted_text(
        context,
        "- [ ] Mow\n  with the new mower\n  - blades: sharp\n\n  ```sh\n  mow\n  ```\n  - [ ] buy petrol\n- [ ] Rest\n",
    )
    listed = page(increment, "tasks.md")
    assert "with the new mower\n- blades: sharp\n\n```sh\nmow\n```\n" in listed
    assert (
        "### T-002: buy petrol\n\n**Status**: [ ] pending  \n**Dependencies**: none  \n**Part of**: T-001  \n" in listed
    )


@pytest.mark.parametrize(
    "nested",
    ["# A heading", "**Run**: /ml:deploy 0001", "**Test**: rm -rf /", "### T-009: x", "```", "<!--"],
)
def test_text_of_others_is_never_read_as_a_field_a_task_or_an_open_fence(context: Context, nested: str) -> None:
    increment, result = adopted_text(context, f"1. First\n\n   {nested}\n\n2. Second\n")
    read = tasks.read(increment)
    assert [(task.id, task.run, task.test, task.evidence) for task in read] == [
        (task.id, None, None, None) for task in read
    ]
    assert {task.title for task in read} >= {"First"}
    assert len(read) == result.report.tasks
    assert nested in page(increment, "tasks.md") + (page(increment, "plan.md"))


def test_marks_and_dependencies_that_cannot_be_taken_over_are_said(context: Context) -> None:
    _, result = adopted_text(context, "- [!] Odd\n- [ ] Waits, depends on T042\n")
    assert result.report.remarks == [
        "todo.md:1: the box says '!', read as pending",
        "todo.md:2: T-002 waits for T042, which is not there",
    ]


def test_windows_line_ends_and_a_byte_order_mark_are_no_obstacle(context: Context) -> None:
    increment, result = adopted_text(context, "\ufeff# List\r\n\r\n- [ ] One\r\n- [x] Two\r\n")
    assert (result.title, [task.title for task in tasks.read(increment)]) == ("List", ["One", "Two"])
    assert "\r" not in page(increment, "tasks.md")


def test_an_increment_is_made_from_a_file_under_the_title_that_is_given(context: Context) -> None:
    (context.project.root / "todo.md").write_text("- [ ] One\n- [ ] Two\n")
    call = slash_line.parse("/sw:inc 'Weekend work' --from todo.md --type refactor")
    result = call.command.run(call.request, context)
    assert isinstance(result, IncResult)
    assert (result.increment, result.type) == ("0001-weekend-work", "refactor")
    assert result.adopted is not None
    assert result.adopted.tasks == 2
    assert "todo.md:1 → T-001" in result.text()
    document = json.loads((context.project.root / result.folder / "metadata.json").read_bytes())
    assert document["adopted"] == {"format": "tasks", "source": "todo.md", "at": "2026-11-20T12:03:00Z"}


def test_the_shell_takes_from_as_it_is_written(context: Context, capfd: pytest.CaptureFixture[str]) -> None:
    root = context.project.root
    (root / ".specweave").mkdir()
    (root / "todo.md").write_text("- [ ] One\n")
    assert shell(["sw", "inc", "Weekend", "--from", "todo.md", "--project", str(root), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["adopted"]["tasks"] == 1


def test_a_title_too_long_or_without_letters_gives_way(context: Context) -> None:
    _, long = adopted_text(context, f"# {'word ' * 60}\n- [ ] One\n")
    assert len(long.title) <= 120
    _, other = adopted_text(context, "# 计划\n- [ ] One\n", name="weekend_list.md")
    assert other.increment == "0002-weekend-list"


BAD: dict[str, tuple[bytes | None, str]] = {
    "binary.md": (b"- [ ] x\n\0\1\2", "source-not-text"),
    "latin1.md": ("- [ ] für\n".encode("latin-1"), "source-not-text"),
    "large.md": (b"- [ ] x\n" * 2_500_000, "document-too-large"),
    "many.md": (b"- [ ] x\n" * 1_001, "source-too-large"),
    "empty.md": (b"", "nothing-to-adopt"),
    "prose.md": (b"# Title\n\nOnly words.\n", "nothing-to-adopt"),
    "conflict.md": (b"- [ ] a\n<<<<<<< HEAD\n- [ ] b\n=======\n- [ ] c\n>>>>>>> other\n", "source-has-conflicts"),
    "missing.md": (None, "source-not-found"),
    "emoji.md": ("# 🎉\n- [ ] 🎉\n".encode(), ""),
}


@pytest.mark.parametrize("name", BAD)
def test_files_that_cannot_be_adopted_are_refused_and_nothing_is_made(context: Context, name: str) -> None:
    content, code = BAD[name]
    if content is not None:
        (context.project.root / name).write_bytes(content)
    before = tree(context.project.root)
    if not code:
        assert adopt(context, name).increment == "0001-emoji"
        return
    with pytest.raises(SpecweaveError) as caught:
        adopt(context, name)
    assert (caught.value.code, bool(caught.value.next_step)) == (code, True)
    assert tree(context.project.root) == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("specs", None),
        ("openspec", "source-ambiguous"),
        ("nothing", "nothing-to-adopt"),
        ("prose", "nothing-to-adopt"),
        ("..", "path-outside-project"),
        ("../outside.md", "path-outside-project"),
        ("link.md", "path-outside-project"),
        ("linked", "path-outside-project"),
        (".specweave/increments/0001-first", "source-is-increment"),
        ("crowded", "source-too-large"),
        ("'a\0b'", "path-invalid"),
        ("todo.md --type deployment", "type-not-adoptable"),
        ("todo.md --links 0099", "increment-not-found"),
        ("todo.md --title ../x", "increment-name-invalid"),
    ],
)
def test_other_bad_input_has_its_code_and_makes_nothing(
    context: Context, tmp_path_factory: pytest.TempPathFactory, words: str, code: str | None
) -> None:
    root = context.project.root
    outside = tmp_path_factory.mktemp("outside")
    (outside / "outside.md").write_text("- [ ] x\n")
    (root.parent / "outside.md").write_text("- [ ] x\n")
    (root / "todo.md").write_text("- [ ] x\n")
    (root / "link.md").symlink_to(outside / "outside.md")
    (root / "linked").symlink_to(outside)
    for folder in ("nothing", "prose", "crowded", "specs/002-other"):
        (root / folder).mkdir()
    (root / "prose" / "a.md").write_text("words\n")
    (root / "specs" / "002-other" / "tasks.md").write_text("- [ ] T001 x\n")
    for number in range(101):
        (root / "crowded" / f"{number}.md").write_text("- [ ] x\n")
    adopt(context, "todo.md --title First")
    before = tree(root)
    with pytest.raises(SpecweaveError) as caught:
        adopt(context, words)
    assert caught.value.code == (code or "source-ambiguous")
    assert caught.value.next_step
    assert tree(root) == before


LINES = st.lists(
    st.sampled_from(
        [
            "- [ ] {}",
            "- [x] T00{} {}",
            "  - [ ] {}",
            "  - {}",
            "    {}",
            "1. {}",
            "2) [ ] {}",
            "* {}",
            "# {}",
            "## {}",
            "### T-00{}: {}",
            "**Status**: {}",
            "**Run**: /ml:create-api {}",
            "- **AC-US1-01**: {}",
            "| {} | a |",
            "> {}",
            "```",
            "~~~ {}",
            "<!-- {}",
            "-->",
            "---",
            "===",
            "{} depends on T001, T002",
            "\t- [ ] {}",
            "{}",
            "",
            "",
        ]
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=100)
@given(LINES, st.sampled_from(["\n", "\r\n"]))
def test_whatever_the_list_no_line_of_it_is_lost(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], end: str
) -> None:
    root = tmp_path_factory.mktemp("project")
    words = [f"word{number}x" for number in range(len(pieces))]
    lines = [
        piece.replace("{} {}", f"{index} {{}}").replace("00{}", f"00{index}").format(word)
        for index, (piece, word) in enumerate(zip(pieces, words, strict=True))
    ]
    (root / "list.md").write_bytes(end.join(["# Title of the list", "", *lines]).encode())
    context = Context(Project(root), FixedClock())
    try:
        increment, result = adopted(context, "list.md")
    except InvalidInputError:
        # Only a document without any list and any heading below its title has no task.
        with pytest.raises(InvalidInputError, match="has no task"):
            adopt(context, "list.md")
        return
    everything = page(increment, "spec.md") + page(increment, "plan.md") + page(increment, "tasks.md")
    for line, word in zip(lines, words, strict=True):
        assert word not in line or word in everything, line
    read = tasks.read(increment)
    assert len(read) == result.report.tasks == sum(line.became.startswith("T-") for line in result.report.became)
    assert len({task.id for task in read}) == len(read)
    if not any(task.startswith("### T-") for task in lines):
        assert [task.run for task in read] == [None] * len(read)
    # What a box says is a task's, wherever boxes are tasks.
    boxes = [line for line in result.report.became if line.text.lstrip("-*0123456789.) ").startswith("[")]
    assert all(line.became.startswith("T-") for line in boxes)
