import hashlib
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from specweave.command import Context
from specweave.errors import InvalidInputError
from specweave.increments import evidence, store, tasks
from specweave.increments.evidence import PackageReference, Report
from specweave.increments.store import Increment

STARTED = datetime(2026, 11, 20, 12, 2, tzinfo=UTC)


def record(context: Context, increment: Increment, **changes: Any) -> Report:
    values: dict[str, Any] = {
        "operation": "inspect",
        "command": "/ml:inspect 0001",
        "passed": True,
        "started": STARTED,
        "markdown": "All is well.",
        "data": {"rows": 3},
    }
    return evidence.record(context, increment, **{**values, **changes})


def test_a_report_says_the_same_to_programs_and_to_people(context: Context) -> None:
    increment = store.create(context, "work")
    package = PackageReference("credit-model", "0043-v1", "5f" * 32)
    report = record(context, increment, package=package, environment="staging", attachments={".svg": b"<svg/>"})
    assert report.number == 1
    assert json.loads(report.data_path.read_bytes()) == {
        "format": 1,
        "number": 1,
        "operation": "inspect",
        "command": "/ml:inspect 0001",
        "passed": True,
        "exit_status": 0,
        "started": "2026-11-20T12:02:00Z",
        "duration_s": 60.0,
        "actor": "python",
        "commit": None,
        "dirty": False,
        "package": {"name": "credit-model", "version": "0043-v1", "digest": "5f" * 32},
        "environment": "staging",
        "data": {"rows": 3},
        "tasks": {},
        "content_digest": None,
        "content": {},
    }
    page = report.path.read_text()
    for words in ("All is well.", "`/ml:inspect 0001`", "passed", "2026-11-20T12:02:00Z", "60 s", "0043-v1", "staging"):
        assert words in page
    assert (increment.folder / "reports" / "001-inspect.svg").read_bytes() == b"<svg/>"


def test_reports_are_numbered_on_and_found_by_operation_package_and_environment(context: Context) -> None:
    increment = store.create(context, "work")
    first = PackageReference("m", "0001-v1", "a" * 64)
    second = PackageReference("m", "0001-v2", "b" * 64)
    record(context, increment, package=first)
    record(context, increment, package=second, environment="staging", passed=False)
    record(context, increment, operation="status", command="/sw:status")
    assert [report.number for report in evidence.reports(increment)] == [3, 2, 1]

    def number(**settings: str) -> int | None:
        found = evidence.newest(increment, "inspect", **settings)
        return found.number if found else None

    assert number() == 2
    assert number(package_digest=first.digest) == 1
    assert number(environment="staging") == 2
    assert number(package_digest=first.digest, environment="staging") is None


def test_what_is_no_report_is_passed_over_and_its_number_is_not_used_again(context: Context) -> None:
    increment = store.create(context, "work")
    folder = increment.folder / "reports"
    folder.mkdir()
    (folder / "001-inspect.json").write_text("{")
    (folder / "002-inspect.md").write_text("a person's note")
    (folder / "notes.txt").write_text("x")
    assert list(evidence.reports(increment)) == []
    assert record(context, increment).number == 3


TASKS = """\
### T-001: Bound
**Status**: [ ] pending
**Run**: /sw:inc 'Deploy it' --type deployment

### T-002: Another kind of thing
**Status**: [ ] pending
**Run**: /sw:inc 'Deploy it'

### T-003: Another increment's
**Status**: [ ] pending
**Run**: /sw:status 0002

### T-004: This increment's
**Status**: [ ] pending
**Run**: /sw:status 1

### T-005: Not built
**Status**: [ ] pending
**Run**: /ml:fly 0001

### T-006: Not valid
**Status**: [ ] pending
**Run**: /sw:status 0001 --fly
"""


@pytest.mark.parametrize(
    ("command", "bound"),
    [
        ("/sw:inc 'Deploy it' --type deployment", ("T-001", "T-002")),
        ("/sw:inc 'Deploy it'", ("T-002",)),
        ("/sw:inc 'Deploy that' --type deployment", ()),
        ("/sw:increment --type deployment --title 'Deploy it'", ("T-001", "T-002")),
        ("/sw:status 0001", ("T-004",)),
        ("/sw:status --increment 0001", ("T-004",)),
        ("/ml:fly 0001", ()),
    ],
)
def test_a_run_is_evidence_for_the_tasks_whose_line_asks_for_it(
    context: Context, command: str, bound: tuple[str, ...]
) -> None:
    increment = store.create(context, "work")
    store.create(context, "other")
    (increment.folder / "tasks.md").write_text(TASKS)
    report = record(context, increment, operation="x", command=command)
    assert report.tasks == bound
    assert tuple(task.id for task in tasks.read(increment) if task.status == "completed") == bound


