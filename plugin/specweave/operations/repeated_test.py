"""A test that is run again to verify what is known: where it says the same, the evidence there is goes on to count."""

from collections.abc import Mapping
from typing import Any

from specweave.increments import content, reports, repository, standings
from specweave.increments.content import Content
from specweave.increments.reports import ReportData
from specweave.increments.repository import Head
from specweave.increments.store import Increment
from specweave.increments.tasks import Task, find
from specweave.operations.test_running import TestRun


def evidence_saying_the_same(
    increment: Increment, task: Task, run: TestRun, inputs: Content, head: Head
) -> ReportData | None:
    """The evidence of a task, where a run of its test just now adds nothing to it.

    That is so with the same outcome, of the same tests, about the same content and words; and where the content is
    committed now and was not then, the new one is worth more.

    Args:
        increment: whose.
        task: as it was before the run.
        run: how it went.
        inputs: what it read, as that was then.
        head: the commit it was run at.
    """
    known = reports.of_page(increment, task.evidence) if task.evidence else None
    if known is None or known.command != task.test or known.passed != run.passed:
        return None
    now = find(increment, task.id)
    if standings.standing(increment, now) != ("passed" if run.passed else "failed"):
        return None
    if known.tasks.get(task.id) != task.text_digest or now.text_digest != task.text_digest:
        return None
    about = content.of_task(increment, now).files
    if {**about, **inputs.files} != known.content or not _is_same(known.data, run.data(), passed=run.passed):
        return None
    return known if not known.dirty or is_dirty(increment, known, head) else None


def is_dirty(increment: Increment, report: ReportData, head: Head) -> bool:
    """Whether a commit lacks anything of what a report is about, or of what else is in the work tree."""
    return head.dirty or bool(repository.unsaved(increment.project.root, report.content.keys()))


def _is_same(before: Mapping[str, Any], now: Mapping[str, Any], *, passed: bool) -> bool:
    """Whether two runs ended alike; of a failure without results of tests, also what it printed."""
    if before.get("exit_status") != now["exit_status"]:
        return False
    cases, known = now["cases"], before.get("cases", [])
    if cases or known or passed:
        return sorted(map(repr, cases)) == sorted(map(repr, known))
    return bool(before.get("output") == now["output"])
