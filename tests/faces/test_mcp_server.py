import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError
from tests.faces.clients import Mode, error_of, text_of

from specweave.cli import run
from specweave.command import AnyCommand, Context, Progress, Request, Result
from specweave.errors import OperationError
from specweave.host import RealHost
from specweave.mcp_server import create_server
from specweave.registry import ENTRIES, Entry
from specweave.texts import command_text

SNAPSHOT = Path(__file__).with_name("tools.json")

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("error::mcp.MCPDeprecationWarning")]


async def test_a_call_gives_text_for_the_model_and_structure_for_programs(
    context: Context, entry: Entry, mode: Mode
) -> None:
    async with Client(create_server(context, [entry]), mode=mode) as client:
        result = await client.call_tool(
            "ml_deploy", {"increment": 43, "version": 2, "rates": "10,50", "duration": "2m", "metadata": {"a": "b"}}
        )
    assert not result.is_error
    assert text_of(result) == "**staging** 0043\n\nNext: look."
    assert result.structured_content is not None
    request = result.structured_content["request"]
    assert (request["increment"], request["version"], request["rates"], request["duration"]) == (
        "0043",
        "2",
        [10, 50],
        120,
    )


async def test_a_negative_result_is_no_error(context: Context, entry: Entry, mode: Mode) -> None:
    async with Client(create_server(context, [entry]), mode=mode) as client:
        result = await client.call_tool("ml_deploy", {"outcome": "missed"})
    assert not result.is_error
    assert result.structured_content is not None
    assert result.structured_content["passed"] is False


@pytest.mark.parametrize(
    ("arguments", "code", "names"),
    [
        ({"outcome": "refused"}, "port-in-use", "8000"),
        ({"outcome": "full"}, "disk-full", "/full/file"),
        ({"outcome": "crashed"}, "internal-error", "ZeroDivisionError"),
        ({"rate": 3}, "argument-unknown", "rate"),
        ({"duration": -1}, "argument-invalid", "duration"),
        ({"rates": ["fast"]}, "argument-invalid", "rates"),
        ({"increment": {"number": 43}}, "argument-invalid", "increment"),
    ],
)
async def test_every_failure_reaches_the_model_with_code_message_and_next_step(
    *, context: Context, entry: Entry, mode: Mode, arguments: dict[str, Any], code: str, names: str
) -> None:
    async with Client(create_server(context, [entry]), mode=mode) as client:
        error = error_of(await client.call_tool("ml_deploy", arguments))
    assert error["code"] == code
    assert names in error["message"]


async def test_progress_arrives_in_order_and_grows(context: Context, entry: Entry, mode: Mode) -> None:
    seen: list[tuple[float, float | None, str | None]] = []

    async def on_progress(value: float, total: float | None, message: str | None) -> None:
        seen.append((value, total, message))

    async with Client(create_server(context, [entry]), mode=mode) as client:
        await client.call_tool("ml_deploy", {}, progress_callback=on_progress)
    assert [message for _, _, message in seen] == ["step 0", "step 1", "step 2"]
    values = [value for value, _, _ in seen]
    assert values == sorted(set(values))
    assert seen[-1][:2] == (1.0, 1.0)


async def test_a_cancelled_call_stops_the_command_at_its_next_report(
    context: Context, exercise: ModuleType, mode: Mode
) -> None:
    started, stopped, go = threading.Event(), threading.Event(), threading.Event()

    def work(_request: Request, context: Context) -> Result:
        started.set()
        go.wait(30)
        with pytest.raises(OperationError, match="cancelled"):
            context.report(Progress("on and on"))
        stopped.set()
        raise OperationError("cancelled", "stopped")

    class Slow(Entry):
        def load(self) -> AnyCommand:
            return replace(exercise.EXERCISE, run=work, approval=None)

    async with Client(create_server(context, [Slow("ml", "deploy", "Slow")]), mode=mode) as client:
        with anyio.move_on_after(20) as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(client.call_tool, "ml_deploy", {})
                await anyio.to_thread.run_sync(started.wait, 20)
                group.cancel_scope.cancel()
        assert not scope.cancelled_caught
        await client.list_tools()
        go.set()
        assert await anyio.to_thread.run_sync(stopped.wait, 20)


