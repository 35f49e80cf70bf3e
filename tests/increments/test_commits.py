"""Commits of an increment in real repositories: its files and nothing else."""

import os
import shlex
import sys
import threading
from pathlib import Path

import pytest
from tests.increments.git_projects import GitProject, staged

from specweave.errors import ConflictError, HostError, InvalidInputError, OperationError, SpecweaveError
from specweave.host import RealHost
from specweave.increments import commits, repository
from specweave.increments.store import Increment
from specweave.project import Project

DOCUMENTS = {"metadata.json", "spec.md", "plan.md", "tasks.md"}


@pytest.fixture
def project(tmp_path: Path) -> GitProject:
    return GitProject.initialised(tmp_path / "project")


def within(increment: Increment, names: set[str]) -> set[str]:
    return {f".specweave/increments/{increment.id}/{name}" for name in names}


def refused(increment: Increment, kind: type[SpecweaveError], code: str) -> SpecweaveError:
    with pytest.raises(kind) as caught:
        commits.commit(increment, "edited")
    assert caught.value.code == code
    assert caught.value.next_step
    return caught.value


def test_one_commit_holds_the_increment_and_nothing_else(project: GitProject) -> None:
    project.write("notes.txt", "new")
    project.write("train.py", "changed")
    increment, other = project.increment(), project.increment("other")
    commit = commits.commit(increment, "created\nwith care")
    assert commit == project.git("rev-parse", "HEAD").strip()
    assert project.git("rev-list", "--count", "HEAD").strip() == "2"
    assert project.git("log", "-1", "--pretty=%B").strip() == "0001: created with care"
    assert project.committed_files() == within(increment, DOCUMENTS)
    assert other.id in project.git("status", "--porcelain")
    assert commits.commit(increment, "again") is None


def test_changed_new_and_deleted_files_are_committed_whatever_their_names(project: GitProject) -> None:
    increment = project.increment()
    commits.commit(increment, "created")
    names = {"--all", "*", "a b", "ü\n.md", "[x].md", ":(top)x"}
    for name in names:
        (increment.folder / name).write_text(name)
    (increment.folder / "plan.md").unlink()
    (increment.folder / "spec.md").write_text("another")
    commits.commit(increment, "edited")
    assert project.committed_files() == within(increment, names | {"plan.md", "spec.md"})
    assert project.git("status", "--porcelain", "--", str(increment.folder)) == ""


def test_a_folder_whose_name_is_a_pattern_means_itself(project: GitProject) -> None:
    other = project.increment()
    commits.commit(other, "created")
    (other.folder / "plan.md").write_text("changed")
    odd = Increment(other.project, other.folder.with_name("0001-w*"))
    odd.folder.mkdir()
    (odd.folder / "spec.md").write_text("# Odd")
    commits.commit(odd, "created")
    assert project.committed_files() == {".specweave/increments/0001-w*/spec.md"}


def test_what_is_staged_elsewhere_stays_as_it_is(project: GitProject) -> None:
    project.write("gone.txt", "here")
    project.write("kept.txt", "here")
    project.git("add", "gone.txt", "kept.txt")
    project.git("commit", "--quiet", "--message=more")
    project.write("train.py", "staged")
    project.write("added.txt", "added")
    project.write(".specweave/config.yaml", "{}\n")
    project.git("add", "train.py", "added.txt", ".specweave/config.yaml")
    project.write("train.py", "later")
    project.write("intended.txt", "intended")
    project.git("add", "--intent-to-add", "intended.txt")
    project.git("rm", "--quiet", "--cached", "gone.txt")
    project.git("update-index", "--assume-unchanged", "kept.txt")
    before = staged(project)
    increment = project.increment()
    assert commits.commit(increment, "created")
    assert staged(project) == before
    assert project.committed_files() == within(increment, DOCUMENTS)
    (increment.folder / "plan.md").unlink()
    assert commits.commit(increment, "edited")
    assert staged(project) == before
    assert (project.root / "train.py").read_text() == "later"


def test_what_is_staged_within_as_it_lies_there_is_committed(project: GitProject) -> None:
    increment = project.increment()
    project.git("add", str(increment.folder))
    assert commits.commit(increment, "created")
    assert project.committed_files() == within(increment, DOCUMENTS)


