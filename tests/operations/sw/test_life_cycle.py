"""Pausing, resuming, abandoning, reopening, archiving and restoring, through the door that every face uses."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from git import Repo

from specweave import slash_line
from specweave.command import Context, Result
from specweave.errors import ConflictError, InvalidInputError, NotFoundError, SpecweaveError
from specweave.host import RealHost
from specweave.increments import store
from specweave.increments.store import Increment
from specweave.project import Project


class FixedClock(RealHost):
    """The real machine at a fixed time."""

    def now(self) -> datetime:
        return datetime(2026, 11, 20, 12, 3, tzinfo=UTC)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Project(tmp_path), FixedClock(), actor="cli")


@pytest.fixture
def increment(context: Context) -> Increment:
    return store.create(context, "work")


def type_(context: Context, line: str) -> dict[str, object]:
    call = slash_line.parse(line)
    result = call.command.run(call.request, context)
    assert isinstance(result, Result)
    text = result.text()
    assert "\n\nNext: " in text
    return {**json.loads(result.model_dump_json()), "text": text}


def refused(context: Context, line: str) -> SpecweaveError:
    before = tree(context.project.state)
    with pytest.raises(SpecweaveError) as caught:
        type_(context, line)
    assert tree(context.project.state) == before
    return caught.value


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def history(increment: Increment) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((increment.folder / "metadata.json").read_bytes())["history"]
    return found


def test_work_is_paused_with_its_reason_and_goes_on_where_it_was(context: Context, increment: Increment) -> None:
    paused = type_(context, "/sw:pause --reason 'waits for *the* data'")
    assert (paused["before"], paused["after"], paused["revision"]) == ("planned", "paused", store.revision(increment))
    assert "\\*the\\* data" in str(paused["text"])
    assert history(increment) == [
        {
            "at": "2026-11-20T12:03:00Z",
            "from": "planned",
            "to": "paused",
            "reason": "waits for *the* data",
            "by": "cli",
        }
    ]
    again = type_(context, "/sw:pause 1")
    assert (again["before"], again["after"]) == ("paused", "paused")
    assert "already" in str(again["text"])
    resumed = type_(context, "/sw:resume 1")
    assert (resumed["before"], resumed["after"], len(history(increment))) == ("paused", "planned", 2)


def test_what_is_closed_is_taken_up_again_for_a_reason_only(context: Context, increment: Increment) -> None:
    assert type_(context, "/sw:abandon 1 --reason 'not needed'")["after"] == "abandoned"
    with pytest.raises(InvalidInputError):
        slash_line.parse("/sw:reopen 1")
    assert refused(context, "/sw:reopen 1 --reason ' '").code == "reason-missing"
    assert type_(context, "/sw:reopen 1 --reason 'needed after all'")["after"] == "active"
    assert [entry["reason"] for entry in history(increment)] == ["not needed", "needed after all"]


@pytest.mark.parametrize(
    ("before", "line", "possible"),
    [
        ((), "/sw:resume 1", {"do", "done", "pause", "abandon"}),
        ((), "/sw:reopen 1 --reason x", {"do", "done", "pause", "abandon"}),
        ((), "/sw:archive 1", {"do", "done", "pause", "abandon"}),
        (("/sw:pause 1",), "/sw:reopen 1 --reason x", {"resume", "abandon"}),
        (("/sw:pause 1",), "/sw:archive 1", {"resume", "abandon"}),
        (("/sw:pause 1",), "/sw:done 1 --reason x", {"resume", "abandon"}),
        (("/sw:abandon 1",), "/sw:pause 1", {"reopen", "archive"}),
        (("/sw:abandon 1",), "/sw:resume 1", {"reopen", "archive"}),
        (("/sw:abandon 1",), "/sw:done 1 --reason x", {"reopen", "archive"}),
        (("/sw:done 1 --reason x",), "/sw:abandon 1", {"reopen", "archive"}),
        (("/sw:done 1 --reason x",), "/sw:pause 1", {"reopen", "archive"}),
    ],
)
def test_a_move_that_is_not_allowed_names_those_that_are_and_changes_nothing(
    context: Context, increment: Increment, before: tuple[str, ...], line: str, possible: set[str]
) -> None:
    for earlier in before:
        type_(context, earlier)
    error = refused(context, line)
    assert (type(error), error.code, error.exit_status) == (ConflictError, "transition-not-allowed", 4)
    assert increment.id in error.message
    named = {word.partition(" ")[0] for word in error.next_step.split("/sw:")[1:]}
    assert named == possible
    for command in error.next_step.split("`")[1::2]:
        slash_line.parse(command)


def test_a_closed_increment_is_put_away_and_brought_back_as_it_was(context: Context, increment: Increment) -> None:
    type_(context, "/sw:abandon")
    content = tree(increment.folder)
    away = type_(context, "/sw:archive 1")
    assert (away["folder"], away["status"]) == (".specweave/increments/_archive/0001-work", "abandoned")
    assert not increment.folder.exists()
    assert tree(context.project.root / str(away["folder"])) == content
    for line in ("/sw:do 1", "/sw:archive 1", "/sw:reopen 1 --reason x", "/sw:done 1"):
        error = refused(context, line)
        assert (type(error), error.code) == (NotFoundError, "increment-not-found")
        assert "/sw:restore 0001" in error.next_step
    back = type_(context, "/sw:restore 1")
    assert (back["folder"], back["status"]) == (".specweave/increments/0001-work", "abandoned")
    assert tree(increment.folder) == content
    assert refused(context, "/sw:restore 1").code == "increment-not-archived"


def test_what_still_runs_is_named_when_its_increment_is_put_away(context: Context, increment: Increment) -> None:
    def deployed(document: dict[str, object]) -> None:
        document["deployment"] = {"staging": {"version": "0001-v1"}}

    store.update_metadata(increment, deployed, context.host.now)
    type_(context, "/sw:abandon")
    assert "staging" in str(type_(context, "/sw:archive 1")["text"])


def test_a_name_that_is_taken_meanwhile_is_not_overwritten(context: Context, increment: Increment) -> None:
    type_(context, "/sw:abandon")
    type_(context, "/sw:archive 1")
    increment.folder.mkdir()
    (increment.folder / "spec.md").write_text("mine")
    assert refused(context, "/sw:restore 1").code == "increment-exists"
    assert (increment.folder / "spec.md").read_text() == "mine"


def test_without_a_name_the_only_open_increment_is_meant(context: Context, increment: Increment) -> None:
    store.create(context, "other")
    for line in ("/sw:pause", "/sw:resume", "/sw:abandon", "/sw:done"):
        assert refused(context, line).code == "increment-ambiguous"
    type_(context, "/sw:pause 2")
    assert type_(context, "/sw:resume")["increment"] == "0002-other"
    type_(context, "/sw:abandon 2")
    assert type_(context, "/sw:pause")["increment"] == increment.id


@pytest.mark.parametrize("metadata", ['{"status": "paused"}', '{"status": "paused", "pausedReason": "old", "x": [1]}'])
def test_an_increment_of_another_tool_moves_too_and_its_own_keys_stay(
    context: Context, metadata: str, tmp_path: Path
) -> None:
    folder = tmp_path / ".specweave/increments/0007-theirs"
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text(metadata)
    assert type_(context, "/sw:resume 7")["after"] == "active"
    document = json.loads((folder / "metadata.json").read_bytes())
    added = {"status", "history", "updated"}
    kept = {key: value for key, value in document.items() if key not in added}
    before = json.loads(metadata)
    assert kept == {key: value for key, value in before.items() if key not in added}


def test_each_of_them_can_make_one_commit_of_the_increment_alone(
    context: Context, make_repository: Callable[[], Repo]
) -> None:
    repository = make_repository()
    store.create(context, "work")
    (context.project.root / "mine.txt").write_text("mine")
    for line, message in (
        ("/sw:pause 1 --commit", "0001: paused"),
        ("/sw:resume 1 --commit", "0001: planned"),
        ("/sw:abandon 1 --commit", "0001: abandoned"),
        ("/sw:archive 1 --commit", "0001: archived"),
        ("/sw:restore 1 --commit", "0001: restored"),
        ("/sw:reopen 1 --reason x --commit", "0001: active"),
        ("/sw:done 1 --reason x --commit", "0001: done"),
    ):
        result = type_(context, line)
        assert result["commit"] == repository.head.commit.hexsha
        assert str(repository.head.commit.message).strip() == message
        touched = repository.git.show("--name-only", "--format=", "HEAD").split()
        assert touched
        assert all("0001-work" in name for name in touched)
        assert not repository.git.status("--porcelain", "--", ".specweave/increments")
    assert "mine.txt" in repository.untracked_files


@pytest.fixture
def make_repository(context: Context) -> Callable[[], Repo]:
    """A repository with an identity, and one commit of something else."""

    def make() -> Repo:
        repository = Repo.init(context.project.root)
        with repository.config_writer() as settings:
            settings.set_value("user", "name", "Tester")
            settings.set_value("user", "email", "tester@example.org")
            settings.set_value("commit", "gpgsign", "false")
        repository.git.commit("--allow-empty", "-m", "Start")
        return repository

    return make