async def test_tools_and_prompts_are_the_registry_in_its_order(context: Context, mode: Mode) -> None:
    async with Client(create_server(context), mode=mode) as client:
        tools = (await client.list_tools()).tools
        prompts = (await client.list_prompts()).prompts
    assert [tool.name for tool in tools] == [entry.tool for entry in ENTRIES]
    assert [prompt.name for prompt in prompts] == [f"{entry.group}-{entry.name}" for entry in ENTRIES]
    for entry, tool in zip(ENTRIES, tools, strict=True):
        assert tool.title == entry.summary
        assert tool.description == command_text(entry).description
        assert tool.output_schema
        assert tool.annotations
        hints = tool.annotations
        assert None not in (
            hints.read_only_hint,
            hints.destructive_hint,
            hints.idempotent_hint,
            hints.open_world_hint,
        )
        for name, schema in tool.input_schema["properties"].items():
            assert schema.get("description"), f"{tool.name}: {name} has no description"


async def test_a_prompt_is_the_page_of_its_command_with_the_words_typed(context: Context, mode: Mode) -> None:
    async with Client(create_server(context), mode=mode) as client:
        for entry in ENTRIES:
            prompt = await client.get_prompt(f"{entry.group}-{entry.name}", {"arguments": "0043 --dry-run"})
            text = prompt.messages[0].content
            assert text.type == "text"
            assert text.text == command_text(entry).body.replace("$ARGUMENTS", "0043 --dry-run")


async def test_an_argument_that_a_prompt_does_not_have_is_refused_by_the_name_of_its_one(
    context: Context, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    async with Client(create_server(context), mode=mode) as client:
        with pytest.raises(MCPError, match="no argument 'increment'") as caught:
            await client.get_prompt("sw-do", {"increment": "0001"})
        assert caught.value.error.data["code"] == "argument-unknown"
        assert "`arguments`" in caught.value.error.data["next_step"]
        with pytest.raises(MCPError, match="did you mean sw-do") as caught:
            await client.get_prompt("sw_do", {})
        assert caught.value.error.data["code"] == "prompt-unknown"
    assert "Traceback" not in caplog.text


async def test_a_tool_that_is_not_there_is_refused_with_those_that_are_near(context: Context, mode: Mode) -> None:
    async with Client(create_server(context), mode=mode) as client:
        error = error_of(await client.call_tool("sw_verfy", {}))
        assert (error["code"], error["next_step"].split(" or ")[0]) == ("tool-unknown", "did you mean sw_verify?")
        assert "use one of sw_inc, sw_next" in error_of(await client.call_tool("zzzz", {}))["next_step"]


async def test_the_instructions_name_the_loop_of_work_in_few_words(context: Context) -> None:
    async with Client(create_server(context)) as client:
        said = client.instructions or ""
    assert "sw_next, sw_do, sw_verify and sw_done" in said
    assert len(said) / 4 < 250


async def test_the_schemas_are_those_that_were_reviewed(context: Context) -> None:
    """Rewrite the file with `SNAPSHOT=write pytest tests/faces/test_mcp_server.py` and review the difference."""
    async with Client(create_server(context)) as client:
        tools = [
            tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in (await client.list_tools()).tools
        ]
    text = json.dumps(tools, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("SNAPSHOT") == "write":
        SNAPSHOT.write_text(text, "utf-8")
    assert text == SNAPSHOT.read_text("utf-8")


async def test_all_tools_together_cost_a_model_little(context: Context) -> None:
    async with Client(create_server(context)) as client:
        tools = (await client.list_tools()).tools
    # What a host puts before the model; about four characters a token.
    shown = [{"name": tool.name, "description": tool.description, "input": tool.input_schema} for tool in tools]
    assert len(json.dumps(shown)) / 4 < 6_500


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.slash)
async def test_a_value_of_any_type_is_never_a_crash(context: Context, entry: Entry) -> None:
    values: list[object] = [
        {},
        [],
        [[]],
        True,
        None,
        -1,
        1e308,
        "x" * 10_000,
        {"a": {"b": [1]}},
        "\ud83d",
        "../..",
        "\n",
    ]
    fields = entry.load().request.model_fields
    async with Client(create_server(context)) as client:
        for name in fields:
            for value in values:
                result = await client.call_tool(
                    entry.tool, {name: value, "dry_run": True} if "dry_run" in fields else {name: value}
                )
                if result.is_error:
                    assert error_of(result)["code"] != "internal-error", (name, value)


@asynccontextmanager
async def _subprocess(folder: Path, mode: Mode, **options: Any) -> AsyncIterator[Client]:
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "specweave", "mcp", "--project", str(folder)], cwd=folder
    )
    async with Client(stdio_client(server), mode=mode, **options) as client:
        yield client


