"""What a rule is and what it finds."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from specweave.operations.validation.subject import Subject

Severity = Literal["error", "warning", "information"]


class Problem(NamedTuple):
    """Where an increment breaks a rule.

    Attributes:
        message: one sentence without a full stop that names the thing; never the text of a secret.
        file: relative to the increment, also outside of it; empty for its folder.
        line: from 1, None where the whole file is meant.
        fix: what to do, where that is more exact than the rule's own; one sentence without a full stop.
    """

    message: str
    file: str = ""
    line: int | None = None
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that holds for a sound increment.

    Attributes:
        code: stable kebab-case name, for programs.
        severity: `error` keeps an increment from being worked with or believed, `warning` from being completed with a
            good conscience, `information` is worth knowing.
        summary: what breaks the rule, one line without a full stop.
        explanation: why it matters, and what counts, for the documentation.
        fix: what to do about it, one sentence without a full stop.
        check: finds where an increment breaks it; reads and changes nothing.
    """

    code: str
    severity: Severity
    summary: str
    explanation: str
    fix: str
    check: Callable[[Subject], Iterable[Problem]]


class Finding(NamedTuple):
    """A rule that an increment breaks, and where."""

    rule: Rule
    problem: Problem

    @property
    def fix(self) -> str:
        """What to do about it."""
        return self.problem.fix or self.rule.fix
