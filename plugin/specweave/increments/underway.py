"""What git has begun and not ended in a work tree: nothing of ours may get into it."""

from pathlib import Path
from typing import TYPE_CHECKING

from specweave.errors import ConflictError
from specweave.increments.git_program import tell

if TYPE_CHECKING:
    from git import Repo

# A file or folder in the git folder of a work tree → what goes on there, and what ends it.
_MARKS = {
    "MERGE_HEAD": ("a merge", "`git merge --continue` or `--abort`"),
    "rebase-merge": ("a rebase", "`git rebase --continue` or `--abort`"),
    "rebase-apply": ("a rebase or `git am`", "`git rebase --continue` or `--abort`, or the same of `git am`"),
    "CHERRY_PICK_HEAD": ("a cherry-pick", "`git cherry-pick --continue` or `--abort`"),
    "REVERT_HEAD": ("a revert", "`git revert --continue` or `--abort`"),
    "sequencer": ("a cherry-pick or revert of several commits", "`git cherry-pick --continue` or `--abort`"),
    "BISECT_LOG": ("a bisection", "`git bisect reset`"),
}


def require_idle(repository: "Repo") -> None:
    """Refuse where git is in the middle of something.

    Raises:
        ConflictError: `git-underway`.
        HostError: `repository-not-owned`, `program-missing`.
    """
    tell(repository, "rev-parse", "--git-dir")  # git looks at the owner before anything else
    for mark, (what, end) in _MARKS.items():
        if (Path(repository.git_dir) / mark).exists():
            raise ConflictError(
                "git-underway",
                f"{what} is under way in {repository.working_tree_dir}",
                next_step=f"end it with {end}, then try again",
            )