async def test_over_stdio_a_real_server_creates_an_increment(tmp_path: Path, mode: Mode) -> None:
    (tmp_path / ".specweave").mkdir()
    async with _subprocess(tmp_path, mode) as client:
        made = await client.call_tool("sw_inc", {"title": "Deploy the credit model"})
        assert not made.is_error, text_of(made)
        status = await client.call_tool("sw_status", {})
        missing = await client.call_tool("ml_create_api", {"increment": "9999"})
    assert "deploy-the-credit-model" in text_of(status)
    assert error_of(missing)["code"] == "increment-not-found"
    folders = list((tmp_path / ".specweave" / "increments").iterdir())
    assert [folder.name for folder in folders if folder.is_dir()] == ["0001-deploy-the-credit-model"]


async def test_over_stdio_a_name_that_is_no_text_ends_nothing(tmp_path: Path, mode: Mode) -> None:
    folder = tmp_path / ".specweave" / "increments" / "0001-\udcff"
    _with_spec(folder)
    async with _subprocess(tmp_path, mode) as client:
        with anyio.fail_after(30):
            status = await client.call_tool("sw_status", {})
            refused = error_of(await client.call_tool("sw_pause", {"increment": "0002", "reason": "why"}))
            (listed,) = (await client.read_resource("specweave://increments")).contents
    assert "0001-?" in text_of(status)
    assert "0001-?" in refused["next_step"]
    assert "0001-?" in listed.text


def _with_spec(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "spec.md").write_text("# Spec\n", "utf-8")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server over HTTP."""
    port = RealHost().free_port()
    folder = tmp_path_factory.mktemp("served")
    (folder / ".specweave").mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "specweave", "mcp", "--http", str(port)], cwd=folder, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr
        assert f"http://127.0.0.1:{port}/mcp" in server.stderr.readline()
        deadline = time.monotonic() + 30
        while RealHost().port_is_free(port):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
        server.terminate()
        server.communicate(timeout=30)


async def test_over_http_the_same_tools_answer(address: str, mode: Mode) -> None:
    async with Client(address, mode=mode) as client:
        tools = (await client.list_tools()).tools
        status = await client.call_tool("sw_status", {})
        error = error_of(await client.call_tool("ml_status", {"increment": "9999"}))
    assert [tool.name for tool in tools] == [entry.tool for entry in ENTRIES]
    assert not status.is_error
    assert error["code"] == "increment-not-found"


@pytest.mark.parametrize("header", [{"Host": "evil.example.com"}, {"Origin": "http://evil.example.com"}])
async def test_over_http_a_foreign_page_is_refused(address: str, header: dict[str, str]) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(address, json=request, headers=header)
    assert answer.status_code in {403, 421}


def test_a_port_in_use_is_a_coded_error(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    port = address.split(":")[2].split("/", maxsplit=1)[0]
    assert run(["mcp", "--http", port]) == 4
    assert "port-in-use" in capfd.readouterr().err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_server_though_its_client_still_listens(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "specweave", "mcp"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin
        assert server.stdout
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        server.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}) + "\n")
        server.stdin.flush()
        assert json.loads(server.stdout.readline())["result"]["serverInfo"]["name"] == "specweave"
        server.send_signal(number)
        assert server.wait(30) == status


def test_listing_tools_imports_nothing_heavy() -> None:
    code = """
import sys
import anyio
from mcp import Client
before = set(sys.modules)
from specweave.command import Context
from specweave.host import RealHost
from specweave.host import RealHost
from specweave.mcp_server import create_server
from specweave.project import Project
from pathlib import Path
async def main():
    server = create_server(Context(project=Project(Path.cwd()), host=RealHost()))
    await server.list_tools()
    await server.list_prompts()
anyio.run(main)
heavy = ("numpy", "jinja2", "git", "httpx", "ruamel", "uvloop", "onnxruntime", "sklearn", "pandas", "msgspec",
         "markdown_it", "filelock", "hypothesis")
print(sorted(name for name in heavy if name in sys.modules and name not in before))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
