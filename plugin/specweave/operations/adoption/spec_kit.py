"""Reading a feature of spec-kit: `specs/NNN-name/` with spec.md, plan.md, tasks.md and what else lies there.

Formats: github/spec-kit, `templates/{spec,tasks}-template.md`. User stories stay stories, their acceptance scenarios
become criteria, functional requirements (FR-001) stand in spec.md word for word, `- [ ] T001 [P] [US1] text` becomes a
task. A task of a story satisfies the criteria of that story. All the rest goes to plan.md.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from specweave.files.markdown import Heading
from specweave.operations.adoption import lists, references
from specweave.operations.adoption.draft import Criterion, Draft, Story, Task
from specweave.operations.adoption.items import Item
from specweave.operations.adoption.lists import Found
from specweave.operations.adoption.sources import Material, Source, nothing_in

_STORY = re.compile(r"User Story (?P<number>\d{1,3})\b[\s:\u2013\u2014-]*(?P<title>.*)", re.IGNORECASE)
_PRIORITY = re.compile(r"\s*\(Priority:\s*(P\d)\)", re.IGNORECASE)
_SCENARIOS = re.compile(r"\*\*Acceptance (?:Scenarios|Criteria)\*?\*?:?\*?\*?", re.IGNORECASE)
_REQUIREMENT = re.compile(r"\*\*FR-\d{1,4}")
_SAID_STORY = re.compile(r"\bUser Story (\d{1,3})\b", re.IGNORECASE)
_TAG = re.compile(r"\[(?P<tag>P|US-?(?P<story>\d{1,3}))\][ \t]*", re.IGNORECASE)
_UNNUMBERED = re.compile(r"^TX{2,4}\b[ \t]*")
_TITLE = "Feature Specification:"


def is_one(material: Material) -> bool:
    """Whether a folder is a feature of spec-kit."""
    return bool({"spec.md", "tasks.md"} & material.sources.keys()) and "proposal.md" not in material.sources


def read(material: Material, *, title: str = "") -> Draft:
    """A draft of one feature.

    Raises:
        InvalidInputError: `nothing-to-adopt`, `source-too-large`.
    """
    spec, listed = material.sources.get("spec.md"), material.sources.get("tasks.md")
    named, heading = lists.title_of(spec or next(iter(material.sources.values())), title, prefix=_TITLE)
    stories = tuple(_stories(spec)) if spec else ()
    requirements = tuple(_requirements(spec)) if spec else ()
    found = lists.find(listed) if listed else []
    if not (stories or requirements or found):
        raise nothing_in(material.path)
    tasks, remarks = lists.take(listed, found, _Stories(listed, stories).told) if listed else ((), ())
    if spec and heading:
        spec.take(range(heading.line, heading.body), "title")
    order = sorted(material.sources, key=lambda name: (_ORDER.get(name, len(_ORDER)), name))
    sources = [material.sources[name] for name in order]
    return Draft(
        format="spec-kit",
        source=material.path,
        title=named,
        stories=stories,
        requirements=requirements,
        tasks=tasks,
        passages=tuple(passage for source in sources for passage in source.passages()),
        became=tuple(became for source in sources for became in source.became),
        left=material.left,
        remarks=remarks,
    )


_ORDER = {"plan.md": 0, "spec.md": 1, "tasks.md": 2, "research.md": 3, "data-model.md": 4, "quickstart.md": 5}


class _Stories:
    """What tasks.md says of the story of a task: by its tag, else by the heading that it stands under."""

    def __init__(self, source: Source, stories: tuple[Story, ...]) -> None:
        self._source = source
        self._stories = {_number(story.id): story for story in stories}

    def told(self, found: Found, task: Task) -> Task:
        """The task with its story, criteria and files, without the tags that said so."""
        said = _UNNUMBERED.sub("", task.title)
        tags = list(_tags(said))
        title = said[tags[-1].end() :].strip() if tags else said
        numbers = [int(tag["story"]) for tag in tags if tag["story"]] or self._of_section(found.line)
        story = self._stories.get(numbers[0]) if numbers else None
        return replace(
            task,
            title=title or task.title,
            story=story.id if story else f"US-{numbers[0]:03d}" if numbers else "",
            criteria=tuple(criterion.id for criterion in story.criteria) if story else (),
            files=references.paths_in(title),
            parallel=any(tag["tag"].upper() == "P" for tag in tags),
        )

    def _of_section(self, line: int) -> list[int]:
        around = [heading for heading in self._source.document.headings if heading.line < line < heading.end]
        return [int(match[1]) for heading in reversed(around) if (match := _SAID_STORY.search(heading.text))]


def _tags(title: str) -> Iterator[re.Match[str]]:
    place = 0
    while match := _TAG.match(title, place):
        yield match
        place = match.end()


def _number(story_id: str) -> int:
    return int(story_id.removeprefix("US-"))


def _stories(spec: Source) -> Iterator[Story]:
    seen: set[int] = set()
    for heading in spec.document.headings:
        match = _STORY.fullmatch(heading.text)
        if match is None or int(match["number"]) in seen:
            continue
        number = int(match["number"])
        seen.add(number)
        priority = _PRIORITY.search(match["title"])
        title = _PRIORITY.sub("", match["title"]).strip()
        identifier = f"US-{number:03d}"
        spec.take(range(heading.line, heading.body), identifier)
        criteria = tuple(_scenarios(spec, heading, number))
        body = _body(spec, heading, identifier)
        yield Story(
            identifier,
            (title or f"User story {number}") + (f" ({priority[1].upper()})" if priority else ""),
            body,
            criteria,
            spec.at(heading.line),
        )


def _scenarios(spec: Source, story: Heading, number: int) -> Iterator[Criterion]:
    """The items of the list below **Acceptance Scenarios**."""
    start = next((line for line in range(story.body, story.end) if _SCENARIOS.match(spec.text(line).strip())), None)
    if start is None:
        return
    items = [item for item in spec.items if start < item.line < story.end and item.parent is None]
    for place, item in enumerate(item for item in items if item.group == items[0].group and item.text):
        identifier = f"AC-US{number}-{place + 1:02d}"
        spec.take(range(item.line, item.end), identifier)
        yield Criterion(identifier, _joined(spec, item), spec.at(item.line))
    spec.take([start], "")


def _joined(spec: Source, item: Item) -> str:
    lines = [item.text, *(spec.text(line).strip() for line in range(item.line + 1, item.end))]
    return " ".join(line for line in lines if line)


def _body(spec: Source, heading: Heading, identifier: str) -> tuple[str, ...]:
    """What a story says before its first heading, a rule at its end apart."""
    inner = [other.line for other in spec.document.headings if heading.line < other.line < heading.end]
    last = min([heading.end, *inner])
    lines = [line for line in range(heading.body, last) if not spec.is_taken(line)]
    while lines and spec.text(lines[-1]).strip() in {"", "---", "***"}:
        spec.take([lines.pop()], "")
    while lines and not spec.text(lines[0]).strip():
        lines.pop(0)
    spec.take(lines, identifier)
    return tuple(spec.text(line) for line in lines)


def _requirements(spec: Source) -> Iterator[str]:
    for item in spec.items:
        if item.parent is None and _REQUIREMENT.match(item.text) and not spec.is_taken(item.line):
            said = re.match(r"\*\*([\w-]+)", item.text)
            spec.take(range(item.line, item.end), f"{said[1] if said else 'requirement'} in spec.md")
            yield from (spec.text(line) for line in range(item.line, item.end))
