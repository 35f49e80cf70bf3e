"""Reading a change of OpenSpec: `openspec/changes/<name>/` with proposal.md, tasks.md, design.md and specs/*/spec.md.

Format: Fission-AI/OpenSpec, `openspec/AGENTS.md`. Each `### Requirement: …` of a delta becomes a story and each
`#### Scenario: …` below it a criterion in the words Given, When, Then. What proposal.md says under Why opens spec.md;
the rest of it, design.md and renamed requirements go to plan.md.
"""

import re
from collections.abc import Iterator

from specweave.files.markdown import Heading
from specweave.increments import names
from specweave.operations.adoption import lists
from specweave.operations.adoption.draft import Criterion, Draft, Story
from specweave.operations.adoption.sources import Material, Source, nothing_in, too_many
from specweave.operations.counting import counted

MOST_STORIES = 200

_DELTA = re.compile(r"(?P<kind>ADDED|MODIFIED|REMOVED|RENAMED) Requirements", re.IGNORECASE)
_REQUIREMENT = re.compile(r"Requirement:\s*(?P<name>.+)", re.IGNORECASE)
_SCENARIO = re.compile(r"Scenario:\s*(?P<name>.*)", re.IGNORECASE)
_STEP = re.compile(r"\*{0,2}(?P<word>GIVEN|WHEN|THEN|AND|BUT)\b\*{0,2}:?\*{0,2}\s*(?P<text>.*)", re.IGNORECASE)
_SPEC = re.compile(r"specs/(?P<capability>.+)/spec\.md")


def is_one(material: Material) -> bool:
    """Whether a folder is a change of OpenSpec."""
    deltas = any(_SPEC.fullmatch(name) for name in material.sources)
    return "proposal.md" in material.sources or (deltas and "tasks.md" in material.sources)


def read(material: Material, *, title: str = "") -> Draft:
    """A draft of one change.

    Raises:
        InvalidInputError: `nothing-to-adopt`, `source-too-large`.
    """
    stories: list[Story] = []
    for name, source in material.sources.items():
        if match := _SPEC.fullmatch(name):
            stories += _stories(source, match["capability"], len(stories))
    listed = material.sources.get("tasks.md")
    found = lists.find(listed) if listed else []
    if not (stories or found):
        raise nothing_in(material.path)
    tasks, remarks = lists.take(listed, found) if listed else ((), ())
    proposal = material.sources.get("proposal.md")
    order = sorted(material.sources, key=lambda name: (_ORDER.get(name, len(_ORDER)), name))
    introduction = tuple(_why(proposal)) if proposal else ()
    named = title or _title(material, proposal)
    sources = [material.sources[name] for name in order]
    unlinked = (
        [f"no task says which of the {counted(len(stories), 'story', 'stories')} it belongs to"]
        if stories and tasks
        else []
    )
    return Draft(
        format="openspec",
        source=material.path,
        title=named,
        introduction=introduction,
        stories=tuple(stories),
        tasks=tasks,
        passages=tuple(passage for source in sources for passage in source.passages()),
        became=tuple(became for source in sources for became in source.became),
        left=material.left,
        remarks=(*remarks, *unlinked),
    )


_ORDER = {"proposal.md": 0, "design.md": 1, "tasks.md": 2}


def _title(material: Material, proposal: Source | None) -> str:
    first = next((heading for heading in proposal.document.headings if heading.level == 1), None) if proposal else None
    if proposal and first:
        proposal.take(range(first.line, first.body), "title")
        said = re.sub(r"^(?:Change|Proposal)(?: Proposal)?:\s*", "", first.text, flags=re.IGNORECASE)
        if names.clean_title(said):
            return names.clean_title(said)
    folder = material.path.rpartition("/")[2]
    return names.title_of(folder.replace("_", "-"))


def _why(proposal: Source) -> Iterator[str]:
    for heading in proposal.document.headings:
        if heading.level > 1 and heading.text.strip().lower() == "why":
            lines = range(heading.line, heading.end)
            proposal.take(lines, "introduction of spec.md")
            said = [proposal.text(line) for line in lines[heading.body - heading.line :]]
            while said and not said[-1].strip():
                said.pop()
            while said and not said[0].strip():
                said.pop(0)
            yield from said
            return


def _stories(source: Source, capability: str, before: int) -> Iterator[Story]:
    delta = None
    number = before
    headings = source.document.headings
    count = before + sum(_REQUIREMENT.fullmatch(heading.text) is not None for heading in headings)
    if count > MOST_STORIES:
        raise too_many(source.path, count, "requirements", MOST_STORIES)
    for heading in headings:
        if heading.level <= 2 and (match := _DELTA.fullmatch(heading.text.strip())):  # noqa: PLR2004 - ## of the format
            delta = match["kind"].upper()
            if delta != "RENAMED":
                source.take(range(heading.line, heading.body), "")
        elif heading.level <= 2:  # noqa: PLR2004 - as above
            delta = None
        elif delta != "RENAMED" and (match := _REQUIREMENT.fullmatch(heading.text)):
            number += 1
            yield _story(source, heading, match["name"].strip(), number, f"{capability}, {(delta or 'STATED').lower()}")


def _story(source: Source, heading: Heading, name: str, number: int, said: str) -> Story:
    identifier = f"US-{number:03d}"
    source.take(range(heading.line, heading.body), identifier)
    scenarios = [
        (other, match["name"].strip())
        for other in source.document.headings
        if heading.line < other.line < heading.end and (match := _SCENARIO.fullmatch(other.text))
    ]
    inner = [other.line for other in source.document.headings if heading.line < other.line < heading.end]
    body = range(heading.body, min([heading.end, *inner]))
    source.take(body, identifier)
    criteria: list[Criterion] = []
    for scenario, title in scenarios:
        criterion = f"AC-US{number}-{len(criteria) + 1:02d}"
        if text := _criterion(source, scenario, title, criterion):
            criteria.append(Criterion(criterion, text, source.at(scenario.line)))
    title = f"Remove: {name}" if said.endswith("removed") else name
    lines = [source.text(line) for line in body]
    while lines and not lines[-1].strip():
        lines.pop()
    while lines and not lines[0].strip():
        lines.pop(0)
    return Story(identifier, title, (f"**Capability**: {said}", "", *lines), tuple(criteria), source.at(heading.line))


def _criterion(source: Source, scenario: Heading, title: str, identifier: str) -> str:
    """One sentence from the steps of a scenario; empty for one without steps, which goes to plan.md as it is."""
    inside = (item for item in source.items if scenario.body <= item.line < scenario.end and item.parent is None)
    steps = [(item, match) for item in inside if (match := _STEP.fullmatch(item.text))]
    if not steps:
        return ""
    source.take(range(scenario.line, scenario.body), identifier)
    parts = []
    for item, match in steps:
        source.take(range(item.line, item.end), identifier)
        rest = [source.text(line).strip() for line in range(item.line + 1, item.end)]
        said = " ".join(part for part in (match["text"].strip(), *rest) if part).rstrip(" ,;")
        parts.append(f"{match['word'].lower()} {said}".rstrip())
    sentence = ", ".join(parts)
    return (f"{title}: " if title else "") + sentence[0].upper() + sentence[1:]
