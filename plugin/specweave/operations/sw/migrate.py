"""`sw migrate`: increments of SpecWeave's own generations, brought to this format where they lie."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from specweave.command import (
    Annotations,
    Command,
    CommittingRequest,
    CommittingResult,
    Context,
    IncrementName,
    Progress,
)
from specweave.errors import InvalidInputError, SpecweaveError
from specweave.operations.counting import counted

if TYPE_CHECKING:
    from specweave.increments.store import Increment
    from specweave.operations.migration.migrating import Migrated
    from specweave.operations.migration.planning import Plan

_SHOWN = 40
_SHOWN_CHARACTERS = 200


class MigrateRequest(CommittingRequest):
    """Which increments."""

    increment: IncrementName = None
    all: bool = Field(False, description="Every increment that is not archived.")
    dry_run: bool = Field(False, description="Show each change with its diff, write nothing.")


class LineOfMigration(BaseModel):
    """A line that changes."""

    model_config = ConfigDict(extra="forbid")

    target: str = Field(description="file:line of the file as it was; the file alone where it is made.")
    before: str | None = Field(description="None for a line that is added above it.")
    after: str | None = Field(description="None for a line that goes, or moves to another file.")
    reason: str


class LeftAlone(BaseModel):
    """Something that could not be read, and stays as it is."""

    model_config = ConfigDict(extra="forbid")

    target: str = Field(description="file:line, or the file alone.")
    message: str


class MigratedFile(BaseModel):
    """One file; the difference in a dry run only."""

    model_config = ConfigDict(extra="forbid")

    path: str
    made: bool = Field(description="There was no such file.")
    diff: str = ""


class MigratedIncrement(BaseModel):
    """One increment.

    Attributes:
        generation: `0.23`, `1.x`, `2.x`, `3.0`; empty for one that is ours already.
        originals: copies of what git does not have as it was, relative to the increment; none where git has it all.
        error: why it could not be migrated; empty where it was.
    """

    model_config = ConfigDict(extra="forbid")

    increment: str
    generation: str
    files: list[MigratedFile]
    changes: list[LineOfMigration]
    left_alone: list[LeftAlone]
    originals: list[str]
    error: str = ""
    revision: str
    commit: str | None = None

    def lines(self, *, dry_run: bool) -> list[str]:
        """It in lines of markdown."""
        if self.error:
            return [f"- `{self.increment}`: {self.error}"]
        if not self.generation:
            return [f"- `{self.increment}`: ours already, nothing to do"]
        files = ", ".join(file.path for file in self.files)
        made = f", committed as `{self.commit[:7]}`" if self.commit else ""
        lines = [f"- `{self.increment}` ({self.generation}): {'would change' if dry_run else 'changed'} {files}{made}"]
        lines += [f"  - {change.target}: {_said(change)}" for change in self.changes[:_SHOWN]]
        hidden = len(self.changes) - _SHOWN
        lines += [f"  - and {counted(hidden, 'more line')}"] if hidden > 0 else []
        lines += [f"  - left alone: {left.target}: {left.message}" for left in self.left_alone[:_SHOWN]]
        hidden = len(self.left_alone) - _SHOWN
        lines += [f"  - and {hidden} more left alone"] if hidden > 0 else []
        if self.originals:
            lines.append(f"  - originals: {', '.join(self.originals)}")
        elif not dry_run:
            lines.append("  - originals: in git, as the last commit has them")
        for file in self.files:
            if file.diff:
                fence = "`" * max(3, _longest_run(file.diff) + 1)
                lines += ["", f"{fence}diff", file.diff.rstrip("\n"), fence]
        return lines


class MigrateResult(CommittingResult):
    """What was brought to this format; `passed` is false where an increment could not be."""

    dry_run: bool
    increments: list[MigratedIncrement]
    commits: list[str] = Field([], description="The git commits that were made, one for each increment; see `commit`.")

    def commit_lines(self) -> list[str]:
        """What is said of the commits, of which each increment has its own: a line of markdown, none without one."""
        made = [f"`{commit[:7]}`" for commit in self.commits]
        return [f"Committed as {', '.join(made)}."] if made else super().commit_lines()

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        if not self.increments:
            return 'No increments yet.\n\nNext: `/sw:inc "Deploy the model"` makes one.'
        lines = [line for one in self.increments for line in one.lines(dry_run=self.dry_run)]
        changing = [one for one in self.increments if one.generation and not one.error]
        if self.dry_run and changing:
            following = "Next: the same without --dry-run makes these changes."
        elif changing:
            following = "Next: review the changes in git, then `/sw:validate --all`."
        else:
            following = "Next: `/sw:status`."
        return "\n".join([*lines, *self.commit_lines(), "", following])


def run(request: MigrateRequest, context: Context) -> MigrateResult:
    """Bring one increment or all of them to this format; what is ours stays as it is.

    Raises:
        NotFoundError: `increment-not-found`, `increment-ambiguous`.
        InvalidInputError: `argument-invalid` for an increment together with `all`; for one increment what cannot be
            read, such as `metadata-invalid` and `metadata-newer`. With `all` that is said of the increment.
        HostError: a file cannot be written; run it again then, it goes on.
        ConflictError: `project-locked`.
        SpecweaveError: with `commit`, what `commits` says.
    """
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations import committing  # noqa: PLC0415 - as above

    if request.all and request.increment is not None:
        raise InvalidInputError(
            "argument-invalid", "an increment is named, and all are asked for", next_step="leave out one of the two"
        )
    chosen = store.list_all(context.project) if request.all else [store.find(context.project, request.increment)]
    if not request.dry_run:
        committing.check_if_asked(request, context.project)
    found = []
    for number, increment in enumerate(chosen):
        context.report(Progress(f"migrating {increment.id}", number / len(chosen)))
        try:
            found.append(_one(increment, request, context))
        except SpecweaveError as error:
            if not request.all:
                raise
            found.append(_failed(increment, error))
    commits = [one.commit for one in found if one.commit]
    missing = committing.why_not(request, chosen[-1], None) if chosen and not commits else ""
    return MigrateResult(
        passed=not any(one.error for one in found),
        dry_run=request.dry_run,
        increments=found,
        commits=commits,
        commit=commits[-1] if commits else None,
        uncommitted=missing,
    )


def _one(increment: "Increment", request: MigrateRequest, context: Context) -> MigratedIncrement:
    from specweave.operations import committing  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations.migration import migrating  # noqa: PLC0415 - as above

    if request.dry_run:
        return _said_of(migrating.Migrated(migrating.plan(increment, context), ()), diffs=True)
    staged = committing.check_if_asked(request, context.project, increment)
    done = migrating.migrate(increment, context)
    said = _said_of(done, diffs=False)
    if not done.plan.files:
        return said
    commit = committing.commit_if_asked(request, increment, f"migrated from SpecWeave {done.plan.generation}", staged)
    return said.model_copy(update={"commit": commit})


def _said_of(done: "Migrated", *, diffs: bool) -> MigratedIncrement:
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap

    plan = done.plan
    return MigratedIncrement(
        increment=plan.increment.id,
        generation=plan.generation,
        files=[
            MigratedFile(path=file.name, made=file.before is None, diff=_diff(plan, file.name) if diffs else "")
            for file in plan.files
        ],
        changes=[
            LineOfMigration(
                target=_target(change.file, change.line),
                before=_shown(change.before),
                after=_shown(change.after),
                reason=change.reason,
            )
            for change in plan.changes
        ],
        left_alone=[LeftAlone(target=_target(left.file, left.line), message=left.message) for left in plan.notices],
        originals=list(done.copies),
        revision=store.revision(plan.increment),
    )


def _failed(increment: "Increment", error: SpecweaveError) -> MigratedIncrement:
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap

    return MigratedIncrement(
        increment=increment.id,
        generation="",
        files=[],
        changes=[],
        left_alone=[],
        originals=[],
        error=f"{error.message} ({error.code})" + (f"; {error.next_step}" if error.next_step else ""),
        revision=store.revision(increment),
    )


def _diff(plan: "Plan", name: str) -> str:
    from difflib import unified_diff  # noqa: PLC0415 - a listing must stay cheap

    file = next(file for file in plan.files if file.name == name)
    before = (file.before or b"").decode("utf-8", "replace").splitlines(keepends=True)
    after = file.after.decode("utf-8", "replace").splitlines(keepends=True)
    lines = unified_diff(before, after, f"a/{name}" if file.before is not None else "/dev/null", f"b/{name}")
    return "".join(line if line.endswith(("\n", "\r")) else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _target(file: str, line: int | None) -> str:
    return file if line is None else f"{file}:{line}"


def _shown(text: str | None) -> str | None:
    from specweave.files.markdown import readable  # noqa: PLC0415 - a listing must stay cheap

    plain = None if text is None else readable(text)
    return plain if plain is None or len(plain) <= _SHOWN_CHARACTERS else plain[: _SHOWN_CHARACTERS - 1] + "…"


def _said(change: LineOfMigration) -> str:
    if change.before is None and change.after is None:
        return change.reason
    if "" in {change.before, change.after}:
        return f"{'adds' if change.before is None else 'takes out'} a blank line ({change.reason})"
    if change.before is None:
        return f"adds `{change.after}` ({change.reason})"
    if change.after is None:
        return f"takes out `{change.before}` ({change.reason})"
    return f"`{change.before}` → `{change.after}` ({change.reason})"


def _longest_run(text: str) -> int:
    import re  # noqa: PLC0415 - a listing must stay cheap

    return max((len(run) for run in re.findall("`+", text)), default=0)


COMMAND = Command(
    group="sw",
    name="migrate",
    request=MigrateRequest,
    result=MigrateResult,
    run=run,
    annotations=Annotations(destructive=True, idempotent=True),
    examples=("--all --dry-run", "0042", "--all"),
)
