"""What a command is: one verb of a group, declared once, the same on every face.

A command module (`specweave/operations/<group>/<name>.py`) holds a request model, a result model, a function
`run(request, context)` and the constant `COMMAND`. At its top it imports only this module, `errors` and pydantic:
listing the commands must stay cheap. What does the work is imported inside `run`, at its top.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from specweave.errors import ConflictError
from specweave.host import Host
from specweave.project import Project


@dataclass(frozen=True, slots=True)
class Positional:
    """Marks a request field that is given by position in the shell and in slash commands (`ml load-test 0043`)."""


@dataclass(frozen=True, slots=True)
class Last:
    """Marks a request field that people are shown after the command's own, though it is inherited."""


class Request(BaseModel):
    """Arguments of a command. Field names are the MCP parameter names and, with hyphens, the shell options.

    Numbers are taken where text is meant: some clients send `version=2` as a JSON integer.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, coerce_numbers_to_str=True, validate_by_name=True, validate_by_alias=True
    )


class CommittingRequest(Request):
    """Arguments of a command that changes an increment, and can commit what it changed."""

    commit: Annotated[bool, Last()] = Field(
        False, description="Make one git commit of the increment's files, and of nothing else."
    )


class Result(BaseModel):
    """What a command gives back: structured for programs, `text()` for people.

    Attributes:
        passed: false for a negative result that is no error (a load test beyond its SLO): exit status 1.
    """

    model_config = ConfigDict(extra="forbid")

    passed: bool = True

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        raise NotImplementedError(type(self).__name__)


class CommittingResult(Result):
    """What a command that can commit gives back.

    Attributes:
        commit: the commit that was made, hexadecimal.
        uncommitted: why there is none although it was asked for, else empty.
    """

    commit: str | None = Field(None, description="The git commit that was made.")
    uncommitted: str = Field("", description="Why nothing was committed although it was asked for.")

    def commit_lines(self) -> list[str]:
        """What is said of the commit: a line of markdown, none where none was asked for."""
        if self.commit:
            return [f"Committed as `{self.commit[:7]}`."]
        return [f"Nothing was committed: {self.uncommitted}."] if self.uncommitted else []


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment of a running command.

    Attributes:
        message: one short line, present tense.
        fraction: done part in [0, 1], or None where it is not known.
        rows: what is known so far as a table, heads first; drawn by faces that can, and said by no other.
    """

    message: str
    fraction: float | None = None
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """What a command runs with.

    Attributes:
        project: where.
        host: the machine.
        report: receives progress; cheap to call often.
        approved: a person said yes to the question of `Command.approval`.
        answered: the question they were asked; None where the yes came without one (`--approve`).
        actor: who asked, for evidence: `cli`, `mcp` or `python`.
    """

    project: Project
    host: Host
    report: Callable[[Progress], None] = field(default=lambda _progress: None)
    approved: bool = False
    answered: str | None = None
    actor: str = "python"

    def with_report(self, report: Callable[[Progress], None]) -> "Context":
        """The same context with another receiver of progress."""
        return replace(self, report=report)

    def with_approval(self, question: str | None = None) -> "Context":
        """The same context after a person said yes to `question`."""
        return replace(self, approved=True, answered=question)

    def require_answer_to(self, question: str | None) -> None:
        """Refuse where a person said yes to another question than the one that is to ask now.

        Raises:
            ConflictError: `approval-outdated`.
        """
        if self.answered is not None and self.answered != question:
            raise ConflictError(
                "approval-outdated",
                f"something changed after a person said yes to {self.answered!r}; "
                + (f"the question is now {question!r}" if question else "that is no longer possible"),
                next_step="run the command again: it says what is missing, or asks about what there is now",
                details={"answered": self.answered, "question": question},
            )


