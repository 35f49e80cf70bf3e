"""The generated service against the plain FastAPI and joblib service, one core each for server and client.

Throughput at 32 connections, CPU of the server per request, median latency on an idle service (one connection), and
whether the labels are the same on every held-out row. Each pair takes turns, so that a busy machine disturbs both.
`--seconds N` sets the length of a turn.
"""
# ruff: noqa: T201 - a benchmark prints

import argparse
import http.client
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import tempfile
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import client
import services
import subjects
import uvloop
from services import Running
from subjects import Subject

from specweave.command import Context
from specweave.host import RealHost
from specweave.project import Project

sys.path.append(str(Path(__file__).parents[1]))
from _swap import measure_swaps

CONNECTIONS = 32
TURNS = 3


@dataclass
class Figures:
    """What one service did, over all turns."""

    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    idle_us: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests a second, median of the turns."""
        return statistics.median(self.rates)

    @property
    def cpu(self) -> float:
        """CPU microseconds of the server per request, median of the turns."""
        return statistics.median(self.cpu_us)

    @property
    def idle(self) -> float:
        """Median latency with one connection, microseconds, median of the turns."""
        return statistics.median(self.idle_us)


@dataclass
class Comparison:
    """Both services with one model."""

    plain: Figures
    generated: Figures
    mismatches: int


def measure(running: Running, requests: list[bytes], seconds: float, figures: Figures) -> None:
    """One turn of one service."""
    uvloop.run(client.drive(running.port, requests, connections=CONNECTIONS, seconds=min(0.5, seconds)))
    before = running.cpu()
    latencies = uvloop.run(client.drive(running.port, requests, connections=CONNECTIONS, seconds=seconds))
    figures.cpu_us.append((running.cpu() - before) / len(latencies) * 1e6)
    figures.rates.append(len(latencies) / seconds)
    idle = uvloop.run(client.drive(running.port, requests, connections=1, seconds=seconds / 2))
    figures.idle_us.append(statistics.median(idle) * 1e6)


def compare(subject: Subject, folder: Path, seconds: float) -> Comparison:
    """Both services with one model, in turns."""
    requests = [client.post(json.dumps({"features": row}).encode()) for row in subject.rows[:200]]
    result = Comparison(Figures(), Figures(), 0)
    with ExitStack() as stack:
        plain = stack.enter_context(services.plain(subject.model, subject.features, frame=subject.frame, folder=folder))
        generated = stack.enter_context(services.generated(subject.increment))
        result.mismatches = mismatches(generated, subject)
        for _ in range(TURNS):
            measure(plain, requests, seconds, result.plain)
            measure(generated, requests, seconds, result.generated)
    return result


def mismatches(running: Running, subject: Subject) -> int:
    """Held-out rows that get another label than by the estimator."""
    wrong = 0
    with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)) as connection:
        for row, expected in zip(subject.rows, subject.labels, strict=True):
            connection.request("POST", "/predict", json.dumps(row), {"content-type": "application/json"})
            wrong += json.loads(connection.getresponse().read())["prediction"] != expected
    return wrong


def describe_machine() -> None:
    """The machine and the versions."""
    names = ("fastapi", "uvicorn", "uvloop", "httptools", "msgspec", "onnxruntime", "scikit-learn", "numpy")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    print(f"{platform.platform()}, {os.cpu_count()} cores, CPython {platform.python_version()}, {versions}")
    print(f"server on core {services.SERVER_CORE}, client on core {services.CLIENT_CORE}, {CONNECTIONS} connections\n")


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a turn (default %(default)s)")
    parser.add_argument(
        "--only", help="one of forest, logistic, pipeline, batcher_forest; versions are not switched then"
    )
    options = parser.parse_args()
    describe_machine()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch).resolve()
        context = Context(Project(root), RealHost())
        (root / ".specweave").mkdir()
        makers = {"forest": subjects.forest, "logistic": subjects.logistic, "pipeline": subjects.pipeline}
        made = {name: make(context) for name, make in makers.items()}
        made["batcher_forest"] = subjects.batched(context, made["forest"])
        os.sched_setaffinity(0, {services.CLIENT_CORE})
        results = {
            name: compare(subject, root, options.seconds)
            for name, subject in made.items()
            if options.only in {None, name}
        }
    measured = measure_swaps() if options.only is None else {}
    report(results, {name: subject.engine for name, subject in made.items()}, measured)


def report(results: dict[str, Comparison], engines: dict[str, str], swapped: dict[str, float]) -> None:
    """A table for people, and the figures as the last line."""
    print(f"{'model':16}{'service':12}{'req/s':>9}{'CPU us':>9}{'idle us':>9}   ratios: throughput, CPU, idle latency")
    for name, result in results.items():
        for label, side in (("plain", result.plain), (engines[name], result.generated)):
            print(f"{name:16}{label:12}{side.rate:9,.0f}{side.cpu:9,.0f}{side.idle:9,.0f}", end="")
            print("" if label == "plain" else "   " + ", ".join(f"{value:.1f}" for value in _ratios(result)))
    figures: dict[str, float] = {}
    for name, result in results.items():
        throughput, cpu, idle = _ratios(result)
        figures[f"{name}_throughput_ratio"] = round(throughput, 2)
        if name == "forest":
            figures |= {"forest_idle_latency_ratio": round(idle, 2), "forest_cpu_ratio": round(cpu, 2)}
    figures["label_mismatches"] = sum(result.mismatches for result in results.values())
    print(json.dumps({"bench": "serving", "figures": figures | swapped}))


def _ratios(result: Comparison) -> tuple[float, float, float]:
    plain, ours = result.plain, result.generated
    return ours.rate / plain.rate, plain.cpu / ours.cpu, plain.idle / ours.idle


if __name__ == "__main__":
    main()
