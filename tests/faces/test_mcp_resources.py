"""The increments as resources: what can be read, in both eras of the protocol, and what cannot."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp_types import INVALID_PARAMS, TextResourceContents
from tests.faces.clients import Mode

from specweave.command import Context
from specweave.files.reading import DOCUMENT_BYTES
from specweave.host import RealHost
from specweave.increments import evidence, life_cycle, store
from specweave.increments.store import Increment
from specweave.mcp_server import create_server
from specweave.project import Project

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("error::mcp.MCPDeprecationWarning")]

TASKS = """\
# Tasks

### T-001: Write it down

**Status**: [x] completed

### T-002: Say it aloud

**Status**: [ ] pending
"""


def _made(context: Context) -> Increment:
    made = store.create(context, "Explain the model")
    (made.folder / "tasks.md").write_text(TASKS, "utf-8")
    (made.folder / "deployment.yaml").write_text("model: {}\n", "utf-8")
    evidence.record(
        context,
        made,
        operation="load-test",
        command="/ml:load-test 0001",
        passed=True,
        started=context.host.now(),
        markdown="It held.",
        data={"steps": []},
        attachments={".svg": b"<svg/>", ".csv": b"1,2"},
    )
    return made


@pytest.fixture
def increment(context: Context) -> Increment:
    return _made(context)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """A project with that increment, only to be read."""
    root = tmp_path_factory.mktemp("library").resolve()
    context = Context(project=Project(root), host=RealHost(), actor="mcp")
    _made(context)
    return context


async def _read(client: Client, uri: str) -> TextResourceContents:
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert content.uri == uri
    return content


async def _refused(client: Client, uri: str) -> dict[str, Any]:
    with pytest.raises(MCPError) as raised:
        await client.read_resource(uri)
    error: dict[str, Any] = raised.value.error.data
    assert error["uri"] == uri
    assert error["next_step"]
    assert raised.value.error.message == f"{error['code']}: {error['message']}\nNext: {error['next_step']}"
    assert raised.value.error.code == INVALID_PARAMS
    return error


async def test_the_kinds_of_address_are_listed(library: Context, mode: Mode) -> None:
    async with Client(create_server(library, []), mode=mode) as client:
        resources = (await client.list_resources()).resources
        templates = (await client.list_resource_templates()).resource_templates
    assert [resource.uri for resource in resources] == ["specweave://increments"]
    assert [template.uri_template for template in templates] == [
        "specweave://increments{?state,limit,cursor}",
        "specweave://increments/{id}",
        "specweave://increments/{id}/{document}",
        "specweave://increments/{id}/reports/{report}",
    ]
    for described in (*resources, *templates):
        assert described.title
        assert described.description


async def test_only_what_is_supported_is_announced(context: Context, mode: Mode) -> None:
    async with Client(create_server(context), mode=mode) as client:
        can = client.server_capabilities
    assert can.completions is not None
    assert can.resources is not None
    assert can.tools is not None
    assert can.prompts is not None
    announced = (can.resources.subscribe, can.resources.list_changed, can.tools.list_changed, can.prompts.list_changed)
    assert not any(announced)


async def test_the_listing_goes_on_where_it_was_cut(context: Context, mode: Mode) -> None:
    made = [store.create(context, f"Part number {number}") for number in range(5)]
    async with Client(create_server(context, []), mode=mode) as client:
        uri: str | None = "specweave://increments?limit=2"
        pages = []
        while uri:
            content = await _read(client, uri)
            assert content.mime_type == "application/json"
            pages.append(json.loads(content.text))
            uri = pages[-1]["next"]
        everything = json.loads((await _read(client, "specweave://increments")).text)
    assert [len(page["increments"]) for page in pages] == [2, 2, 1]
    listed = [item for page in pages for item in page["increments"]]
    assert listed == everything["increments"]
    assert {item["increment"]: item["revision"] for item in listed} == {item.id: store.revision(item) for item in made}
    assert {item["uri"] for item in listed} == {f"specweave://increments/{item.id}" for item in made}
    assert everything["states"] == {"planned": 5}


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=many", "limit=", "cursor=nowhere", "state=odd"])
async def test_a_listing_that_cannot_be_made_is_refused(library: Context, mode: Mode, query: str) -> None:
    async with Client(create_server(library, []), mode=mode) as client:
        error = await _refused(client, f"specweave://increments?{query}")
    assert error["code"] in {"argument-invalid", "cursor-invalid"}


@pytest.mark.parametrize("name", ["0001", "1", "0001-explain-the-model", "explain"])
async def test_an_increment_is_read_by_any_of_its_names(library: Context, mode: Mode, name: str) -> None:
    (increment,) = store.list_all(library.project)
    async with Client(create_server(library, []), mode=mode) as client:
        content = await _read(client, f"specweave://increments/{name}")
    assert content.mime_type == "text/markdown"
    assert "Say it aloud" in content.text
    assert f"Revision: `{store.revision(increment)}`" in content.text
    assert content.meta == {"specweave/revision": store.revision(increment)}


async def test_what_is_put_away_is_read_as_well(context: Context, increment: Increment, mode: Mode) -> None:
    life_cycle.move(context, increment, "abandoned", reason="not needed")
    away = store.put_away(increment)
    store.create(context, "Explain it again")
    async with Client(create_server(context, []), mode=mode) as client:
        assert "abandoned" in (await _read(client, "specweave://increments/0001")).text
        for name, file in (("spec", "spec.md"), ("reports/001-load-test.md", "reports/001-load-test.md")):
            content = await _read(client, f"specweave://increments/{increment.id}/{name}")
            assert content.text == (away.folder / file).read_text("utf-8")
        # A prefix means what is not put away first.
        assert "Explain it again" in (await _read(client, "specweave://increments/explain")).text


@pytest.mark.parametrize(
    ("path", "file", "media_type"),
    [
        ("spec", "spec.md", "text/markdown"),
        ("plan", "plan.md", "text/markdown"),
        ("tasks", "tasks.md", "text/markdown"),
        ("metadata", "metadata.json", "application/json"),
        ("deployment", "deployment.yaml", "application/yaml"),
        ("reports/001-load-test.md", "reports/001-load-test.md", "text/markdown"),
        ("reports/001-load-test.json", "reports/001-load-test.json", "application/json"),
        ("reports/001-load-test.svg", "reports/001-load-test.svg", "image/svg+xml"),
    ],
)
async def test_a_document_is_its_file(*, library: Context, mode: Mode, path: str, file: str, media_type: str) -> None:
    (increment,) = store.list_all(library.project)
    async with Client(create_server(library, []), mode=mode) as client:
        content = await _read(client, f"specweave://increments/0001/{path}")
    assert content.mime_type == media_type
    assert content.text == (increment.folder / file).read_text("utf-8")
    revision = None if path.startswith("reports/") else store.revision(increment)
    assert (content.meta or {}).get("specweave/revision") == revision


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("specweave://increments/0009", "increment-not-found"),
        ("specweave://increments/%2e%2e", "increment-not-found"),
        ("specweave://increments/..%2f..%2fetc/spec", "increment-not-found"),
        ("specweave://increments/0001%00/spec", "increment-not-found"),
        ("specweave://increments/0001/secrets", "document-not-found"),
        ("specweave://increments/0001/spec.md", "document-not-found"),
        ("specweave://increments/0001/..%2f..%2fconfig.yaml", "document-not-found"),
        ("specweave://increments/0001/reports/..%2fspec.md", "document-not-found"),
        ("specweave://increments/0001/reports/001-load-test.csv", "document-not-found"),
        ("specweave://increments/0001/reports/009-load-test.md", "document-not-found"),
        ("specweave://increments/0001/reports/.hidden.md", "document-not-found"),
        ("specweave://increments/0001/reports/a/b", "resource-not-found"),
        ("specweave://increments/", "increment-not-found"),
        ("specweave://models", "resource-not-found"),
        ("file:///etc/passwd", "resource-not-found"),
        ("", "resource-not-found"),
    ],
)
async def test_what_is_not_there_is_an_error_with_a_code_and_a_next_step(
    library: Context, mode: Mode, uri: str, code: str
) -> None:
    async with Client(create_server(library, []), mode=mode) as client:
        assert (await _refused(client, uri))["code"] == code


@pytest.mark.parametrize("way", ["document", "reports folder", "report", "increment"])
async def test_a_link_out_of_the_increment_leads_nowhere(
    context: Context, increment: Increment, tmp_path: Path, mode: Mode, way: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("spec.md", "001-load-test.md"):
        (outside / name).write_text("the secret", "utf-8")
    folder, uri = increment.folder, "specweave://increments/0001/reports/001-load-test.md"
    if way == "document":
        (folder / "spec.md").unlink()
        (folder / "spec.md").symlink_to(outside / "spec.md")
        uri = "specweave://increments/0001/spec"
    elif way == "report":
        (folder / "reports" / "001-load-test.md").unlink()
        (folder / "reports" / "001-load-test.md").symlink_to(outside / "001-load-test.md")
    elif way == "reports folder":
        (folder / "reports").rename(tmp_path / "away")
        (folder / "reports").symlink_to(outside)
    else:
        (folder.parent / "0002-outside").symlink_to(outside)
        uri = "specweave://increments/0002/spec"
    async with Client(create_server(context, []), mode=mode) as client:
        error = await _refused(client, uri)
    assert error["code"] == ("increment-not-found" if way == "increment" else "document-is-link")
    assert "secret" not in json.dumps(error)


async def test_what_no_client_could_take_is_refused_by_its_size(context: Context, increment: Increment) -> None:
    with (increment.folder / "tasks.md").open("r+b") as file:
        file.truncate(20_000_000)
    async with Client(create_server(context, [])) as client:
        error = await _refused(client, "specweave://increments/0001/tasks")
        assert error["code"] == "document-too-large"
        assert f"{DOCUMENT_BYTES:,}" in error["message"]
        assert (await _read(client, "specweave://increments/0001/spec")).text


async def test_a_pipe_in_the_place_of_a_document_is_not_waited_for(context: Context, increment: Increment) -> None:
    (increment.folder / "plan.md").unlink()
    os.mkfifo(increment.folder / "plan.md")
    async with Client(create_server(context, [])) as client:
        assert (await _refused(client, "specweave://increments/0001/plan"))["code"] == "document-is-no-file"


async def test_text_of_another_encoding_is_shown_as_far_as_it_goes(context: Context, increment: Increment) -> None:
    (increment.folder / "spec.md").write_bytes(b"\xef\xbb\xbfgr\xfcn\r\n")
    async with Client(create_server(context, [])) as client:
        assert (await _read(client, "specweave://increments/0001/spec")).text == "gr\ufffdn\r\n"


async def test_an_increment_that_cannot_be_read_is_listed_as_such(context: Context, increment: Increment) -> None:
    (increment.folder / "metadata.json").write_text("{", "utf-8")
    async with Client(create_server(context, [])) as client:
        (listed,) = json.loads((await _read(client, "specweave://increments")).text)["increments"]
    assert (listed["increment"], listed["status"]) == (increment.id, "unreadable")


async def test_a_folder_whose_name_is_no_text_hides_no_other(context: Context, increment: Increment) -> None:
    _made_of_no_text(increment.folder.parent)
    async with Client(create_server(context, [])) as client:
        page = json.loads((await _read(client, "specweave://increments?limit=1")).text)
        rest = json.loads((await _read(client, page["next"])).text)
        everything = json.loads((await _read(client, "specweave://increments")).text)["increments"]
        assert [*page["increments"], *rest["increments"]] == everything
        assert [item["uri"] for item in everything] == [
            f"specweave://increments/{increment.id}",
            "specweave://increments/0002-%FF",
        ]


def _made_of_no_text(folder: Path) -> None:
    (folder / "0002-\udcff").mkdir()
    (folder / "0002-\udcff" / "spec.md").write_text("", "utf-8")
