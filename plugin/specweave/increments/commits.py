"""Commits of one increment: exactly its files, with everything the user staged left as it is.

The user's own settings hold: hooks run, commits are signed where that is asked for, and what they refuse is refused.
"""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from specweave.errors import ConflictError, InvalidInputError, OperationError
from specweave.files.lock import lock
from specweave.increments import git_program
from specweave.increments.git_program import ask, literal, tell
from specweave.increments.store import Increment
from specweave.increments.underway import require_idle
from specweave.project import Project

if TYPE_CHECKING:
    from git import Repo

Staged = Mapping[bytes, str]
"""Names of files in the repository → the object that is staged."""

_ATTEMPTS = 20
_NAMED = 5


def require_committable(project: Project, increment: Increment | None = None) -> Staged:
    """Refuse where a commit of an increment would be refused: ask before the work that is to be committed.

    Args:
        project: whose repository.
        increment: which, where there is one already.

    Returns:
        What is staged of increments now, for `commit`: the work may change it in the work tree.

    Raises:
        ConflictError: `git-underway`, `merge-conflicts`, `staged-differently`.
        InvalidInputError: `git-identity-missing`, `increment-ignored`.
        HostError: `repository-not-owned`, `program-missing`.
    """
    with git_program.at_hand(home(project)) as repository:
        if repository is None:
            return {}
        _require_committable(repository)
        if increment is not None:
            places = _places(increment)
            _require_staged_alike(repository, places, {})
            _require_not_ignored(repository, places)
        return _staged(repository, [home(project)])


def commit(increment: Increment, what: str, staged: Staged | None = None, also: Sequence[Path] = ()) -> str | None:
    """Make one commit `NNNN: what` of the increment's files: those changed, new and gone; ignored ones stay out.

    What is staged outside of the increment stays staged, and is not in the commit.

    Args:
        increment: whose files, also where it lay before it was put away or brought back.
        what: what happened, one line.
        staged: what `require_committable` gave before the work: staged as it lay in the work tree, so that nothing is
            lost when the work tree is committed instead.
        also: files beside the increment that were made with it; those of another repository stay out.

    Returns:
        The commit, hexadecimal; None where there was nothing to commit, or there is no repository.

    Raises:
        ConflictError: `staged-differently`, `git-underway`, `merge-conflicts`, `repository-locked`.
        InvalidInputError: `git-identity-missing`, `increment-ignored`.
        HostError: `repository-not-owned`, `program-missing`.
        OperationError: `commit-refused` with what git or a hook said.
    """
    with git_program.at_hand(increment.folder.resolve()) as repository:
        if repository is None:
            return None
        _require_committable(repository)
        with lock(Path(repository.git_dir) / "specweave-commit.lock"):
            places = [*_places(increment), *_within(repository, also)]
            return _commit(repository, places, _message(increment, what), staged or {})


def by_hand(increment: Increment, what: str, also: Sequence[Path] = ()) -> str:
    """The shell commands that make the same commit."""
    with git_program.opened(increment.folder.resolve()) as repository:
        if repository is None:
            return ""
        top = Path(str(repository.working_tree_dir)).resolve()
        places = [*_places(increment), *_within(repository, also)]
        known = [place for place in places if place.exists() or _tracked(repository, [place])]
        paths = " ".join(shlex.quote(place.relative_to(top).as_posix()) for place in known)
        git = "git" if top == increment.project.root.resolve() else f"git -C {shlex.quote(str(top))}"
    message = shlex.quote(_message(increment, what))
    return f"{git} add -- {paths} && {git} commit --only -m {message} -- {paths}"


def _message(increment: Increment, what: str) -> str:
    return f"{increment.number}: {' '.join(what.split())}"


def home(project: Project) -> Path:
    """The folder whose repository holds the increments: theirs, or the project's where there are none yet."""
    increments = (project.state / "increments").resolve()
    return increments if increments.is_dir() else project.root


def is_in_repository(folder: Path) -> bool:
    """Whether there is a repository to commit to."""
    with git_program.opened(folder.resolve()) as repository:
        return repository is not None


def _places(increment: Increment) -> list[Path]:
    """Where the increment lies and where it may have lain: among the others, or among those put away."""
    increments = (increment.project.state / "increments").resolve()
    put_away = sorted(path for path in increments.glob("_*") if path.is_dir())
    return [increments / increment.id, *(folder / increment.id for folder in put_away)]


def _within(repository: "Repo", files: Sequence[Path]) -> list[Path]:
    top = Path(str(repository.working_tree_dir)).resolve()
    return [file for file in files if file.is_relative_to(top)]


def _commit(repository: "Repo", places: Sequence[Path], message: str, staged: Staged) -> str | None:
    _require_staged_alike(repository, places, staged)
    new = _untracked(repository, places)
    if new:
        names = ("--pathspec-from-file=-", "--pathspec-file-nul")
        tell(repository, "add", "--intent-to-add", *names, given=b"".join(b":(literal)" + name + b"\0" for name in new))
    try:
        changed = [place for place in places if _status(repository, [place], "--untracked-files=no")]
        if not changed:
            _require_not_ignored(repository, places)
            return None
        _attempt(repository, message, changed)
    except BaseException:
        # Only names were added; without the commit their files are as new as before.
        if new:
            ask(repository, "update-index", "--force-remove", "-z", "--stdin", given=b"\0".join(new))
        raise
    _unstage_what_was_written_meanwhile(repository, changed)
    return tell(repository, "rev-parse", "HEAD").strip()


