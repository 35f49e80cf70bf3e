"""The image of a service, built and run for real."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.containers.parts import NUMBER, Machine, Service, build_image, make_service

from specweave_runtime import package as packages

DEADLINE_S = 60.0
IMAGE = "localhost/small-model:test"
HARDENED = (
    "--network",
    "none",
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop",
    "all",
    "--security-opt",
    "no-new-privileges",
)

Start = Callable[..., str]

CALL = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=5)
connection.request(sys.argv[1], sys.argv[2], sys.argv[3] or None, {"content-type": "application/json"})
answer = connection.getresponse()
print(answer.status)
print(answer.read().decode())
"""


@pytest.fixture(scope="module")
def start(machine: Machine, image: Any) -> Iterator[Start]:
    """Start a container of the image in a network of its own; its id."""
    started: list[str] = []

    def start_container(*options: str, image: str = IMAGE) -> str:
        container: str = machine.podman("run", "--detach", *HARDENED, *options, image).stdout.strip()
        started.append(container)
        return container

    yield start_container
    for container in started:
        machine.podman("rm", "--force", "--time", "5", container)


def inside(machine: Machine, container: str, *argv: str, check: bool = True) -> Any:
    return machine.podman("exec", container, *argv, check=check)


def call(machine: Machine, container: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
    text = json.dumps(body) if body is not None else ""
    status, answer = inside(machine, container, "python", "-c", CALL, method, path, text).stdout.split("\n", 1)
    return int(status), json.loads(answer)


def wait_until(condition: Callable[[], bool], machine: Machine, container: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, machine.podman("logs", container).stderr


def healthy(machine: Machine, container: str) -> bool:
    return bool(machine.podman("healthcheck", "run", container, check=False).returncode == 0)


def start_until_ready(machine: Machine, start: Start, image: str = IMAGE) -> str:
    container = start(image=image)
    wait_until(lambda: healthy(machine, container), machine, container)
    return container


@pytest.fixture(scope="module")
def ready(machine: Machine, start: Start) -> str:
    return start_until_ready(machine, start)


def answers_its_golden_rows(machine: Machine, service: Service, container: str) -> None:
    golden = packages.read_golden(service.package)
    assert golden.rows
    for row in golden.rows:
        status, answer = call(machine, container, "POST", "/predict", {"features": row.features})
        assert status == 200
        assert answer["prediction"] == row.prediction


def test_the_image_answers_the_golden_rows_of_its_model(machine: Machine, service: Service, ready: str) -> None:
    answers_its_golden_rows(machine, service, ready)


@pytest.mark.parametrize("kind", ["treelite", "estimator"])
def test_every_other_kind_of_model_is_served_by_its_image_too(
    machine: Machine, start: Start, tmp_path: Path, kind: str
) -> None:
    service = make_service(machine, tmp_path, kind)
    assert packages.read_manifest(service.package).executable.kind == kind
    build_image(machine, service, f"small-model:{kind}")
    container = start_until_ready(machine, start, f"localhost/small-model:{kind}")
    answers_its_golden_rows(machine, service, container)


def test_the_image_says_which_model_it_serves(machine: Machine, service: Service, ready: str) -> None:
    status, answer = call(machine, ready, "GET", "/model/info")
    assert status == 200
    assert packages.digest_of_manifest(service.package) in json.dumps(answer)


def test_it_runs_as_an_unprivileged_user_on_a_read_only_root(machine: Machine, ready: str) -> None:
    assert inside(machine, ready, "id", "-u").stdout.strip() == "10001"
    for path in ("/app/x", "/tmp/x", "/opt/service/x"):  # noqa: S108 - a place inside the container
        written = inside(machine, ready, "python", "-c", f"open({path!r}, 'w')", check=False)
        assert "Read-only file system" in written.stderr or "Permission denied" in written.stderr


def test_there_is_nothing_in_it_to_install_or_build_with(machine: Machine, ready: str) -> None:
    for program in ("pip", "pip3", "gcc", "cc", "make", "curl", "hadolint", "git"):
        assert inside(machine, ready, "which", program, check=False).returncode == 1, program
    for interpreter in ("/opt/service/bin/python", "/usr/local/bin/python"):
        for module in ("pip", "setuptools", "ensurepip"):
            done = inside(machine, ready, interpreter, "-c", f"import {module}", check=False)
            assert "No module named" in done.stderr, (interpreter, module)


def test_only_the_service_is_in_it(machine: Machine, service: Service, ready: str) -> None:
    found = inside(machine, ready, "find", "/app", "-type", "f", "-not", "-name", "*.pyc").stdout.split()
    version = f"models/{service.package.parent.name}/{service.package.name}"
    expected = {f"/app/{version}/{path.name}" for path in service.package.iterdir()}
    ours = {path for path in service.folder.glob("api/*") if path.is_file() and "Dockerfile" not in path.name}
    expected |= {f"/app/api/{path.name}" for path in ours}
    vendored = service.folder / "runtime/specweave_runtime"
    sources = (path for path in vendored.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    expected |= {f"/app/specweave_runtime/{path.relative_to(vendored).as_posix()}" for path in sources}
    assert set(found) == expected


def test_the_labels_name_the_model_and_its_digest(machine: Machine, service: Service, image: Any) -> None:
    (described,) = json.loads(machine.podman("image", "inspect", image["image"]).stdout)
    labels = described["Config"]["Labels"]
    assert labels["specweave.model.digest"] == packages.digest_of_manifest(service.package)
    assert labels["org.opencontainers.image.version"] == f"{NUMBER}-v1"


def test_it_stops_cleanly_when_told_to(machine: Machine, start: Start) -> None:
    container = start_until_ready(machine, start)
    machine.podman("stop", "--time", "20", container)
    assert machine.podman("inspect", "--format", "{{.State.ExitCode}}", container).stdout.strip() == "0"


def test_a_container_that_is_asked_for_another_model_lives_but_is_not_healthy(machine: Machine, start: Start) -> None:
    container = start("--env", f"MODEL_DIGEST={'0' * 64}")

    def live() -> bool:
        return inside(machine, container, "python", "-c", CALL, "GET", "/health/live", "", check=False).returncode == 0

    wait_until(live, machine, container)
    assert call(machine, container, "GET", "/health/live")[0] == 200
    status, answer = call(machine, container, "GET", "/health/ready")
    assert status == 503
    assert "manifest" in json.dumps(answer)
    assert not healthy(machine, container)


def test_the_build_is_evidence_in_the_increment(service: Service, image: Any) -> None:
    report = json.loads((service.workspace / image["report"]).with_suffix(".json").read_text("utf-8"))
    assert report["operation"] == "containerize"
    assert report["passed"]
    assert report["data"]["image"] == image["image"]
    assert report["package"]["digest"] == packages.digest_of_manifest(service.package)


def test_a_package_with_another_hash_is_not_installed(machine: Machine, service: Service, image: Any) -> None:
    requirements = service.folder / "api/requirements.txt"
    locked = requirements.read_text("utf-8")
    name, _, hashes = locked.partition(" \\\n")
    rest = hashes[hashes.index("\n", hashes.rindex("--hash=", 0, hashes.index("=="))) :]
    requirements.write_text(f"{name} \\\n    --hash=sha256:{'0' * 64}{rest}", "utf-8")
    try:
        options = ("--build", "--tag", "small-model:tampered", "--python-version", machine.python)
        status, result = service.specweave("ml", "containerize", NUMBER, *options, env=machine.build)
    finally:
        requirements.write_text(locked, "utf-8")
    assert status == 1
    assert result["image"] is None
    assert "HASHES" in result["log"].upper()
    report = json.loads((service.workspace / result["report"]).with_suffix(".json").read_text("utf-8"))
    assert not report["passed"]
