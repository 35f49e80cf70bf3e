"""Which commit an increment is compared with."""

from typing import TYPE_CHECKING, NamedTuple

from specweave.errors import InvalidInputError, NotFoundError, SpecweaveError
from specweave.increments.git_program import Answer, ask, refusal, tell

if TYPE_CHECKING:
    from git import Repo

LEFT = "where this branch left "

_SHOWN = 8


class Base(NamedTuple):
    """The side of git.

    Attributes:
        name: as people say it: `HEAD`, `main`, `where this branch left main`.
        commit: hexadecimal; None where there is no commit yet.
    """

    name: str
    commit: str | None


def base(repository: "Repo", against: str | None, *, merge_base: bool) -> Base:
    """The commit to compare with.

    Args:
        repository: where.
        against: a revision in git's words; None for HEAD, or with `merge_base` for the default branch.
        merge_base: the commit where HEAD left that revision, as a pull request compares.

    Raises:
        NotFoundError: `revision-unknown`, `merge-base-missing`, `default-branch-unknown`.
        InvalidInputError: `revision-invalid`.
        HostError: `repository-not-owned`, `program-missing`.
    """
    tell(repository, "rev-parse", "--git-dir")
    if not merge_base:
        if against is None and _commit(repository, "HEAD") is None:
            return Base("the empty repository", None)
        name = "HEAD" if against is None else against
        return Base(name, _require(repository, name))
    other = _default_branch(repository) if against is None else against
    answer = ask(repository, "merge-base", _require(repository, "HEAD"), _require(repository, other))
    if answer.status:
        raise _no_merge_base(repository, other, answer)
    return Base(f"{LEFT}{other}", answer.text.strip())


def merge_base_differs(repository: "Repo", present: Base) -> bool:
    """Whether the default branch is known, and this branch left it before `present`."""
    try:
        return base(repository, None, merge_base=True).commit != present.commit
    except SpecweaveError:
        return False


def _require(repository: "Repo", revision: str) -> str:
    if revision.startswith("-") or "\0" in revision or not revision.strip():
        raise InvalidInputError(
            "revision-invalid",
            f"{revision[:80]!r} is no revision",
            next_step="name a branch, a tag or a commit, such as main or HEAD~1",
        )
    commit = _commit(repository, revision)
    if commit is None:
        shallow = " of this clone, which is shallow" if _is_shallow(repository) else ""
        step = "fetch the rest with `git fetch --unshallow`, then try again" if shallow else _known(repository)
        raise NotFoundError("revision-unknown", f"{revision[:80]!r} names no commit{shallow}", next_step=step)
    return commit


def _commit(repository: "Repo", revision: str) -> str | None:
    answer = ask(repository, "rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}")
    return None if answer.status else answer.text.strip()


def _known(repository: "Repo") -> str:
    listed = ("for-each-ref", "--sort=-committerdate", f"--count={_SHOWN}", "--format=%(refname:short)")
    branches = tell(repository, *listed, "refs/heads", "refs/tags", "refs/remotes").split()
    return f"name a commit, or one of {', '.join(branches)}" if branches else "make a first commit"


def _default_branch(repository: "Repo") -> str:
    remote = ask(repository, "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD")
    configured = ask(repository, "config", "--get", "init.defaultBranch")
    for answer, name in ((remote, remote.text.strip()), (configured, configured.text.strip())):
        if answer.status == 0 and name and _commit(repository, name):
            return name
    for name in ("main", "master"):
        if _commit(repository, f"refs/heads/{name}"):
            return name
    raise NotFoundError(
        "default-branch-unknown",
        f"{repository.working_tree_dir} has no branch main or master, and no remote says which is the default",
        next_step=f"say which with `against`; {_known(repository)}",
    )


def _is_shallow(repository: "Repo") -> bool:
    return tell(repository, "rev-parse", "--is-shallow-repository").strip() == "true"


def _no_merge_base(repository: "Repo", other: str, answer: Answer) -> SpecweaveError:
    if answer.complaint:
        return refusal(repository, answer, "merge-base")
    shallow = _is_shallow(repository)
    return NotFoundError(
        "merge-base-missing",
        f"HEAD and {other} have no commit in common" + (" in this clone, which is shallow" if shallow else ""),
        next_step="fetch the rest with `git fetch --unshallow`" if shallow else "leave `merge_base` out",
    )
