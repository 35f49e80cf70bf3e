"""spec.md, plan.md and tasks.md of a draft.

Text of others stands there word for word. Where it would change what is read around it (an open fence, a heading, a
line that looks like a field, a task or a criterion), it stands in a fence of its own.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from specweave.files import quoting
from specweave.files.markdown import Document
from specweave.increments import criteria
from specweave.increments.task_document import Place, marked_status, places_in
from specweave.operations.adoption.draft import Draft, Story, Task

_STATUS = {" ": "[ ] pending", "x": "[x] completed", "~": "[~] in progress", "-": "[-] skipped"}
_READ = {" ": "pending", "x": "completed", "~": "in-progress", "-": "skipped"}
_PROBE = "T-9999"
_CLOSING = re.compile(r"(?<=[ \t])(#+)$|^(#+)$")
_FORMATS = {"tasks": "a list of tasks", "spec-kit": "spec-kit", "openspec": "OpenSpec"}


def documents(draft: Draft, values: Mapping[str, object]) -> dict[str, bytes]:
    """The documents by name; those that the draft says nothing of are left to the templates.

    Args:
        draft: what was understood.
        values: those of `specweave.increments.documents.common_values`.
    """
    found = {"tasks.md": _tasks(draft, values)}
    if draft.stories or draft.requirements or draft.introduction:
        found["spec.md"] = _spec(draft, values)
    if draft.passages or draft.left:
        found["plan.md"] = _plan(draft, values)
    return {name: ("\n".join(lines).rstrip("\n") + "\n").encode() for name, lines in found.items()}


def _spec(draft: Draft, values: Mapping[str, object]) -> list[str]:
    lines = [
        "---",
        f"increment: {quoting.yaml(values['id'])}",
        f"title: {quoting.yaml(values['title'])}",
        f"type: {values['type']}",
        f"created: {values['created']}",
        "---",
        "",
        f"# {quoting.markdown(values['title'])}",
        "",
    ]
    lines += _among(draft.introduction, _no_criteria)
    for story in draft.stories:
        lines += _story(story)
    if draft.requirements:
        lines += ["## Requirements", "", *_among(draft.requirements, _no_criteria)]
    return lines


def _story(story: Story) -> list[str]:
    lines = [f"### {story.id}: {_heading(story.title)}", "", *_among(story.body, _no_criteria)]
    lines += [f"- [ ] **{criterion.id}**: {criterion.text}" for criterion in story.criteria]
    return [*lines, ""] if story.criteria else lines


def _plan(draft: Draft, values: Mapping[str, object]) -> list[str]:
    lines = [f"# Plan: {quoting.markdown(values['title'])}", ""]
    source = None
    for passage in draft.passages:
        path = passage.source.rpartition(":")[0]
        if path != source:
            lines += [f"## From {quoting.code_span(path)}", ""]
            source = path
        lines += _among(passage.lines, _stands_alone)
    if draft.left:
        lines += ["## Files that stay where they are", ""]
        lines += [f"- {quoting.code_span(path)}" for path in draft.left]
    return lines


def _tasks(draft: Draft, values: Mapping[str, object]) -> list[str]:
    lines = [
        f"# Tasks: {quoting.markdown(values['title'])}",
        "",
        f"Adopted from {quoting.code_span(draft.source)} ({_FORMATS[draft.format]}).",
        "",
    ]
    section = None
    for task in draft.tasks:
        if task.section and task.section != section:
            lines += _section(task.section.text)
        section = task.section or section
        lines += _task(task)
    return lines


def _section(text: str) -> list[str]:
    lines = [f"## {_heading(text)}", ""]
    # A section whose name reads as a task, such as `T-3: rest`, would be one.
    return lines if not list(places_in(_document(lines))) else [f"## Section {_heading(text)}", ""]


def _task(task: Task) -> list[str]:
    raw = [*_head(task, _own_fields(task)), *task.details, *([""] if task.details else [])]
    if _reads_as(task, raw):
        return raw
    head = _head(task, frozenset())
    return [*head, *_fenced(task.details), ""] if task.details else head


def _own_fields(task: Task) -> frozenset[str]:
    """The fields that the details have themselves."""
    if not task.trusted:
        return frozenset()
    places = list(places_in(_document([f"{'#' * task.level} {task.id}: {_heading(task.title)}", "", *task.details])))
    kinds = ("status", "user_story", "criteria", "dependencies")
    return frozenset(kind for kind in kinds if places and places[0].field(kind) is not None)


def _head(task: Task, present: frozenset[str]) -> list[str]:
    fields = {
        "user_story": ("User Story", task.story),
        "criteria": ("Satisfies ACs", ", ".join(task.criteria)),
        "status": ("Status", _STATUS[task.mark]),
        "dependencies": ("Dependencies", ", ".join(task.dependencies) or "none"),
        "files": ("Files Affected", ", ".join(task.files)),
        "parallel": ("Parallel", "yes" if task.parallel else ""),
        "part_of": ("Part of", task.part_of),
        "source": ("Source", _origin(task)),
    }
    said = [f"**{name}**: {value}" for kind, (name, value) in fields.items() if value and kind not in present]
    return [
        f"{'#' * task.level} {task.id}: {_heading(task.title)}",
        "",
        *(f"{line}  " for line in said[:-1]),
        said[-1],
        "",
    ]


def _origin(task: Task) -> str:
    return quoting.code_span(task.source) + (f", {quoting.markdown(task.original)}" if task.original else "")


def _reads_as(task: Task, lines: Sequence[str]) -> bool:
    """Whether the lines are read as this task and nothing else, and leave what comes after them alone."""
    places = list(places_in(_document([*lines, f"{'#' * task.level} {_PROBE}: after", ""])))
    if [place.id for place in places] != [task.id, _PROBE] or _READ[task.mark] != marked_status(places[0]):
        return False
    return task.trusted or all(
        _is_ours(places[0], kind, task) for kind in ("run", "test", "evidence", "criteria", "dependencies")
    )


def _is_ours(place: Place, kind: str, task: Task) -> bool:
    """Whether a field that means something was written here, and not by the text that was adopted."""
    wanted = {"criteria": bool(task.criteria), "dependencies": True}.get(kind, False)
    return (place.field(kind) is not None) == wanted


def _among(lines: Sequence[str], check: Callable[[Sequence[str]], bool]) -> list[str]:
    if not lines:
        return []
    return [*(lines if check(lines) else _fenced(lines)), ""]


def _no_criteria(lines: Sequence[str]) -> bool:
    found = criteria.read_document(_document(lines))
    tasks = list(places_in(_document(lines)))
    return not (found.stories or found.criteria or found.problems or tasks) and _stands_alone(lines, most=3)


def _stands_alone(lines: Sequence[str], *, most: int = 0) -> bool:
    """Whether a heading after the lines is still one, and no heading among them is of level `most` or a higher one."""
    document = _document([*lines, "", "# After", ""])
    headings = document.headings
    after = bool(headings) and headings[-1].text == "After" and headings[-1].level == 1
    return after and not document.frontmatter and all(heading.level > most for heading in headings[:-1])


def _fenced(lines: Sequence[str]) -> list[str]:
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}markdown", *lines, fence]


def _heading(text: str) -> str:
    """Text as the last part of a heading: number signs at its end would be taken for decoration."""
    return _CLOSING.sub(lambda match: "\\" + match[0], text)


def _document(lines: Sequence[str]) -> Document:
    return Document.parse("".join(f"{line}\n" for line in lines).encode())
