"""Every edit of an increment is named by `sw diff`, and nothing else is."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.increments.git_projects import GitProject

from specweave import slash_line

Named = Counter[tuple[str, ...]]


@dataclass(frozen=True)
class Criterion:
    text: str
    ticked: bool = False


@dataclass(frozen=True)
class Task:
    title: str
    command: str = ""
    dependencies: tuple[str, ...] = ()
    criteria: tuple[str, ...] = ()
    details: str = "- Given it, when it runs, then it is well"
    ticked: bool = False


@dataclass
class Model:
    """An increment, and the documents that say so."""

    stories: dict[str, str] = field(default_factory=lambda: {"US-001": "Ask", "US-002": "Watch"})
    criteria: dict[str, Criterion] = field(
        default_factory=lambda: {"AC-US1-01": Criterion("one"), "AC-01": Criterion("two")}
    )
    tasks: dict[str, Task] = field(default_factory=lambda: {f"T-00{it}": Task(f"Task {it}") for it in (1, 2, 3)})
    plan: dict[str, str] = field(default_factory=lambda: {"Approach": "as ever", "Risks": "none"})
    files: dict[str, str] = field(default_factory=lambda: {"notes.txt": "0\n", "api/main.py": "0\n"})
    metadata: dict[str, object] = field(default_factory=lambda: {"schema": 1, "id": "0001-work", "status": "active"})

    def write(self, folder: Path) -> None:
        """Lay the documents into a folder that holds nothing else."""
        for path in sorted(folder.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        spec = ["# Work", "", "## Criteria", ""]
        spec += [f"- [{'x' if it.ticked else ' '}] **{name}**: {it.text}" for name, it in self.criteria.items()]
        for story, title in self.stories.items():
            spec += ["", f"### {story}: {title}"]
        tasks = ["# Tasks", ""]
        for name, task in self.tasks.items():
            tasks += [f"### {name}: {task.title}", ""]
            tasks += [f"**Satisfies ACs**: {', '.join(task.criteria) or 'none'}  "]
            tasks += [f"**Status**: {'[x] completed' if task.ticked else '[ ] pending'}  "]
            tasks += [f"**Run**: {task.command}  "] if task.command else []
            tasks += [f"**Dependencies**: {', '.join(task.dependencies) or 'none'}", "", task.details, ""]
        plan = ["# Plan", ""]
        for heading, text in self.plan.items():
            plan += [f"## {heading}", "", text, ""]
        texts = {"spec.md": spec, "plan.md": plan, "tasks.md": tasks}
        contents = {name: "\n".join(lines) + "\n" for name, lines in texts.items()}
        contents["metadata.json"] = json.dumps(self.metadata, indent=2)
        for name, text in {**contents, **self.files}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def expected(before: Model, after: Model) -> Named:
    """What a reader of both would name."""
    named: Named = Counter()
    for story in before.stories.keys() | after.stories.keys():
        named += _item("story", story, before.stories, after.stories, lambda title: {"title": title})
    for name in before.criteria.keys() | after.criteria.keys():
        named += _item(
            "criterion", name, before.criteria, after.criteria, lambda it: {"text": it.text, "box": it.ticked}
        )
    for name in before.tasks.keys() | after.tasks.keys():
        named += _item("task", name, before.tasks, after.tasks, vars)
    for heading in before.plan.keys() | after.plan.keys():
        if before.plan.get(heading) != after.plan.get(heading):
            named["plan", heading] += 1
    for key in before.metadata.keys() | after.metadata.keys():
        if before.metadata.get(key) != after.metadata.get(key):
            named["status" if key == "status" else "metadata", key] += 1
    for path in before.files.keys() | after.files.keys():
        old, new = before.files.get(path), after.files.get(path)
        if old != new:
            named["file", path, "added" if old is None else "removed" if new is None else "changed"] += 1
    return named


def _item(kind: str, name: str, before: dict[str, Any], after: dict[str, Any], values: Callable[[Any], Any]) -> Named:
    if name not in before or name not in after:
        return Counter([(kind, name, "removed" if name in before else "added")])
    old, new = values(before[name]), values(after[name])
    changed = [value for value in new if old[value] != new[value]]
    return Counter((kind, name, "box" if value == "ticked" else value) for value in changed)


def told(result: dict[str, Any]) -> Named:
    """The same from a result."""
    difference = result["difference"]
    named: Named = Counter()
    for kind, part in (("story", "stories"), ("criterion", "criteria"), ("task", "tasks")):
        for item in difference[part]:
            if item["change"] in {"added", "removed"}:
                named[kind, item["id"], item["change"]] += 1
            else:
                named.update((kind, item["id"], value["name"]) for value in item["values"])
    for document in difference["documents"]:
        named.update(("plan", heading) for heading in document["sections"] if document["path"] == "plan.md")
    named.update(("metadata", value["name"].partition(": ")[2]) for value in difference["settings"])
    named.update([("status", "status")] if difference["status"] else [])
    files = [file for file in difference["files"] if file["origin"] == "by-hand"]
    named.update(("file", file["path"], file["change"]) for file in files)
    return named


def edited(model: Model, edits: list[tuple[str, int]], *, first: int) -> Model:
    """The model after some edits; no two of them write the same text, their numbers beginning at `first`."""
    fresh = count(first)
    for verb, choice in edits:
        EDITS[verb](model, choice, next(fresh))
    return model


def _put(things: dict[str, Any], choice: int, change: Callable[[Any], Any]) -> None:
    if things:
        name = sorted(things)[choice % len(things)]
        things[name] = change(things[name])


def _drop(things: dict[str, Any], choice: int) -> None:
    if things:
        del things[sorted(things)[choice % len(things)]]


EDITS: dict[str, Callable[[Model, int, int], None]] = {
    "add a story": lambda model, _, new: model.stories.update({f"US-{new}": f"Story {new}"}),
    "rename a story": lambda model, at, new: _put(model.stories, at, lambda _: f"Story {new}"),
    "remove a story": lambda model, at, _: _drop(model.stories, at),
    "add a criterion": lambda model, _, new: model.criteria.update({f"AC-{new}": Criterion(f"text {new}")}),
    "reword a criterion": lambda model, at, new: _put(model.criteria, at, lambda it: replace(it, text=f"text {new}")),
    "tick a criterion": lambda model, at, _: _put(model.criteria, at, lambda it: replace(it, ticked=not it.ticked)),
    "remove a criterion": lambda model, at, _: _drop(model.criteria, at),
    "add a task": lambda model, _, new: model.tasks.update({f"T-{new}": Task(f"Task {new}")}),
    "rename a task": lambda model, at, new: _put(model.tasks, at, lambda it: replace(it, title=f"Task {new}")),
    "bind a task": lambda model, at, new: _put(model.tasks, at, lambda it: replace(it, command=f"/ml:status {new}")),
    "make a task wait": lambda model, at, new: _put(
        model.tasks, at, lambda it: replace(it, dependencies=(*it.dependencies, f"T-{new}"))
    ),
    "link a task": lambda model, at, new: _put(model.tasks, at, lambda it: replace(it, criteria=(f"AC-{new}",))),
    "detail a task": lambda model, at, new: _put(model.tasks, at, lambda it: replace(it, details=f"- Then {new}")),
    "tick a task": lambda model, at, _: _put(model.tasks, at, lambda it: replace(it, ticked=not it.ticked)),
    "remove a task": lambda model, at, _: _drop(model.tasks, at),
    "write of the plan": lambda model, at, new: _put(model.plan, at, lambda _: f"Text {new}"),
    "add to the plan": lambda model, _, new: model.plan.update({f"Part {new}": f"Text {new}"}),
    "cut the plan": lambda model, at, _: _drop(model.plan, at),
    "add a file": lambda model, _, new: model.files.update({f"api/new {new}.txt": f"{new}\n"}),
    "edit a file": lambda model, at, new: _put(model.files, at, lambda _: f"{new}\n"),
    "remove a file": lambda model, at, _: _drop(model.files, at),
    "set a key": lambda model, _, new: model.metadata.update(title=f"Title {new}"),
    "pause": lambda model, _, __: model.metadata.update(status="paused"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> GitProject:
    return GitProject.initialised(tmp_path_factory.mktemp("properties") / "project")


def compared(project: GitProject) -> dict[str, Any]:
    call = slash_line.parse("/sw:diff 0001 --lines 100")
    result = call.command.run(call.request, project.context)
    assert result.text()
    document: dict[str, Any] = json.loads(result.model_dump_json())
    return document


@settings(max_examples=25)
@given(
    edits=st.lists(st.tuples(st.sampled_from(sorted(EDITS)), st.integers(0, 5)), max_size=8),
    more=st.lists(st.tuples(st.sampled_from(sorted(EDITS)), st.integers(0, 5)), max_size=3),
)
def test_every_edit_is_named_and_nothing_else(
    project: GitProject, edits: list[tuple[str, int]], more: list[tuple[str, int]]
) -> None:
    folder = project.root / ".specweave" / "increments" / "0001-work"
    folder.mkdir(parents=True, exist_ok=True)
    before = edited(Model(), more, first=100)
    before.write(folder)
    project.git("add", "--all")
    project.git("commit", "--quiet", "--allow-empty", "--message=work")
    same = compared(project)
    assert not any(same["difference"].values())
    assert (same["lines"], same["unshown"], same["new"]) == ([], [], False)
    after = edited(edited(Model(), more, first=100), edits, first=200)
    after.write(folder)
    assert told(compared(project)) == expected(before, after)
