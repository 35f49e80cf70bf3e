import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from specweave.command import Context
from specweave.errors import ConflictError, HostError, InvalidInputError, NotFoundError
from specweave.host import RealHost
from specweave.increments import evidence, life_cycle, store, tasks
from specweave.increments.store import Increment
from specweave.operations import synchronization
from specweave.project import Project


def git(folder: Path, *arguments: str | Path) -> None:
    identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_an_increment_is_a_numbered_folder_with_its_documents(context: Context) -> None:
    increment = store.create(context, "Deploy the credit model", kind="deployment", links=["0000-model"])
    assert increment.id == "0001-deploy-the-credit-model"
    assert increment.number == "0001"
    assert sorted(tree(increment.folder)) == [".generated.json", "metadata.json", "plan.md", "spec.md", "tasks.md"]
    assert json.loads((increment.folder / "metadata.json").read_bytes()) == {
        "schema": 1,
        "id": "0001-deploy-the-credit-model",
        "status": "planned",
        "type": "deployment",
        "created": "2026-11-20T12:03:00Z",
        "updated": "2026-11-20T12:03:00Z",
        "title": "Deploy the credit model",
        "links": ["0000-model"],
        "tasks": {},
    }
    assert (context.project.state / ".gitignore").read_text().splitlines()[1:4] == ["local/", "cache/", "*.lock"]


def test_a_name_that_is_written_as_a_slug_gets_a_readable_title(context: Context) -> None:
    assert store.create(context, "deploy-credit-model").metadata().title == "Deploy credit model"
    assert store.create(context, "0043-deploy-credit-model").metadata().title == "Deploy credit model"
    assert store.create(context, "Deploy 'it'\x1b[31m\n").metadata().title == "Deploy 'it' [31m"


def test_the_next_number_is_above_all_that_were_put_away(context: Context) -> None:
    (context.project.state / "increments" / "_archive" / "0007-old").mkdir(parents=True)
    assert store.next_number(context.project) == "0008"
    assert store.create(context, "New").id == "0008-new"


def test_the_next_number_is_above_those_of_branches_and_worktrees(tmp_path: Path) -> None:
    main, other = tmp_path / "main", tmp_path / "other"
    main.mkdir()
    git(main, "init", "-q", "-b", "main")
    git(main, "commit", "-q", "--allow-empty", "-m", "Start")
    git(main, "checkout", "-q", "-b", "branch")
    store.create(Context(Project(main), RealHost()), "0041-on-a-branch")
    git(main, "add", ".")
    git(main, "commit", "-q", "-m", "Add an increment")
    git(main, "checkout", "-q", "main")
    assert store.create(Context(Project(main), RealHost()), "Here").id == "0042-here"
    git(main, "worktree", "add", "-q", other)
    assert store.create(Context(Project(other), RealHost()), "There").id == "0043-there"
    assert store.create(Context(Project(main), RealHost()), "Here again").id == "0044-here-again"


def test_numbers_on_branches_are_found_where_the_project_is_a_folder_of_the_repository(tmp_path: Path) -> None:
    project = tmp_path / "services" / "credit"
    project.mkdir(parents=True)
    (project / "train.py").touch()
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "Start")
    git(tmp_path, "checkout", "-q", "-b", "branch")
    store.create(Context(Project(project), RealHost()), "0041-on-a-branch")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "Add an increment")
    git(tmp_path, "checkout", "-q", "main")
    assert store.next_number(Project(project)) == "0042"


def test_a_number_that_is_taken_is_refused_and_a_free_one_named(context: Context) -> None:
    store.create(context, "0043-first")
    with pytest.raises(ConflictError, match="0043-first") as caught:
        store.create(context, "0043-second")
    assert caught.value.code == "increment-exists"
    assert "0044" in caught.value.next_step


@pytest.mark.parametrize("name", ["🎉", "0043-../x", "0043-" + "x" * 200])
def test_a_name_that_is_refused_leaves_nothing_behind(context: Context, name: str) -> None:
    with pytest.raises(InvalidInputError):
        store.create(context, name)
    assert tree(context.project.root) == {}


@pytest.mark.parametrize("name", ["1", "0001", "0001-deploy-credit", "0001-dep", "deploy-c", " 0001-deploy-credit/ "])
def test_an_increment_is_found_by_number_folder_and_unique_prefix(context: Context, name: str) -> None:
    store.create(context, "deploy-credit")
    store.create(context, "rename")
    assert store.find(context.project, name).id == "0001-deploy-credit"


