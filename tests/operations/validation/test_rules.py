"""Each rule by an increment that breaks it and nothing else: without the rule, its test finds nothing."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from specweave.command import Context
from specweave.files import ledger, reading
from specweave.host import RealHost
from specweave.increments import evidence, store
from specweave.increments.store import Increment
from specweave.operations.validation.rules import RULES, findings
from specweave.project import Project

NAME = "0007-rank-the-offers"
SPEC = f"""---
increment: {NAME}
title: Rank the offers
type: feature
status: active
---

# Rank the offers

### US-001: See the best offer first (P1)

**As a** buyer
**I want** the best offer first
**So that** I find it

- [ ] **AC-US1-01**: Given two offers, when I look, then the better one is first
- [ ] **AC-US1-02**: The list is shown in time
"""
TASKS = """---
total_tasks: 3
completed: 0
---

# Tasks

### T-001: Sort
**Satisfies ACs**: AC-US1-01
**Status**: [ ] pending
**Dependencies**: none

### T-002: Measure
**Satisfies ACs**: AC-US1-02
**Status**: [ ] pending
**Test**: `python offers.py`
**Dependencies**: T-001

### T-003: Show
**Satisfies ACs**: AC-US1-01
**Status**: [ ] pending
**Run**: /sw:sync
**Dependencies**: T-001
"""
DEPLOYMENT = """model: {name: credit, version: 0007-v1}
service: {name: credit}
environments:
  staging: {target: local, port: 8100}
