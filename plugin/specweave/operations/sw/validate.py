"""`sw validate`: what is wrong with an increment, rule by rule, and how to mend it."""

from collections.abc import Iterable, Iterator, Sequence
from posixpath import normpath
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from specweave.command import Annotations, Command, Context, IncrementName, Progress, Request, Result
from specweave.errors import InvalidInputError, NotFoundError
from specweave.operations.counting import counted

if TYPE_CHECKING:
    from specweave.increments.store import Increment


class ValidateRequest(Request):
    """Which increment, and what fails."""

    increment: IncrementName = None
    all: bool = Field(False, description="Every increment that is not archived.")
    strict: bool = Field(False, description="Warnings fail as errors do.")
    limit: int = Field(100, ge=1, le=10_000, description="Findings in the answer; the counts are of all of them.")
    cursor: str | None = Field(None, description="Go on after an answer that was cut: its `cursor`.")


class Finding(BaseModel):
    """Something that is wrong."""

    model_config = ConfigDict(extra="forbid")

    increment: str
    severity: Literal["error", "warning", "information"]
    code: str = Field(description="Name of the rule, see docs/validation.md.")
    message: str
    target: str = Field(description="file:line, or the file or folder alone; relative to the project.")
    fix: str = Field(description="What to do about it.")


class ValidateResult(Result):
    """What was found; `passed` is false with errors, with `strict` with warnings too.

    Attributes:
        increments: how many were looked at; after a cursor, from that one on.
        errors, warnings, information: how many were found in those.
        cursor: for the findings after these; None where there are no more.
    """

    increments: int
    errors: int
    warnings: int
    information: int
    findings: list[Finding]
    cursor: str | None = Field(None, description="For the findings after these; None where there are no more.")

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        looked_at = counted(self.increments, "increment")
        if not self.findings:
            return f"{looked_at}: nothing found.\n\n{self._next()}"
        counts = (
            f"{counted(self.errors, 'error')}, {counted(self.warnings, 'warning')}, {self.information:,} information"
        )
        lines = [f"{looked_at}: {counts}"]
        for document in dict.fromkeys(_file(finding) for finding in self.findings):
            lines += ["", f"**{document}**", ""]
            lines += _lines([finding for finding in self.findings if _file(finding) == document])
        return "\n".join([*lines, "", self._next()])

    def _next(self) -> str:
        if self.cursor:
            return f"Next: there are more; give the cursor `{self.cursor}` to see them."
        if self.errors:
            return "Next: mend the errors first, then validate again."
        if self.warnings:
            return "Next: see to the warnings, then validate again."
        return "Next: `/sw:next` says what to do now."


def run(request: ValidateRequest, context: Context) -> ValidateResult:
    """Look at one increment or at all of them; it changes nothing.

    Raises:
        NotFoundError: `increment-not-found`, `increment-ambiguous`.
        InvalidInputError: `argument-invalid` for an increment together with `all`, `cursor-invalid`.
    """
    from specweave.increments import store  # noqa: PLC0415 - a listing must stay cheap

    if request.all and request.increment is not None:
        raise InvalidInputError(
            "argument-invalid", "an increment is named, and all are asked for", next_step="leave out one of the two"
        )
    try:
        chosen = store.list_all(context.project) if request.all else [store.find(context.project, request.increment)]
    except NotFoundError as error:
        if request.increment is None and error.code == "increment-ambiguous":
            error.next_step += ", or --all"
        raise
    start, skipped = _position(request.cursor)
    chosen = [increment for increment in chosen if increment.id >= start] if start else chosen
    counts = dict.fromkeys(("error", "warning", "information"), 0)
    shown: list[Finding] = []
    following = None
    for increment, index, finding in _findings(chosen, context):
        counts[finding.severity] += 1
        if increment.id == start and index < skipped:
            continue
        if len(shown) < request.limit:
            shown.append(finding)
        elif following is None:
            following = f"{increment.id}:{index}"
    failing = counts["error"] + (counts["warning"] if request.strict else 0)
    return ValidateResult(
        passed=not failing,
        increments=len(chosen),
        errors=counts["error"],
        warnings=counts["warning"],
        information=counts["information"],
        findings=shown,
        cursor=following,
    )


def _findings(increments: "Iterable[Increment]", context: Context) -> "Iterator[tuple[Increment, int, Finding]]":
    """One by one, so that many increments take no more memory than one."""
    from specweave.operations.validation import rules  # noqa: PLC0415 - a listing must stay cheap

    chosen = list(increments)
    for number, increment in enumerate(chosen):
        context.report(Progress(f"looking at {increment.id}", number / len(chosen)))
        for index, found in enumerate(rules.findings(increment)):
            folder = context.project.relative(increment.folder)
            file, line = found.problem.file, found.problem.line
            yield (
                increment,
                index,
                Finding(
                    increment=increment.id,
                    severity=found.rule.severity,
                    code=found.rule.code,
                    message=found.problem.message,
                    target=normpath(f"{folder}/{file}") + (f":{line}" if line else ""),
                    fix=found.fix,
                ),
            )


def _position(cursor: str | None) -> tuple[str, int]:
    if cursor is None:
        return "", 0
    name, colon, number = cursor.rpartition(":")
    if not colon or not (number.isascii() and number.isdigit()):
        raise InvalidInputError(
            "cursor-invalid",
            f"{cursor[:80]!r} is no cursor",
            next_step="give the `cursor` of the answer before, or none",
        )
    return name, int(number[:9])


def _file(finding: Finding) -> str:
    file, colon, line = finding.target.rpartition(":")
    return file if colon and line.isdigit() else finding.target


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    """The findings of one document; several of one rule with the same remedy name it once."""
    for severity, code, fix in dict.fromkeys((found.severity, found.code, found.fix) for found in findings):
        alike = [found for found in findings if (found.code, found.fix) == (code, fix)]
        if len(alike) == 1:
            yield f"- {severity} `{code}` {_said(alike[0])}. Fix: {fix}."
        else:
            yield f"- {severity} `{code}`, {len(alike)} times. Fix: {fix}."
            yield from (f"  - {_said(found)}" for found in alike)


def _said(finding: Finding) -> str:
    number = finding.target.removeprefix(_file(finding)).removeprefix(":")
    return f"line {number}: {finding.message}" if number else finding.message


COMMAND = Command(
    group="sw",
    name="validate",
    request=ValidateRequest,
    result=ValidateResult,
    run=run,
    annotations=Annotations(read_only=True, idempotent=True),
    examples=("0043", "0043 --strict", "--all --limit 20"),
)
