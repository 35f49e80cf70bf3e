"""An increment before it has a number: what was understood of the sources, and what was not."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Format = Literal["tasks", "spec-kit", "openspec"]
Mark = Literal[" ", "x", "~", "-"]


@dataclass(frozen=True, slots=True)
class Criterion:
    """An acceptance criterion.

    Attributes:
        id: `AC-US1-01`.
        text: one line of markdown.
        source: where it stands, `specs/001-login/spec.md:12`.
    """

    id: str
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Story:
    """A user story.

    Attributes:
        id: `US-001`.
        title: one line of markdown.
        body: lines of markdown below its heading, word for word.
        criteria: in order.
        source: where it stands.
    """

    id: str
    title: str
    body: tuple[str, ...]
    criteria: tuple[Criterion, ...]
    source: str


class Section(NamedTuple):
    """A heading above tasks.

    Attributes:
        text: one line of markdown.
        line: in its source, from 0; two sections may have one name.
    """

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Task:
    """A task.

    Attributes:
        id: `T-001`.
        title: one line of markdown.
        mark: what its box says.
        source: where it stands.
        original: what the source calls it, `T001` or `1.2`; empty where it has no name.
        section: heading that it stands under, None for none.
        story: id of its story, empty for none.
        criteria: ids of criteria that it satisfies.
        dependencies: ids of tasks that the source says it waits for.
        files: paths that it changes.
        parallel: the source says that it may be done beside others.
        part_of: id of the task that it is a step of, empty for none.
        details: lines of markdown that belong to it, word for word.
        level: of its heading, 2 to 6.
        trusted: its details may hold fields of ours, such as **Run**: the source is a tasks.md like ours.
    """

    id: str
    title: str
    mark: Mark
    source: str
    original: str = ""
    section: Section | None = None
    story: str = ""
    criteria: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    parallel: bool = False
    part_of: str = ""
    details: tuple[str, ...] = ()
    level: int = 3
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """Lines of a source that go word for word into plan.md.

    Attributes:
        source: where they begin.
        lines: without their line ends.
    """

    source: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Became:
    """What a line of a source became.

    Attributes:
        source: where it stands.
        text: what it says, one line.
        became: `US-001`, `AC-US1-01`, `T-001`, or a part of a document.
    """

    source: str
    text: str
    became: str


@dataclass(frozen=True, slots=True)
class Draft:
    """All of it.

    Attributes:
        format: which reader made it.
        source: the file or folder, relative to the project.
        title: of the increment.
        introduction: lines of markdown for the head of spec.md, word for word.
        stories: in order.
        requirements: lines of markdown for spec.md, word for word.
        tasks: in order.
        passages: what was not understood.
        became: one for each story, criterion and task, and for each line that went elsewhere.
        left: files that are no markdown and stay where they are.
        remarks: what a person should look at, one sentence each.
    """

    format: Format
    source: str
    title: str
    introduction: tuple[str, ...] = ()
    stories: tuple[Story, ...] = ()
    requirements: tuple[str, ...] = ()
    tasks: tuple[Task, ...] = ()
    passages: tuple[Passage, ...] = ()
    became: tuple[Became, ...] = ()
    left: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
