"""An assistant takes a trained model to production and back by tools alone, over stdio."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import ElicitRequestParams, ElicitResult

from specweave.project import Project

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("error::mcp.MCPDeprecationWarning")]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_scripted_client_does_the_main_job_by_tools_alone(workspace: Path, mode: Any) -> None:
    questions: list[str] = []

    async def approve(_context: object, params: ElicitRequestParams) -> ElicitResult:
        questions.append(params.message)
        return ElicitResult(action="accept", content={"approve": True})

    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "specweave", "mcp", "--project", str(workspace)],
        cwd=workspace,
        env=dict(os.environ),  # the settings of uv, without which some machines reach no package index
    )
    async with Client(stdio_client(server), mode=mode, elicitation_callback=approve) as client:

        async def call(tool: str, **arguments: Any) -> dict[str, Any]:
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, result.content
            structured: dict[str, Any] = result.structured_content
            assert structured["passed"], structured
            return structured

        await call("sw_inc", title="0042-train-credit-model", type="experiment")
        prepared = await call(
            "ml_deploy_prepare",
            increment="0042",
            model="models/credit-v1.joblib",
            data="data/train.csv",
            held_out="data/held_out.csv",
            name="credit-model",
        )
        assert prepared["increment"] == "0043-deploy-credit-model"
        assert prepared["label_mismatches"] == 0
        await call("ml_create_api", increment=43)
        await call("ml_load_test", increment="0043", rps="300", duration="1s")
        await call("ml_deploy", increment="0043", environment="staging")
        await call("ml_deploy", increment="0043", environment="production")
        assert len(questions) == 1
        first = answer(workspace, "production")
        await call("ml_deploy_prepare", increment="0043", model="models/credit-v2.joblib")
        await call("ml_load_test", increment="0043", rps=[300], duration="1s")
        await call("ml_deploy", increment="0043", environment="staging")
        await call("ml_deploy", increment="0043", environment="production")
        second = answer(workspace, "production")
        await call("ml_rollback", increment="0043", environment="production")
        assert (first["model_version"], second["model_version"]) == ("0043-v1", "0043-v2")
        assert answer(workspace, "production")["model_version"] == "0043-v1"
        status = await call("sw_status", increment="0043")
    assert "0043-deploy-credit-model" in json.dumps(status)
    assert len(questions) == 2


def answer(workspace: Path, environment: str) -> dict[str, Any]:
    """What the deployed service says to the first golden row."""
    golden = next(workspace.glob(".specweave/models/credit-model/*/golden.json"))
    row = json.loads(golden.read_text("utf-8"))["rows"][0]["features"]
    port = Project(workspace).config.environments[environment].port
    response = httpx.post(f"http://127.0.0.1:{port}/predict", json=row, timeout=10, trust_env=False)
    response.raise_for_status()
    result: dict[str, Any] = response.json()
    return result
