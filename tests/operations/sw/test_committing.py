"""Branches and commits that commands make, in real repositories."""

import shlex
import sys
from pathlib import Path

import pytest
from tests.increments.git_projects import GitProject, staged

from specweave import registry, slash_line
from specweave.arguments import parameters
from specweave.command import CommittingRequest, CommittingResult, Result
from specweave.errors import ConflictError, NotFoundError, OperationError, SpecweaveError
from specweave.host import RealHost
from specweave.increments import store


@pytest.fixture
def project(tmp_path: Path) -> GitProject:
    return GitProject.initialised(tmp_path / "project")


def type_(project: GitProject, line: str) -> Result:
    call = slash_line.parse(line)
    result = call.command.run(call.request, project.context)
    assert isinstance(result, Result)
    return result


def refused(project: GitProject, line: str, kind: type[SpecweaveError], code: str) -> SpecweaveError:
    with pytest.raises(kind) as caught:
        type_(project, line)
    assert caught.value.code == code
    assert caught.value.next_step
    return caught.value


def subjects(project: GitProject) -> list[str]:
    return project.git("log", "--pretty=%s").splitlines()


def branch(project: GitProject) -> str:
    return project.git("branch", "--show-current").strip()


@pytest.mark.parametrize("entry", [entry for entry in registry.ENTRIES if entry.group == "sw"], ids=lambda it: it.name)
def test_every_command_that_changes_an_increment_can_commit_it(entry: registry.Entry) -> None:
    command = entry.load()
    commits = issubclass(command.request, CommittingRequest)
    assert commits != command.annotations.read_only
    assert commits == issubclass(command.result, CommittingResult)
    assert not commits or parameters(command.request)[-1].field == "commit"


def test_a_new_increment_is_one_commit(project: GitProject) -> None:
    project.write("train.py", "staged")
    project.git("add", "train.py")
    before = staged(project)
    result = type_(project, "/sw:inc 'Faster start' --commit")
    assert isinstance(result, CommittingResult)
    assert result.commit == project.git("rev-parse", "HEAD").strip()
    assert f"Committed as `{result.commit[:7]}`." in result.text()
    assert subjects(project) == ["0001: created", "first"]
    assert {Path(name).parent.as_posix() for name in project.committed_files() - {".specweave/.gitignore"}} == {
        ".specweave/increments/0001-faster-start"
    }
    assert staged(project)[0] == before[0]


def test_the_first_increment_is_committed_with_what_keeps_local_files_out_of_git(project: GitProject) -> None:
    type_(project, "/sw:inc one --commit")
    assert ".specweave/.gitignore" in project.committed_files()
    assert project.git("status", "--porcelain") == ""
    type_(project, "/sw:inc two --commit")
    assert {Path(name).parts[2] for name in project.committed_files()} == {"0002-two"}


def test_a_gitignore_that_somebody_wrote_is_left_to_them(project: GitProject) -> None:
    project.write(".specweave/.gitignore", "local/\n")
    type_(project, "/sw:inc one --commit")
    assert ".specweave/.gitignore" not in project.committed_files()
    assert project.git("status", "--porcelain") == "?? .specweave/.gitignore\n"


def test_the_life_of_an_increment_is_a_commit_for_each_step(project: GitProject) -> None:
    type_(project, "/sw:inc work --commit")
    type_(project, "/sw:pause 1 --reason 'no data' --commit")
    type_(project, "/sw:resume 1 --commit")
    type_(project, "/sw:abandon 1 --reason 'not wanted' --commit")
    type_(project, "/sw:archive 1 --commit")
    assert {Path(name).parts[2] for name in project.committed_files()} == {"_archive", "0001-work"}
    type_(project, "/sw:restore 1 --commit")
    type_(project, "/sw:reopen 1 --reason 'wanted again' --commit")
    assert len(subjects(project)) == 8
    assert all(subject.startswith("0001: ") for subject in subjects(project)[:-1])
    assert project.git("status", "--porcelain", "--", ".specweave/increments") == ""


def test_nothing_is_committed_unless_it_is_asked_for(project: GitProject) -> None:
    result = type_(project, "/sw:inc work")
    assert isinstance(result, CommittingResult)
    assert (result.commit, result.uncommitted, result.commit_lines()) == (None, "", [])
    assert subjects(project) == ["first"]


def test_why_there_is_no_commit_is_said(project: GitProject, tmp_path: Path) -> None:
    plain = GitProject(tmp_path / "plain")
    assert "Nothing was committed: there is no git repository here." in type_(plain, "/sw:inc work --commit").text()
    type_(project, "/sw:inc work --commit")
    type_(project, "/sw:pause 1 --commit")
    assert "Nothing was committed: nothing had changed." in type_(project, "/sw:pause 1 --commit").text()


def test_what_would_refuse_the_commit_is_found_before_the_work(project: GitProject) -> None:
    project.write(".git/MERGE_HEAD", project.git("rev-parse", "HEAD"))
    refused(project, "/sw:inc work --commit", ConflictError, "git-underway")
    assert store.list_all(project.context.project) == []
    (project.root / ".git" / "MERGE_HEAD").unlink()
    type_(project, "/sw:inc work --commit")
    path = store.find(project.context.project, "1").folder / "spec.md"
    path.write_text("staged")
    project.git("add", str(path))
    path.write_text("later")
    refused(project, "/sw:pause 1 --commit", ConflictError, "staged-differently")
    assert store.find(project.context.project, "1").metadata().status == "planned"
    refused(project, "/sw:abandon 1 --reason no --commit", ConflictError, "staged-differently")


