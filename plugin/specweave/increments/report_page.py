"""A report for people: what the operation says, and how it was made."""

from typing import TYPE_CHECKING

from specweave.files.quoting import code_span
from specweave.files.quoting import markdown as quoted

if TYPE_CHECKING:
    from specweave.increments.evidence import ReportData


def page(report: "ReportData", body: str) -> str:
    """The markdown of a report.

    Args:
        report: the same for programs.
        body: what the operation says; markdown.
    """
    title = "" if body.lstrip().startswith("# ") else f"# {report.operation}: {_word(report)}\n\n"
    commit = f"{report.commit[:12]}{' with local changes' if report.dirty else ''}" if report.commit else "none"
    rows = [
        ("command", code_span(report.command, cell=True)),
        ("outcome", _word(report)),
        ("started", report.started),
        ("took", f"{report.duration_s:g} s"),
        ("by", quoted(report.actor)),
        ("commit", commit),
    ]
    if report.package:
        name = quoted(f"{report.package.name} {report.package.version}")
        rows.append(("package", f"{name} {code_span(report.package.digest[:12], cell=True)}"))
    if report.content_digest:
        files = "1 file" if len(report.content) == 1 else f"{len(report.content)} files"
        rows.append(("about", f"{files}, {code_span(report.content_digest, cell=True)}"))
    if report.tasks:
        shown = (f"{quoted(task)} {code_span(digest, cell=True)}" for task, digest in report.tasks.items())
        rows.append(("tasks", ", ".join(shown)))
    if report.environment:
        rows.append(("environment", quoted(report.environment)))
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"{title}{body.strip()}\n\n## How this was made\n\n| | |\n|---|---|\n{table}\n"


def _word(report: "ReportData") -> str:
    return "passed" if report.passed else "failed"
