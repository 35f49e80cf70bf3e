"""Projects with many increments: one is made by the tool, with evidence, and the others are made after it."""

import json
import subprocess
from pathlib import Path
from typing import Any

from specweave.command import Context
from specweave.host import RealHost
from specweave.increments import content, evidence, store, tasks
from specweave.increments.store import Increment
from specweave.project import Project

TASKS = 30
SHOWN = 10
STORIES = 5
CRITERIA_PER_STORY = 3
# The states of ten increments that follow each other; then they begin again.
OPEN, CLOSED = ("active", "planned", "paused"), ("completed", "completed")
STATES = (*OPEN, *CLOSED, *OPEN[:2], *CLOSED, "completed")
_NAME = "{:04d}-part"


def make(root: Path, count: int) -> None:
    """A git repository at `root` with `count` increments and the files that they are about, all of it committed."""
    root.mkdir()
    _git(root, "init", "--quiet", "--initial-branch", "main")
    project = Project(root)
    (project.state / "increments").mkdir(parents=True)
    (project.state / "config.yaml").write_text("tasks:\n  test_commands: true\n", "utf-8")
    first = _first(Context(project, RealHost()))
    for number in range(2, count + 1):
        _another(first, number)
    _git(root, "add", "--all")
    _git(root, "-c", "user.name=bench", "-c", "user.email=bench@localhost", "commit", "--quiet", "--message", "Begin")


def _first(context: Context) -> Increment:
    increment = store.create(context, _NAME.format(1))
    _write_sources(increment)
    (increment.folder / "spec.md").write_text(_spec(increment), "utf-8")
    (increment.folder / "tasks.md").write_text(_tasks(increment), "utf-8")
    for number in range(1, SHOWN + 1):
        evidence.record(
            context,
            increment,
            operation="test",
            command=_test(increment, number),
            passed=True,
            started=context.host.now(),
            markdown="It passed.",
            data={"exit_status": 0},
            task_id=f"T-{number:03d}",
        )
    standing = [task.passed for task in tasks.read(increment)]
    assert standing.count(True) == SHOWN, standing
    return increment


def _another(first: Increment, number: int) -> None:
    """A copy with a number and files of its own, and evidence of just these."""
    increment = Increment(first.project, first.folder.with_name(_NAME.format(number)))
    _write_sources(increment)
    for path in sorted(first.folder.rglob("*")):
        if path.is_file():
            copy = increment.folder / path.relative_to(first.folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text("utf-8").replace(first.id, increment.id)
            copy.write_text(text.replace(f"src/{first.number}/", f"src/{increment.number}/"), "utf-8")
    metadata = _read(increment.folder / "metadata.json")
    metadata["status"] = STATES[(number - 1) % len(STATES)]
    for task in tasks.read(increment):
        if task.evidence is None:
            continue
        now = content.of_task(increment, task)
        metadata["tasks"][task.id] |= {"task_digest": task.text_digest, "content_digest": now.short}
        path = (increment.folder / task.evidence).with_suffix(".json")
        files = {name: digest[:16] for name, digest in now.files.items()}
        changed = {"tasks": {task.id: task.text_digest}, "content_digest": now.short, "content": files}
        _write(path, _read(path) | changed)
    _write(increment.folder / "metadata.json", metadata)


def _write_sources(increment: Increment) -> None:
    folder = increment.project.root / "src" / increment.number
    folder.mkdir(parents=True)
    for number in range(1, TASKS + 1):
        (folder / f"part_{number:03d}.py").write_text(f"PART = {number}\n", "utf-8")


def _spec(increment: Increment) -> str:
    lines = ["---", f'increment: "{increment.id}"', 'title: "A part"', "type: feature", "---", "", "# A part", ""]
    for story in range(1, STORIES + 1):
        lines += [f"### US-{story:03d}: Story {story} (P1)", "", "**As a** user, **I want** it, **so that** I can", ""]
        for criterion in range(1, CRITERIA_PER_STORY + 1):
            text = f"Given part {criterion}, when it is asked for, then it answers with {story}"
            lines.append(f"- [ ] **AC-US{story}-{criterion:02d}**: {text}")
        lines.append("")
    return "\n".join(lines)


def _tasks(increment: Increment) -> str:
    return "# Tasks: A part\n\n" + "\n".join(_task(increment, number) for number in range(1, TASKS + 1))


def _task(increment: Increment, number: int) -> str:
    story, criterion = (number - 1) % STORIES + 1, (number - 1) // STORIES % CRITERIA_PER_STORY + 1
    fields = {
        "User Story": f"US-{story:03d}",
        "Satisfies ACs": f"AC-US{story}-{criterion:02d}",
        "Status": "[ ] pending",
        "Test": f"`{_test(increment, number)}`",
        "Files Affected": f"`{_source(increment, number)}`",
        "Dependencies": f"T-{number - 3:03d}" if number > 3 else "none",
    }
    lines = [f"### T-{number:03d}: Part {number}", "", *(f"**{name}**: {value}  " for name, value in fields.items())]
    lines += [
        "",
        "**Test Plan**:",
        "",
        "- Given the project",
        f"- When part {number} is asked for",
        "- Then it is there",
    ]
    return "\n".join([*lines, ""])


def _test(increment: Increment, number: int) -> str:
    return f"test -f {_source(increment, number)}"


def _source(increment: Increment, number: int) -> str:
    return f"src/{increment.number}/part_{number:03d}.py"


def _read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _write(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


def _git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(root), *words], check=True)