def test_a_renaming_that_is_staged_is_committed(project: GitProject) -> None:
    increment = project.increment()
    commits.commit(increment, "created")
    project.git("mv", str(increment.folder / "spec.md"), str(increment.folder / "other.md"))
    assert commits.commit(increment, "renamed")
    assert project.committed_files() == within(increment, {"spec.md", "other.md"})


@pytest.mark.parametrize("how", ["edited since", "new and edited since", "new and gone since", "unstaged by removal"])
def test_what_is_staged_within_and_differs_is_not_lost(project: GitProject, how: str) -> None:
    increment = project.increment()
    commits.commit(increment, "created")
    path = increment.folder / ("note.md" if how.startswith("new") else "spec.md")
    if how == "unstaged by removal":
        project.git("rm", "--quiet", "--cached", str(path))
    else:
        path.write_text("staged")
        project.git("add", str(path))
        if how.endswith("gone since"):
            path.unlink()
        else:
            path.write_text("later")
    before = (project.git("ls-files", "--stage"), project.git("status", "--porcelain"))
    error = refused(increment, ConflictError, "staged-differently")
    assert path.name in error.message
    assert (project.git("ls-files", "--stage"), project.git("status", "--porcelain")) == before


def test_what_is_staged_while_the_work_goes_on_is_not_lost(project: GitProject) -> None:
    increment = project.increment()
    path = increment.folder / "spec.md"
    project.git("add", str(increment.folder))
    before = commits.require_committable(project.context.project, increment)
    path.write_text("staged meanwhile")
    project.git("add", str(path))
    path.write_text("later")
    with pytest.raises(ConflictError) as caught:
        commits.commit(increment, "edited", before)
    assert caught.value.code == "staged-differently"
    assert project.git("show", f":{path.relative_to(project.root)}") == "staged meanwhile"


def conflicting(project: GitProject) -> None:
    """A branch that changes what main changes too."""
    project.git("switch", "--quiet", "--create", "other")
    project.write("train.py", "theirs\n")
    project.git("commit", "--quiet", "--all", "--message=theirs")
    project.git("switch", "--quiet", "main")
    project.write("train.py", "ours\n")
    project.git("commit", "--quiet", "--all", "--message=ours")


@pytest.mark.parametrize(
    ("begin", "said"),
    [
        (("merge", "other"), "a merge is under way"),
        (("rebase", "other"), "a rebase is under way"),
        (("rebase", "--apply", "other"), "a rebase or `git am` is under way"),
        (("cherry-pick", "other"), "a cherry-pick is under way"),
        (("revert", "HEAD~1"), "a revert is under way"),
        (("bisect", "start"), "a bisection is under way"),
    ],
)
def test_nothing_is_committed_into_what_git_is_in_the_middle_of(
    project: GitProject, begin: tuple[str, ...], said: str
) -> None:
    conflicting(project)
    project.git(*begin, check=False, env={"GIT_EDITOR": "true"})
    increment = project.increment()
    head = project.git("rev-parse", "HEAD")
    error = refused(increment, ConflictError, "git-underway")
    assert said in error.message
    assert "git " in error.next_step
    with pytest.raises(ConflictError):
        commits.require_committable(project.context.project)
    assert project.git("rev-parse", "HEAD") == head


def test_conflicts_without_a_merge_are_refused(project: GitProject) -> None:
    project.write("train.py", "mine")
    project.git("stash")
    project.write("train.py", "committed")
    project.git("commit", "--quiet", "--all", "--message=second")
    project.git("stash", "pop", check=False)
    refused(project.increment(), ConflictError, "merge-conflicts")


