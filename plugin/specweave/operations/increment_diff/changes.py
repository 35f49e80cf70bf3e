"""The parts of a difference, as results carry them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["added", "removed", "changed"]
Origin = Literal["document", "evidence", "generated", "edited", "by-hand"]


class Part(BaseModel):
    """A part of a result."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ValueChange(Part):
    """A value before and after, as text; empty where there was none."""

    name: str
    before: str
    after: str


class ItemChange(Part):
    """What became of a story, a criterion or a task."""

    id: str
    title: str
    change: Literal["added", "removed", "renamed", "changed"] = Field(
        description="Renamed: only its title or its id is another, see values."
    )
    values: list[ValueChange] = Field(default=[], description="What of it changed: title, text, dependencies, command.")


class Move(Part):
    """A step of the life cycle."""

    at: str
    before: str
    after: str
    reason: str = ""
    by: str = ""


class TaskState(Part):
    """How a task stood and stands."""

    task: str
    title: str
    before: str = Field(description="Empty for a task that was not there.")
    after: str = Field(description="Empty for a task that is no longer there.")
    why: str = ""


class ReportChange(Part):
    """A report that was added, removed or edited since."""

    report: str = Field(description="Path of its page, relative to the increment.")
    change: Kind
    operation: str
    command: str
    passed: bool


class DocumentChange(Part):
    """A document, and the headings below which its text changed."""

    path: str
    change: Kind
    sections: list[str]


class ChangedFile(Part):
    """A file of the increment."""

    path: str = Field(description="Relative to the increment.")
    change: Kind
    origin: Origin = Field(description="Generated: as the generator left it; edited: generated, then changed by hand.")
    kind: str = Field("", description="What generated it; its folder, where nobody did.")
    lines_added: int | None = Field(None, description="None for what is no text.")
    lines_removed: int | None = None


class FileLines(Part):
    """The lines of a file that changed, as a unified diff."""

    path: str
    diff: str
    left_out: int = Field(0, description="Lines of the diff that are not shown.")


class Difference(Part):
    """All that changed, by meaning."""

    status: ValueChange | None = None
    moves: list[Move] = []
    stories: list[ItemChange] = []
    criteria: list[ItemChange] = []
    tasks: list[ItemChange] = []
    task_states: list[TaskState] = []
    evidence: list[ReportChange] = []
    settings: list[ValueChange] = []
    documents: list[DocumentChange] = []
    files: list[ChangedFile] = []
    problems: list[str] = Field(default=[], description="What could not be read, one sentence each.")
