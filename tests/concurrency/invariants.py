"""What holds whatever many processes do to one project, and whenever one of them is killed.

INVARIANTS, each with the function that looks for what breaks it:

 1. Every command ends with a result or with a coded error that has a next step              `answers`
 2. A number belongs to one increment, over all worktrees and what is put away               `numbers`
 3. An increment that was answered is there, once and whole; a folder of one is never half   `increments`
 4. metadata.json is JSON, names its folder, and its history is one unbroken chain           `states`
 5. Every line that a person wrote is in its document, once                                  `notes`
 6. Reports are numbered from 1 without a gap, each number once, and each is whole           `reports`
 7. A report that an answer named is there, and says what the answer said                    `outcomes`
 8. What metadata.json says of a task is what its report says, and tasks.md shows it         `evidence`
 9. `do` runs no task again that passed and that nobody asked for or changed                 `repetitions`
10. Nothing is left lying about: no half file, no half folder, no claim of the dead           `leftovers`
11. git is sound, a commit of ours holds one increment alone, what the user staged is staged `repository`
12. The commands that only look answer about every increment                                 `readers`

8 and 10 hold once `sync` has been over an increment: a process that is killed leaves drift, and a person who writes a
document may take away what stood there.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from places import Place, git, journals

from specweave import slash_line
from specweave.command import Context
from specweave.errors import SpecweaveError
from specweave.host import Host, RealHost
from specweave.increments import claims, store, tasks
from specweave.increments.store import Increment
from specweave.project import Project

Violations = Iterator[str]

DOCUMENTS = {"metadata.json", "spec.md", "plan.md", "tasks.md"}
READERS = ("/sw:status {}", "/sw:progress {}", "/sw:validate {}", "/sw:sync {} --dry-run")


def violations(place: Place, *, synchronized: bool) -> list[str]:
    """What breaks an invariant, one sentence each.

    Args:
        place: where it all happened.
        synchronized: `sync` went over every increment and nothing was done since.
    """
    checks: list[Callable[[Place], Violations]] = [
        answers,
        numbers,
        increments,
        states,
        notes,
        reports,
        outcomes,
        repetitions,
        repository,
        readers,
    ]
    if synchronized:
        checks += [evidence, leftovers]
    return [f"{check.__name__}: {text}" for check in checks for text in _looked(check, place)]


def _looked(check: Callable[[Place], Violations], place: Place) -> Violations:
    """What a check finds; what keeps it from looking breaks the invariant as well."""
    try:
        yield from check(place)
    except Exception as error:  # noqa: BLE001 - see above
        yield f"{type(error).__name__}: {error}"


def all_increments(place: Place) -> Iterator[Increment]:
    """The increments of every worktree, those put away too."""
    for project in place.projects():
        yield from store.list_all(project, archived=True)


def answers(place: Place) -> Violations:
    for entry in journals(place):
        if broken := entry.get("broken"):
            yield f"{entry['line']}: {broken}"
        if "refused" in entry and not entry["step"]:
            yield f"{entry['line']}: {entry['refused']} has no next step"


def numbers(place: Place) -> Violations:
    owners = defaultdict(list)
    for increment in all_increments(place):
        owners[increment.number].append(increment.folder)
    for number, folders in owners.items():
        if len(folders) > 1:
            yield f"{number} is {', '.join(map(str, folders))}"


def increments(place: Place) -> Violations:
    there = Counter((increment.project.root.name, increment.id) for increment in all_increments(place))
    for entry in journals(place):
        made = entry.get("answer", {}).get("increment")
        if made and (times := there[entry["tree"], made]) != 1:
            yield f"{made} is there {times} times"
    for increment in all_increments(place):
        if missing := DOCUMENTS - {path.name for path in increment.folder.iterdir()}:
            yield f"{increment.id} has no {', '.join(sorted(missing))}"


def states(place: Place) -> Violations:
    for increment in all_increments(place):
        try:
            document = json.loads((increment.folder / "metadata.json").read_bytes())
        except ValueError as error:
            yield f"metadata.json of {increment.id}: {error}"
            continue
        if document["id"] != increment.id:
            yield f"metadata.json of {increment.id} names {document['id']}"
        chain = [(entry["from"], entry["to"]) for entry in document.get("history", [])]
        if any(before[1] != after[0] for before, after in pairwise(chain)):
            yield f"the history of {increment.id} is broken: {chain}"
        if chain and chain[-1][1] != document["status"]:
            yield f"{increment.id} is {document['status']}, its history ends with {chain[-1]}"
        if increment.archived and document["status"] not in {"completed", "abandoned"}:
            yield f"{increment.id} is put away and {document['status']}"


def notes(place: Place) -> Violations:
    folders = {(increment.project.root.name, increment.id): increment.folder for increment in all_increments(place)}
    for entry in journals(place):
        if "note" not in entry:
            continue
        folder = folders.get((entry["tree"], entry["increment"]))
        text = (folder / entry["document"]).read_text("utf-8") if folder else ""
        if (times := text.splitlines().count(entry["note"])) != 1:
            yield f"{entry['note']} is {times} times in {entry['document']} of {entry['increment']}"


def reports(place: Place) -> Violations:
    for increment in all_increments(place):
        folder = increment.folder / "reports"
        found = sorted(folder.glob("[0-9]*.json"))
        seen = [int(path.name.partition("-")[0]) for path in found]
        if len(set(seen)) != len(seen):
            yield f"{increment.id} has reports {seen}"
        pages = {int(path.name.partition("-")[0]) for path in folder.glob("[0-9]*.md")}
        if (every := set(seen) | pages) != set(range(1, len(every) + 1)):
            yield f"{increment.id} has a gap in its reports: {sorted(every)}"
        for number, path in zip(seen, found, strict=True):
            try:
                report = json.loads(path.read_bytes())
            except ValueError as error:
                yield f"{path}: {error}"
                continue
            if report["number"] != number or not path.with_suffix(".md").is_file():
                yield f"{path} is not whole"


def outcomes(place: Place) -> Violations:
    folders = {(increment.project.root.name, increment.id): increment.folder for increment in all_increments(place)}
    for entry, run in _runs(place):
        folder = folders.get((entry["tree"], entry["answer"]["increment"]))
        if folder is None or run["report"] is None:
            continue
        path = (folder / run["report"]).with_suffix(".json")
        if not path.is_file():
            yield f"{entry['line']} named {path}, which is not there"
        elif json.loads(path.read_bytes())["passed"] != run["passed"]:
            yield f"{entry['line']} said {run['passed']} of {path}"


def repetitions(place: Place) -> Violations:
    passed = Counter(
        (entry["answer"]["increment"], run["task"])
        for entry, run in _runs(place)
        if run["passed"] and "--task" not in entry["line"]
    )
    for (increment, task), times in passed.items():
        if times > 1:
            yield f"{task} of {increment} passed, and was run {times} times"


def evidence(place: Place) -> Violations:
    for increment in all_increments(place):
        known = increment.metadata().tasks
        for task in tasks.read(increment):
            state = known.get(task.id)
            if state is None or state.evidence is None:
                continue
            report = json.loads((increment.folder / state.evidence).with_suffix(".json").read_bytes())
            if report["passed"] != state.passed:
                yield f"{task.id} of {increment.id}: metadata.json says {state.passed}, {state.evidence} does not"
            shown = re.search(rf"### {task.id}:.*?(?=\n##|\Z)", _text(increment), re.DOTALL)
            if shown is None or f"]({state.evidence}) {'passed' if state.passed else 'failed'}" not in shown[0]:
                yield f"tasks.md of {increment.id} does not show {state.evidence} under {task.id}"


def leftovers(place: Place) -> Violations:
    for tree in place.trees:
        state = tree / ".specweave"
        for path in (*state.rglob(".*.tmp"), *state.glob("increments/.new-*")):
            yield f"{path} is left"
    for increment in all_increments(place):
        dead = [claim.holder for claim in claims.held(_context(increment.project), increment).values() if claim.process]
        if dead:
            yield f"{increment.id} is claimed by {', '.join(dead)}"


def repository(place: Place) -> Violations:
    git(place.trees[0], "fsck", "--no-progress", "--no-dangling")
    for tree in place.trees:
        staged = git(tree, "diff", "--cached", "--name-only").split()
        if staged != ["staged.txt"]:
            yield f"{tree.name} has staged {staged}"
        for entry in git(tree, "log", "--format=%x00%s", "--name-only", "--no-renames").split("\0")[1:]:
            subject, *files = entry.split("\n")
            number = subject.partition(":")[0]
            foreign = [path for path in files if path and not re.search(rf"increments/(_archive/)?{number}-", path)]
            if subject != "Begin" and foreign:
                yield f"the commit {subject!r} holds {foreign}"


def readers(place: Place) -> Violations:
    for project in place.projects():
        lines = ["/sw:status"]
        for increment in store.list_all(project):
            lines += [line.format(increment.number) for line in READERS]
        for line in lines:
            try:
                _type(project, line)
            except SpecweaveError as error:
                yield f"{line} in {project.root.name}: {error.code}: {error.message}"
            except Exception as error:  # noqa: BLE001 - this is what must not be
                yield f"{line} in {project.root.name}: {type(error).__name__}: {error}"


class NextDay(RealHost):
    """Half written files count as abandoned when some minutes went by."""

    def now(self) -> datetime:
        return super().now() + timedelta(days=1)


def synchronize(place: Place) -> list[str]:
    """Let `sync` go over everything on the next day, those put away after they were brought back.

    What a creation left that was killed, the next one takes away.

    Returns:
        What was refused, one sentence each.
    """
    refused = []
    for project in place.projects():
        for line in _tidying(project):
            try:
                _type(project, line, NextDay())
            except Exception as error:  # noqa: BLE001 - it is told
                refused.append(f"{line} in {project.root.name}: {type(error).__name__}: {error}")
    return refused


def _tidying(project: Project) -> Iterator[str]:
    yield "/sw:inc 'The last thing'"
    for increment in store.list_all(project, archived=True):
        if increment.archived:
            yield f"/sw:restore {increment.number}"
        yield f"/sw:sync {increment.number}"
        if increment.archived:
            yield f"/sw:archive {increment.number}"


def _type(project: Project, line: str, host: Host | None = None) -> Any:
    call = slash_line.parse(line)
    return call.command.run(call.request, _context(project, host))


def _context(project: Project, host: Host | None = None) -> Context:
    return Context(project, host or RealHost(), actor="python")


def _runs(place: Place) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for entry in journals(place):
        for run in entry.get("answer", {}).get("ran", []):
            yield entry, run


def _text(increment: Increment) -> str:
    return Path(increment.folder / "tasks.md").read_text("utf-8")
