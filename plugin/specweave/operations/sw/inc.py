"""`sw inc`: a new increment."""

from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from specweave.increments.store import Increment


class IncRequest(CommittingRequest):
    """What the increment is called, and what it is."""

    title: Annotated[str, Positional()] = Field(
        description="Title, such as 'Deploy the credit model', or an id that is free, such as 0043-deploy-credit-model."
    )
    type: IncrementType | None = Field(
        None, description="What it is; by default deployment where the name begins with deploy, else feature."
    )
    links: tuple[str, ...] = Field((), description="Increments that this one builds upon: number, folder or prefix.")
    from_: str | None = Field(
        None,
        alias="from",
        description="List of tasks, feature folder of spec-kit or folder of an OpenSpec change to take over.",
    )
    branch: bool = Field(
        False, description="Make a git branch of its name too, at the present commit, and switch to it."
    )


class IncResult(CommittingResult):
    """The increment that was made."""

    increment: str
    number: str
    type: str
    title: str
    folder: str
    files: list[str]
    branch: str | None = Field(description="The git branch that was made for it.")
    adopted: AdoptionReport | None = Field(None, description="What was taken over, where something was named.")
    revision: str

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        lines = [f"Created `{self.increment}` ({self.type}) in {self.folder}: {', '.join(self.files)}"]
        lines += [f"On the git branch `{self.branch}`."] if self.branch else []
        lines += [*self.commit_lines(), ""]
        if self.adopted:
            lines += [*self.adopted.lines(), ""]
        if self.type == "deployment":
            lines.append(
                f"Next: `/ml:deploy-prepare {self.number} --model FILE --data FILE` makes its package and service."
            )
        else:
            lines.append(f"Next: fill in spec.md, plan.md and tasks.md, then `/sw:do {self.number}`.")
        return "\n".join(lines)


def run(request: IncRequest, context: Context) -> IncResult:
    """Create an increment.

    Raises:
        InvalidInputError: `increment-name-invalid`; with `from`, what /sw:adopt raises.
        NotFoundError: a link names no increment.
        ConflictError: `increment-exists`, `project-locked`.
        SpecweaveError: with `branch` and `commit` what `branches` and `commits` say.
    """
    from specweave.increments import branches, names, store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations import committing  # noqa: PLC0415 - as above

    committing.check_if_asked(request, context.project)
    also = committing.first_files(context.project)
    if request.branch:
        branches.require_branchable(context.project, _expected_id(request.title, context))
    links = tuple(store.find(context.project, link).id for link in request.links)
    if request.from_ is None:
        kind, report = request.type or names.type_of(request.title), None
        increment = store.create(context, request.title, kind=kind, links=links)
    else:
        increment, report = _adopted(request, context, links)
    if request.branch:
        branches.switch_to_new(increment)
    metadata = increment.metadata()
    commit = committing.commit_if_asked(request, increment, "created", also=also)
    return IncResult(
        increment=increment.id,
        number=increment.number,
        type=metadata.type,
        title=metadata.title,
        folder=context.project.relative(increment.folder),
        files=[name for name in ("spec.md", "plan.md", "tasks.md") if (increment.folder / name).is_file()],
        branch=increment.id if request.branch else None,
        adopted=report,
        revision=store.revision(increment),
        commit=commit,
        uncommitted=committing.why_not(request, increment, commit),
    )


def _adopted(request: IncRequest, context: Context, links: tuple[str, ...]) -> "tuple[Increment, AdoptionReport]":
    from specweave.operations.adoption import adopting  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations.adoption_report import report_of  # noqa: PLC0415 - as above

    kind = request.type or "feature"
    adopting.require_adoptable(kind)
    draft = adopting.read(context.project, request.from_ or "")
    return adopting.create(context, draft, name=request.title, kind=kind, links=links), report_of(draft)


def _expected_id(title: str, context: Context) -> str:
    from specweave.increments import names, store  # noqa: PLC0415 - a listing must stay cheap

    wanted = names.parse_id(title.strip())
    number, slug = wanted or (int(store.next_number(context.project)), names.slug_of(title))
    return f"{number:04d}-{slug}"


COMMAND = Command(
    group="sw",
    name="inc",
    request=IncRequest,
    result=IncResult,
    run=run,
    annotations=Annotations(),
    examples=('"Deploy the credit model"', "0043-deploy-credit-model", '"Slow start of the service" --type bug'),
)
