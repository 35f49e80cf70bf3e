"""`expected_revision`: a change that is based on an old reading is refused, and of several only one is done."""

import json
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import anyio
import pytest
from mcp import Client
from tests.faces.clients import Mode, answering, error_of, text_of

from specweave.command import AnyCommand, Context, Request, Result
from specweave.errors import ConflictError
from specweave.increments import store
from specweave.increments.store import Increment
from specweave.mcp_server import create_server
from specweave.registry import ENTRIES, Entry, find

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("error::mcp.MCPDeprecationWarning")]

WRITERS = [entry for entry in ENTRIES if not entry.load().annotations.read_only]
CHANGERS = [entry for entry in WRITERS if "increment" in entry.load().request.model_fields]


class NotingRequest(Request):
    """What to note."""

    increment: str | None = None
    note: str = ""


class NotingResult(Result):
    """What was noted."""

    revision: str

    def text(self) -> str:
        return "noted"


def note(request: NotingRequest, context: Context) -> NotingResult:
    increment = store.find(context.project, request.increment)
    notes = increment.metadata().model_extra or {}
    # What another wrote between this reading and the writing would be lost.
    noted = [*notes.get("notes", []), request.note]
    store.update_metadata(increment, lambda document: document.update(notes=noted), context.host.now)
    return NotingResult(revision=store.revision(increment))


def noting(exercise: ModuleType, **changes: Any) -> Entry:
    """A quick command that reads, changes and writes an increment."""
    command: AnyCommand = replace(
        exercise.EXERCISE,
        **{"request": NotingRequest, "result": NotingResult, "run": note, "approval": None, **changes},
    )

    class NotingEntry(Entry):
        def load(self) -> AnyCommand:
            return command

    return NotingEntry("ml", "deploy", "Bring a version to an environment, or stop it there")


@pytest.fixture
def increment(context: Context) -> Increment:
    return store.create(context, "Explain the model")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.slash)
async def test_exactly_the_tools_that_change_an_increment_take_it(context: Context, entry: Entry) -> None:
    (tool,) = await create_server(context, [entry]).list_tools()
    assert ("expected_revision" in tool.input_schema["properties"]) == (entry in CHANGERS)
    assert "expected_revision" not in tool.input_schema.get("required", ())


@pytest.mark.parametrize("entry", WRITERS, ids=lambda entry: entry.slash)
def test_every_command_that_writes_says_the_revision_it_left(entry: Entry) -> None:
    """A command that takes many increments says it of each."""
    fields = entry.load().result.model_fields
    each = get_args(fields["increments"].annotation)[0].model_fields if "increments" in fields else {}
    assert "revision" in {*fields, *each}


async def test_a_change_on_the_revision_that_was_read_is_done(
    context: Context, exercise: ModuleType, increment: Increment, mode: Mode
) -> None:
    async with Client(create_server(context, [noting(exercise)]), mode=mode) as client:
        read = store.revision(increment)
        for word in ("one", "two"):
            made = await client.call_tool("ml_deploy", {"increment": 1, "note": word, "expected_revision": read})
            assert not made.is_error, text_of(made)
            assert made.structured_content is not None
            read = made.structured_content["revision"]
            assert read == store.revision(increment)
    assert json.loads((increment.folder / "metadata.json").read_bytes())["notes"] == ["one", "two"]


async def test_the_life_of_an_increment_goes_on_from_revision_to_revision(context: Context, mode: Mode) -> None:
    entries = [find("sw", name) for name in ("inc", "pause", "resume", "abandon", "archive", "restore")]
    async with Client(create_server(context, entries), mode=mode) as client:
        made = await client.call_tool("sw_inc", {"title": "Explain the model"})
        assert made.structured_content is not None
        first = read = made.structured_content["revision"]
        for name, more in (
            ("pause", {"reason": "no data yet"}),
            ("resume", {}),
            ("abandon", {"reason": "nobody asks"}),
            ("archive", {}),
            ("restore", {}),
        ):
            arguments = {"increment": "0001", **more}
            error = error_of(await client.call_tool(f"sw_{name}", {**arguments, "expected_revision": "x"}))
            assert (error["code"], error["details"]["revision"]) == ("revision-stale", read)
            done = await client.call_tool(f"sw_{name}", {**arguments, "expected_revision": read})
            assert not done.is_error, text_of(done)
            assert done.structured_content is not None
            read = done.structured_content["revision"]
        late = {"increment": "0001", "reason": "again", "expected_revision": first}
        error = error_of(await client.call_tool("sw_abandon", late))
    assert (error["code"], error["details"]["changed"]) == ("revision-stale", ["metadata.json"])


@pytest.mark.parametrize("changed", [("tasks.md",), ("spec.md", "plan.md"), ("metadata.json",)])
async def test_a_change_on_an_old_revision_is_refused_with_what_changed(
    *, context: Context, exercise: ModuleType, increment: Increment, mode: Mode, changed: tuple[str, ...]
) -> None:
    read = store.revision(increment)
    for name in changed:
        _append(increment.folder / name)
    before = _files(increment)
    arguments = {"increment": "0001", "note": "late", "expected_revision": read}
    async with Client(create_server(context, [noting(exercise)]), mode=mode) as client:
        error = error_of(await client.call_tool("ml_deploy", arguments))
    assert error["code"] == "revision-stale"
    assert set(error["details"]["changed"]) == set(changed)
    assert error["details"]["revision"] == store.revision(increment)
    assert all(name in error["message"] for name in changed)
    assert store.revision(increment) in error["next_step"]
    assert _files(increment) == before