@pytest.mark.parametrize(
    ("run_line", "command", "is_evidence"),
    [
        ("/ml:load-test 1 --rps 10,50 --duration 10s", "/ml:load-test 0001 --rps 10,50 --duration 10", True),
        ("/ml:load-test 1 --rps 10,50", "/ml:load-test 0001 --rps 50,10", False),
        ("/ml:load-test 1 --rps 10", "/ml:load-test 0001 --rps 10 --environment staging", False),
        ("/ml:load-test 1 --rps 10 --environment staging", "/ml:load-test 0001 --rps 10 --environment staging", True),
        ("/ml:deploy 1 --environment staging", "/ml:deploy 0001 --environment staging", True),
        ("/ml:deploy 1 --environment staging", "/ml:deploy 0001 --environment production", False),
        ("/ml:deploy 1 --environment staging", "/ml:deploy 0001 --environment staging --stop", False),
        ("/ml:deploy 1 --environment staging", "/ml:deploy 0001 --version 0001-v1", False),
        ("/ml:deploy 1 --version 0001-v1", "/ml:deploy 0001 --version 0001-v1", True),
        ("/ml:deploy 1 --version 0001-v1", "/ml:deploy 0001", False),
        ("/ml:rollback 1", "/ml:rollback 0001 --to 0001-v1", False),
        ("/ml:load-test 1 --rps 10", "/ml:load-test 0001 --rps 10 --arrivals constant", False),
        ("/ml:load-test 1 --rps 10", "/ml:load-test 0001 --rps 10 --arrivals poisson", True),
        ("/ml:load-test 1", "/ml:load-test 0001 --rps 1 --duration 1s", False),
    ],
)
def test_another_place_or_a_switch_makes_it_another_act(
    context: Context, run_line: str, command: str, is_evidence: bool
) -> None:
    increment = store.create(context, "work")
    (increment.folder / "tasks.md").write_text(f"### T-001: A\n**Status**: [ ] pending\n**Run**: {run_line}\n")
    assert record(context, increment, command=command).tasks == (("T-001",) if is_evidence else ())


DEPLOYMENT = """\
model: {name: credit-model, version: 0001-v2}
service: {name: credit-model}
environments: {staging: {target: local, port: 8100}}
"""


@pytest.mark.parametrize(
    ("operation", "command", "about", "is_evidence"),
    [
        ("deploy", "/ml:deploy 1", "0001-v2", True),
        ("deploy", "/ml:deploy 1 --version 0001-v2", "0001-v2", True),
        ("deploy", "/ml:deploy 1 --version 0001-v1", "0001-v1", False),
        ("deploy", "/ml:deploy 1", "0001-v1", False),
        ("load-test", "/ml:load-test 1 --environment staging", "0001-v2", True),
        ("load-test", "/ml:load-test 1 --environment staging", "0001-v1", False),
        ("load-test", "/ml:load-test 1 --environment staging", None, False),
    ],
)
def test_evidence_for_a_task_is_about_the_package_that_is_to_be_deployed(
    context: Context, operation: str, command: str, about: str | None, is_evidence: bool
) -> None:
    increment = store.create(context, "work")
    (increment.folder / "deployment.yaml").write_text(DEPLOYMENT)
    (increment.folder / "tasks.md").write_text(
        "### T-001: A\n**Status**: [ ] pending\n**Run**: /ml:deploy 1\n\n"
        "### T-002: B\n**Status**: [ ] pending\n**Run**: /ml:load-test 1 --environment staging\n"
    )
    package = PackageReference("credit-model", about, "a" * 64) if about else None
    shown = record(context, increment, operation=operation, command=command, package=package).tasks
    assert shown == ((("T-001" if operation == "deploy" else "T-002"),) if is_evidence else ())


