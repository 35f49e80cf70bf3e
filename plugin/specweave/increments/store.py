"""The increments of a project: create, find, list, change their state."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from specweave.command import Context, IncrementType
from specweave.errors import ConflictError, NotFoundError
from specweave.files.lock import lock
from specweave.increments import choice, names, placing, repository
from specweave.increments import metadata as metadata_file
from specweave.increments.metadata import Metadata
from specweave.project import Project
from specweave_runtime.deployment_state import timestamp

ARCHIVE = "_archive"
DOCUMENTS = ("metadata.json", "spec.md", "plan.md", "tasks.md", "deployment.yaml")
_NUMBER_DIGITS = 4
_PART_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Increment:
    """One increment.

    Attributes:
        project: where it lies.
        folder: absolute.
    """

    project: Project
    folder: Path

    @property
    def id(self) -> str:
        """Name of the folder, `0043-deploy-credit-model`."""
        return self.folder.name

    @property
    def archived(self) -> bool:
        """Whether it is put away."""
        return self.folder.parent.name == ARCHIVE

    @property
    def number(self) -> str:
        """At least four digits, `0043`."""
        return f"{names.number_of(self.id) or 0:04d}"

    def metadata(self) -> Metadata:
        """The state as it is on disk now.

        Raises:
            InvalidInputError: `metadata-invalid`.
        """
        return metadata_file.read(self.folder)


def project_lock(project: Project, *, timeout_s: float = 30) -> AbstractContextManager[None]:
    """The lock around every change of a project's increments, shared by all worktrees of a repository.

    It can be taken again by the thread that holds it. Hold it for a read-change-write of files, never while a command
    runs.

    Raises:
        ConflictError: `project-locked`.
    """
    common = repository.common_folder(project.root)
    return lock((common or project.state) / "specweave.lock", timeout_s=timeout_s)


def create(
    context: Context,
    title_or_slug: str,
    *,
    kind: IncrementType = "feature",
    links: Sequence[str] = (),
    values: Mapping[str, object] | None = None,
    metadata: Mapping[str, object] | None = None,
    fill: Callable[[Mapping[str, object]], Mapping[str, bytes]] | None = None,
) -> Increment:
    """Make an increment; it appears whole or not at all.

    Args:
        context: where, and the clock.
        title_or_slug: a title, or an id `0043-deploy-credit-model` that nothing has taken.
        kind: which documents it gets.
        links: ids of the increments it builds upon.
        values: for the templates, beyond those of `documents.common_values`; see `documents.DEPLOYMENT_VALUES`.
        metadata: more keys of metadata.json, such as `model`.
        fill: gives documents in place of those of the templates, from the values of `documents.common_values`.

    Raises:
        InvalidInputError: `increment-name-invalid`.
        ConflictError: `increment-exists`, `project-locked`.
        HostError: it cannot be written; nothing is left behind then.
    """
    from specweave.increments import documents  # noqa: PLC0415 - the documents know the increments

    wanted = names.parse_id(title_or_slug.strip())
    slug = wanted[1] if wanted else names.slug_of(title_or_slug)
    written_as_slug = wanted is not None or ("-" in slug and slug == title_or_slug.strip())
    title = names.title_of(slug) if written_as_slug else names.clean_title(title_or_slug)
    project = context.project
    with project_lock(project):
        number = _free_number(project, wanted[0] if wanted else None)
        identifier = f"{number:0{_NUMBER_DIGITS}d}-{slug}"
        now = timestamp(context.host.now())
        document: dict[str, Any] = {
            "schema": 1,
            "id": identifier,
            "status": "planned",
            "type": kind,
            "created": now,
            "updated": now,
            "title": title,
            "links": list(links),
            **(metadata or {}),
            "tasks": {},
        }
        common = documents.common_values(identifier, title=title, kind=kind, links=links, created=now[:10])
        files = documents.render(project, kind, {**common, **(values or {})})
        if fill is not None:
            files.update(fill(common))
        files[metadata_file.FILE] = metadata_file.encode(document)
        return Increment(project, placing.place(project, identifier, files, documents.owned(kind)))


def find(
    project: Project,
    name: str | None,
    *,
    kind: str | None = None,
    archived: bool = False,
    paused: bool = False,
    completed: bool = False,
) -> Increment:
    """The increment of that number, folder name or unique prefix; with None, the only open one of that kind.

    Args:
        project: where to look.
        name: `0043`, `43`, `0043-deploy-credit-model`, `0043-dep`, `deploy-cred`; or None.
        kind: for None, only increments of this type count.
        archived: look among those put away too.
        paused: for None, the only paused one is meant; else one that is paused only where no other is open.
        completed: for None, the only completed one is meant where none is open.

    Raises:
        NotFoundError: `increment-not-found`; `increment-ambiguous` with the candidates.
    """
    increments = list_all(project, archived=archived)
    if name is None:
        return choice.only_open(increments, kind, paused=paused, completed=completed)
    wanted = name.strip().strip("/")
    matching = choice.matching(increments, wanted)
    if not matching:
        away = [] if archived else choice.matching(list_all(project, archived=True), wanted)
        where = f"{name[:80]!r} is put away" if away else f"there is no increment {name[:80]!r} in {project.root}"
        step = f"bring it back: /sw:restore {away[0].number}" if away else ""
        known = f"name one of {choice.listing(increments)}" if increments else 'make one: /sw:inc "Deploy the model"'
        raise NotFoundError("increment-not-found", where, next_step=step or known)
    return choice.single(matching, f"{name[:80]!r} means more than one increment")


def find_any(project: Project, name: str) -> Increment:
    """The increment of that number, folder name or unique prefix; one that is put away where there is no other.

    Raises:
        NotFoundError: `increment-not-found`, `increment-ambiguous`.
    """
    if not choice.matching(list_all(project), name.strip().strip("/")):
        away = [increment for increment in list_all(project, archived=True) if increment.archived]
        if found := choice.matching(away, name.strip().strip("/")):
            return choice.single(found, f"{name[:80]!r} means more than one archived increment")
    return find(project, name)


def find_put_away(project: Project, name: str) -> Increment:
    """The archived increment of that number, folder name or unique prefix.

    Raises:
        NotFoundError: `increment-not-found`, `increment-ambiguous`.
        ConflictError: `increment-not-archived`.
    """
    away = [increment for increment in list_all(project, archived=True) if increment.archived]
    if found := choice.matching(away, name.strip().strip("/")):
        return choice.single(found, f"{name[:80]!r} means more than one archived increment")
    there = find(project, name)
    raise ConflictError(
        "increment-not-archived", f"{there.id} is not put away", next_step=f"`/sw:status {there.number}` shows it"
    )


def list_all(project: Project, *, archived: bool = False) -> list[Increment]:
    """The increments by number; those put away only where asked for."""
    folder = project.state / "increments"
    folders = (folder, folder / ARCHIVE) if archived else (folder,)
    found = [
        Increment(project, path)
        for parent in folders
        if parent.is_dir() and (parent == folder or not parent.is_symlink())
        for path in parent.iterdir()
        # An empty folder is a number that a creation was killed after taking.
        if names.number_of(path.name) is not None and path.is_dir() and not path.is_symlink() and any(path.iterdir())
    ]
    return sorted(found, key=lambda increment: (int(increment.number), increment.id))


def count_archived(project: Project) -> int:
    """How many increments are put away."""
    return sum(increment.archived for increment in list_all(project, archived=True))


def put_away(increment: Increment) -> Increment:
    """Move an increment among those that are archived: it keeps its number, and lists leave it out; see `placing`."""
    return _moved(increment, increment.project.state / "increments" / ARCHIVE)


def bring_back(increment: Increment) -> Increment:
    """Move an archived increment among the others; see `placing.move` for what may go wrong."""
    return _moved(increment, increment.project.state / "increments")


def update_metadata(
    increment: Increment, mutate: Callable[[dict[str, Any]], None], clock: Callable[[], datetime]
) -> None:
    """Change metadata.json: it is read, changed and written under the project's lock; nothing changed, nothing written.

    Args:
        increment: whose.
        mutate: changes the document in place; keys it does not touch are kept.
        clock: gives the time for `updated`.

    Raises:
        InvalidInputError: `metadata-invalid`.
        ConflictError: `project-locked`.
    """
    with project_lock(increment.project):
        document = metadata_file.read_document(increment.folder)
        before = metadata_file.encode(document)
        mutate(document)
        if metadata_file.encode(document) != before:
            document["updated"] = timestamp(clock())
            metadata_file.write_document(increment.folder, document)


def revision(increment: Increment) -> str:
    """What each of `DOCUMENTS` is now: parts of 12 hexadecimal digits, joined by `-`.

    Each is the beginning of a document's SHA-256, or zeros where it is not there.
    """
    return "-".join(_part(increment.folder / name) for name in DOCUMENTS)


def changed_since(increment: Increment, revision_then: str) -> tuple[str, ...]:
    """The documents that are not as they were at a revision; all of them where it is no revision."""
    then, now = revision_then.strip().split("-"), revision(increment).split("-")
    if len(then) != len(now):
        return DOCUMENTS
    return tuple(name for name, before, after in zip(DOCUMENTS, then, now, strict=True) if before != after)


def _part(path: Path) -> str:
    if not path.is_file():
        return "0" * _PART_DIGITS
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_PART_DIGITS]


def next_number(project: Project) -> str:
    """The number that the next increment would get now: `0044`."""
    return f"{_free_number(project, None):0{_NUMBER_DIGITS}d}"


def _moved(increment: Increment, parent: Path) -> Increment:
    with project_lock(increment.project):
        return Increment(increment.project, placing.move(increment.folder, parent))


def _free_number(project: Project, wanted: int | None) -> int:
    taken = repository.names_in(project.state / "increments") | repository.increments_elsewhere(project.root)
    numbers = {number: name for name in sorted(taken) if (number := names.number_of(name)) is not None}
    if wanted is None:
        return max(numbers, default=0) + 1
    if wanted in numbers:
        raise ConflictError(
            "increment-exists",
            f"the number {wanted:04d} is taken by {numbers[wanted]}",
            next_step=f"use {max(numbers) + 1:04d}, or give only a title",
        )
    return wanted
