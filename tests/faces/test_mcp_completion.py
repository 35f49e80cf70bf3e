"""Completion of addresses and of prompts' arguments, in both eras of the protocol."""

from pathlib import Path

import pytest
from mcp import Client
from mcp_types import Completion, PromptReference, ResourceTemplateReference
from tests.faces.clients import Mode

from specweave.command import Context
from specweave.host import RealHost
from specweave.increments import store
from specweave.mcp_server import create_server
from specweave.project import Project
from specweave.registry import find

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("error::mcp.MCPDeprecationWarning")]

ENTRIES = [find("sw", "inc"), find("sw", "do"), find("ml", "load-test")]
TASKS = """\
# Tasks

### T-001: Write it down

**Status**: [ ] pending

### T-012: Say it aloud

**Status**: [ ] pending
"""


def _made(context: Context) -> Path:
    """Two increments; the folder of the first one."""
    made = store.create(context, "Explain the model")
    (made.folder / "tasks.md").write_text(TASKS, "utf-8")
    store.create(context, "Deploy the model")
    (made.folder / "reports").mkdir()
    for name in ("001-do.md", "001-do.json", "002-load-test.md", "002-load-test.csv", "notes.md"):
        (made.folder / "reports" / name).write_text("", "utf-8")
    return made.folder


@pytest.fixture
def increments(context: Context) -> Path:
    return _made(context)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """A project with these increments, only to be read."""
    root = tmp_path_factory.mktemp("library").resolve()
    context = Context(project=Project(root), host=RealHost(), actor="mcp")
    _made(context)
    return context


async def _words(client: Client, prompt: str, typed: str) -> list[str]:
    found = await client.complete(PromptReference(name=prompt), {"name": "arguments", "value": typed})
    return found.completion.values


async def _part(client: Client, name: str, typed: str, **known: str) -> Completion:
    reference = ResourceTemplateReference(uri="specweave://increments/{id}/{document}")
    return (await client.complete(reference, {"name": name, "value": typed}, known or None)).completion


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("", ["0002-deploy-the-model", "0001-explain-the-model"]),
        ("0001", ["0001-explain-the-model"]),
        ("2", ["0002-deploy-the-model"]),
        ("exp", ["0001-explain-the-model"]),
        ("model", []),
        ("../", []),
    ],
)
async def test_an_increment_is_completed_from_its_number_or_slug(
    library: Context, mode: Mode, typed: str, offered: list[str]
) -> None:
    async with Client(create_server(library, ENTRIES), mode=mode) as client:
        found = await _part(client, "id", typed)
        assert (found.values, found.total, found.has_more) == (offered, len(offered), False)
        assert await _words(client, "sw-do", typed) == offered


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("0001 --task ", ["0001 --task T-001", "0001 --task T-012"]),
        ("0001 --until t-01", ["0001 --until T-012"]),
        ("--dry-run expl --task T-00", ["--dry-run expl --task T-001"]),
        ("--task T-001 0002", ["--task T-001 0002-deploy-the-model"]),
        ("0001 00", []),
        ("0001 --dry", ["0001 --dry-run"]),
        ("0001 --dry-run --dry", []),
        ("nowhere --task ", []),
        ("--task ", []),
        ('"0001', []),
    ],
)
async def test_the_last_word_of_a_prompts_arguments_is_completed(
    library: Context, mode: Mode, typed: str, offered: list[str]
) -> None:
    async with Client(create_server(library, ENTRIES), mode=mode) as client:
        assert await _words(client, "sw-do", typed) == offered


async def test_the_values_of_an_option_and_linked_increments_are_offered(library: Context, mode: Mode) -> None:
    async with Client(create_server(library, ENTRIES), mode=mode) as client:
        assert await _words(client, "sw-inc", "Title --type ho") == ["Title --type hotfix"]
        assert await _words(client, "sw-inc", "Title --links 0002") == ["Title --links 0002-deploy-the-model"]
        assert await _words(client, "sw-inc", "00") == []


async def test_what_was_put_away_is_offered_where_it_can_be_brought_back(
    context: Context, increments: Path, mode: Mode
) -> None:
    _put_away(increments)
    async with Client(create_server(context, [find("sw", "do"), find("sw", "restore")]), mode=mode) as client:
        assert await _words(client, "sw-restore", "") == ["0001-explain-the-model"]
        assert await _words(client, "sw-do", "") == ["0002-deploy-the-model"]


async def test_documents_and_reports_are_those_of_the_increment(library: Context, mode: Mode) -> None:
    async with Client(create_server(library, ENTRIES), mode=mode) as client:
        assert (await _part(client, "document", "", id="0001")).values == ["spec", "plan", "tasks", "metadata"]
        assert (await _part(client, "document", "p", id="0001")).values == ["plan"]
        reports = (await _part(client, "report", "", id="0001")).values
        assert reports == ["002-load-test.md", "001-do.json", "001-do.md"]
        assert (await _part(client, "report", "002", id="0001")).values == ["002-load-test.md"]
        assert (await _part(client, "report", "", id="0002")).values == []
        assert (await _part(client, "report", "", id="0009")).values == []
        assert (await _part(client, "report", "")).values == []
        assert (await _part(client, "nothing", "", id="0001")).values == []


async def test_the_states_of_the_listing_are_offered(library: Context, mode: Mode) -> None:
    async with Client(create_server(library, ENTRIES), mode=mode) as client:
        assert (await _part(client, "state", "pa")).values == ["paused"]
        assert "active" in (await _part(client, "state", "")).values


async def test_no_more_than_a_hundred_are_offered(context: Context, increments: Path, mode: Mode) -> None:
    for number in range(1_000, 1_120):
        (increments.parent / f"{number}-part").mkdir()
        (increments.parent / f"{number}-part" / "spec.md").write_text("", "utf-8")
    async with Client(create_server(context, ENTRIES), mode=mode) as client:
        found = await _part(client, "id", "")
        few = await _part(client, "id", "part")
    assert (len(found.values), found.total, found.has_more) == (100, 122, True)
    assert found.values[0] == "1119-part"
    assert (len(few.values), few.total, few.has_more) == (100, 120, True)


@pytest.mark.parametrize("typed", ["\0", "\n", "x" * 10_000, "0001 --task \ud83d", "🚀 --until ", "--task=", "  "])
async def test_odd_text_is_completed_by_nothing_or_something_and_never_fails(library: Context, typed: str) -> None:
    async with Client(create_server(library, ENTRIES)) as client:
        for name in ("sw-do", "sw-inc", "ml-load-test"):
            assert isinstance(await _words(client, name, typed), list)
        assert await _words(client, "no-such-prompt", typed) == []


async def test_a_name_that_no_text_can_hold_is_not_offered(context: Context, increments: Path) -> None:
    odd = increments.parent / "0003-\udcff"
    odd.mkdir()
    (odd / "spec.md").write_text("", "utf-8")
    async with Client(create_server(context, ENTRIES)) as client:
        assert (await _part(client, "id", "0003")).values == []


async def test_tasks_that_cannot_be_read_are_not_offered(context: Context, increments: Path) -> None:
    (increments / "metadata.json").write_text("{", "utf-8")
    async with Client(create_server(context, ENTRIES)) as client:
        assert await _words(client, "sw-do", "0001 --task ") == []


def _put_away(folder: Path) -> None:
    (folder.parent / "_archive").mkdir()
    folder.rename(folder.parent / "_archive" / folder.name)