def _unstage_what_was_written_meanwhile(repository: "Repo", changed: Sequence[Path]) -> None:
    # Git reads the files twice, for its index and for the commit: one that was written in between would stay staged
    # as it was before, and keep the next commit from being made.
    if ask(repository, "diff", "--cached", "--quiet", "--", *literal(*changed)).status:
        ask(repository, "reset", "--quiet", "--", *literal(*changed))


def _attempt(repository: "Repo", message: str, changed: Sequence[Path]) -> None:
    arguments = ("commit", "--quiet", "--only", "--message", message, "--", *literal(*changed))
    for _ in range(_ATTEMPTS):
        answer = ask(repository, *arguments, environment=git_program.own_language())
        if answer.status == 0:
            return
        # Another git takes this lock for a moment, such as the one that draws the user's prompt.
        if "index.lock" not in answer.complaint:
            raise OperationError(
                "commit-refused",
                f"git or one of its hooks refused the commit: {git_program.said(answer)}",
                next_step="mend what it says",
            )
    raise git_program.locked(repository, answer)


def _untracked(repository: "Repo", places: Sequence[Path]) -> list[bytes]:
    """Files that git does not know and does not ignore; not those of a repository within, which are its own."""
    shown = ("--others", "--exclude-standard", "--full-name", "-z")
    names = _output(repository, "ls-files", *shown, "--", *literal(*places)).split(b"\0")
    return [name for name in names if name and not name.endswith(b"/")]


def _status(repository: "Repo", places: Sequence[Path], *options: str) -> list[tuple[str, bytes]]:
    """The two letters and the name of each changed file."""
    shown = ("--porcelain", "-z", "--no-renames", "--ignore-submodules=dirty", *options)
    found = _output(repository, "--no-optional-locks", "status", *shown, "--", *literal(*places)).split(b"\0")
    return [(entry[:2].decode(), entry[3:]) for entry in found if entry]


def _output(repository: "Repo", *arguments: str) -> bytes:
    answer = ask(repository, *arguments)
    if answer.status:
        raise git_program.refusal(repository, answer, arguments[0])
    return answer.output


def _require_committable(repository: "Repo") -> None:
    require_idle(repository)
    if ask(repository, "ls-files", "--unmerged").output:
        raise ConflictError(
            "merge-conflicts",
            f"{repository.working_tree_dir} has files with conflicts, and git commits nothing before they are resolved",
            next_step="resolve them and `git add` them, then try again",
        )
    for ident in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
        if ask(repository, "var", ident).status:
            raise InvalidInputError(
                "git-identity-missing",
                "git does not know who makes the commit",
                next_step="set `git config user.name NAME` and `git config user.email ADDRESS`, then try again",
            )


def _staged(repository: "Repo", places: Sequence[Path]) -> Staged:
    """The files that are staged as they lie in the work tree."""
    found = _status(repository, places, "--untracked-files=no")
    names = {name for letters, name in found if letters[1] == " "}
    return {name: blob for name, blob in _tracked(repository, places).items() if name in names}


def _tracked(repository: "Repo", places: Sequence[Path]) -> Staged:
    listed = _output(repository, "ls-files", "--stage", "--full-name", "-z", "--", *literal(*places)).split(b"\0")
    entries = (entry.partition(b"\t") for entry in listed if entry)
    return {name: description.split()[1].decode() for description, _, name in entries}


def _require_staged_alike(repository: "Repo", places: Sequence[Path], known: Staged) -> None:
    found = _status(repository, places, "--untracked-files=all")
    untracked = {name for letters, name in found if letters == "??"}
    changed = {
        name
        for letters, name in found
        if letters != "??" and letters[0] != " " and (letters[1] != " " or name in untracked)
    }
    present = _tracked(repository, places) if changed and known else {}
    different = sorted(
        name.decode("utf-8", "replace") for name in changed if name not in known or known[name] != present.get(name)
    )
    if different:
        more = f" and {len(different) - _NAMED} more" if len(different) > _NAMED else ""
        raise ConflictError(
            "staged-differently",
            f"what is staged of {', '.join(different[:_NAMED])}{more} is not what lies in the work tree: "
            "the commit would lose what was staged",
            next_step="stage it as it is now (`git add`), or unstage it (`git restore --staged`), then try again",
            details={"files": different},
        )


def _require_not_ignored(repository: "Repo", places: Sequence[Path]) -> None:
    if _tracked(repository, places):
        return
    answer = ask(repository, "check-ignore", "--verbose", "--", str(places[0]))
    if answer.status == 0:
        rule = answer.text.partition("\t")[0]
        raise InvalidInputError(
            "increment-ignored",
            f"git ignores {places[0]} by the rule {rule}",
            next_step="take that rule away, or leave out `commit`",
        )
