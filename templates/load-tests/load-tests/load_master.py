"""What the master does: it leads the workers through the steps of the plan and puts their moments together.

With the environment variable LOAD_TEST_RESULTS, a folder, it leaves the moments of every request there, one
`step-<k>.npz` for each step and `summary.json`, and tells how far it is on standard error, one JSON object a line.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np
from gevent.queue import Empty, Queue
from locust.env import Environment
from locust.runners import MasterRunner

from load_figures import CORRECT, figures, merged, milliseconds, recent
from load_judgement import judge, passes

LEAD_S = 0.1
SLACK_S = 60.0
# Locust counts it down from 3, once for each second in which a worker says nothing; a busy one is silent for some.
LOST = -7
FEWEST_CONNECTIONS, MOST_CONNECTIONS = 4, 256
WARM_UP_REQUESTS, WARM_UP_RATE = 40, 100.0
SETTLED_FACTOR, SETTLED_SLACK_S, SETTLE_DEADLINE_S = 2.0, 0.002, 15.0
SUCCEEDED, BEYOND, FAILED = 0, 1, 2


class TestFailedError(Exception):
    """The plan cannot be gone through.

    Attributes:
        code: for programs.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Master:
    """Goes through a plan.

    Args:
        environment: whose runner leads the workers; one that leads none does their work itself.
        plan: as in plan.json.
        slo: highest P95 in milliseconds, and share of errors.

    Attributes:
        ended: the plan is done, or failed.
    """

    def __init__(self, environment: Environment, plan: dict[str, Any], slo: tuple[float, float]) -> None:
        self._environment: Any = environment
        self._plan, self._slo = plan, slo
        folder = os.environ.get("LOAD_TEST_RESULTS")
        self._folder = Path(folder) if folder else None
        self._heard: Queue = Queue()
        self._workers: list[Any] = []
        self._steps: list[dict[str, Any]] = []
        self.ended = False

    def hear(self, msg: Any, **_: Any) -> None:
        """A worker said something."""
        self._heard.put((msg.node_id, msg.data))

    def lead(self) -> None:
        """Go through the plan; leaves the exit status in the environment."""
        runner = self._environment.runner
        try:
            self._workers = [client.id for client in runner.clients.all] if isinstance(runner, MasterRunner) else [None]
            self._go()
            status = SUCCEEDED if passes([step["verdict"] for step in self._steps]) else BEYOND
        except TestFailedError as error:
            self._tell({"error": {"code": error.code, "message": str(error)}})
            status = FAILED
        self._environment.process_exit_code = status
        self._save_summary()
        print(self._table(), flush=True)  # noqa: T201 - what people who run it read
        self.ended = True

    def _go(self) -> None:
        steps = self._plan["steps"]
        pin(self._plan["cores"])
        if not self._workers:
            raise TestFailedError("workers-missing", "no worker is there")
        connections = [self._plan.get("connections") or usual_connections(step) for step in steps]
        self._introduce(max(connections))
        unhurried_s = self._probe(max(len(self._plan["corpus"]), WARM_UP_REQUESTS), connections[0])
        for number, step in enumerate(steps):
            if number and self._plan["settle"]:
                self._settle(unhurried_s, connections[number])
            moments, account = self._follow(
                step, self._plan["arrivals"], self._plan["seed"] + number, connections[number], number=number
            )
            found = figures(step, moments)
            verdict = judge(found, len(moments["outcome"]), self._slo)
            self._steps.append({**account, "figures": found, "verdict": verdict})
            if self._folder:
                np.savez(self._folder / f"step-{number}.npz", **moments)
                self._save_summary()
            if not (moments["outcome"] == CORRECT).any():
                return

    def _introduce(self, connections: int) -> None:
        plan = {key: value for key, value in self._plan.items() if key not in {"steps", "cores", "ca_file"}}
        plan["url"] = aimed_at(self._environment.host, plan["url"])
        if self._plan.get("ca_file"):
            plan["ca"] = Path(self._plan["ca_file"]).read_text("ascii")
        plan["workers"] = len(self._workers)
        for index, worker in enumerate(self._workers):
            self._say(worker, {"plan": plan, "index": index, "connections": share(connections, len(self._workers))})
        self._collect("ready", SLACK_S)

    def _probe(self, count: int, connections: int) -> float:
        step = {"rate": WARM_UP_RATE, "duration_s": count / WARM_UP_RATE}
        moments, _ = self._follow(step, "constant", 0, connections)
        return float(np.median(moments["done"] - moments["due"]))

    def _settle(self, unhurried_s: float, connections: int) -> None:
        """Wait until the service answers as it did at first: overload lasts longer than its cause."""
        deadline = time.monotonic() + SETTLE_DEADLINE_S
        limit = unhurried_s * SETTLED_FACTOR + SETTLED_SLACK_S
        while self._probe(WARM_UP_REQUESTS, connections) > limit and time.monotonic() < deadline:
            pass

    def _follow(
        self, step: Mapping[str, Any], arrivals: str, seed: int, connections: int, *, number: int | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Have all workers do one step, together."""
        each = share(connections, len(self._workers))
        order = {"step": dict(step), "arrivals": arrivals, "seed": seed, "connections": each}
        order["name"] = f"{step['rate']:g} RPS" if number is not None else "warm-up"
        for worker in self._workers:
            self._say(worker, order)
        self._collect("dialled", SLACK_S)
        begun = time.monotonic()
        for worker in self._workers:
            self._say(worker, {"go": LEAD_S})
        done = self._collect("moments", step["duration_s"] + self._plan["timeout_s"] + SLACK_S, number)
        return merged(done), {
            "rate": step["rate"],
            "duration_s": step["duration_s"],
            "began": begun + LEAD_S,
            "ended": time.monotonic(),
            "seconds": max(it["seconds"] for it in done),
            "cpu_seconds": sum(it["cpu_seconds"] for it in done),
            "busiest_cpu_seconds": max(it["cpu_seconds"] for it in done),
            "connections": each * len(self._workers),
            "reconnects": sum(it["reconnects"] for it in done),
            "longest_queue": sum(it["longest_queue"] for it in done),
            "samples": {key: text for it in done for key, text in it["samples"].items()},
            "lateness_p99_ms": [it["lateness_p99_ms"] for it in done],
        }

    def _say(self, worker: Any, data: dict[str, Any]) -> None:
        self._environment.runner.send_message("order", data, worker)

    def _collect(self, wanted: str, limit_s: float, number: int | None = None) -> list[dict[str, Any]]:
        """What each worker says of that kind, in the order of the workers."""
        answers: dict[Any, dict[str, Any]] = {}
        latest: dict[Any, dict[str, Any]] = {}
        deadline = time.monotonic() + limit_s
        while len(answers) < len(self._workers):
            try:
                worker, data = self._heard.get(timeout=0.5)
            except Empty:
                self._require_workers(deadline)
                continue
            if self._workers == [None]:
                worker = None
            elif worker not in self._workers:  # it came too late to take part
                continue
            if "failed" in data:
                raise TestFailedError(data["code"], data["failed"])
            if wanted in data:
                answers[worker] = data[wanted]
            elif "ended" in data and number is not None:
                latest[worker] = data
                self._report(number, list(latest.values()))
        return [answers[worker] for worker in self._workers]

    def _require_workers(self, deadline: float) -> None:
        runner = self._environment.runner
        if isinstance(runner, MasterRunner):
            present = {client.id for client in runner.clients.all if client.heartbeat > LOST}
            if lost := set(self._workers) - present:
                raise TestFailedError("worker-lost", f"{len(lost)} of {len(self._workers)} workers ended before it")
        if time.monotonic() > deadline:
            raise TestFailedError("worker-lost", "a worker did not answer in time")

    def _report(self, number: int, words: Sequence[Mapping[str, Any]]) -> None:
        steps = self._plan["steps"]
        step, total = steps[number], sum(it["duration_s"] for it in steps)
        count, done = due_requests(step), sum(word["ended"] for word in words)
        before = sum(it["duration_s"] for it in steps[:number])
        self._tell(
            {
                "rate": step["rate"],
                "duration_s": step["duration_s"],
                "requests": count,
                "done": done,
                "failed": sum(word["failures"] for word in words),
                "fraction": round((before + done / count * step["duration_s"]) / total, 4),
                "recent": recent(words),
            }
        )

    def _tell(self, line: dict[str, Any]) -> None:
        if self._folder or "error" in line:
            print(json.dumps(line), file=sys.stderr, flush=True)  # noqa: T201 - the protocol of who started this

    def _save_summary(self) -> None:
        if not self._folder:
            return
        names = ("locust", "gevent", "geventhttpclient")
        versions = {"python": platform.python_version(), **{name: version(name) for name in names}}
        steps = [
            {key: value for key, value in step.items() if key not in {"figures", "verdict"}} for step in self._steps
        ]
        text = json.dumps({"steps": steps, "versions": versions, "workers": len(self._workers)})
        making = self._folder / "summary.json.new"
        making.write_text(text, "utf-8")
        making.replace(self._folder / "summary.json")

    def _table(self) -> str:
        lines = [
            "",
            "| RPS | Achieved | P50 | P95 | P99 | Max | Error rate | Late by, P99 | Within SLO |",
            "|---:|---:|---:|---:|---:|---:|---:|---:|---|",
        ]
        for step in self._steps:
            found = step["figures"]
            times = [milliseconds(found[name]) for name in ("p50", "p95", "p99", "max")]
            cells = [f"{step['rate']:g}", f"{found['achieved']:.4g}", *times, f"{found['error_rate']:.2%}"]
            late = max(step["lateness_p99_ms"])
            lines.append(f"| {' | '.join(cells)} | {milliseconds(late)} | {step['verdict']} |")
        lines += [
            "",
            "Latency counts from the intended start of a request. Late by: how far the workers were behind the",
            "schedule; where that is not small beside the latency, Locust was the limit, and not the service.",
        ]
        return "\n".join(lines)


def due_requests(step: Mapping[str, Any]) -> int:
    """How many requests a step has."""
    start = step.get("start_rate")
    mean = step["rate"] if start is None else (start + step["rate"]) / 2
    return max(1, round(float(mean * step["duration_s"])))


def usual_connections(step: Mapping[str, Any]) -> int:
    """Connections of a step: what a service needs that takes a second to answer."""
    return min(MOST_CONNECTIONS, max(FEWEST_CONNECTIONS, round(float(step["rate"]))))


def share(connections: int, workers: int) -> int:
    """Connections of each worker."""
    return max(1, ceil(connections / workers))


def aimed_at(host: str | None, url: str) -> str:
    """The address of the plan, on another host where `--host` names one."""
    if not host:
        return url
    given, planned = urlsplit(host), urlsplit(url)
    return urlunsplit((given.scheme, given.netloc, planned.path, planned.query, ""))


def pin(cores: Iterable[int] | None) -> None:
    """Keep this process on those cores."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