def test_what_was_staged_as_it_lay_there_is_committed_as_the_work_left_it(project: GitProject) -> None:
    type_(project, "/sw:inc work")
    project.git("add", ".specweave/increments")
    type_(project, "/sw:pause 1 --commit")
    assert subjects(project)[0] == "0001: paused"
    assert '"paused"' in project.git("show", "HEAD:.specweave/increments/0001-work/metadata.json")
    type_(project, "/sw:resume 1")
    project.git("add", ".specweave/increments")
    type_(project, "/sw:abandon 1 --reason 'not wanted'")
    project.git("add", ".specweave/increments")
    type_(project, "/sw:archive 1 --commit")
    assert subjects(project)[:2] == ["0001: archived", "0001: paused"]
    assert project.git("status", "--porcelain", "--", ".specweave/increments") == ""


def test_after_a_hook_refused_the_commit_the_work_is_done_and_the_way_on_works(project: GitProject) -> None:
    type_(project, "/sw:inc work --commit")
    type_(project, "/sw:abandon 1 --reason 'not wanted' --commit")
    project.hook("commit-msg", "echo 'name a ticket'; exit 1")
    error = refused(project, "/sw:archive 1 --commit", OperationError, "commit-refused")
    assert "0001-work: archived; but that was not committed" in error.message
    assert "name a ticket" in error.message
    assert (project.root / ".specweave/increments/_archive/0001-work").is_dir()
    (project.root / ".git/hooks/commit-msg").unlink()
    for line in error.next_step.split("`")[1].split(" && "):
        words = shlex.split(line)
        assert words.pop(0) == "git"
        project.git(*words)
    assert subjects(project)[0] == "0001: archived"
    assert project.git("status", "--porcelain", "--", ".specweave/increments") == ""


def test_a_branch_of_its_name_is_made_and_the_increment_committed_there(project: GitProject) -> None:
    project.write("notes.txt", "not tracked")
    result = type_(project, "/sw:inc 'Faster start' --branch --commit")
    assert branch(project) == "0001-faster-start"
    assert "On the git branch `0001-faster-start`." in result.text()
    assert project.git("log", "--pretty=%s", "main").splitlines() == ["first"]
    assert subjects(project) == ["0001: created", "first"]
    type_(project, "/sw:inc 0007-more --branch")
    assert branch(project) == "0007-more"


def test_a_branch_is_made_with_a_detached_head_and_where_one_stands_on_it_already(project: GitProject) -> None:
    project.git("switch", "--quiet", "--detach")
    type_(project, "/sw:inc one --branch")
    assert branch(project) == "0001-one"
    project.git("switch", "--quiet", "--create", "0002-two")
    type_(project, "/sw:inc two --branch")
    assert branch(project) == "0002-two"


@pytest.mark.parametrize("change", ["edited", "staged", "removed"])
def test_changes_in_the_way_of_a_branch_are_refused_and_kept(project: GitProject, change: str) -> None:
    path = project.root / "train.py"
    path.unlink() if change == "removed" else path.write_text("changed")
    if change == "staged":
        project.git("add", "train.py")
    before = (project.git("status", "--porcelain"), staged(project))
    error = refused(project, "/sw:inc work --branch", ConflictError, "changes-in-the-way")
    assert "train.py" in error.message
    assert (project.git("status", "--porcelain"), staged(project), branch(project)) == (*before, "main")
    assert store.list_all(project.context.project) == []


def test_a_branch_that_is_there_already_is_refused_before_the_increment_is_made(project: GitProject) -> None:
    project.git("branch", "0001-faster-start")
    refused(project, "/sw:inc 'Faster start' --branch", ConflictError, "branch-exists")
    project.git("branch", "0009-more")
    refused(project, "/sw:inc 0009-more --branch", ConflictError, "branch-exists")
    assert store.list_all(project.context.project) == []
    assert branch(project) == "main"


def test_a_branch_needs_a_repository_with_a_commit_that_is_in_the_middle_of_nothing(
    project: GitProject, tmp_path: Path
) -> None:
    refused(GitProject(tmp_path / "plain"), "/sw:inc work --branch", NotFoundError, "repository-missing")
    empty = GitProject(tmp_path / "empty")
    empty.git("init", "--quiet")
    refused(empty, "/sw:inc work --branch", ConflictError, "repository-empty")
    project.write(".git/MERGE_HEAD", project.git("rev-parse", "HEAD"))
    refused(project, "/sw:inc work --branch", ConflictError, "git-underway")


def test_a_hook_that_fails_after_the_switch_has_no_say(project: GitProject) -> None:
    project.hook("post-checkout", "exit 1")
    type_(project, "/sw:inc work --branch")
    assert branch(project) == "0001-work"


def test_the_branch_is_that_of_the_repository_that_holds_the_increments(project: GitProject, tmp_path: Path) -> None:
    module = GitProject.initialised(tmp_path / "module")
    module.increment("first")
    module.git("add", "--all")
    (module.root / ".specweave" / "increments").rename(module.root / "increments")
    module.git("add", "--all")
    module.git("commit", "--quiet", "--message=increments")
    project.git("-c", "protocol.file.allow=always", "submodule", "add", "--quiet", str(module.root), ".specweave")
    project.git("commit", "--quiet", "--message=module")
    type_(project, "/sw:inc second --branch")
    assert branch(project) == "main"
    assert branch(GitProject(project.root / ".specweave")) == "0002-second"


def test_from_the_shell_a_commit_is_one_option(project: GitProject) -> None:
    line = [sys.executable, "-m", "specweave", "sw", "inc", "work", "--commit"]
    made = RealHost().run(line, cwd=project.root)
    assert made.returncode == 0, made.stderr
    assert f"Committed as `{project.git('rev-parse', 'HEAD')[:7]}`." in made.stdout
