"""`sw diff`: what became of an increment since a git revision."""

from typing import TYPE_CHECKING

from pydantic import Field

from specweave.command import Annotations, Command, Context, IncrementName, Request, Result
from specweave.errors import SpecweaveError
from specweave.operations.increment_diff.changes import Difference, FileLines

if TYPE_CHECKING:
    from specweave.increments.store import Increment


class DiffRequest(Request):
    """Which increment, and what it is compared with."""

    increment: IncrementName = None
    against: str | None = Field(
        None, description="A git revision, such as main, v1.2 or HEAD~3; by default HEAD, so what is not committed."
    )
    merge_base: bool = Field(
        False,
        description="Compare with where this branch left that revision, by default the default branch: as a "
        "pull request does.",
    )
    lines: int = Field(
        400, ge=0, le=20_000, description="Changed lines that are shown at most; 0 for the meaning alone."
    )


class DiffResult(Result):
    """What changed: by meaning, then by lines."""

    increment: str
    title: str
    against: str = Field(description="What it was compared with, in words.")
    commit: str | None = Field(description="That commit; none in a repository without one.")
    new: bool = Field(description="Whether the increment was not there.")
    was: str | None = Field(description="Its folder then, in the repository, where that is another.")
    difference: Difference
    lines: list[FileLines]
    unshown: list[str] = Field(description="Files whose lines are not shown at all.")
    merge_base_differs: bool = Field(description="Whether a comparison with `merge_base` would show more.")

    def text(self) -> str:
        """The result in markdown that can stand in a pull request."""
        from specweave.files.quoting import code_span, markdown  # noqa: PLC0415 - a listing must stay cheap
        from specweave.operations.increment_diff import page  # noqa: PLC0415 - a listing must stay cheap

        number = self.increment.partition("-")[0]
        lines = [
            f"### {self.increment}: {markdown(self.title)}",
            "",
            f"Compared with {page.compared_with(self.against, self.commit)}.",
        ]
        lines += [f"It lay in {code_span(self.was)}."] if self.was else []
        meaning = page.meaning(self.difference, new=self.new)
        if not meaning:
            lines += ["", "Nothing changed."]
            if self.merge_base_differs:
                lines += ["", f"Next: `/sw:diff {number} --merge-base` compares with where this branch began."]
            return "\n".join(lines)
        changed = page.lines_of(self.lines, self.unshown)
        lines += [
            "",
            *(["It is new.", ""] if self.new else []),
            *meaning,
            *(["**Lines**", "", *changed] if changed else []),
        ]
        return "\n".join(lines).rstrip()


def run(request: DiffRequest, context: Context) -> DiffResult:
    """Compare an increment as it lies here with the one that git has.

    Raises:
        NotFoundError: the increment, `repository-missing`, `revision-unknown`, `merge-base-missing`,
            `default-branch-unknown`.
        InvalidInputError: `revision-invalid`, `increment-ignored`.
        HostError: `repository-not-owned`, `program-missing`.
    """
    from specweave.increments import git_program, store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations.increment_diff import comparison, excerpt, revisions, sides  # noqa: PLC0415 - as above

    increment = store.find(context.project, request.increment, archived=request.increment is not None)
    with git_program.required(increment.folder.resolve()) as repository:
        base = revisions.base(repository, request.against, merge_base=request.merge_base)
        with sides.opened(repository, base, increment) as both:
            difference = comparison.compare(both)
            shown = excerpt.lines(both, difference.files, request.lines)
            there = increment.folder.resolve().relative_to(both.index.top).as_posix()
            was = both.was if both.was != there else None
        offered = not both.changed and not request.merge_base and request.against is None
        differs = offered and revisions.merge_base_differs(repository, base)
    return DiffResult(
        increment=increment.id,
        title=_title(increment),
        against=base.name,
        commit=base.commit,
        new=both.before is None,
        was=was,
        difference=difference,
        lines=shown.files,
        unshown=shown.unshown,
        merge_base_differs=differs,
    )


def _title(increment: "Increment") -> str:
    try:
        return increment.metadata().title or increment.id
    except SpecweaveError:
        return increment.id  # what is wrong with it is among the problems


COMMAND = Command(
    group="sw",
    name="diff",
    request=DiffRequest,
    result=DiffResult,
    run=run,
    annotations=Annotations(read_only=True, idempotent=True),
    examples=("0043", "0043 --against main", "0043 --merge-base --lines 0"),
)
