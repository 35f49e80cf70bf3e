import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

# The scenarios that any product's server can pass; the others call tools that only a test server has.
LEGACY = ("server-initialize", "server-session-lifecycle", "ping")
BOTH = ("tools-list", "resources-list", "prompts-list", "completion-complete", "dns-rebinding-protection")
MODERN = ("caching", "http-header-validation", "sep-2164-resource-not-found")


@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_the_inspector_finds_no_fault_in_the_tools(run: Run, commands: set[tuple[str, str]], era: str) -> None:
    done = run(
        "mcp-inspector", "--cli", "specweave", "mcp", "--method", "tools/list", "--strict", "--protocol-era", era
    )
    names = {tool["name"] for tool in json.loads(done.stdout)["tools"]}
    assert names == {f"{group}_{name}".replace("-", "_") for group, name in commands}


@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_the_inspector_reads_the_increments(run: Run, era: str) -> None:
    inspector = ("mcp-inspector", "--cli", "specweave", "mcp", "--protocol-era", era, "--method")

    def read(*words: str) -> str:
        return run(*inspector, *words).stdout

    title = f"Explain the model in the {era} era"
    made = json.loads(run("specweave", "sw", "inc", title, "--json").stdout)
    (listing,) = json.loads(read("resources/list"))["resources"]
    (content,) = json.loads(read("resources/read", "--uri", listing["uri"]))["contents"]
    listed = {item["increment"]: item for item in json.loads(content["text"])["increments"]}
    uri = listed[made["increment"]]["uri"]
    (spec,) = json.loads(read("resources/read", "--uri", f"{uri}/spec"))["contents"]
    assert title in spec["text"]
    assert spec["_meta"] == {"specweave/revision": made["revision"]}
    kinds = json.loads(read("resources/templates/list"))["resourceTemplates"]
    assert [kind["name"] for kind in kinds] == ["increments", "increment", "document", "report"]
    refused = run(*inspector, "resources/read", "--uri", f"{uri}/secrets", check=False)
    assert refused.returncode != 0
    assert "document-not-found" in refused.stderr


@pytest.fixture(scope="module")
def address(environment: Mapping[str, str], workspace: Path) -> Iterator[str]:
    """A server over HTTP on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen(["specweave", "mcp", "--http", str(port)], cwd=workspace, env=environment) as server:
        deadline = time.monotonic() + 60
        while not _listens(port):
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not listen"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/mcp"
        server.terminate()
        server.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("scenario", [*LEGACY, *BOTH, *MODERN])
def test_a_generic_scenario_of_the_conformance_suite_passes(run: Run, address: str, scenario: str) -> None:
    done = run("conformance", "server", "--url", address, "--scenario", scenario, check=False)
    assert done.returncode == 0, done.stdout
    assert ", 0 failed" in done.stdout