def test_a_package_of_the_same_version_and_other_content_is_another(context: Context) -> None:
    increment = store.create(context, "work")
    (increment.folder / "deployment.yaml").write_text(DEPLOYMENT)
    (increment.folder / "tasks.md").write_text("### T-001: A\n**Status**: [ ] pending\n**Run**: /ml:deploy 1\n")
    manifest = context.project.state / "models" / "credit-model" / "0001-v2" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")

    def shown(digest: str) -> tuple[str, ...]:
        package = PackageReference("credit-model", "0001-v2", digest)
        return record(context, increment, operation="deploy", command="/ml:deploy 1", package=package).tasks

    assert shown("a" * 64) == ()
    assert shown(hashlib.sha256(b"{}").hexdigest()) == ("T-001",)


def test_the_outcome_stands_under_its_task_and_in_the_state(context: Context) -> None:
    increment = store.create(context, "work")
    (increment.folder / "tasks.md").write_text("### T-001: A\n**Status**: [ ] pending\n**Run**: /sw:status 1\n")
    record(context, increment, operation="status", command="/sw:status 0001", passed=False)
    assert (increment.folder / "tasks.md").read_text() == (
        "### T-001: A\n**Status**: [ ] pending\n**Run**: /sw:status 1\n"
        "**Evidence**: [001-status](reports/001-status.md) failed · 2026-11-20 12:03 UTC\n"
    )
    record(context, increment, operation="status", command="/sw:status 0001")
    assert (increment.folder / "tasks.md").read_text() == (
        "### T-001: A\n**Status**: [x] completed\n**Run**: /sw:status 1\n"
        "**Evidence**: [002-status](reports/002-status.md) passed · 2026-11-20 12:03 UTC\n"
    )
    metadata = increment.metadata()
    assert metadata.status == "ready_for_review"
    assert metadata.tasks["T-001"].model_dump() == {
        "status": "completed",
        "evidence": "reports/002-status.md",
        "passed": True,
        "uncovered": (),
        "task_digest": tasks.find(increment, "T-001").text_digest,
        "content_digest": None,
    }


def test_a_task_can_be_made_pending_again_and_keeps_the_way_to_its_evidence(context: Context) -> None:
    increment = store.create(context, "work")
    (increment.folder / "tasks.md").write_text("### T-001: A\n**Status**: [ ] pending\n**Run**: /sw:status 1\n")
    record(context, increment, operation="status", command="/sw:status 0001")
    evidence.reset(context, increment, ("T-001",))
    (task,) = tasks.read(increment)
    assert (task.status, task.marked, task.evidence) == ("pending", "pending", "reports/001-status.md")


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def committed(context: Context) -> Increment:
    """An increment in a repository whose files are all committed."""
    root = context.project.root
    git(root, "init", "-q")
    increment = store.create(context, "work")
    (increment.folder / "tasks.md").write_text("### T-001: A\n**Status**: [ ] pending\n**Run**: /sw:status 1\n")
    (root / "train.py").write_text("1")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "Start")
    return increment


def test_the_commit_is_recorded_and_what_specweave_writes_itself_is_no_local_change(context: Context) -> None:
    increment, root = committed(context), context.project.root
    for expected in (False, False, True):
        report = record(context, increment, operation="status", command="/sw:status 0001")
        data = json.loads(report.data_path.read_bytes())
        assert data["commit"] == git(root, "rev-parse", "HEAD")
        assert data["dirty"] == expected
        if report.number == 2:
            (root / "train.py").write_text("2")
    assert f"commit {git(root, 'rev-parse', 'HEAD')[:7]}" in (increment.folder / "tasks.md").read_text()


def test_files_of_the_increment_that_were_never_committed_are_local_changes(context: Context) -> None:
    increment = committed(context)
    (context.project.root / "notes.txt").write_text("no part of it")
    assert not evidence.stand(increment).dirty
    (increment.folder / "api").mkdir()
    (increment.folder / "api" / "main.py").write_text("app = None")
    assert json.loads(record(context, increment).data_path.read_bytes())["dirty"] is True


def test_the_commit_of_a_report_is_that_of_the_start(context: Context) -> None:
    increment, root = committed(context), context.project.root
    start = evidence.stand(increment)
    (root / "train.py").write_text("2")
    git(root, "commit", "-q", "-a", "-m", "Meanwhile")
    data = json.loads(record(context, increment, head=start).data_path.read_bytes())
    assert data["commit"] == git(root, "rev-parse", "HEAD~")


