"""Opening a repository and asking git, with its refusals as coded errors."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from specweave.errors import ConflictError, HostError, NotFoundError, OperationError

if TYPE_CHECKING:
    from git import Repo

_FAILED = 128
_SAID_CHARACTERS = 2_000
_CREDENTIALS = re.compile(r"//[^/@\s]+@")


class Answer(NamedTuple):
    """What git said.

    Attributes:
        status: exit status, 0 for yes.
        output: standard output, as bytes.
        complaint: standard error, without the blanks around it.
    """

    status: int
    output: bytes
    complaint: str

    @property
    def text(self) -> str:
        """The output as text; bytes that are no UTF-8 are kept as surrogates, as in names of files."""
        return self.output.decode("utf-8", "surrogateescape")


@contextmanager
def opened(folder: Path) -> "Iterator[Repo | None]":
    """The repository with a work tree that `folder` lies in; None without one, and on a machine without git."""
    try:
        from git import Repo  # noqa: PLC0415 - 0.1 s of start-up that reading does not need
        from git.exc import InvalidGitRepositoryError, NoSuchPathError  # noqa: PLC0415 - git takes long to import
    except ImportError:  # gitpython says so when the program is missing
        yield None
        return
    try:
        repository = Repo(folder, search_parent_directories=True, expand_vars=False)
    except (InvalidGitRepositoryError, NoSuchPathError):
        yield None
        return
    with repository:
        yield repository if repository.working_tree_dir is not None else None


@contextmanager
def at_hand(folder: Path) -> "Iterator[Repo | None]":
    """The repository that `folder` lies in, None without one, for what must not be passed over where there is one.

    Raises:
        HostError: `program-missing` where there is a repository and no git.
    """
    with opened(folder) as repository:
        if repository is None and not _installed() and any((up / ".git").exists() for up in (folder, *folder.parents)):
            raise missing_program()
        yield repository


@contextmanager
def required(folder: Path) -> "Iterator[Repo]":
    """The repository that `folder` lies in, for what cannot be done without.

    Raises:
        NotFoundError: `repository-missing`.
        HostError: `program-missing` where there is a repository and no git.
    """
    with at_hand(folder) as repository:
        if repository is None:
            raise NotFoundError(
                "repository-missing",
                f"{folder} lies in no git repository",
                next_step="make one with `git init` in the project",
            )
        yield repository


def ask(
    repository: "Repo", *arguments: str, given: bytes | None = None, environment: Mapping[str, str] | None = None
) -> Answer:
    """Run git with these arguments in the work tree.

    Args:
        repository: where.
        arguments: each is one word; there is no shell.
        given: standard input.
        environment: more variables for git and the programs it starts; messages are English unless they say otherwise.

    Raises:
        HostError: `program-missing`.
    """
    from git.exc import GitCommandNotFound  # noqa: PLC0415 - only where git is

    with TemporaryFile() as stdin:
        stdin.write(given or b"")
        stdin.seek(0)
        try:
            status, output, complaint = repository.git.execute(
                ["git", *arguments],
                istream=cast("BinaryIO", stdin),
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                env=environment,
            )
        except GitCommandNotFound:
            raise missing_program() from None
    return Answer(status, output, _text(complaint).strip())


def tell(repository: "Repo", *arguments: str, given: bytes | None = None) -> str:
    """What git prints.

    Raises:
        HostError: `program-missing`, `repository-not-owned`.
        ConflictError: `repository-locked`.
        OperationError: `git-failed`, with what git said.
    """
    answer = ask(repository, *arguments, given=given)
    if answer.status:
        raise refusal(repository, answer, arguments[0])
    return answer.text


def refusal(repository: "Repo", answer: Answer, verb: str) -> OperationError | HostError | ConflictError:
    """What git said no with, as an error; `verb` is the subcommand."""
    if "dubious ownership" in answer.complaint:
        return HostError(
            "repository-not-owned",
            f"the repository {repository.working_tree_dir} belongs to another user, so git does nothing in it: "
            "its hooks and settings would run with your rights",
            next_step="if you trust it, run `git config --global --add safe.directory "
            f"{repository.working_tree_dir}`, then this command again",
        )
    if ".lock'" in answer.complaint and answer.status == _FAILED:
        return locked(repository, answer)
    return OperationError("git-failed", f"git {verb} failed: {said(answer)}")


def locked(repository: "Repo", answer: Answer) -> ConflictError:
    """Another git holds a lock that was needed, or left it when it was killed."""
    return ConflictError(
        "repository-locked",
        f"another git process works in {repository.working_tree_dir}: {said(answer)}",
        next_step="let it end, or remove the lock file that a killed one left, then try again",
    )


def said(answer: Answer) -> str:
    """What git and the programs it started said, without credentials, its end where it is long."""
    text = "\n".join(part for part in (answer.complaint, answer.text.strip()) if part)
    text = _CREDENTIALS.sub("//", text.encode("utf-8", "replace").decode())
    cut = text if len(text) <= _SAID_CHARACTERS else "… " + text[-_SAID_CHARACTERS:]
    return cut or f"exit status {answer.status}"


def literal(*paths: Path) -> list[str]:
    """Pathspecs that mean just these paths: the option for that would reach the user's hooks too."""
    return [f":(literal){path}" for path in paths]


def own_language() -> dict[str, str]:
    """The user's language for programs that git starts for the user, such as hooks: gitpython asks for English."""
    return {name: os.environ.get(name, "") for name in ("LC_ALL", "LANGUAGE")}


def missing_program() -> HostError:
    """There is no git on this machine."""
    return HostError("program-missing", "there is no git on this machine", next_step="install git")


def _installed() -> bool:
    try:
        import git  # noqa: F401, PLC0415 - gitpython says so when the program is missing
    except ImportError:
        return False
    return True


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
