"""The increment that rules look at: each part is read once, and one that cannot be read says why."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from specweave.errors import SpecweaveError, explained
from specweave.files import frontmatter, ledger, reading
from specweave.files.markdown import Document
from specweave.increments import criteria, deployment, evidence, tasks
from specweave.increments import metadata as metadata_file
from specweave.increments.criteria import Specification
from specweave.increments.metadata import Metadata
from specweave.increments.standings import Stand
from specweave.increments.store import Increment
from specweave.increments.task_document import Place, places_in
from specweave.increments.tasks import Task

DOCUMENTS = ("spec.md", "plan.md", "tasks.md")
DATA = (metadata_file.FILE, deployment.FILE, ledger.NAME)

PartT = TypeVar("PartT")


@dataclass(frozen=True)
class Subject:
    """An increment as it is on disk when its parts are first asked for.

    Attributes:
        increment: which.
    """

    increment: Increment

    @property
    def folder(self) -> Path:
        """The increment's folder."""
        return self.increment.folder

    @cached_property
    def contents(self) -> Mapping[str, bytes]:
        """The documents and files of data that can be read."""
        return {name: content for name, content in self._read.items() if isinstance(content, bytes)}

    @cached_property
    def unreadable(self) -> Mapping[str, SpecweaveError]:
        """The documents and files of data that are there and cannot be read, and why."""
        return {name: error for name, error in self._read.items() if not isinstance(error, bytes)}

    @cached_property
    def documents(self) -> Mapping[str, Document]:
        """Those of spec.md, plan.md and tasks.md that can be read."""
        return {name: Document.parse(self.contents[name]) for name in DOCUMENTS if name in self.contents}

    @cached_property
    def front(self) -> Mapping[str, Mapping[str, object]]:
        """The frontmatter of each document that has a readable one."""
        found = {}
        for name, document in self.documents.items():
            values = _attempt(lambda document=document: frontmatter.read(document))  # type: ignore[misc]
            if values:
                found[name] = values
        return found

    @cached_property
    def metadata(self) -> Metadata | None:
        """The state; None where it cannot be read."""
        return _attempt(self.increment.metadata)

    @cached_property
    def stored(self) -> Mapping[str, Any]:
        """metadata.json as it is written; empty where it is absent or cannot be read."""
        try:
            found = json.loads(self.contents[metadata_file.FILE])
        except (KeyError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks; none where they cannot be read."""
        return self._tasks or ()

    @property
    def has_readable_tasks(self) -> bool:
        """Whether `tasks` are all the tasks there are."""
        return self._tasks is not None

    @cached_property
    def places(self) -> Mapping[int, Place]:
        """First line of each task, from 1 → where it stands."""
        document = self.documents.get(self.tasks[0].document) if self.tasks else None
        return {place.line + 1: place for place in places_in(document)} if document else {}

    @cached_property
    def specification(self) -> Specification:
        """Stories and criteria; none where they cannot be read."""
        return _attempt(lambda: criteria.read(self.increment)) or Specification()

    @cached_property
    def standings(self) -> Mapping[str, Stand]:
        """Where each task stands by its evidence."""
        return _attempt(lambda: evidence.standings(self.increment, self.tasks)) or {}

    @cached_property
    def ledger(self) -> ledger.Entries:
        """What was generated; nothing where that cannot be read."""
        return _attempt(lambda: ledger.read(self.folder)) or {}

    def front_lines(self, name: str) -> Mapping[str, int]:
        """Key → line, from 1, of the frontmatter of a document."""
        return frontmatter.lines(self.documents[name])

    def line_of(self, task: Task, kind: str) -> int:
        """The line of a task's field of that kind, its first line where it has none."""
        place = self.places.get(task.line)
        field = place.field(kind) if place else None
        return field.line + 1 if field else task.line

    @cached_property
    def _tasks(self) -> tuple[Task, ...] | None:
        return _attempt(lambda: tasks.read(self.increment))

    @cached_property
    def _read(self) -> Mapping[str, bytes | SpecweaveError]:
        found: dict[str, bytes | SpecweaveError] = {}
        for name in (*DOCUMENTS, *DATA):
            try:
                found[name] = reading.read(self.folder / name)
            except FileNotFoundError:
                continue
            except (SpecweaveError, OSError) as error:
                found[name] = explained(error)
        return found


def _attempt(read: Callable[[], PartT]) -> PartT | None:
    try:
        return read()
    except (SpecweaveError, OSError):
        return None