@pytest.mark.parametrize("value", ["a`\n# Passed\n`", "a|b", "``` | x", "a\\|b"])
def test_what_was_typed_makes_no_heading_and_no_cell_of_its_own(context: Context, value: str) -> None:
    increment = store.create(context, "work")
    command = f"/ml:inspect {shlex.quote(value)}"
    page = record(context, increment, command=command, environment=value, package=PackageReference("m|`", value, "5f"))
    tokens = MarkdownIt("commonmark").enable("table").parse(page.path.read_text())
    headings = [tokens[place + 1].content for place, token in enumerate(tokens) if token.type == "heading_open"]
    assert headings == ["inspect: passed", "How this was made"]
    cells = [token for token in tokens if token.type == "inline" and token.level > 3]
    assert len(cells) == 2 * 9
    (code,) = cells[3].children or []
    assert (code.type, code.content) == ("code_inline", command.replace("\n", " "))


def test_data_that_json_does_not_have_is_refused_before_anything_is_written(context: Context) -> None:
    increment = store.create(context, "work")
    with pytest.raises(InvalidInputError) as caught:
        record(context, increment, data={"p95": float("nan")}, attachments={".svg": b""})
    assert caught.value.code == "value-not-writable"
    assert not (increment.folder / "reports").exists()


RECORD_MANY = """
import sys
from pathlib import Path
from specweave.command import Context
from specweave.host import RealHost
from specweave.increments import evidence, store
from specweave.project import Project
context = Context(Project(Path(sys.argv[1])), RealHost())
increment = store.find(context.project, "1")
for _ in range(10):
    evidence.record(context, increment, operation=sys.argv[2], command="/sw:status", passed=True,
                    started=context.host.now(), markdown="x", data={})
"""


def test_two_processes_that_record_at_once_share_no_number(context: Context) -> None:
    increment = store.create(context, "work")
    processes = [subprocess.Popen([sys.executable, "-c", RECORD_MANY, context.project.root, letter]) for letter in "ab"]
    assert [process.wait() for process in processes] == [0, 0]
    assert [report.number for report in evidence.reports(increment)] == list(range(20, 0, -1))


DIE_WHILE_RECORDING = """
import os, sys
from pathlib import Path
from specweave.command import Context
from specweave.host import RealHost
from specweave.increments import evidence, store
from specweave.project import Project
replace = Path.replace
def replace_then_die(self, target):
    replace(self, target)
    if target.name == sys.argv[2]:
        os.kill(os.getpid(), 9)
Path.replace = replace_then_die
context = Context(Project(Path(sys.argv[1])), RealHost())
evidence.record(context, store.find(context.project, "1"), operation="status", command="/sw:status 0001", passed=True,
                started=context.host.now(), markdown="x", data={}, attachments={".svg": b"<svg/>"})
"""


@pytest.mark.parametrize("last", ["001-status.svg", "001-status.md", "001-status.json", "metadata.json", "tasks.md"])
def test_a_recording_that_is_killed_never_leaves_a_task_done_without_its_report(context: Context, last: str) -> None:
    increment = store.create(context, "work")
    (increment.folder / "tasks.md").write_text("### T-001: A\n**Status**: [ ] pending\n**Run**: /sw:status 1\n")
    killed = subprocess.run([sys.executable, "-c", DIE_WHILE_RECORDING, context.project.root, last], check=False)
    assert killed.returncode == -9
    (task,) = tasks.read(increment)
    assert task.status == ("completed" if last in {"metadata.json", "tasks.md"} else "pending")
    if task.evidence:
        assert (increment.folder / task.evidence).is_file()
        assert evidence.newest(increment, "status") is not None
    again = record(context, increment, operation="status", command="/sw:status 0001")
    assert again.number == 2
    (task,) = tasks.read(increment)
    assert (task.status, task.evidence) == ("completed", "reports/002-status.md")


def test_a_document_without_the_task_keeps_its_bytes(
    context: Context, increment_with: Callable[..., Increment], tmp_path: Path
) -> None:
    increment = increment_with(tasks=b"no tasks \xff\r\n")
    record(context, increment)
    assert (increment.folder / "tasks.md").read_bytes() == b"no tasks \xff\r\n"
