import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

PLUGINS = ("core", "ml", "sw")


@pytest.mark.parametrize("folder", [".", *(f"plugin/{name}" for name in PLUGINS)])
def test_the_strict_validation_passes(run: Run, clone: Path, folder: str) -> None:
    done = run("claude", "plugin", "validate", "--strict", str(clone / folder))
    assert "Validation passed" in done.stdout


@pytest.fixture(scope="module")
def installed(run: Run, clone: Path) -> None:
    run("claude", "plugin", "marketplace", "add", str(clone))
    for name in ("ml", "sw"):
        run("claude", "plugin", "install", f"{name}@specweave")


@pytest.mark.usefixtures("installed")
def test_ml_brings_the_server_with_it(run: Run) -> None:
    listed = json.loads(run("claude", "plugin", "list", "--json").stdout)
    assert sorted(plugin["id"] for plugin in listed) == [f"{name}@specweave" for name in PLUGINS]


@pytest.mark.usefixtures("installed")
def test_the_start_line_lists_exactly_our_commands_and_tools(
    environment: Mapping[str, str], workspace: Path, commands: set[tuple[str, str]]
) -> None:
    with subprocess.Popen(
        ["claude", "-p", "hi", "--output-format", "stream-json", "--verbose"],
        cwd=workspace,
        # Without waiting the line is written before a busy machine's server has answered.
        env={**environment, "MCP_CONNECTION_NONBLOCKING": "0", "CLAUDE_CODE_MCP_STARTUP_WAIT_MS": "60000"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        start = json.loads(process.stdout.readline())
        process.kill()
    ours = {name for name in start["slash_commands"] if name.split(":")[0] in PLUGINS}
    assert ours == {f"{group}:{name}" for group, name in commands} | {"core:ml-deployment-helper"}
    tools = {name for name in start["tools"] if name.startswith("mcp__")}
    prefix = "mcp__plugin_core_specweave__"
    assert tools == {prefix + f"{group}_{name}".replace("-", "_") for group, name in commands}
