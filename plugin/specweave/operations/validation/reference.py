"""docs/validation.md: the page of the rules, made from the rules themselves."""

from specweave.operations.validation.rule import Rule, Severity
from specweave.operations.validation.rules import CHAPTERS, RULES

PATH = "docs/validation.md"

_SEVERITIES: dict[Severity, str] = {
    "error": "keeps an increment from being worked with or believed; the exit status is 1",
    "warning": "something is missing or contradicts itself; the exit status is 1 with `--strict`",
    "information": "worth knowing; never changes the exit status",
}


def page(notice: str) -> str:
    """The markdown of the page.

    Args:
        notice: says that it is generated, and from what.
    """
    lines = [
        "# Validation",
        "",
        notice,
        "",
        "`specweave sw validate 0043` looks at one increment, `--all` at every one that is not archived. It changes",
        "nothing.",
        "",
        "| severity | meaning |",
        "|---|---|",
        *(f"| {severity} | {meaning} |" for severity, meaning in _SEVERITIES.items()),
        "",
        "Exit status for CI: 0 where nothing is found that fails, 1 where something is, and that of the error where",
        "validation itself could not be done (2 arguments, 3 no such increment; see [Commands](commands.md)). `--json`",
        "gives each finding as `{increment, severity, code, message, target, fix}`; `target` is `file:line`, counted",
        "from the project's root.",
        "",
        f"## The {len(RULES)} rules",
        "",
        "| code | severity | breaks it |",
        "|---|---|---|",
        *(f"| [{rule.code}](#{rule.code}) | {rule.severity} | {rule.summary} |" for rule in RULES),
    ]
    for title, rules in CHAPTERS:
        lines += ["", f"## {title}"]
        for rule in rules:
            lines += ["", *_section(rule)]
    return "\n".join(lines) + "\n"


def _section(rule: Rule) -> list[str]:
    return [
        f"### {rule.code}",
        "",
        f"{rule.summary} ({rule.severity}).",
        "",
        rule.explanation,
        "",
        f"To mend it: {rule.fix}.",
    ]
