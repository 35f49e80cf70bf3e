"""From what was named to an increment."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from specweave.command import Context, IncrementType
from specweave.errors import InvalidInputError
from specweave.increments import names, store
from specweave.increments.store import Increment
from specweave.operations.adoption import lists, open_spec, pages, sources, spec_kit
from specweave.operations.adoption.draft import Draft
from specweave.operations.adoption.sources import Material, nothing_in
from specweave.project import Project
from specweave_runtime.deployment_state import timestamp

_LISTS = ("tasks.md", "todo.md", "TODO.md", "tasks.txt", "todo.txt")
_TITLE_CHARACTERS = 120


class Adopted(NamedTuple):
    """The increment that was made, and what was made of the sources."""

    increment: Increment
    draft: Draft


def read(project: Project, path: str, *, title: str = "") -> Draft:
    """What a file or a folder says, in our words; nothing is written.

    Args:
        project: that it lies in.
        path: a list of tasks, a feature folder of spec-kit, or the folder of an OpenSpec change.
        title: of the increment; by default what the sources say.

    Raises:
        InvalidInputError: see `specweave.operations.adoption.sources.load`; `source-too-large`.
        NotFoundError: `source-not-found`; `source-ambiguous` for a folder of several features or changes.
    """
    material = sources.load(project, path)
    if not material.folder:
        return lists.read(next(iter(material.sources.values())), title=title)
    if open_spec.is_one(material):
        return open_spec.read(material, title=title)
    if spec_kit.is_one(material):
        return spec_kit.read(material, title=title)
    if several := _several(material):
        raise sources.require_one(several, path)
    listed = [name for name in _LISTS if name in material.sources]
    if not listed and len(material.sources) == 1:
        listed = list(material.sources)
    if not listed:
        raise nothing_in(path)
    return lists.read(material.sources[listed[0]], title=title)


def create(
    context: Context, draft: Draft, *, name: str = "", kind: IncrementType = "feature", links: Sequence[str] = ()
) -> Increment:
    """Make an increment of a draft; it appears whole or not at all.

    Args:
        context: where, and the clock.
        draft: what `read` gave.
        name: title or id, as `store.create` takes it; by default the draft's title.
        kind: any type but deployment, whose tasks are its own.
        links: ids of increments it builds upon.

    Raises:
        InvalidInputError: `type-not-adoptable`, `increment-name-invalid`.
        ConflictError: `increment-exists`, `project-locked`.
        HostError: it cannot be written; nothing is left behind then.
    """
    require_adoptable(kind)
    return store.create(
        context,
        name or name_of(draft),
        kind=kind,
        links=links,
        metadata={
            "adopted": {"format": draft.format, "source": draft.source, "at": timestamp(context.host.now())},
        },
        fill=lambda values: pages.documents(draft, values),
    )


def require_adoptable(kind: IncrementType) -> None:
    """Refuse the type whose tasks are bound to commands.

    Raises:
        InvalidInputError: `type-not-adoptable`.
    """
    if kind == "deployment":
        raise InvalidInputError(
            "type-not-adoptable",
            "a deployment increment has tasks of its own",
            next_step="adopt it as another type, and make the deployment with /ml:deploy-prepare",
        )


def name_of(draft: Draft) -> str:
    """The draft's title, short enough for a folder; where it has no Latin letter, the name of the source.

    Raises:
        InvalidInputError: `increment-name-invalid`.
    """
    title = draft.title
    if len(title) > _TITLE_CHARACTERS:
        title = title[: _TITLE_CHARACTERS + 1].rpartition(" ")[0] or title[:_TITLE_CHARACTERS]
    for candidate in (title, PurePosixPath(draft.source).stem.replace("_", " ")):
        try:
            names.slug_of(candidate)
        except InvalidInputError:
            continue
        return candidate
    raise InvalidInputError(
        "increment-name-invalid",
        f"neither the title of {draft.source} nor its name has a Latin letter or digit to name a folder by",
        next_step="give --title",
    )


def _several(material: Material) -> list[str]:
    """The folders below that are features or changes themselves."""
    parents = {name.rpartition("/")[0] for name in material.sources if name.endswith(("/tasks.md", "/proposal.md"))}
    return [f"{material.path}/{parent}" for parent in parents]