@pytest.mark.parametrize("expected", ["", "nonsense", "0" * 64, "-".join(["0" * 12] * 4), "x" * 10_000, "\ud83d"])
async def test_what_never_was_a_revision_is_stale(
    context: Context, exercise: ModuleType, increment: Increment, expected: str
) -> None:
    async with Client(create_server(context, [noting(exercise)])) as client:
        error = error_of(
            await client.call_tool("ml_deploy", {"increment": increment.id, "expected_revision": expected})
        )
    assert error["code"] == "revision-stale"
    assert len(error["message"]) < 500


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"increment": "0001", "expected_revision": 7}, "argument-invalid"),
        ({"increment": "0001", "expected_revision": ["a"]}, "argument-invalid"),
        ({"expected_revision": "a-b-c-d"}, "argument-missing"),
        ({"increment": "0009", "expected_revision": "a-b-c-d"}, "increment-not-found"),
    ],
)
@pytest.mark.usefixtures("increment")
async def test_an_expectation_that_means_nothing_is_refused(
    context: Context, exercise: ModuleType, arguments: dict[str, Any], code: str
) -> None:
    async with Client(create_server(context, [noting(exercise)])) as client:
        assert error_of(await client.call_tool("ml_deploy", arguments))["code"] == code


@pytest.mark.usefixtures("increment")
async def test_without_an_expectation_nothing_is_compared(context: Context, exercise: ModuleType) -> None:
    async with Client(create_server(context, [noting(exercise)])) as client:
        for arguments in ({}, {"increment": "0001", "expected_revision": None}):
            assert not (await client.call_tool("ml_deploy", arguments)).is_error


async def test_a_tool_that_only_reads_knows_no_expectation(context: Context, increment: Increment) -> None:
    async with Client(create_server(context, [find("sw", "status")])) as client:
        error = error_of(await client.call_tool("sw_status", {"expected_revision": store.revision(increment)}))
    assert error["code"] == "argument-unknown"


async def test_of_sixteen_at_once_on_one_revision_exactly_one_is_done(
    context: Context, exercise: ModuleType, increment: Increment, mode: Mode
) -> None:
    read = store.revision(increment)
    results: list[Any] = []
    second = threading.Barrier(2)

    def run(request: NotingRequest, context: Context) -> NotingResult:
        # The first one waits a while for a second one that was let in as well.
        with suppress(threading.BrokenBarrierError):
            second.wait(0.3)
        return note(request, context)

    async def change(client: Client, number: int) -> None:
        arguments = {"increment": "0001", "note": f"note {number}", "expected_revision": read}
        results.append(await client.call_tool("ml_deploy", arguments))

    server = create_server(context, [noting(exercise, run=run)])
    async with Client(server, mode=mode) as one, Client(server, mode=mode) as other, anyio.create_task_group() as group:
        for number in range(16):
            group.start_soon(change, (one, other)[number % 2], number)
    refused = [error_of(result) for result in results if result.is_error]
    assert [error["code"] for error in refused] == ["revision-stale"] * 15
    (done,) = [result.structured_content["revision"] for result in results if not result.is_error]
    assert {error["details"]["revision"] for error in refused} == {done} == {store.revision(increment)}
    assert len(json.loads((increment.folder / "metadata.json").read_bytes())["notes"]) == 1


@pytest.mark.parametrize("long", [False, True])
async def test_others_may_change_the_project_while_a_long_command_runs(
    context: Context, exercise: ModuleType, increment: Increment, *, long: bool
) -> None:
    locked: list[bool] = []

    def run(request: NotingRequest, context: Context) -> NotingResult:
        locked.append(_is_locked(context))
        return note(request, context)

    arguments = {"increment": "0001", "expected_revision": store.revision(increment)}
    async with Client(create_server(context, [noting(exercise, long=long, run=run)])) as client:
        assert not (await client.call_tool("ml_deploy", arguments)).is_error
    assert locked == [not long]


async def test_nobody_is_asked_about_a_change_that_is_refused_anyway(
    context: Context, entry: Entry, increment: Increment, mode: Mode
) -> None:
    asked: list[str] = []
    answer = answering("accept", approve=True, asked=asked)
    arguments = {"increment": increment.id, "environment": "production", "expected_revision": "a-b-c-d"}
    async with Client(create_server(context, [entry]), mode=mode, elicitation_callback=answer) as client:
        error = error_of(await client.call_tool("ml_deploy", arguments))
    assert (error["code"], asked) == ("revision-stale", [])


async def test_what_changes_while_a_person_thinks_makes_the_revision_stale(
    context: Context, entry: Entry, increment: Increment, mode: Mode
) -> None:
    plan = increment.folder / "plan.md"
    answer = answering("accept", approve=True, meanwhile=lambda: _append(plan))
    arguments = {
        "increment": increment.id,
        "environment": "production",
        "expected_revision": store.revision(increment),
    }
    async with Client(create_server(context, [entry]), mode=mode, elicitation_callback=answer) as client:
        error = error_of(await client.call_tool("ml_deploy", arguments))
    assert (error["code"], error["details"]["changed"]) == ("revision-stale", ["plan.md"])


def _append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def _files(increment: Increment) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in increment.folder.iterdir() if path.is_file()}


def _is_locked(context: Context) -> bool:
    """Whether another thread would have to wait."""
    found: list[bool] = []

    def take() -> None:
        try:
            with store.project_lock(context.project, timeout_s=0.05):
                found.append(False)
        except ConflictError:
            found.append(True)

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return found[0]
