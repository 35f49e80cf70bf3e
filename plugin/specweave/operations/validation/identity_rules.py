"""Rules for what an increment is: its names, and metadata.json."""

from collections.abc import Iterator
from typing import get_args

from specweave.command import IncrementType
from specweave.errors import InvalidInputError
from specweave.increments import life_cycle, names, repository
from specweave.increments import metadata as metadata_file
from specweave.operations.validation.rule import Problem, Rule
from specweave.operations.validation.subject import Subject

_TYPES: tuple[str, ...] = get_args(IncrementType)


def _metadata_missing(subject: Subject) -> Iterator[Problem]:
    if metadata_file.FILE not in subject.contents and metadata_file.FILE not in subject.unreadable:
        yield Problem("there is no metadata.json", metadata_file.FILE)


def _metadata_invalid(subject: Subject) -> Iterator[Problem]:
    yield from _metadata_refused(subject, newer=False)


def _metadata_newer(subject: Subject) -> Iterator[Problem]:
    yield from _metadata_refused(subject, newer=True)


def _metadata_refused(subject: Subject, *, newer: bool) -> Iterator[Problem]:
    if metadata_file.FILE not in subject.contents:
        return
    try:
        subject.increment.metadata()
    except InvalidInputError as error:
        if (error.code == "metadata-newer") == newer:
            yield Problem(error.message, metadata_file.FILE, fix=error.next_step or None)


def _id_mismatch(subject: Subject) -> Iterator[Problem]:
    folder = subject.increment.id
    stored = subject.stored.get("id")
    if stored is not None and stored != folder:
        line = _line_of_key(subject.contents[metadata_file.FILE], "id")
        yield Problem(f"metadata.json says id {_shown(stored)}, the folder is {folder}", metadata_file.FILE, line)
    for name, values in subject.front.items():
        said = values.get("increment")
        # Some tools write the number alone, which YAML reads as one.
        if said is not None and str(said) != folder and not _is_number(said, folder):
            line = subject.front_lines(name).get("increment")
            yield Problem(f"the frontmatter says increment {_shown(said)}, the folder is {folder}", name, line)


def _is_number(said: object, folder: str) -> bool:
    text = str(said)
    return text.isascii() and text.isdigit() and int(text[:9]) == names.number_of(folder)


def _config(subject: Subject) -> Iterator[Problem]:
    try:
        _ = subject.increment.project.config
    except InvalidInputError as error:
        yield Problem(error.message, "../../config.yaml", fix=error.next_step)


def _folder_name(subject: Subject) -> Iterator[Problem]:
    try:
        sound = names.parse_id(subject.increment.id) is not None
    except InvalidInputError:
        sound = False
    if not sound:
        yield Problem(f"{subject.increment.id} is no name such as 0043-deploy-credit-model")


def _number_twice(subject: Subject) -> Iterator[Problem]:
    number = names.number_of(subject.increment.id)
    for other in sorted(repository.names_in(subject.increment.project.state / "increments")):
        if other != subject.increment.id and names.number_of(other) == number:
            yield Problem(f"{other} has the number {subject.increment.number} as well")


def _status(subject: Subject) -> Iterator[Problem]:
    if subject.metadata is not None and subject.metadata.status not in life_cycle.WORDS:
        line = _line_of_key(subject.contents.get(metadata_file.FILE, b""), "status")
        known = ", ".join(sorted(life_cycle.WORDS))
        yield Problem(
            f"the status {_shown(subject.metadata.status)} is not known",
            metadata_file.FILE,
            line,
            f"use one of {known}",
        )


def _type(subject: Subject) -> Iterator[Problem]:
    if subject.metadata is not None and subject.metadata.type not in _TYPES:
        line = _line_of_key(subject.contents.get(metadata_file.FILE, b""), "type")
        yield Problem(f"the type {_shown(subject.metadata.type)} is not known", metadata_file.FILE, line)
    for name, values in subject.front.items():
        said = values.get("type")
        if subject.metadata is not None and isinstance(said, str) and said != subject.metadata.type:
            line = subject.front_lines(name).get("type")
            yield Problem(
                f"the frontmatter says type {_shown(said)}, metadata.json {subject.metadata.type}", name, line
            )


def _line_of_key(content: bytes, key: str) -> int | None:
    at = content.find(f'"{key}"'.encode())
    return content.count(b"\n", 0, at) + 1 if at >= 0 else None


def _shown(value: object) -> str:
    return repr(str(value)[:60])


RULES = (
    Rule(
        "metadata-missing",
        "warning",
        "There is no metadata.json",
        "The state is then what spec.md says at its top, and evidence has no place to be remembered.",
        "run `/sw:sync`, which makes one from the documents",
        _metadata_missing,
    ),
    Rule(
        "metadata-invalid",
        "error",
        "metadata.json cannot be read",
        "It is the one truth for state: without it nobody knows what was done. Empty and truncated files count.",
        "restore it from git",
        _metadata_invalid,
    ),
    Rule(
        "metadata-newer",
        "error",
        "metadata.json is of a newer schema",
        "A newer version wrote it. This one changes nothing there, so that nothing is lost.",
        "use a newer specweave-ml",
        _metadata_newer,
    ),
    Rule(
        "id-mismatch",
        "error",
        "Folder, metadata.json and frontmatter name different increments",
        "A folder that was copied or renamed by hand still carries the other one's evidence. The number alone is "
        "accepted in frontmatter.",
        "write the folder's name there, or rename the folder back",
        _id_mismatch,
    ),
    Rule(
        "config-invalid",
        "error",
        "The settings of the project cannot be read",
        "`.specweave/config.yaml` is no YAML, or has a key that is not known or a value that cannot be. It holds for "
        "all increments, and `/sw:do`, `/sw:next` and `/sw:status` refuse to work with it.",
        "correct it, or restore it from git",
        _config,
    ),
    Rule(
        "folder-name",
        "information",
        "The folder's name is not of the form NNNN-slug",
        "It is read, but new ones have four digits and lower-case words.",
        "rename it with `/sw:migrate`, or leave it",
        _folder_name,
    ),
    Rule(
        "number-duplicate",
        "error",
        "Another increment has the same number",
        "Two branches made one each. A number no longer names one increment, here or in a commit.",
        "give the newer one the next free number: folder, id and Run lines",
        _number_twice,
    ),
    Rule(
        "status-unknown",
        "warning",
        "metadata.json has a status that is not known",
        "An unknown word counts as open. Older words such as `in_progress` are known.",
        "correct it",
        _status,
    ),
    Rule(
        "type-unknown",
        "warning",
        "The type is not known, or frontmatter and metadata.json name different ones",
        "The type decides which documents an increment gets and which commands look for it.",
        f"use one of {', '.join(_TYPES)}, the same in both",
        _type,
    ),
)
