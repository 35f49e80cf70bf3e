"""What the tool costs before it does anything: CPU of `--help` and of an MCP server's first answer, idle memory.

Figures are of medians; the variants alternate within one run, so that a busy machine disturbs all alike.
"""
# ruff: noqa: T201 - a benchmark prints

import importlib.metadata
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

ROUNDS = 11
_REQUESTS = (
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "bench", "version": "1"},
        },
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
)


def cpu_of(*words: str) -> float:
    """CPU seconds, user and system, of a process that ends by itself."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def cpu_until_imported(module: str) -> float:
    """CPU seconds from the start of an interpreter to the end of an import; its teardown is not counted."""
    code = f"import {module}, time; print(time.process_time())"
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)


def first_answer(program: str, folder: str) -> tuple[float, float]:
    """CPU seconds from start to the answer of tools/list, and resident MB at that moment."""
    with subprocess.Popen(
        [program, "mcp", "--project", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin
        assert server.stdout
        for request in _REQUESTS:
            server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        while True:
            answer = json.loads(server.stdout.readline())
            if answer.get("id") == 2:
                break
        tools = [tool["name"] for tool in answer["result"]["tools"]]
        assert tools, "the server lists no tools"
        process = psutil.Process(server.pid)
        times = process.cpu_times()
        memory = process.memory_info().rss / 1e6
        server.stdin.close()
        server.wait(30)
    return times.user + times.system, memory


def main() -> None:
    """Measure, print a table, then the figures as JSON."""
    python = sys.executable
    program = str(Path(python).with_name("specweave"))
    samples: dict[str, list[float]] = {"bare": [], "help": [], "sdk": [], "list": [], "rss": []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            samples["bare"].append(cpu_of(python, "-c", "pass"))
            samples["help"].append(cpu_of(program, "--help"))
            samples["sdk"].append(cpu_until_imported("mcp.server.mcpserver"))
            cpu, memory = first_answer(program, folder)
            samples["list"].append(cpu)
            samples["rss"].append(memory)
    median = {name: statistics.median(values) for name, values in samples.items()}
    figures = {
        "cli_help_cpu_s": round(median["help"] - median["bare"], 4),
        "tools_list_own_cpu_s": round(median["list"] - median["sdk"], 4),
        "tools_list_cpu_s": round(median["list"], 4),
        "server_idle_rss_mb": round(median["rss"], 1),
    }
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, ", end="")
    print(f"mcp {importlib.metadata.version('mcp')}, {ROUNDS} rounds, medians")
    print(f"{'':34}{'CPU s':>9}")
    for name, label in (
        ("bare", "bare interpreter"),
        ("help", "specweave --help"),
        ("sdk", "importing the SDK's server"),
        ("list", "specweave mcp to tools/list"),
    ):
        print(f"{label:34}{median[name]:9.3f}   ({min(samples[name]):.3f} to {max(samples[name]):.3f})")
    print(json.dumps({"bench": "startup", "figures": figures}))


if __name__ == "__main__":
    main()