"""


class FixedClock(RealHost):
    """The real machine at a fixed time."""

    def now(self) -> datetime:
        return datetime(2026, 11, 20, 12, 3, tzinfo=UTC)


@pytest.fixture
def sound(tmp_path: Path) -> Increment:
    """An increment that breaks no rule."""
    folder = tmp_path / ".specweave" / "increments" / NAME
    (folder / "api").mkdir(parents=True)
    package = tmp_path / ".specweave" / "models" / "credit" / "0007-v1"
    package.mkdir(parents=True)
    (tmp_path / "offers.py").touch()
    (folder / "spec.md").write_text(SPEC)
    (folder / "plan.md").write_text("# Plan\n\nSort them, see [the tasks](tasks.md).\n")
    (folder / "tasks.md").write_text(TASKS)
    (folder / "deployment.yaml").write_text(DEPLOYMENT)
    metadata = {"schema": 1, "id": NAME, "status": "active", "type": "feature", "title": "Rank the offers", "tasks": {}}
    (folder / "metadata.json").write_text(json.dumps(metadata, indent=2))
    ledger.plan(folder, {"api/main.py": b"app = 1\n"}, kind="api").apply()
    return Increment(Project(tmp_path), folder)


def write(increment: Increment, name: str, content: str | bytes) -> None:
    path = increment.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def edit(increment: Increment, name: str, old: str, new: str) -> None:
    text = (increment.folder / name).read_text()
    assert old in text
    write(increment, name, text.replace(old, new))


def set_metadata(increment: Increment, **values: object) -> None:
    path = increment.folder / "metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}, indent=2))


def link_to(increment: Increment, name: str) -> None:
    outside = increment.project.root.parent / f"{increment.project.root.name}-outside"
    outside.write_bytes((increment.folder / name).read_bytes())
    (increment.folder / name).unlink()
    (increment.folder / name).symlink_to(outside)


def run(increment: Increment, task_id: str, *, passed: bool = True, command: str = "/sw:sync") -> str:
    context = Context(increment.project, FixedClock())
    made = evidence.record(
        context,
        increment,
        operation="sync",
        command=command,
        passed=passed,
        started=context.host.now(),
        markdown="It ran.",
        data={},
        task_id=task_id,
    )
    return made.path.relative_to(increment.folder).as_posix()


def stale(increment: Increment) -> None:
    run(increment, "T-003")
    edit(increment, "tasks.md", "### T-003: Show\n", "### T-003: Show all\n")


def drifted(increment: Increment) -> None:
    run(increment, "T-002", command="python offers.py")
    history = [{"from": "active", "to": "completed", "reason": "x", "evidence": {"T-002": "0"}}]
    set_metadata(increment, status="completed", history=history)
    edit(increment, "spec.md", "status: active", "status: completed")
    (increment.project.root / "offers.py").write_text("changed = 1\n")


def dangling(increment: Increment) -> None:
    page = increment.folder / run(increment, "T-003")
    page.unlink()
    page.with_suffix(".json").unlink()


def contradicted(increment: Increment) -> None:
    path = (increment.folder / run(increment, "T-003")).with_suffix(".json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "passed": False}))


def claimed(increment: Increment) -> None:
    edit(increment, "tasks.md", "[ ] pending\n**Dependencies**: none", "[x] completed\n**Dependencies**: none")
    edit(increment, "tasks.md", "completed: 0", "completed: 1")


def folder_for_file(increment: Increment) -> None:
    (increment.folder / "plan.md").unlink()
    (increment.folder / "plan.md").mkdir()


def unfinished(increment: Increment) -> None:
    path = increment.folder / ".generated.json"
    document = json.loads(path.read_text())
    document["files"]["api/main.py"] |= {"sha256": "0" * 64, "pending": hashlib.sha256(b"app = 1\n").hexdigest()}
    path.write_text(json.dumps(document))


BREAKS: dict[str, tuple[Callable[[Increment], object], str]] = {
    "metadata-missing": (lambda it: (it.folder / "metadata.json").unlink(), "metadata.json"),
    "metadata-invalid": (lambda it: write(it, "metadata.json", '{"schema": 1, "id'), "metadata.json"),
    "metadata-newer": (lambda it: set_metadata(it, schema=2), "metadata.json"),
    "id-mismatch": (lambda it: edit(it, "spec.md", f"increment: {NAME}", "increment: 0008-other"), "spec.md:2"),
    "config-invalid": (
        lambda it: (it.project.state / "config.yaml").write_text("tasks: {test_comands: true}\n"),
        "../../config.yaml",
    ),
    "folder-name": (lambda it: it, ""),
    "number-duplicate": (lambda it: (it.folder.parent / "_archive" / "0007-old").mkdir(parents=True), ""),
    "status-unknown": (lambda it: set_metadata(it, status="on_fire"), "metadata.json:4"),
    "type-unknown": (lambda it: edit(it, "spec.md", "type: feature", "type: bug"), "spec.md:4"),
    "document-missing": (lambda it: (it.folder / "spec.md").unlink(), "spec.md"),
    "document-unreadable": (folder_for_file, "plan.md"),
    "document-too-large": (lambda it: write(it, "plan.md", b"a\n" * reading.DOCUMENT_BYTES), "plan.md"),
    "document-long": (lambda it: write(it, "plan.md", "word\n" * 14_000), "plan.md"),
    "document-is-link": (lambda it: link_to(it, "plan.md"), "plan.md"),
    "text-not-utf8": (lambda it: write(it, "plan.md", "# Plan\n\nWährung\n".encode("latin-1")), "plan.md:3"),
    "text-control-character": (lambda it: write(it, "plan.md", b"# Plan\n\nNUL \0 here\n"), "plan.md:3"),
    "text-byte-order-mark": (lambda it: write(it, "plan.md", b"\xef\xbb\xbf# Plan\n"), "plan.md:1"),
    "text-mixed-line-ends": (lambda it: write(it, "plan.md", b"# Plan\r\n\r\nText\n"), "plan.md"),
    "merge-conflict": (
        lambda it: write(it, "plan.md", "# Plan\n\n<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> branch\n"),
        "plan.md:3",
    ),
    "frontmatter-invalid": (lambda it: write(it, "plan.md", "---\na: [1\n---\n# Plan\n"), "plan.md:1"),
    "template-unfilled": (
        lambda it: write(it, "plan.md", "# Plan\n\n| part | change |\n|---|---|\n| … | … |\n"),
        "plan.md:5",
    ),
    "link-dangling": (lambda it: write(it, "plan.md", "# Plan\n\nSee\n[it](notes/it.md).\n"), "plan.md:4"),
    "secret-in-document": (
        lambda it: write(it, "plan.md", "# Plan\n\n    AWS_ACCESS_KEY_ID=AKIA" + "QYLPMN5HHHFPZAM2\n"),
        "plan.md:3",
    ),
    "tasks-missing": (lambda it: write(it, "tasks.md", "# Tasks\n"), "tasks.md"),
    "criteria-missing": (lambda it: write(it, "spec.md", "# Rank the offers\n"), "spec.md"),
    "criterion-unreadable": (lambda it: edit(it, "spec.md", "**AC-US1-02**", "**AC-US1-02-03**"), "spec.md:17"),
    "task-duplicate": (lambda it: edit(it, "tasks.md", "### T-003", "### T-02"), "tasks.md:19"),
    "criterion-duplicate": (lambda it: edit(it, "spec.md", "AC-US1-02", "AC-US1-01"), "spec.md:17"),
    "criterion-unknown": (lambda it: edit(it, "tasks.md", "AC-US1-02", "AC-US1-02, AC-US9-01"), "tasks.md:14"),
    "task-without-criteria": (lambda it: edit(it, "tasks.md", "**Satisfies ACs**: AC-US1-02\n", ""), "tasks.md:13"),
    "criterion-without-task": (lambda it: edit(it, "tasks.md", "AC-US1-02", "AC-US1-01"), "spec.md:17"),
    "criterion-untestable": (lambda it: edit(it, "tasks.md", "**Test**: `python offers.py`\n", ""), "spec.md:17"),
    "task-dependency-unknown": (
        lambda it: edit(it, "tasks.md", "offers.py`\n**Dependencies**: T-001", "offers.py`\n**Dependencies**: T-009"),
        "tasks.md:17",
    ),
    "task-cycle": (lambda it: edit(it, "tasks.md", "none", "T-002"), "tasks.md:11"),
    "task-status-unknown": (
        lambda it: edit(it, "tasks.md", "[ ] pending\n**Test**", "[?] who\n**Test**"),
        "tasks.md:15",
    ),
    "task-command-invalid": (lambda it: edit(it, "tasks.md", "/sw:sync", "/sw:sync --fly"), "tasks.md:22"),
    "task-command-unknown": (lambda it: edit(it, "tasks.md", "/sw:sync", "/ml:fly"), "tasks.md:22"),
    "task-command-reads": (lambda it: edit(it, "tasks.md", "/sw:sync", "/sw:status"), "tasks.md:22"),
    "state-drift": (lambda it: edit(it, "tasks.md", "total_tasks: 3", "total_tasks: 4"), "tasks.md:2"),
    "evidence-missing": (
        lambda it: edit(it, "tasks.md", "[ ] pending\n**Run**", "[x] completed\n**Run**"),
        "tasks.md:21",
    ),
    "task-claimed": (claimed, "tasks.md:10"),
    "evidence-stale": (stale, "tasks.md:23"),
    "evidence-drifted": (drifted, "tasks.md:16"),
    "evidence-failed": (lambda it: run(it, "T-003", passed=False), "tasks.md:23"),
    "evidence-dangling": (dangling, "tasks.md:23"),
    "evidence-contradicted": (contradicted, "metadata.json"),
    "report-unreadable": (lambda it: write(it, "reports/001-load-test.json", "{}"), "reports/001-load-test.json"),
    "report-incomplete": (lambda it: write(it, "reports/001-load-test.md", "# Half\n"), "reports/001-load-test.md"),
    "state-orphan": (lambda it: set_metadata(it, tasks={"T-099": {"status": "pending"}}), "metadata.json"),
    "test-without-files": (lambda it: edit(it, "tasks.md", "python offers.py", "python -c pass"), "tasks.md:16"),
    "closed-without-evidence": (lambda it: set_metadata(it, status="completed"), "spec.md:16"),
    "ledger-invalid": (lambda it: write(it, ".generated.json", "[]"), ".generated.json"),
    "artifact-edited": (lambda it: write(it, "api/main.py", "app = 2\n"), "api/main.py"),
    "artifact-missing": (lambda it: (it.folder / "api/main.py").unlink(), "api/main.py"),
    "artifact-is-link": (lambda it: link_to(it, "api/main.py"), "api/main.py"),
    "artifact-unfinished": (unfinished, "api/main.py"),
    "deployment-invalid": (lambda it: write(it, "deployment.yaml", "model: 3\n"), "deployment.yaml"),
    "package-missing": (
        lambda it: (it.project.state / "models" / "credit" / "0007-v1").rmdir(),
        "deployment.yaml",
    ),
}
# What cannot be had without the other.
FOLLOWS = {
    "metadata-missing": {"state-drift"},
    "document-missing": {"criterion-unknown", "link-dangling"},
    "tasks-missing": {"criterion-without-task", "criterion-untestable"},
    "criteria-missing": {"criterion-unknown"},
    "criterion-unreadable": {"criterion-unknown"},
    "criterion-duplicate": {"criterion-unknown", "criterion-untestable"},
    "criterion-without-task": {"criterion-untestable"},
    "task-without-criteria": {"criterion-without-task", "criterion-untestable"},
    "evidence-stale": {"state-drift"},
    "evidence-dangling": {"state-drift"},
    "evidence-contradicted": {"state-drift", "evidence-failed"},
    "closed-without-evidence": {"state-drift"},
    "evidence-drifted": {"closed-without-evidence"},
}


def found(increment: Increment) -> list[tuple[str, str]]:
    return [
        (finding.rule.code, finding.problem.file + (f":{finding.problem.line}" if finding.problem.line else ""))
        for finding in findings(increment)
    ]


def test_a_sound_increment_breaks_no_rule(sound: Increment) -> None:
    assert found(sound) == []


def test_every_rule_has_a_test_and_every_test_a_rule() -> None:
    assert [rule.code for rule in RULES] == list(dict.fromkeys(rule.code for rule in RULES))
    assert {rule.code for rule in RULES} == set(BREAKS)


@pytest.mark.parametrize("code", BREAKS)
def test_what_breaks_a_rule_is_found_where_it_stands(sound: Increment, code: str) -> None:
    spoil, target = BREAKS[code]
    spoil(sound)
    if code == "folder-name":
        sound = renamed(sound)
    seen = found(sound)
    assert (code, target) in seen, seen
    assert {other for other, _ in seen} - {code} <= FOLLOWS.get(code, set()), seen


def test_a_test_that_is_still_to_be_written_names_a_file_all_the_same(sound: Increment) -> None:
    (sound.project.root / "offers.py").unlink()
    assert found(sound) == []
    run(sound, "T-002")
    assert ("test-without-files", "tasks.md:17") in found(sound)
    edit(sound, "tasks.md", "python offers.py`\n", "python offers.py`\n**Files Affected**: offers/\n")
    assert "test-without-files" not in {code for code, _ in found(sound)}


def renamed(increment: Increment) -> Increment:
    old = "007-Rank_offers"
    edit(increment, "spec.md", NAME, old)
    set_metadata(increment, id=old)
    return Increment(increment.project, increment.folder.rename(increment.folder.parent / old))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_rule_says_what_it_is_about_in_sentences_that_can_be_joined(rule: object) -> None:
    from specweave.operations.validation.rule import Rule  # noqa: PLC0415

    assert isinstance(rule, Rule)
    assert not rule.summary.endswith(".")
    assert not rule.fix.endswith(".")
    assert rule.explanation.endswith(".")


def test_a_new_increment_of_any_type_waits_only_for_words(tmp_path: Path) -> None:
    context = Context(Project(tmp_path), FixedClock())
    for kind in ("feature", "bug", "experiment"):
        increment = store.create(context, f"a {kind}", kind=kind)
        assert {code for code, _ in found(increment)} == {"template-unfilled"}
    deployment = store.create(context, "deploy it", kind="deployment")
    assert {finding.rule.severity for finding in findings(deployment)} <= {"information"}
