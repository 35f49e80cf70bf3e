"""One side of a difference, read by the readers of the documents; what cannot be read is a problem, not an error."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

from specweave.errors import SpecweaveError
from specweave.files import ledger
from specweave.increments import criteria, evidence, reports, tasks
from specweave.increments.criteria import Specification
from specweave.increments.metadata import Metadata
from specweave.increments.reports import ReportData
from specweave.increments.standings import Stand
from specweave.increments.store import Increment
from specweave.increments.task_document import places_in
from specweave.increments.tasks import Task
from specweave.operations.increment_diff import documents, items
from specweave.operations.increment_diff.documents import Told
from specweave.operations.increment_diff.items import Item

Value = TypeVar("Value")


class Side:
    """The increment then or now.

    Args:
        increment: None where it was not there; all of it is empty then.
        when: `then` or `now`, for problems.
    """

    def __init__(self, increment: Increment | None, when: str) -> None:
        self.increment = increment
        self.when = when
        self.problems: list[str] = []

    def ask(self, question: Callable[[Increment], Value]) -> Value | None:
        """An answer of a reader; None where there is no increment, or it cannot be read."""
        if self.increment is None:
            return None
        try:
            return question(self.increment)
        except (SpecweaveError, OSError) as error:
            message = error.message if isinstance(error, SpecweaveError) else str(error)
            self.problems.append(f"{self.when}: {message.replace(f'{self.increment.folder}/', '')}")
            return None

    @cached_property
    def metadata(self) -> Metadata | None:
        """The state."""
        return self.ask(Increment.metadata)

    @cached_property
    def specification(self) -> Specification:
        """Stories and criteria."""
        return self.ask(criteria.read) or Specification()

    @cached_property
    def tasks(self) -> Sequence[Task]:
        """The tasks."""
        return self.ask(tasks.read) or ()

    @cached_property
    def task_items(self) -> list[Item]:
        """The tasks as they are compared."""
        if self.increment is None or not self.tasks:
            return []
        document = documents.read(self.increment.folder / self.tasks[0].document)
        return list(items.tasks(self.tasks, document))

    def told(self, name: str) -> Told | None:
        """A document and what of it is told as tasks and criteria; None where it cannot be read."""
        document = None if self.increment is None else documents.read(self.increment.folder / name)
        if document is None:
            return None
        lines = {number for place in places_in(document) for number in range(place.line, place.end)}
        lines |= {criterion.line - 1 for criterion in self.specification.criteria if criterion.document == name}
        return Told(document, frozenset(lines))

    @cached_property
    def standings(self) -> Mapping[str, Stand]:
        """How the tasks stand, with the reason."""
        return self.ask(lambda increment: evidence.standings(increment, self.tasks)) or {}

    @cached_property
    def reports(self) -> Mapping[str, ReportData]:
        """The reports by their pages, in order."""
        found = self.ask(lambda increment: list(reports.reports(increment))) or []
        return {report.page: report for report in reversed(found)}

    @cached_property
    def ledger(self) -> ledger.Entries:
        """What was generated."""
        return self.ask(lambda increment: ledger.read(increment.folder)) or {}
