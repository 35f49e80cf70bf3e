"""Rules for what was generated, and for deployment.yaml."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from specweave.errors import SpecweaveError
from specweave.files import ledger
from specweave.files.rendering import inside
from specweave.increments import deployment
from specweave.operations.validation.rule import Problem, Rule
from specweave.operations.validation.subject import Subject


def _ledger_invalid(subject: Subject) -> Iterator[Problem]:
    if ledger.NAME not in subject.contents:
        return
    try:
        ledger.read(subject.folder)
    except SpecweaveError as error:
        yield Problem(error.message, ledger.NAME, fix=error.next_step or None)


def _edited(subject: Subject) -> Iterator[Problem]:
    for path, entry in subject.ledger.items():
        target = _target(subject, path)
        known = {entry.get("sha256"), entry.get("pending")}
        if target is not None and not _is_link(subject, path) and target.is_file() and _digest(target) not in known:
            yield Problem(f"{path} was changed since it was generated", path)


def _missing(subject: Subject) -> Iterator[Problem]:
    for path in subject.ledger:
        target = _target(subject, path)
        if target is None:
            yield Problem(f"the ledger names {path[:80]!r}, which is no file of the increment", ledger.NAME)
        elif not _is_link(subject, path) and not target.is_file():
            yield Problem(f"{path} was generated and is not there", path)


def _linked(subject: Subject) -> Iterator[Problem]:
    for path in subject.ledger:
        if _is_link(subject, path):
            yield Problem(f"{path} is a symbolic link", path)


def _unfinished(subject: Subject) -> Iterator[Problem]:
    for path, entry in subject.ledger.items():
        target = _target(subject, path)
        if target is None or not entry.get("pending") or _is_link(subject, path) or not target.is_file():
            continue
        if _digest(target) in {entry.get("sha256"), entry.get("pending")}:
            yield Problem(f"{path} was being written when the command was stopped", path)


def _deployment(subject: Subject) -> Iterator[Problem]:
    if deployment.FILE in subject.contents:
        try:
            deployment.read(subject.folder)
        except SpecweaveError as error:
            yield Problem(error.message, deployment.FILE, fix=error.next_step or None)


def _package(subject: Subject) -> Iterator[Problem]:
    try:
        model = deployment.read(subject.folder).model
    except (SpecweaveError, OSError):
        return
    folder = subject.increment.project.state / "models" / model.name / model.version
    if not folder.is_dir():
        yield Problem(f"there is no package {model.name} {model.version}", deployment.FILE)


def _is_link(subject: Subject, path: str) -> bool:
    """Whether a file, or a folder on the way to it, is a link: what lies behind is not the increment's."""
    target = _target(subject, path)
    between = [] if target is None else [target, *target.parents]
    return any(part.is_symlink() for part in between[: path.count("/") + 1])


def _target(subject: Subject, path: str) -> Path | None:
    try:
        return subject.folder / inside(path)
    except SpecweaveError:
        return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


RULES = (
    Rule(
        "ledger-invalid",
        "error",
        ".generated.json cannot be read",
        "It says which files were generated. Without it no command knows what a person edited, so none writes.",
        "restore it from git",
        _ledger_invalid,
    ),
    Rule(
        "artifact-edited",
        "information",
        "A generated file was changed by hand",
        "That is allowed: such a file is never overwritten. Whoever reviews the increment should know.",
        "nothing; to have the generated one back, remove the file and run its command again",
        _edited,
    ),
    Rule(
        "artifact-missing",
        "error",
        "A generated file is not there",
        "The ledger holds it, the folder does not: the service may not build or run as it was tested.",
        "restore it from git, or run the command that generates it again",
        _missing,
    ),
    Rule(
        "artifact-is-link",
        "error",
        "A generated file was replaced by a symbolic link",
        "What it leads to is not what was generated, may lie outside the project, and is not written through.",
        "put the file itself there",
        _linked,
    ),
    Rule(
        "artifact-unfinished",
        "warning",
        "A command was stopped while it wrote generated files",
        "Some files are of the new generation, others of the old one.",
        "run the command that generates them again",
        _unfinished,
    ),
    Rule(
        "deployment-invalid",
        "error",
        "deployment.yaml cannot be read",
        "It is the reviewed input of everything that is deployed.",
        "correct it, or restore it from git",
        _deployment,
    ),
    Rule(
        "package-missing",
        "error",
        "The model package that deployment.yaml names is not there",
        "Nothing can be generated, tested or deployed without it.",
        "run `/ml:deploy-prepare`, or correct model.version",
        _package,
    ),
)
