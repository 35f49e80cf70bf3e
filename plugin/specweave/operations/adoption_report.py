"""What a command that adopts says of it: which line became what, and what was not understood."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from specweave.operations.counting import counted

if TYPE_CHECKING:
    from specweave.operations.adoption.draft import Draft

_SHOWN = 30
_SHOWN_CHARACTERS = 100
_NAMES = {"tasks": "a list of tasks", "spec-kit": "spec-kit", "openspec": "OpenSpec"}


class AdoptedLine(BaseModel):
    """A line of a source, and what it became."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(description="File and line, relative to the project.")
    text: str
    became: str = Field(description="Id of the story, criterion or task, or a part of a document.")


class KeptPassage(BaseModel):
    """Lines that were not understood and stand word for word in plan.md."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(description="File and first line, relative to the project.")
    lines: int


class AdoptionReport(BaseModel):
    """What was made of the sources."""

    model_config = ConfigDict(extra="forbid")

    format: str
    source: str
    stories: int
    criteria: int
    tasks: int
    became: list[AdoptedLine]
    kept: list[KeptPassage]
    left: list[str] = Field(description="Files that are no text documents; they stay where they are.")
    remarks: list[str] = Field(description="What a person should look at, one sentence each.")

    def lines(self) -> list[str]:
        """The report in lines of markdown."""
        counts = f"{counted(self.stories, 'story', 'stories')}, {counted(self.criteria, 'criterion', 'criteria')}, "
        counts += counted(self.tasks, "task")
        lines = [f"From `{self.source}` ({_NAMES[self.format]}): {counts}."]
        shown = self.became[:_SHOWN]
        lines += ["", *(f"- {line.source} → {line.became}: {line.text}" for line in shown)] if shown else []
        if len(self.became) > len(shown):
            lines.append(f"- and {len(self.became) - len(shown)} more")
        if self.kept:
            places = ", ".join(f"{passage.source} ({passage.lines})" for passage in self.kept[:_SHOWN])
            more = f" and {counted(len(self.kept) - _SHOWN, 'more place')}" if len(self.kept) > _SHOWN else ""
            lines += ["", f"Word for word in plan.md (lines): {places}{more}"]
        if self.left:
            lines += ["", f"Left where they are: {', '.join(self.left[:_SHOWN])}"]
        return [*lines, *([""] if self.remarks else []), *(f"- {remark}" for remark in self.remarks[:_SHOWN])]


def report_of(draft: "Draft") -> AdoptionReport:
    """The report of a draft."""
    return AdoptionReport(
        format=draft.format,
        source=draft.source,
        stories=len(draft.stories),
        criteria=sum(len(story.criteria) for story in draft.stories),
        tasks=len(draft.tasks),
        became=[AdoptedLine(source=line.source, text=_short(line.text), became=line.became) for line in draft.became],
        kept=[KeptPassage(source=passage.source, lines=len(passage.lines)) for passage in draft.passages],
        left=list(draft.left),
        remarks=list(draft.remarks),
    )


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
