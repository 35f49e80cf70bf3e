"""Deployments under constant load: do requests fail, and does an answer ever come from another version than it says?

Three versions of a forest take turns, so that each deployment starts new processes; after every fourth the environment
is rolled back and brought forward again by the loaded ones. Requests leave on schedule over kept-alive connections, and
none is ever sent a second time: a connection that is refused, reset or closed under a request is a failure.
"""
# ruff: noqa: T201 - a benchmark prints

import asyncio
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RATE = 150.0
CONNECTIONS = 16
_TIMEOUT_S = 20.0
_SEED = 11

Check = Callable[[int, dict[str, Any]], bool]


@dataclass
class Account:
    """What became of the requests.

    Attributes:
        requests: how many were sent.
        failures: by cause.
        mixed: answers that are not what the version they name gives for that row.
        versions: answers by version.
        latencies: seconds from the intended start.
    """

    requests: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    mixed: int = 0
    versions: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Requests without a right answer, whatever the cause."""
        return self.failures.total()


class Traffic:
    """Requests at a constant rate, from a thread of its own.

    Args:
        port: of the service.
        bodies: JSON of the requests, sent in turn.
        check: whether an answer to the body of that place is what the version it names gives.
        rate: requests a second.
        connections: how many are kept open.
    """

    def __init__(self, port: int, bodies: Sequence[bytes], check: Check, *, rate: float, connections: int) -> None:
        head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        self._requests = [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]
        self._port = port
        self._check = check
        self._rate = rate
        self._connections = connections
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()
        self._stopping = threading.Event()
        self.account = Account()

    @contextmanager
    def flowing(self) -> Iterator[Account]:
        """Requests leave while the block runs; afterwards every one has ended."""
        thread = threading.Thread(target=lambda: asyncio.run(self._flow()))
        thread.start()
        try:
            yield self.account
        finally:
            self._stopping.set()
            thread.join()

    async def _flow(self) -> None:
        free = asyncio.Semaphore(self._connections)
        start, number = time.monotonic(), 0
        async with asyncio.TaskGroup() as group:
            while not self._stopping.is_set():
                due = start + number / self._rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                group.create_task(self._one(number % len(self._requests), due, free))
                number += 1
        for _, writer in self._idle:
            writer.close()

    async def _one(self, place: int, due: float, free: asyncio.Semaphore) -> None:
        self.account.requests += 1
        async with free:
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    status, body = await self._exchange(self._requests[place])
            except (OSError, EOFError, TimeoutError) as error:
                self.account.failures[type(error).__name__] += 1
                return
        self.account.latencies.append(time.monotonic() - due)
        if status != 200:
            self.account.failures[f"status {status}"] += 1
            return
        answer = json.loads(body)
        self.account.versions[answer["model_version"]] += 1
        if not self._check(place, answer):
            self.account.mixed += 1

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        # The one used longest ago, so that every connection lives through every switch.
        reader, writer = self._idle.popleft() if self._idle else await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(request)
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            body = await reader.readexactly(length)
        except BaseException:
            writer.close()
            raise
        if b"connection: close" in head:
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(head.split(b" ", 2)[1]), body


def measure_swaps(swaps: int = 40, *, rate: float = RATE, connections: int = CONNECTIONS) -> dict[str, float]:
    """Deployments of real packages by the tool's own operations, under load.

    Args:
        swaps: deployments; each starts new processes.
        rate: requests a second.
        connections: kept alive.
    """
    if hasattr(os, "sched_setaffinity"):
        # Whoever measured before may have bound this process to one core, and the service would inherit that.
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    with _ended_in_order(), tempfile.TemporaryDirectory() as scratch:
        scene = _scene(Path(scratch).resolve())
        try:
            return _measure(scene, swaps, rate, connections)
        finally:
            scene.stop()


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """A deployment outlives its tool: where this is told to end, it must stop what it deployed first."""
    before = signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass
class _Scene:
    """A deployment increment with several versions, and how to act on it."""

    port: int
    versions: Sequence[str]
    bodies: Sequence[bytes]
    expected: Mapping[str, Sequence[float]]
    deploy: Callable[[str], None]
    rollback: Callable[[], None]
    stop: Callable[[], None]


def _measure(scene: _Scene, swaps: int, rate: float, connections: int) -> dict[str, float]:
    def check(place: int, answer: dict[str, Any]) -> bool:
        return abs(answer["probability"] - scene.expected[answer["model_version"]][place]) < 1e-5

    for version in scene.versions[:2]:
        scene.deploy(version)
    traffic = Traffic(scene.port, scene.bodies, check, rate=rate, connections=connections)
    rollbacks, began = 0, time.monotonic()
    with traffic.flowing() as account:
        for number in range(swaps):
            scene.deploy(scene.versions[(number + 2) % len(scene.versions)])
            if number % 4 == 3:
                scene.rollback()
                scene.rollback()
                rollbacks += 2
    seconds = time.monotonic() - began
    latencies = sorted(account.latencies)
    print(
        f"{swaps} deployments and {rollbacks} rollbacks in {seconds:.0f} s under {rate:g} requests/s: "
        f"{account.requests:,} requests, {account.failed} failed {dict(account.failures)}, {account.mixed} mixed; "
        f"P50 {latencies[len(latencies) // 2] * 1e3:.1f} ms, P99 {latencies[int(len(latencies) * 0.99)] * 1e3:.0f} ms, "
        f"slowest {latencies[-1] * 1e3:.0f} ms"
    )
    return {
        "swap_deployments": swaps,
        "swap_rollbacks": rollbacks,
        "swap_requests": account.requests,
        "swap_failed_requests": account.failed,
        "swap_mixed_answers": account.mixed,
        "swap_slowest_ms": round(latencies[-1] * 1e3, 1),
    }


def _scene(root: Path) -> _Scene:
    import joblib  # noqa: PLC0415 - only here: tests use the traffic alone
    import pandas as pd  # noqa: PLC0415
    from sklearn.datasets import make_classification  # noqa: PLC0415
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415

    values, labels = make_classification(1_500, 8, n_informative=6, random_state=_SEED)
    names = [f"feature_{number}" for number in range(values.shape[1])]
    table = pd.DataFrame(values, columns=names).assign(target=labels)
    table.to_csv(root / "train.csv", index=False)
    models = {}
    for seed in range(3):
        part = table.sample(600, random_state=seed)
        models[seed] = RandomForestClassifier(30, random_state=seed).fit(part[names], part["target"])
        joblib.dump(models[seed], root / f"model-{seed}.joblib")
    context, place, versions = _project(root, len(models))
    rows = table[names].head(60)
    expected = {
        version: model.predict_proba(rows)[:, 1].tolist()
        for version, model in zip(versions, models.values(), strict=True)
    }
    bodies = [json.dumps({"features": row}).encode() for row in rows.to_dict("records")]
    return _acting(context, place, versions, bodies, expected)


def _project(root: Path, models: int) -> tuple[Any, Any, list[str]]:
    from specweave.artifacts import api  # noqa: PLC0415 - only here: tests use the traffic alone
    from specweave.command import Context  # noqa: PLC0415
    from specweave.host import RealHost  # noqa: PLC0415
    from specweave.increments import deployment, store  # noqa: PLC0415
    from specweave.operations import local_deployment  # noqa: PLC0415
    from specweave.operations.model_environment import build_package  # noqa: PLC0415
    from specweave.project import EnvironmentSettings, Project, SloSettings  # noqa: PLC0415

    (root / ".specweave").mkdir()
    context = Context(Project(root), RealHost())
    increment = store.create(context, "Deploy the forest", kind="deployment")
    packages = [
        build_package(
            context,
            model=root / f"model-{number}.joblib",
            data=root / "train.csv",
            name="forest",
            increment_number=increment.number,
            target="target",
        )
        for number in range(models)
    ]
    environment = EnvironmentSettings(port=context.host.free_port(), gates=("package-validated",))
    text = deployment.initial(
        deployment.ModelReference(name="forest", version=packages[0].version),
        deployment.Service(name="forest"),
        SloSettings(),
        {"staging": environment},
    )
    (increment.folder / deployment.FILE).write_bytes(text)
    api.generate(context, increment, packages[0], deployment.read(increment.folder)).apply()
    where = local_deployment.place(context, increment.id, "staging")
    return context, where, [package.version for package in packages]


def _acting(
    context: Any, where: Any, versions: Sequence[str], bodies: Sequence[bytes], expected: Mapping[str, Sequence[float]]
) -> _Scene:
    from specweave.operations import local_deployment  # noqa: PLC0415 - only here: tests use the traffic alone

    name, number = where.environment, where.increment.number

    def deploy(version: str) -> None:
        outcome = local_deployment.deploy(
            context, where, version, command=f"/ml:deploy {number} --environment {name} --version {version}"
        )
        assert outcome.changed
        assert outcome.started

    def rollback() -> None:
        outcome = local_deployment.rollback(context, where, None, command=f"/ml:rollback {number} --environment {name}")
        assert outcome.changed
        assert not outcome.started

    def stop() -> None:
        with suppress(OSError):
            local_deployment.stop(context, where, command=f"/ml:deploy {number} --environment {name} --stop")

    return _Scene(where.settings.port, versions, bodies, expected, deploy, rollback, stop)


if __name__ == "__main__":
    print(json.dumps({"bench": "swap", "figures": measure_swaps()}))