@pytest.mark.parametrize("name", ["9", "credit", "", "../x", "0001-deploy-credit-model", "\uff11"])
def test_a_name_that_fits_none_lists_those_there_are(context: Context, name: str) -> None:
    store.create(context, "deploy-credit")
    with pytest.raises(NotFoundError) as caught:
        store.find(context.project, name)
    assert caught.value.code == "increment-not-found"
    assert "0001-deploy-credit" in caught.value.next_step


def test_a_prefix_of_several_lists_them(context: Context) -> None:
    store.create(context, "deploy-credit")
    store.create(context, "deploy-diamonds")
    with pytest.raises(NotFoundError) as caught:
        store.find(context.project, "deploy")
    assert caught.value.code == "increment-ambiguous"
    assert caught.value.details["candidates"] == ["0001-deploy-credit", "0002-deploy-diamonds"]


def test_without_a_name_the_only_open_one_of_the_kind_is_meant(context: Context) -> None:
    with pytest.raises(NotFoundError):
        store.find(context.project, None)
    store.create(context, "feature")
    first = store.create(context, "deploy-a", kind="deployment")
    assert store.find(context.project, None, kind="deployment").id == first.id
    second = store.create(context, "deploy-b", kind="deployment")
    with pytest.raises(NotFoundError) as caught:
        store.find(context.project, None, kind="deployment")
    assert caught.value.code == "increment-ambiguous"
    store.update_metadata(first, lambda document: document.update(status="completed"), context.host.now)
    assert store.find(context.project, None, kind="deployment").id == second.id


def test_without_a_name_a_paused_one_is_meant_only_where_no_other_is_open(context: Context) -> None:
    paused = store.create(context, "rests")
    store.update_metadata(paused, lambda document: document.update(status="paused"), context.host.now)
    assert store.find(context.project, None).id == paused.id
    first = store.create(context, "goes on")
    assert store.find(context.project, None).id == first.id
    assert store.find(context.project, None, paused=True).id == paused.id
    store.create(context, "goes on too")
    with pytest.raises(NotFoundError) as caught:
        store.find(context.project, None)
    assert caught.value.message == (
        "there is more than one open increment (paused: 0001-rests): 0002-goes-on, 0003-goes-on-too"
    )


def test_without_a_name_a_completed_one_is_meant_where_that_is_asked_and_none_is_open(context: Context) -> None:
    store.create(context, "feature")
    done = store.create(context, "deploy-a", kind="deployment")
    store.update_metadata(done, lambda document: document.update(status="completed"), context.host.now)
    with pytest.raises(NotFoundError):
        store.find(context.project, None, kind="deployment")
    assert store.find(context.project, None, kind="deployment", completed=True).id == done.id
    second = store.create(context, "deploy-b", kind="deployment")
    assert store.find(context.project, None, kind="deployment", completed=True).id == second.id
    store.update_metadata(second, lambda document: document.update(status="completed"), context.host.now)
    with pytest.raises(NotFoundError) as caught:
        store.find(context.project, None, kind="deployment", completed=True)
    assert caught.value.details["candidates"] == ["0002-deploy-a", "0003-deploy-b"]


def test_updating_keeps_what_others_wrote_and_writes_nothing_when_nothing_changed(
    context: Context, increment_with: Callable[..., Increment]
) -> None:
    content = '{"id": "0001-work", "zebra": {"deep": [1.5, null]}, "status": "in_progress"}'
    increment = increment_with(metadata=content)
    store.update_metadata(increment, lambda _: None, context.host.now)
    assert (increment.folder / "metadata.json").read_text() == content
    store.update_metadata(increment, lambda document: document.update(model={"name": "m"}), context.host.now)
    assert json.loads((increment.folder / "metadata.json").read_bytes()) == {
        "id": "0001-work",
        "zebra": {"deep": [1.5, None]},
        "status": "in_progress",
        "model": {"name": "m"},
        "updated": "2026-11-20T12:03:00Z",
    }
    assert increment.metadata().status == "active"


def test_the_revision_changes_exactly_when_a_document_does(context: Context) -> None:
    increment = store.create(context, "work")
    before = store.revision(increment)
    (increment.folder / "notes.md").write_text("x")
    assert store.revision(increment) == before
    (increment.folder / "plan.md").write_text("x")
    changed = store.revision(increment)
    (increment.folder / "plan.md").unlink()
    assert len({before, changed, store.revision(increment)}) == 3


