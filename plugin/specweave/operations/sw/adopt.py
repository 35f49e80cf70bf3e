"""`sw adopt`: an increment from what other tools or people wrote."""

from typing import Annotated

from pydantic import Field

from specweave.command import (
    Annotations,
    Command,
    CommittingRequest,
    CommittingResult,
    Context,
    IncrementType,
    Positional,
)
from specweave.operations.adoption_report import AdoptionReport


class AdoptRequest(CommittingRequest):
    """What is adopted, and what the increment is called."""

    source: Annotated[str, Positional()] = Field(
        description="File with a list of tasks, feature folder of spec-kit, or folder of an OpenSpec change."
    )
    title: str | None = Field(None, description="Title, or an id that is free; by default what the source says.")
    type: IncrementType = Field("feature", description="What it is; not deployment, which has tasks of its own.")
    links: tuple[str, ...] = Field((), description="Increments that this one builds upon: number, folder or prefix.")
    dry_run: bool = Field(False, description="Show what would become what, write nothing.")


class AdoptResult(CommittingResult):
    """The increment that was made; in a dry run, what it would be made of."""

    increment: str | None = Field(description="None in a dry run.")
    number: str | None
    title: str
    folder: str | None
    report: AdoptionReport
    revision: str | None

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        if self.increment is None:
            lines = [f"Would adopt `{self.report.source}` as “{self.title}”.", "", *self.report.lines()]
            return "\n".join([*lines, "", "Next: the same without --dry-run makes the increment."])
        lines = [f"Created `{self.increment}` in {self.folder}.", "", *self.report.lines()]
        if committed := self.commit_lines():
            lines += ["", *committed]
        return "\n".join(
            [*lines, "", f"Next: review its documents, `/sw:validate {self.number}`, then `/sw:do {self.number}`."]
        )


def run(request: AdoptRequest, context: Context) -> AdoptResult:
    """Make an increment of a list of tasks, a feature of spec-kit or a change of OpenSpec, and leave those as they are.

    Raises:
        InvalidInputError: `nothing-to-adopt`, `source-not-text`, `source-too-large`, `source-has-conflicts`,
            `source-is-increment`, `document-too-large`, `path-outside-project`, `type-not-adoptable`,
            `increment-name-invalid`.
        NotFoundError: `source-not-found`, `source-ambiguous`; a link names no increment.
        ConflictError: `increment-exists`, `project-locked`.
        SpecweaveError: with `commit`, what `commits` says.
    """
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations import committing  # noqa: PLC0415 - as above
    from specweave.operations.adoption import adopting  # noqa: PLC0415 - as above
    from specweave.operations.adoption_report import report_of  # noqa: PLC0415 - as above

    adopting.require_adoptable(request.type)
    draft = adopting.read(context.project, request.source)
    report = report_of(draft)
    name = request.title or adopting.name_of(draft)
    links = tuple(store.find(context.project, link).id for link in request.links)
    if request.dry_run:
        return AdoptResult(increment=None, number=None, title=name, folder=None, report=report, revision=None)
    committing.check_if_asked(request, context.project)
    also = committing.first_files(context.project)
    increment = adopting.create(context, draft, name=name, kind=request.type, links=links)
    commit = committing.commit_if_asked(request, increment, f"adopted {draft.source}", also=also)
    return AdoptResult(
        increment=increment.id,
        number=increment.number,
        title=increment.metadata().title,
        folder=context.project.relative(increment.folder),
        report=report,
        revision=store.revision(increment),
        commit=commit,
        uncommitted=committing.why_not(request, increment, commit),
    )


COMMAND = Command(
    group="sw",
    name="adopt",
    request=AdoptRequest,
    result=AdoptResult,
    run=run,
    annotations=Annotations(),
    examples=(
        "todo.md",
        "specs/001-photo-albums --dry-run",
        "openspec/changes/add-two-factor-auth --title 'Two factors'",
    ),
)
