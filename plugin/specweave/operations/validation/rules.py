"""Every rule, once, in the order in which they are looked at and shown."""

from collections.abc import Iterator

from specweave.errors import SpecweaveError, explained
from specweave.increments.store import Increment
from specweave.operations.validation import (
    artifact_rules,
    document_rules,
    evidence_rules,
    identity_rules,
    secret_rules,
    task_rules,
)
from specweave.operations.validation.rule import Finding, Problem, Rule
from specweave.operations.validation.subject import Subject

CHAPTERS: tuple[tuple[str, tuple[Rule, ...]], ...] = (
    ("Name and state", identity_rules.RULES),
    ("Documents", (*document_rules.RULES, *secret_rules.RULES)),
    ("Criteria and tasks", task_rules.RULES),
    ("State and evidence", evidence_rules.RULES),
    ("Artifacts", artifact_rules.RULES),
)
RULES: tuple[Rule, ...] = tuple(rule for _, rules in CHAPTERS for rule in rules)


def findings(increment: Increment) -> Iterator[Finding]:
    """Where an increment breaks which rule, rule by rule; it changes nothing.

    A rule that could not be applied, such as for a file that may not be read, is a finding of that rule.
    """
    subject = Subject(increment)
    for rule in RULES:
        try:
            yield from (Finding(rule, problem) for problem in rule.check(subject))
        except (SpecweaveError, OSError) as error:
            reason = explained(error)
            yield Finding(rule, Problem(f"this could not be looked at: {reason.message}", fix=reason.next_step or None))