CREATE_MANY = """
import sys
from pathlib import Path
from specweave.command import Context
from specweave.host import RealHost
from specweave.increments import store
from specweave.project import Project
for number in range(50):
    store.create(Context(Project(Path(sys.argv[1])), RealHost()), f"{sys.argv[2]} {number}")
"""
COUNT_UP = """
import sys
from pathlib import Path
from specweave.host import RealHost
from specweave.increments import store
from specweave.project import Project
increment = store.find(Project(Path(sys.argv[1])), "1")
for _ in range(25):
    store.update_metadata(
        increment, lambda document: document.update(count=document.get("count", 0) + 1), RealHost().now
    )
"""


def at_once(script: str, root: Path) -> list[int]:
    """Exit statuses of two processes that run the script at the same time."""
    processes = [subprocess.Popen([sys.executable, "-c", script, root, letter]) for letter in "ab"]
    return [process.wait() for process in processes]


def test_two_processes_that_create_fifty_each_get_a_hundred_ids_and_lose_no_file(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert at_once(CREATE_MANY, tmp_path) == [0, 0]
    increments = store.list_all(Project(tmp_path))
    assert [int(increment.number) for increment in increments] == list(range(1, 101))
    assert {increment.id.partition("-")[2] for increment in increments} == {
        f"{letter}-{number}" for letter in "ab" for number in range(50)
    }
    for increment in increments:
        assert sorted(tree(increment.folder)) == ["metadata.json", "plan.md", "spec.md", "tasks.md"]
        assert increment.metadata().id == increment.id
        assert [task.id for task in tasks.read(increment)] == ["T-001"]


def test_two_processes_that_update_at_once_lose_no_update(context: Context) -> None:
    increment = store.create(context, "work")
    assert at_once(COUNT_UP, context.project.root) == [0, 0]
    assert json.loads((increment.folder / "metadata.json").read_bytes())["count"] == 50


DIE_WHILE_CREATING = """
import os, sys
from pathlib import Path
from specweave.command import Context
from specweave.files import atomic
from specweave.host import RealHost
from specweave.increments import store
from specweave.project import Project
write = atomic.write
def write_then_die(path, content, **settings):
    write(path, content, **settings)
    if path.name == sys.argv[2]:
        os.kill(os.getpid(), 9)
atomic.write = write_then_die
store.create(Context(Project(Path(sys.argv[1])), RealHost()), "work", kind="deployment")
"""


@pytest.mark.parametrize("last", [".gitignore", "spec.md", ".generated.json", "tasks.md", "metadata.json"])
def test_a_creation_that_is_killed_leaves_no_half_of_an_increment(context: Context, last: str) -> None:
    killed = subprocess.run([sys.executable, "-c", DIE_WHILE_CREATING, context.project.root, last], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert store.list_all(context.project) == []
    after = store.create(context, "after")
    assert [increment.id for increment in store.list_all(context.project)] == [after.id]
    assert not list((context.project.state / "increments").glob(".new-*"))


def test_a_full_disk_leaves_no_half_of_an_increment(small_disk: Path) -> None:
    context = Context(Project(small_disk), RealHost())
    store.create(context, "first")
    with (small_disk / "filler").open("wb", buffering=0) as filler:
        while True:
            try:
                filler.write(b"x" * 4096)
            except OSError:
                break
    before = tree(small_disk / ".specweave" / "increments")
    with pytest.raises(HostError) as caught:
        store.create(context, "second")
    assert caught.value.code == "disk-full"
    assert tree(small_disk / ".specweave" / "increments") == before
    assert os.listdir(small_disk / ".specweave" / "increments") == ["0001-first"]  # noqa: PTH208 - hidden names too
    (small_disk / "filler").unlink()
    assert store.create(context, "second").id == "0002-second"


def test_a_project_without_git_on_the_machine_works(context: Context) -> None:
    script = (
        "import sys; from pathlib import Path; from specweave.command import Context;"
        "from specweave.host import RealHost; from specweave.increments import store;"
        "from specweave.project import Project;"
        "print(store.create(Context(Project(Path(sys.argv[1])), RealHost()), 'work').id)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, context.project.root],
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("0001-work\n", "")


def test_a_revision_tells_which_documents_changed(context: Context) -> None:
    increment = store.create(context, "work")
    before = store.revision(increment)
    assert re.fullmatch(r"[0-9a-f]{12}(-[0-9a-f]{12}){4}", before)
    assert store.changed_since(increment, before) == ()
    (increment.folder / "plan.md").write_text("another")
    assert store.changed_since(increment, before) == ("plan.md",)
    (increment.folder / "tasks.md").unlink()
    assert store.revision(increment).endswith("-000000000000-000000000000")
    assert store.changed_since(increment, before) == ("plan.md", "tasks.md")
    (increment.folder / "tasks.md").mkdir()
    assert store.changed_since(increment, before) == ("plan.md", "tasks.md")
    (increment.folder / "deployment.yaml").write_text("model: {}\n")
    assert store.changed_since(increment, before) == ("plan.md", "tasks.md", "deployment.yaml")


@pytest.mark.parametrize("revision", ["", "x", "0" * 64, "a-b", "a-b-c-d-e-f"])
def test_what_is_no_revision_is_that_of_nothing(context: Context, revision: str) -> None:
    assert store.changed_since(store.create(context, "work"), revision) == store.DOCUMENTS


def test_what_is_put_away_is_found_only_when_asked_for_and_keeps_its_number(context: Context) -> None:
    first, second = store.create(context, "first"), store.create(context, "second")
    content = {path.name: path.read_bytes() for path in first.folder.iterdir()}
    away = store.put_away(first)
    assert (away.archived, second.archived) == (True, False)
    assert away.folder == context.project.state / "increments" / "_archive" / "0001-first"
    assert {path.name: path.read_bytes() for path in away.folder.iterdir()} == content
    assert store.list_all(context.project) == [second]
    assert store.list_all(context.project, archived=True) == [away, second]
    with pytest.raises(NotFoundError) as caught:
        store.find(context.project, "1")
    assert (caught.value.code, "/sw:restore 0001" in caught.value.next_step) == ("increment-not-found", True)
    assert store.find(context.project, "first", archived=True) == away
    assert store.create(context, "third").number == "0003"
    assert store.bring_back(away) == first
    assert store.list_all(context.project)[0] == first


@pytest.mark.parametrize("there", ["folder", "link", "file"])
def test_nothing_is_moved_onto_what_is_there(context: Context, tmp_path: Path, there: str) -> None:
    increment = store.create(context, "work")
    target = context.project.state / "increments" / "_archive" / increment.id
    target.parent.mkdir()
    {"folder": target.mkdir, "link": lambda: target.symlink_to(tmp_path / "nothing"), "file": target.touch}[there]()
    with pytest.raises(ConflictError) as caught:
        store.put_away(increment)
    assert caught.value.code == "increment-exists"
    assert (increment.folder / "metadata.json").is_file()


def test_an_archive_that_is_a_link_takes_and_gives_nothing(context: Context, tmp_path: Path) -> None:
    increment = store.create(context, "work")
    outside = tmp_path / "outside"
    (outside / "0009-foreign").mkdir(parents=True)
    (outside / "0009-foreign/spec.md").touch()
    (context.project.state / "increments" / "_archive").symlink_to(outside)
    with pytest.raises(InvalidInputError) as caught:
        store.put_away(increment)
    assert caught.value.code == "path-is-link"
    assert store.list_all(context.project, archived=True) == [increment]


def test_nothing_is_written_where_an_increment_lay_before_it_was_put_away(context: Context) -> None:
    increment = store.create(context, "work")
    away = store.put_away(increment)
    before = {path.name: path.read_bytes() for path in away.folder.iterdir()}

    def record() -> None:
        evidence.record(
            context,
            increment,
            operation="test",
            command="true",
            passed=True,
            started=context.host.now(),
            markdown="",
            data={},
        )

    for act in (
        lambda: life_cycle.move(context, increment, "paused", reason="x"),
        lambda: store.update_metadata(increment, lambda document: document.update(note=1), context.host.now),
        lambda: evidence.settle(context, increment),
        lambda: synchronization.synchronize(increment, context),
        record,
    ):
        with pytest.raises(ConflictError) as caught:
            act()
        assert caught.value.code == "increment-moved"
        assert not increment.folder.exists()
    assert {path.name: path.read_bytes() for path in away.folder.iterdir()} == before