@dataclass(frozen=True, slots=True)
class Annotations:
    """What a client may assume of a command (MCP tool annotations).

    Attributes:
        read_only: changes nothing.
        destructive: may replace or stop something that runs or that a person made.
        idempotent: a second call with the same arguments changes nothing more.
        open_world: reaches beyond the project and this machine.
    """

    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = False


RequestT = TypeVar("RequestT", bound=Request)
ResultT = TypeVar("ResultT", bound=Result)


@dataclass(frozen=True, slots=True)
class Command(Generic[RequestT, ResultT]):
    """One verb of a group.

    Attributes:
        group: `sw` or `ml`.
        name: the verb, with hyphens.
        request: the type of its arguments.
        result: the type of its answer.
        run: does it; raises SpecweaveError on failure, leaving nothing half-written.
        annotations: what a client may assume.
        examples: what may be typed after `/<group>:<name> `, the first being the best.
        approval: the yes-or-no question that a person must have answered with yes, or None where this request
            needs none. It only reads. Where approval is needed and `context.approved` is false, `run` raises
            `approval-required`.
        checks: whether this request only shows how things are, so that `sw verify` may repeat it; None where none does.
        artifacts: patterns, relative to the increment, of the files that its evidence is about; `!` in front leaves
            out. When one of them changes, or the model package does, the evidence is stale.
        long: it does more than change files: it may run for minutes, and the project's lock is not held meanwhile.
    """

    group: str
    name: str
    request: type[RequestT]
    result: type[ResultT]
    run: Callable[[RequestT, Context], ResultT]
    annotations: Annotations
    examples: tuple[str, ...]
    approval: Callable[[RequestT, Context], str | None] | None = None
    checks: Callable[[RequestT], bool] | None = None
    long: bool = False
    artifacts: tuple[str, ...] = ()

    def question(self, request: RequestT, context: Context) -> str | None:
        """What a person must say yes to before this request is run; None where nobody must.

        Raises:
            SpecweaveError: as `run`.
        """
        return self.approval(request, context) if self.approval else None


AnyCommand = Command[Any, Any]


def _number_as_text(value: object) -> object:
    # Some clients send the increment 0043 as the JSON integer 43.
    return f"{value:04d}" if isinstance(value, int) and not isinstance(value, bool) else value


IncrementName = Annotated[
    str | None,
    BeforeValidator(_number_as_text),
    Positional(),
    Field(description="Increment: number (0043), folder name, or unique prefix. Omit it where only one is open."),
]

NamedIncrement = Annotated[
    str,
    BeforeValidator(_number_as_text),
    Positional(),
    Field(description="Increment: number (0043), folder name, or unique prefix."),
]

# Names go into records and messages: one line, no markup.
_AGENT_NAME = r"^[\w.@-][\w.@ -]{0,63}$"


def _require_agent_name(name: str) -> str:
    if not re.fullmatch(_AGENT_NAME.removesuffix("$"), name):
        raise ValueError("a name has letters, digits, blanks and . _ @ - alone, 64 at most")
    return name


AgentName = Annotated[
    str,
    StringConstraints(strip_whitespace=True),
    AfterValidator(_require_agent_name),
    Field(json_schema_extra={"pattern": _AGENT_NAME}),
]

# It goes into records and pages where a second line would be another sentence.
OneLine = Annotated[str, AfterValidator(lambda text: " ".join(text.split()))]

IncrementType = Literal["feature", "hotfix", "bug", "change-request", "refactor", "experiment", "deployment"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(value: object) -> object:
    """Seconds from `60s`, `500ms`, `2m`, `1h` or a bare number; anything else unchanged, for pydantic to refuse."""
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    for unit in ("ms", "s", "m", "h"):
        if text.endswith(unit):
            number = text.removesuffix(unit)
            try:
                return float(number) * _UNITS[unit]
            except ValueError:
                return value
    return value


Duration = Annotated[
    float,
    BeforeValidator(parse_duration, json_schema_input_type=str | float),
    Field(gt=0, le=86_400, description="Seconds, or with a unit: 500ms, 60s, 2m, 1h."),
]