def test_without_a_name_nothing_is_committed(project: GitProject, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    project.git("config", "--unset", "user.name")
    project.git("config", "--unset", "user.email")
    project.git("config", "user.useConfigOnly", "true")
    error = refused(project.increment(), InvalidInputError, "git-identity-missing")
    assert "git config user.email" in error.next_step


def test_a_hook_that_refuses_is_heard_and_new_files_stay_new(project: GitProject) -> None:
    project.hook("pre-commit", "echo 'the style of spec.md is wrong'; echo 'see the guide' >&2; exit 1")
    project.write("train.py", "staged")
    project.git("add", "train.py")
    increment = project.increment()
    before = (project.git("ls-files", "--stage"), project.git("status", "--porcelain"), staged(project))
    error = refused(increment, OperationError, "commit-refused")
    assert "the style of spec.md is wrong" in error.message
    assert "see the guide" in error.message
    assert (project.git("ls-files", "--stage"), project.git("status", "--porcelain"), staged(project)) == before
    project.hook("pre-commit", "exit 0")
    assert commits.commit(increment, "created")


def test_hooks_see_the_commit_as_with_git_itself(project: GitProject) -> None:
    project.hook(
        "pre-commit", 'git diff --cached --name-only -- "*.md" > "$PWD/seen"; echo "$LC_ALL$LANGUAGE" >> "$PWD/seen"'
    )
    project.hook("prepare-commit-msg", 'echo "Reviewed-by: Ada" >> "$1"')
    commits.commit(project.increment(), "created")
    seen = (project.root / "seen").read_text().splitlines()
    assert [Path(name).name for name in seen[:-1]] == ["plan.md", "spec.md", "tasks.md"]
    assert seen[-1] == os.environ.get("LC_ALL", "") + os.environ.get("LANGUAGE", "")
    assert "Reviewed-by: Ada" in project.git("log", "-1", "--pretty=%B")


def test_signing_is_done_where_the_user_asked_for_it_and_its_failure_is_told(project: GitProject) -> None:
    signer = project.write(".git/signer", "#!/bin/sh\necho 'no secret key' >&2\nexit 2\n")
    signer.chmod(0o755)
    project.git("config", "gpg.program", str(signer))
    project.git("config", "commit.gpgSign", "true")
    increment = project.increment()
    assert "gpg failed to sign" in refused(increment, OperationError, "commit-refused").message
    signer.write_text(
        "#!/bin/sh\ncat > /dev/null\necho '[GNUPG:] SIG_CREATED ' >&2\n"
        "echo '-----BEGIN PGP SIGNATURE-----'\necho '-----END PGP SIGNATURE-----'\n"
    )
    assert commits.commit(increment, "created")
    assert "gpgsig" in project.git("cat-file", "commit", "HEAD")


def test_a_locked_index_is_left_to_whom_it_belongs(project: GitProject) -> None:
    increment = project.increment()
    lock = project.write(".git/index.lock", "")
    error = refused(increment, ConflictError, "repository-locked")
    assert "index.lock" in error.message
    assert lock.exists()
    lock.unlink()
    commits.commit(increment, "created")
    (increment.folder / "spec.md").write_text("edited")
    project.write(".git/index.lock", "")
    refused(increment, ConflictError, "repository-locked")


def test_a_lock_that_is_held_for_a_moment_is_waited_for(
    project: GitProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace, lock, ended = tmp_path / "trace", project.root / ".git" / "index.lock", threading.Event()
    increment = project.increment()
    project.git("add", str(increment.folder))
    trace.touch()
    lock.touch()
    monkeypatch.setenv("GIT_TRACE", str(trace))

    def let_go() -> None:
        while trace.read_text().count("git commit") < 3 and not ended.is_set():
            pass
        lock.unlink()

    holder = threading.Thread(target=let_go)
    holder.start()
    try:
        assert commits.commit(increment, "created")
    finally:
        ended.set()
        holder.join()


def test_a_repository_of_another_user_is_left_alone_and_the_way_on_explained(
    project: GitProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    increment = project.increment()
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    error = refused(increment, HostError, "repository-not-owned")
    assert f"git config --global --add safe.directory {project.root}" in error.next_step
    assert repository.head(project.root) == repository.Head(None, dirty=False)


def test_without_a_repository_nothing_is_committed(tmp_path: Path) -> None:
    project = GitProject(tmp_path / "plain")
    increment = project.increment()
    assert commits.commit(increment, "created") is None
    assert not commits.is_in_repository(increment.folder)
    commits.require_committable(project.context.project)


def test_a_bare_repository_above_is_none(tmp_path: Path) -> None:
    above = GitProject(tmp_path / "bare")
    above.git("init", "--quiet", "--bare")
    assert commits.commit(GitProject(above.root / "project").increment(), "created") is None


def test_without_the_git_program_a_repository_is_no_obstacle_to_reading_and_one_to_committing(
    project: GitProject, tmp_path: Path
) -> None:
    project.increment()
    (tmp_path / "empty").mkdir()
    cli = [sys.executable, "-m", "specweave"]
    host = RealHost()
    listed = host.run([*cli, "sw", "status"], cwd=project.root, env={"PATH": str(tmp_path / "empty")})
    assert (listed.returncode, "0001-work" in listed.stdout) == (0, True), listed.stderr
    made = host.run([*cli, "sw", "inc", "second", "--commit"], cwd=project.root, env={"PATH": str(tmp_path / "empty")})
    assert made.returncode == HostError.exit_status
    assert "program-missing" in made.stderr
    assert [path.name for path in (project.root / ".specweave" / "increments").iterdir()] == ["0001-work"]


def test_it_works_in_a_repository_without_a_commit(tmp_path: Path) -> None:
    project = GitProject(tmp_path / "project")
    project.git("init", "--quiet", "--initial-branch=main")
    project.git("config", "user.name", "Ada")
    project.git("config", "user.email", "ada@example.org")
    project.write("train.py", "staged")
    project.git("add", "train.py")
    before = project.git("ls-files", "--stage")
    increment = project.increment()
    assert commits.commit(increment, "created")
    assert project.committed_files() == within(increment, DOCUMENTS)
    assert project.git("diff", "--cached", "--name-only").split() == ["train.py"]
    assert before in project.git("ls-files", "--stage", "--", "train.py")


def test_it_works_with_a_detached_head(project: GitProject) -> None:
    project.git("switch", "--quiet", "--detach")
    commit = commits.commit(project.increment(), "created")
    assert project.git("rev-parse", "HEAD").strip() == commit
    assert project.git("rev-parse", "main").strip() != commit


def test_it_works_in_a_worktree_and_leaves_the_others_alone(project: GitProject, tmp_path: Path) -> None:
    project.git("worktree", "add", "--quiet", str(tmp_path / "tree"), "-b", "side")
    project.write("train.py", "staged")
    project.git("add", "train.py")
    before = (staged(project), project.git("rev-parse", "HEAD"))
    tree = GitProject(tmp_path / "tree")
    commit = commits.commit(tree.increment(), "created")
    assert project.git("rev-parse", "side").strip() == commit
    assert (staged(project), project.git("rev-parse", "HEAD")) == before


def test_it_works_in_a_folder_of_a_larger_repository(project: GitProject) -> None:
    part = GitProject(project.root / "services" / "credit")
    (part.root / ".specweave").mkdir()
    project.write("services/other.txt", "new")
    increment = part.increment()
    assert commits.commit(increment, "created")
    folder = f"services/credit/.specweave/increments/{increment.id}"
    assert project.committed_files() == {f"{folder}/{name}" for name in DOCUMENTS}


def test_increments_in_a_submodule_are_committed_there(project: GitProject, tmp_path: Path) -> None:
    module = GitProject.initialised(tmp_path / "module")
    project.git("-c", "protocol.file.allow=always", "submodule", "add", "--quiet", str(module.root), ".specweave")
    project.git("commit", "--quiet", "--message=module")
    inner = GitProject(project.root / ".specweave")
    inner.git("config", "user.name", "Ada")
    inner.git("config", "user.email", "ada@example.org")
    commit = commits.commit(project.increment(), "created")
    assert inner.git("rev-parse", "HEAD").strip() == commit
    assert inner.committed_files() == {f"increments/0001-work/{name}" for name in DOCUMENTS}
    assert project.git("diff", "--cached", "--name-only") == ""


def test_a_repository_within_the_increment_stays_its_own(project: GitProject) -> None:
    increment = project.increment()
    GitProject.initialised(increment.folder / "clone")
    commits.commit(increment, "created")
    assert project.committed_files() == within(increment, DOCUMENTS)


def test_what_changed_inside_a_submodule_is_its_own(project: GitProject, tmp_path: Path) -> None:
    module = GitProject.initialised(tmp_path / "module")
    increment = project.increment()
    place = str(increment.folder / "module")
    project.git("-c", "protocol.file.allow=always", "submodule", "add", "--quiet", str(module.root), place)
    assert commits.commit(increment, "created")
    assert project.committed_files() == within(increment, {*DOCUMENTS, "module"})
    assert project.git("diff", "--cached", "--name-only") == ".gitmodules\n"
    (increment.folder / "module" / "train.py").write_text("changed")
    assert commits.commit(increment, "edited") is None


def test_ignored_files_stay_out_and_an_ignored_increment_is_refused(project: GitProject) -> None:
    project.write(".gitignore", "*.bin\n")
    increment = project.increment()
    (increment.folder / "model.bin").write_text("weights")
    commits.commit(increment, "created")
    assert project.committed_files() == within(increment, DOCUMENTS)
    project.write(".gitignore", ".specweave/\n")
    error = refused(project.increment("ignored"), InvalidInputError, "increment-ignored")
    assert ".gitignore:1:.specweave/" in error.message


def test_an_increment_that_was_put_away_is_one_commit_with_its_old_place(project: GitProject) -> None:
    increment = project.increment()
    commits.commit(increment, "created")
    archive = increment.folder.parent / "_archive"
    archive.mkdir()
    moved = Increment(increment.project, increment.folder.rename(archive / increment.id))
    commits.commit(moved, "archived")
    there = {f".specweave/increments/_archive/{increment.id}/{name}" for name in DOCUMENTS}
    assert project.committed_files() == within(increment, DOCUMENTS) | there
    moved.folder.rename(increment.folder)
    commits.commit(increment, "restored")
    assert project.committed_files() == within(increment, DOCUMENTS) | there
    assert project.git("status", "--porcelain", "--", str(archive.parent)) == ""


def test_a_project_behind_a_link_is_committed_where_it_lies(project: GitProject, tmp_path: Path) -> None:
    increment = project.increment()
    (tmp_path / "link").symlink_to(project.root)
    linked = Increment(Project(tmp_path / "link"), tmp_path / "link" / increment.folder.relative_to(project.root))
    assert commits.commit(linked, "created")
    assert project.committed_files() == within(increment, DOCUMENTS)


def test_two_commands_that_commit_at_once_both_do(project: GitProject) -> None:
    names = [project.increment(f"work {number}").id for number in range(6)]
    script = (
        "import sys, pathlib\n"
        "from specweave.increments import commits\n"
        "from specweave.increments.store import Increment\n"
        "from specweave.project import Project\n"
        "project = Project(pathlib.Path.cwd())\n"
        "for name in sys.argv[1:]:\n"
        "    assert commits.commit(Increment(project, project.state / 'increments' / name), 'created')\n"
    )
    project.write(".git/commit.py", script)
    line = " & ".join(
        shlex.join([sys.executable, ".git/commit.py", *names[start : start + 2]]) + f" || touch .git/failed{start}"
        for start in (0, 2, 4)
    )
    done = RealHost().run(["sh", "-c", f"{line} & wait"], cwd=project.root)
    assert not list((project.root / ".git").glob("failed*")), done.stderr
    assert project.git("rev-list", "--count", "HEAD").strip() == "7"
    for commit in project.git("rev-list", "HEAD").split()[:6]:
        assert len({Path(name).parent.name for name in project.committed_files(commit)}) == 1


def test_what_is_written_while_git_reads_it_twice_is_not_left_staged(project: GitProject) -> None:
    increment = project.increment()
    commits.commit(increment, "made")
    # A filter that gives each reading another content stands for whoever writes in between.
    project.git("config", "filter.other.clean", "sh -c 'cat; date +%s%N'")
    (project.root / ".git" / "info" / "attributes").write_text("tasks.md filter=other\n")
    (increment.folder / "tasks.md").write_text("# Changed\n")
    assert commits.commit(increment, "changed")
    assert project.git("diff", "--cached", "--name-only") == ""
