"""What git knows of a project: the commit at hand, and increments on branches and in worktrees."""

import os
from pathlib import Path

import pytest
from tests.increments.git_projects import GitProject

from specweave.increments import repository
from specweave.increments.repository import Head


@pytest.fixture
def project(tmp_path: Path) -> GitProject:
    return GitProject.initialised(tmp_path / "project")


def branch(project: GitProject, name: str, *folders: str) -> None:
    """A branch with these folders of increments, which are not in the work tree afterwards."""
    project.git("switch", "--quiet", "--create", name)
    for folder in folders:
        project.write(f".specweave/increments/{folder}/spec.md", "# Work\n")
    project.git("add", "--all")
    project.git("commit", "--quiet", f"--message={name}")
    project.git("switch", "--quiet", "main")


@pytest.mark.parametrize("format_", ["sha1", "sha256"])
def test_names_on_branches_are_found_also_of_those_put_away(tmp_path: Path, format_: str) -> None:
    project = GitProject(tmp_path / "project")
    project.git("init", "--quiet", "--initial-branch=main", f"--object-format={format_}")
    project.git("config", "user.name", "Ada")
    project.git("config", "user.email", "ada@example.org")
    project.git("commit", "--quiet", "--allow-empty", "--message=first")
    branch(project, "one", "0001-ask", "_archive/0002-old", "_archive/deep/0009-no")
    branch(project, "two", "0003-\n ü", "_paused/0004-later", "notes")
    project.write(".specweave/increments/loose.md", "no folder")
    assert repository.increments_elsewhere(project.root) == {
        "0001-ask", "0002-old", "deep", "_archive", "0003-\n ü", "0004-later", "_paused", "notes",
    }  # fmt: skip


def test_names_in_other_worktrees_are_found_before_they_are_committed(project: GitProject, tmp_path: Path) -> None:
    project.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"))
    GitProject(tmp_path / "tree").increment("there")
    assert repository.increments_elsewhere(project.root) == {"0001-there"}


def test_a_worktree_that_was_deleted_by_hand_is_passed_over(project: GitProject, tmp_path: Path) -> None:
    project.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"))
    (tmp_path / "tree").rename(tmp_path / "moved")
    assert repository.increments_elsewhere(project.root) == set()


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where each git process leaves a line."""
    path = tmp_path / "trace"
    path.touch()
    monkeypatch.setenv("GIT_TRACE", str(path))
    return path


def test_it_takes_as_many_processes_for_many_branches_as_for_one(project: GitProject, trace: Path) -> None:
    def processes() -> int:
        trace.write_text("")
        repository.increments_elsewhere(project.root)
        return trace.read_text().count("trace: built-in: git")

    branch(project, "one", "0001-ask", "_archive/0002-old")
    few = processes()
    for number in range(3, 9):
        branch(project, f"branch-{number}", f"{number:04d}-ask", f"_archive/{number + 100:04d}-old")
    assert processes() == few
    assert len(repository.increments_elsewhere(project.root)) == 15


def test_the_commit_at_hand_is_dirty_by_what_people_write_alone(project: GitProject) -> None:
    increment = project.increment()
    commit = project.git("rev-parse", "HEAD").strip()
    (increment.folder / "plan.md").unlink()
    (increment.folder / "spec.md").unlink()
    assert repository.head(project.root, increment.folder) == Head(commit, dirty=False)
    (increment.folder / "spec.md").write_text("# Work\n")
    assert repository.head(project.root) == Head(commit, dirty=False)
    assert repository.head(project.root, increment.folder) == Head(commit, dirty=True)
    (increment.folder / "spec.md").unlink()
    project.write("train.py", "changed")
    assert repository.head(project.root) == Head(commit, dirty=True)


def test_asking_for_the_commit_leaves_the_index_to_the_user(project: GitProject) -> None:
    index = project.root / ".git" / "index"
    os.utime(project.root / "train.py", ns=(1, 1))
    before = index.read_bytes()
    project.write(".git/index.lock", "")
    assert repository.head(project.root).dirty is False
    (project.root / ".git" / "index.lock").unlink()
    assert repository.head(project.root).dirty is False
    assert index.read_bytes() == before


def test_without_a_repository_there_is_nothing_to_know(tmp_path: Path) -> None:
    assert repository.head(tmp_path) == Head(None, dirty=False)
    assert repository.common_folder(tmp_path) is None
    assert repository.increments_elsewhere(tmp_path) == set()


def test_before_the_first_commit_there_is_none_at_hand(tmp_path: Path) -> None:
    project = GitProject(tmp_path)
    project.git("init", "--quiet")
    assert repository.head(project.root) == Head(None, dirty=False)
    assert repository.increments_elsewhere(project.root) == set()
    assert repository.common_folder(project.root) == project.root / ".git"
