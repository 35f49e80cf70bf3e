"""`sw diff` on real increments in real repositories."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from tests.increments.git_projects import GitProject

from specweave import slash_line
from specweave.errors import HostError, InvalidInputError, NotFoundError, SpecweaveError
from specweave.files import ledger
from specweave.increments import evidence, life_cycle, tasks
from specweave.increments.store import Increment

SPEC = """---
increment: 0001-work
owner: Ada
---

# Work

Why it is done.

### US-001: Ask (P1)

**As a** caller

- [ ] **AC-US1-01**: Given a row, when it is sent, then an answer comes
- [ ] **AC-US1-02**: Bad rows are refused

### US-002: Watch
"""
TASKS = """# Tasks

### T-001: Serve

**Satisfies ACs**: AC-US1-01
**Status**: [ ] pending
**Test**: `python check.py`
**Files Affected**: `check.py`
**Dependencies**: none

- Given a model

### T-002: Watch

**Status**: [ ] pending
**Run**: /ml:load-test 0001 --rps 10
**Dependencies**: T-001
"""


@pytest.fixture
def project(tmp_path: Path) -> GitProject:
    return GitProject.initialised(tmp_path / "project")


@pytest.fixture
def increment(project: GitProject) -> Increment:
    increment = project.increment()
    project.write("check.py", "print('well')\n")
    (increment.folder / "spec.md").write_text(SPEC)
    (increment.folder / "tasks.md").write_text(TASKS)
    commit(project)
    return increment


def commit(project: GitProject, message: str = "work") -> str:
    project.git("add", "--all")
    project.git("commit", "--quiet", f"--message={message}")
    return project.git("rev-parse", "HEAD").strip()


def diff(project: GitProject, words: str = "") -> dict[str, Any]:
    call = slash_line.parse(f"/sw:diff {words}")
    result = call.command.run(call.request, project.context)
    document: dict[str, Any] = json.loads(result.model_dump_json())
    return {**document, "text": result.text()}


def refused(project: GitProject, words: str, kind: type[SpecweaveError], code: str) -> SpecweaveError:
    with pytest.raises(kind) as caught:
        diff(project, words)
    assert caught.value.code == code
    assert caught.value.next_step
    return caught.value


def edit(increment: Increment, name: str, *pairs: tuple[str, str]) -> None:
    path = increment.folder / name
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)


def named(result: Mapping[str, Any], part: str) -> list[tuple[str, str, list[str]]]:
    return [
        (item["change"], item["id"], [value["name"] for value in item["values"]]) for item in result["difference"][part]
    ]


def is_empty(result: Mapping[str, Any]) -> bool:
    return not any(result["difference"].values()) and not result["lines"] and not result["unshown"]


def test_an_increment_as_it_was_committed_has_no_difference(project: GitProject, increment: Increment) -> None:
    result = diff(project)
    assert is_empty(result)
    assert "Nothing changed." in result["text"]
    assert result["commit"] == project.git("rev-parse", "HEAD").strip()


def test_criteria_and_stories_are_named_by_what_became_of_them(project: GitProject, increment: Increment) -> None:
    edit(
        increment,
        "spec.md",
        ("US-001: Ask (P1)", "US-001: Ask for an answer (P1)"),
        ("Bad rows are refused", "Bad rows are refused with 422"),
        ("- [ ] **AC-US1-01**", "- [x] **AC-US1-01**"),
        ("### US-002: Watch\n", "- [ ] **AC-US1-03**: It is fast\n"),
    )
    result = diff(project)
    assert named(result, "stories") == [("renamed", "US-001", ["title"]), ("removed", "US-002", [])]
    assert named(result, "criteria") == [
        ("changed", "AC-US1-01", ["box"]),
        ("changed", "AC-US1-02", ["text"]),
        ("added", "AC-US1-03", ["text", "story", "box"]),
    ]
    text = result["text"]
    assert "- changed AC-US1-02: text Bad rows are refused → Bad rows are refused with 422" in text
    assert "- changed AC-US1-01: box open → ticked" in text
    assert "- added AC-US1-03 It is fast" in text


def test_tasks_are_named_by_what_became_of_them(project: GitProject, increment: Increment) -> None:
    edit(
        increment,
        "tasks.md",
        ("T-001: Serve", "T-001: Serve it"),
        ("- Given a model", "- Given another model"),
        ("--rps 10", "--rps 20"),
        ("**Dependencies**: T-001", "**Dependencies**: none"),
    )
    with (increment.folder / "tasks.md").open("a") as tasks:
        tasks.write("\n### T-003: More\n\n**Status**: [ ] pending\n")
    result = diff(project)
    assert named(result, "tasks") == [
        ("changed", "T-001", ["title", "details"]),
        ("changed", "T-002", ["command", "dependencies"]),
        ("added", "T-003", ["box"]),
    ]
    assert states(result) == []
    assert "dependencies T-001 → none" in result["text"]
    assert "command /ml:load-test 0001 --rps 10 → /ml:load-test 0001 --rps 20" in result["text"].replace("\\", "")
    assert [(it["path"], it["sections"]) for it in result["difference"]["documents"]] == [("tasks.md", [])]


def test_another_title_or_another_number_is_a_renaming(project: GitProject, increment: Increment) -> None:
    edit(increment, "tasks.md", ("T-001: Serve", "T-001: Serve it"), ("T-002: Watch", "T-007: Watch"))
    edit(increment, "spec.md", ("US-002: Watch", "US2: Look"))
    result = diff(project)
    assert named(result, "tasks") == [("renamed", "T-001", ["title"]), ("renamed", "T-007", ["id"])]
    assert named(result, "stories") == [("renamed", "US2", ["id", "title"])]
    assert "renamed T-007 Watch: id T-002 → T-007" in result["text"]


def test_an_id_that_stands_there_twice_is_compared_twice(project: GitProject, increment: Increment) -> None:
    edit(increment, "spec.md", ("AC-US1-02", "AC-US1-01"))
    commit(project)
    edit(increment, "spec.md", ("Bad rows", "Wrong rows"), ("Given a row", "Given some rows"))
    assert named(diff(project), "criteria") == [("changed", "AC-US1-01", ["text"])] * 2


def test_text_that_is_no_task_and_no_criterion_is_named_by_its_heading(
    project: GitProject, increment: Increment
) -> None:
    edit(increment, "spec.md", ("Why it is done.", "Why it is really done."), ("owner: Ada", "owner: Bea"))
    edit(increment, "plan.md", ("## Approach", "## Way"))
    documents = {it["path"]: it["sections"] for it in diff(project)["difference"]["documents"]}
    assert documents == {"spec.md": ["frontmatter", "Work"], "plan.md": ["Way", "Approach"]}


def test_moves_of_the_life_cycle_are_told_with_their_reasons(project: GitProject, increment: Increment) -> None:
    life_cycle.move(project.context, increment, "active")
    life_cycle.move(project.context, increment, "paused", reason="no data before Monday", by="Ada")
    result = diff(project)
    assert result["difference"]["status"] == {"name": "status", "before": "planned", "after": "paused"}
    moves = [(it["before"], it["after"], it["reason"], it["by"]) for it in result["difference"]["moves"]]
    assert moves == [("planned", "active", "", "python"), ("active", "paused", "no data before Monday", "Ada")]
    assert "- planned → paused" in result["text"]
    assert "active → paused: no data before Monday (by Ada" in result["text"]
    commit(project)
    life_cycle.move(project.context, increment, "active")
    assert len(diff(project)["difference"]["moves"]) == 1


def run_test(
    project: GitProject,
    increment: Increment,
    *,
    passed: bool,
    operation: str = "test",
    command: str = "python check.py",
) -> None:
    evidence.record(
        project.context,
        increment,
        operation=operation,
        command=command,
        passed=passed,
        started=project.context.host.now(),
        markdown="Ran.",
        data={},
        task_id="T-001",
    )


def states(result: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    return [(it["task"], it["before"], it["after"], it["why"]) for it in result["difference"]["task_states"]]


def test_new_evidence_is_named_and_what_it_says_of_its_task(project: GitProject, increment: Increment) -> None:
    run_test(project, increment, passed=False)
    result = diff(project)
    assert [(it["report"], it["change"], it["passed"]) for it in result["difference"]["evidence"]] == [
        ("reports/001-test.md", "added", False)
    ]
    assert [state[:3] for state in states(result)] == [("T-001", "open", "failed")]
    assert "`reports/001-test.md` failed · `python check.py`" in result["text"]
    commit(project)
    run_test(project, increment, passed=True)
    result = diff(project)
    assert [(it["report"], it["change"], it["passed"]) for it in result["difference"]["evidence"]] == [
        ("reports/002-test.md", "added", True)
    ]
    assert [state[:3] for state in states(result)] == [("T-001", "failed", "passed")]


def test_evidence_that_is_about_other_content_now_went_stale(project: GitProject, increment: Increment) -> None:
    run_test(project, increment, passed=True)
    commit(project)
    assert is_empty(diff(project))
    project.write("check.py", "print('otherwise')\n")
    result = diff(project)
    assert states(result) == [("T-001", "passed", "stale", "check.py changed")]
    assert "T-001 Serve: passed → stale: check.py changed" in result["text"]
    commit(project)
    assert is_empty(diff(project))
    project.write("check.py", "print('well')\n")
    assert states(diff(project)) == [("T-001", "stale", "passed", "")]


def test_evidence_about_what_git_does_not_have_is_no_difference(project: GitProject, increment: Increment) -> None:
    project.write(".gitignore", "*.bin\n")
    project.write("real.py", "print('real')\n")
    project.write("weights.bin", "weights")
    (project.root / "checks").mkdir()
    (project.root / "checks" / "link.py").symlink_to("../real.py")
    (increment.folder / "api").mkdir()
    (increment.folder / "api" / "main.py").write_text("1\n")
    (increment.folder / "api" / "table.bin").write_text("table")
    edit(increment, "tasks.md", ("`check.py`\n", "`check.py`, `weights.bin`, `checks/`\n"))
    run_test(project, increment, passed=True)
    commit(project)
    assert evidence.standings(increment, tasks.read(increment))["T-001"][0] == "passed"
    assert is_empty(diff(project))
    edit(increment, "tasks.md", ("**Test**: `python check.py`", "**Run**: /ml:create-api 0001"))
    run_test(project, increment, passed=True, operation="create-api", command="/ml:create-api 0001")
    commit(project)
    assert evidence.standings(increment, tasks.read(increment))["T-001"][0] == "passed"
    assert is_empty(diff(project))


def test_a_report_that_was_edited_or_removed_is_named(project: GitProject, increment: Increment) -> None:
    run_test(project, increment, passed=True)
    run_test(project, increment, passed=True)
    commit(project)
    (increment.folder / "reports" / "001-test.md").write_text("Well, well.")
    (increment.folder / "reports" / "002-test.json").unlink()
    changes = [(it["report"], it["change"]) for it in diff(project)["difference"]["evidence"]]
    assert changes == [("reports/001-test.md", "changed"), ("reports/002-test.md", "removed")]


def test_what_lies_among_the_reports_and_is_none_is_named(project: GitProject, increment: Increment) -> None:
    folder = increment.folder / "reports"
    folder.mkdir(exist_ok=True)
    (folder / "003-load-test.json").write_text("{}")
    result = diff(project)
    assert result["difference"]["problems"] == ["now: reports/003-load-test.json is no report"]
    assert "Could not be read" in result["text"]


def test_artifacts_are_told_by_kind_and_by_whose_hand(project: GitProject, increment: Increment) -> None:
    ledger.plan(increment.folder, {"api/main.py": b"1\n", "api/predict.py": b"1\n"}, kind="api").apply()
    (increment.folder / "api" / "notes.txt").write_text("mine\n")
    commit(project)
    ledger.plan(increment.folder, {"api/main.py": b"2\n", "api/models.py": b"1\n"}, kind="api").apply()
    (increment.folder / "api" / "models.py").write_text("by hand\n")
    (increment.folder / "api" / "notes.txt").unlink()
    (increment.folder / "chart.png").write_bytes(b"\x89PNG\0\0")
    result = diff(project)
    files = {it["path"]: (it["change"], it["origin"], it["kind"]) for it in result["difference"]["files"]}
    assert files == {
        ".generated.json": ("changed", "document", ""),
        "api/main.py": ("changed", "generated", "api"),
        "api/models.py": ("added", "edited", "api"),
        "api/notes.txt": ("removed", "by-hand", "api"),
        "api/predict.py": ("removed", "generated", "api"),
        "chart.png": ("added", "by-hand", ""),
    }
    assert "- api, generated and edited by hand: added `api/models.py`" in result["text"]
    assert "- api, generated: changed `api/main.py`; removed `api/predict.py`" in result["text"]
    assert next(it for it in result["difference"]["files"] if it["path"] == "chart.png")["lines_added"] is None


def test_a_file_with_another_name_is_one_removed_and_one_added(project: GitProject, increment: Increment) -> None:
    (increment.folder / "plan.md").rename(increment.folder / "notes.md")
    files = [(it["path"], it["change"]) for it in diff(project)["difference"]["files"]]
    assert files == [("notes.md", "added"), ("plan.md", "removed")]


def test_values_of_metadata_and_deployment_are_told_by_their_keys(project: GitProject, increment: Increment) -> None:
    path = increment.folder / "deployment.yaml"
    path.write_text("model: {name: credit, version: 0001-v1}\nslo: {latency_p95_ms: 100}\n")
    commit(project)
    path.write_text("model: {name: credit, version: 0001-v2}  # newer\n")
    metadata = increment.folder / "metadata.json"
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "title": "Other", "reviewers": ["Ada"]}))
    settings = {it["name"]: (it["before"], it["after"]) for it in diff(project)["difference"]["settings"]}
    assert settings == {
        "deployment.yaml: model.version": ("0001-v1", "0001-v2"),
        "deployment.yaml: slo.latency_p95_ms": ("100", ""),
        "metadata.json: reviewers": ("", '["Ada"]'),
        "metadata.json: title": ("work", "Other"),
    }


def test_an_increment_that_git_does_not_have_is_all_added(project: GitProject) -> None:
    increment = project.increment()
    result = diff(project)
    assert result["new"]
    assert {it["path"] for it in result["difference"]["files"]} == {
        path.name for path in increment.folder.iterdir() if path.is_file()
    }
    assert {
        it["change"] for part in ("stories", "criteria", "tasks", "files") for it in result["difference"][part]
    } == {"added"}
    assert "It is new." in result["text"]


def test_lines_stand_in_unified_form_people_s_documents_first(project: GitProject, increment: Increment) -> None:
    edit(increment, "spec.md", ("Why it is done.", "Why it is really done."))
    (increment.folder / "a.txt").write_text("a\n")
    edit(increment, "metadata.json", ('"work"', '"worked"'))
    result = diff(project)
    assert [file["path"] for file in result["lines"]] == ["spec.md", "metadata.json", "a.txt"]
    first = result["lines"][0]["diff"].splitlines()
    assert first[0].startswith("@@ -5,7 +5,7 @@")
    assert [line for line in first if line[0] in "+-"] == ["-Why it is done.", "+Why it is really done."]
    assert "```diff\n@@ " in result["text"]


def test_the_data_of_reports_is_named_and_not_shown(project: GitProject, increment: Increment) -> None:
    (increment.folder / "reports").mkdir(exist_ok=True)
    for name in ("009-note.md", "009-note.json"):
        (increment.folder / "reports" / name).write_text("{}\n")
    (increment.folder / "plan.md").write_text("another")
    result = diff(project)
    assert "reports/009-note.json" not in {file["path"] for file in result["lines"]}
    assert "reports/009-note.md" in {file["path"] for file in result["lines"]}
    assert "Lines of other files are left out: `reports/009-note.json`." in result["text"]


def test_the_revision_is_named_as_it_was_typed_and_once(project: GitProject, increment: Increment) -> None:
    (increment.folder / "plan.md").write_text("another")
    commit = project.git("rev-parse", "HEAD").strip()
    assert f"Compared with `HEAD~0` ({commit[:7]})." in diff(project, "--against HEAD~0")["text"]
    assert f"Compared with `{commit[:7]}`." in diff(project, f"--against {commit[:7]}")["text"]
    assert f"Compared with where this branch left `main` ({commit[:7]})." in diff(project, "--merge-base")["text"]


def test_a_move_is_said_once(project: GitProject, increment: Increment) -> None:
    life_cycle.move(project.context, increment, "paused", reason="no data")
    text = diff(project)["text"]
    assert text.count("planned → paused") == 1
    assert "planned → paused: no data" in text


def test_lines_are_bounded_and_what_is_left_out_is_said(project: GitProject, increment: Increment) -> None:
    (increment.folder / "spec.md").write_text("\n".join(f"line {number}" for number in range(300)))
    (increment.folder / "a.txt").write_text("a\n")
    result = diff(project, "--lines 50")
    assert len(result["lines"][0]["diff"].splitlines()) == 50
    assert result["lines"][0]["left_out"] > 250
    assert result["unshown"] == ["a.txt"]
    assert f"{result['lines'][0]['left_out']} more lines of it left out." in result["text"]
    assert "Lines of other files are left out: `a.txt`." in result["text"]
    assert "**Lines**" not in diff(project, "--lines 0")["text"]
    (increment.folder / "spec.md").write_text("x" * 100_000)
    assert len(diff(project)["lines"][0]["diff"]) < 3_000


def test_no_text_of_a_document_breaks_out_of_the_markdown(project: GitProject, increment: Increment) -> None:
    edit(increment, "spec.md", ("Why it is done.", "```\n# Heading\n````\n<script>"))
    edit(increment, "tasks.md", ("T-001: Serve", "T-001: `x` <b> # | \\"))
    (increment.folder / "a`b\n# c.txt").write_text("a\n")
    tokens = MarkdownIt("commonmark").parse(diff(project)["text"])
    headings = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
    assert headings == ["0001-work: work"]
    assert not [token for token in tokens if token.type == "html_block"]
    assert not [child for token in tokens for child in token.children or () if child.type == "html_inline"]


@pytest.mark.parametrize("revision", ["HEAD~1", "first", "tagged", "HEAD@{1}"])
def test_any_revision_that_git_knows_can_be_compared_with(
    project: GitProject, increment: Increment, revision: str
) -> None:
    project.git("branch", "first")
    project.git("tag", "--annotate", "tagged", "--message=tagged")
    edit(increment, "spec.md", ("Bad rows", "Wrong rows"))
    commit(project)
    assert is_empty(diff(project))
    assert named(diff(project, f"1 --against '{revision}'"), "criteria") == [("changed", "AC-US1-02", ["text"])]


def test_a_branch_is_compared_with_where_it_began(project: GitProject, increment: Increment) -> None:
    project.git("switch", "--quiet", "--create", "side")
    edit(increment, "spec.md", ("Bad rows", "Wrong rows"))
    commit(project)
    project.git("switch", "--quiet", "main")
    edit(increment, "tasks.md", ("T-001: Serve", "T-001: Other"))
    commit(project)
    project.git("switch", "--quiet", "side")
    result = diff(project, "1 --merge-base")
    assert result["against"] == "where this branch left main"
    assert (named(result, "criteria"), named(result, "tasks")) == ([("changed", "AC-US1-02", ["text"])], [])
    assert named(diff(project, "1 --against main"), "tasks") == [("renamed", "T-001", ["title"])]
    assert "/sw:diff 0001 --merge-base" in diff(project)["text"]


def test_the_default_branch_is_the_remote_s_or_one_that_is_named(
    project: GitProject, increment: Increment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    project.git("branch", "--move", "trunk")
    error = refused(project, "1 --merge-base", NotFoundError, "default-branch-unknown")
    assert "trunk" in error.next_step
    clone = GitProject(tmp_path / "clone")
    clone.git("clone", "--quiet", str(project.root), ".")
    assert diff(clone, "1 --merge-base")["against"] == "where this branch left origin/trunk"
    project.git("config", "init.defaultBranch", "trunk")
    assert diff(project, "1 --merge-base")["against"] == "where this branch left trunk"


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        ("1 --against nowhere", NotFoundError, "revision-unknown"),
        ("1 --against HEAD:train.py", NotFoundError, "revision-unknown"),
        ("1 --against=--all", InvalidInputError, "revision-invalid"),
        ("1 --against ' '", InvalidInputError, "revision-invalid"),
        ("1 --against ''", InvalidInputError, "revision-invalid"),
        ("1 --merge-base --against ''", InvalidInputError, "revision-invalid"),
        ("1 --against 'HEAD HEAD'", NotFoundError, "revision-unknown"),
    ],
)
def test_what_is_no_revision_is_refused(
    project: GitProject, increment: Increment, words: str, kind: type[SpecweaveError], code: str
) -> None:
    refused(project, words, kind, code)


def test_what_a_shallow_clone_lacks_is_explained(project: GitProject, increment: Increment, tmp_path: Path) -> None:
    clone = GitProject(tmp_path / "clone")
    clone.git("clone", "--quiet", "--depth=1", f"file://{project.root}", ".")
    assert is_empty(diff(clone))
    error = refused(clone, "1 --against HEAD~1", NotFoundError, "revision-unknown")
    assert "shallow" in error.message
    assert "git fetch --unshallow" in error.next_step
    clone.git("switch", "--quiet", "--orphan", "alone")
    clone.git("config", "user.name", "Ada")
    clone.git("config", "user.email", "ada@example.org")
    clone.git("commit", "--quiet", "--allow-empty", "--message=alone")
    clone.increment("other")
    refused(clone, "other --against main --merge-base", NotFoundError, "merge-base-missing")


def test_without_a_repository_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    project = GitProject(tmp_path / "plain")
    project.increment()
    refused(project, "1", NotFoundError, "repository-missing")


def test_a_repository_of_another_user_is_explained(
    project: GitProject, increment: Increment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    assert "safe.directory" in refused(project, "1", HostError, "repository-not-owned").next_step


def test_an_ignored_increment_has_nothing_to_compare_with(project: GitProject) -> None:
    project.write(".gitignore", ".specweave/\n")
    project.increment()
    refused(project, "1", InvalidInputError, "increment-ignored")


def test_in_a_repository_without_a_commit_all_is_added(tmp_path: Path) -> None:
    project = GitProject(tmp_path / "project")
    project.git("init", "--quiet", "--initial-branch=main")
    project.increment()
    result = diff(project)
    assert (result["new"], result["commit"], result["against"]) == (True, None, "the empty repository")
    refused(project, "1 --against main", NotFoundError, "revision-unknown")


def test_it_works_in_a_worktree_and_in_a_folder_of_a_larger_repository(project: GitProject, tmp_path: Path) -> None:
    part = GitProject(project.root / "services" / "credit")
    (part.root / ".specweave").mkdir()
    increment = part.increment()
    commit(project)
    project.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"))
    (increment.folder / "plan.md").unlink()
    assert [it["path"] for it in diff(part)["difference"]["files"]] == ["plan.md"]
    tree = GitProject(tmp_path / "tree" / "services" / "credit")
    assert is_empty(diff(tree))
    (tree.root / ".specweave" / "increments" / increment.id / "new.txt").write_text("new\n")
    assert [it["path"] for it in diff(tree)["difference"]["files"]] == ["new.txt"]


def test_an_increment_is_found_where_it_lay_before(project: GitProject, increment: Increment) -> None:
    renamed = increment.folder.rename(increment.folder.with_name("0001-other-work"))
    result = diff(project, "1")
    assert result["was"] == ".specweave/increments/0001-work"
    assert result["difference"]["files"] == []
    assert "It lay in `.specweave/increments/0001-work`." in result["text"]
    archive = renamed.parent / "_archive"
    archive.mkdir()
    renamed.rename(archive / "0001-work")
    commit(project)
    assert is_empty(diff(project, "1"))
    (archive / "0001-work").rename(increment.folder)
    edit(increment, "spec.md", ("Bad rows", "Wrong rows"))
    result = diff(project, "1")
    assert result["was"] == ".specweave/increments/_archive/0001-work"
    assert named(result, "criteria") == [("changed", "AC-US1-02", ["text"])]


def test_line_ends_that_git_converts_are_no_difference(project: GitProject, increment: Increment) -> None:
    project.git("config", "core.autocrlf", "true")
    for name in ("spec.md", "tasks.md"):
        path = increment.folder / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert is_empty(diff(project))
    path = increment.folder / "spec.md"
    path.write_bytes(path.read_bytes().replace(b"Bad rows", b"Wrong rows"))
    result = diff(project)
    assert named(result, "criteria") == [("changed", "AC-US1-02", ["text"])]
    assert result["difference"]["files"][0]["lines_added"] == 1


def test_the_user_s_own_settings_of_diff_change_nothing(project: GitProject, increment: Increment) -> None:
    edit(increment, "spec.md", ("Bad rows", "Wrong rows"))
    plain = diff(project)
    for name, value in {
        "diff.external": "false",
        "diff.noprefix": "true",
        "diff.mnemonicPrefix": "true",
        "color.ui": "always",
        "diff.renames": "copies",
        "core.quotePath": "true",
        "diff.context": "0",
        "diff.relative": "true",
        "status.showUntrackedFiles": "no",
        "diff.shout.textconv": "tr a-z A-Z <",
    }.items():
        project.git("config", name, value)
    project.write(".git/info/attributes", "*.md diff=shout\n")
    assert diff(project) == plain


def test_it_changes_nothing_in_the_repository(project: GitProject, increment: Increment) -> None:
    edit(increment, "spec.md", ("Bad rows", "Wrong rows"))
    project.git("add", "--all")
    edit(increment, "spec.md", ("Wrong rows", "Odd rows"))
    (increment.folder / "new.txt").write_text("new\n")

    def everything() -> dict[str, str]:
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(project.root.rglob("*"))
            if path.is_file()
        }

    before = everything()
    result = diff(project)
    assert everything() == before
    assert "new.txt" in {it["path"] for it in result["difference"]["files"]}


def test_documents_that_cannot_be_read_are_told_and_the_rest_is_compared(
    project: GitProject, increment: Increment
) -> None:
    good = (increment.folder / "metadata.json").read_bytes()
    (increment.folder / "metadata.json").write_text("{")
    edit(increment, "spec.md", ("Bad rows", "Wrong rows"))
    result = diff(project, "0001")
    assert any("now: metadata.json is not JSON" in problem for problem in result["difference"]["problems"])
    assert named(result, "criteria") == [("changed", "AC-US1-02", ["text"])]
    commit(project)
    (increment.folder / "metadata.json").write_bytes(good)
    assert any("then: metadata.json is not JSON" in it for it in diff(project)["difference"]["problems"])


def test_links_and_paths_in_what_git_has_lead_nowhere(
    project: GitProject, increment: Increment, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    run_test(project, increment, passed=True)
    (increment.folder / "out").symlink_to(outside)
    path = increment.folder / "reports" / "001-test.json"
    report = json.loads(path.read_text())
    report["content"] = {"out/made": "0" * 16, "../../../../../../made": "0" * 16, "/made": "0" * 16}
    path.write_text(json.dumps(report))
    commit(project)
    (increment.folder / "out").unlink()
    (increment.folder / "out").mkdir()
    (increment.folder / "out" / "made").write_text("x")
    diff(project)
    assert list(outside.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "project"]


def test_a_changed_mode_is_named(project: GitProject, increment: Increment) -> None:
    script = increment.folder / "run.sh"
    script.write_text("echo\n")
    commit(project)
    script.chmod(0o755)
    result = diff(project)
    assert [(it["path"], it["change"]) for it in result["difference"]["files"]] == [("run.sh", "changed")]
    assert "new mode 100755" in result["lines"][0]["diff"]
