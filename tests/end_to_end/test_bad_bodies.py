"""Bad bodies over real HTTP, to a service that the tool generated and deployed: 4xx with the field, never a 500."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.end_to_end.attempts import duplicate, set_ports, succeed

from specweave.host import RealHost

ROW: dict[str, Any] = {
    "Seniority": 4,
    "Home": "rent",
    "Time": 60,
    "Age": 23,
    "Marital": "single",
    "Records": "yes",
    "Job": "fixed",
    "Expenses": 45,
    "Income": 97.0,
    "Assets": 0.0,
    "Debt": 0.0,
    "Amount": 1250,
    "Price": 1635,
}
DEEP = 50_000


def changed(**values: object) -> bytes:
    return json.dumps({**ROW, **values}).encode()


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in ROW.items() if key != name}).encode()


# name → path, body, status, field
BODIES: dict[str, tuple[str, bytes, int, str | None]] = {
    "not JSON": ("/predict", b"Age=23", 400, None),
    "an array": ("/predict", b"[" + changed() + b"]", 422, None),
    "empty": ("/predict", b"", 400, None),
    "an empty object": ("/predict", b"{}", 422, "Seniority"),
    "deep arrays": ("/predict", b"[" * DEEP, 422, None),
    "deep objects": ("/predict", b'{"features":' * DEEP, 422, "features"),
    "10 MB": ("/predict", b'{"Age":' + b" " * 10_000_000 + b"1}", 413, None),
    "null": ("/predict", b"null", 422, None),
    "NaN": ("/predict", changed(Income=float("nan")), 400, None),
    "Infinity": ("/predict", changed(Income=float("inf")), 400, None),
    "beyond double": ("/predict", changed().replace(b"97.0", b"1e999"), 422, "Income"),
    "text for a number": ("/predict", changed(Income="30"), 422, "Income"),
    "text for an integer": ("/predict", changed(Age="30"), 422, "Age"),
    "true for a number": ("/predict", changed(Income=True), 422, "Income"),
    "true for an integer": ("/predict", changed(Age=True), 422, "Age"),
    "a fraction for an integer": ("/predict", changed(Age=30.5), 422, "Age"),
    "an object for a number": ("/predict", changed(Income={}), 422, "Income"),
    "a number for a category": ("/predict", changed(Home=3), 422, "Home"),
    "an extra field": ("/predict", changed(Colour="red"), 422, "Colour"),
    "a missing field": ("/predict", without("Age"), 422, "Age"),
    "no row in a batch": ("/predict/batch", b"[]", 422, None),
    "no instance in a batch": ("/predict/batch", b'{"instances": []}', 422, "instances"),
    "one bad row in a batch": ("/predict/batch", b"[" + changed() + b"," + changed(Age=30.5) + b"]", 422, "Age"),
    "too many rows in a batch": ("/predict/batch", b"[" + b",".join([changed()] * 1001) + b"]", 422, None),
}
# The model's own rules: its imputers fill what is missing, its encoder ignores a category that it has not seen.
TAKEN = {
    "null for a number": changed(Income=None),
    "null for a category": changed(Home=None),
    "an unseen category": changed(Home="castle"),
    "a whole number with a point": changed(Age=30.0),
    "beyond the range of training": changed(Age=1_000),
}


@pytest.fixture(scope="module")
def service(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    project = duplicate(prepared, tmp_path_factory.mktemp("deployed") / "project")
    set_ports(project, RealHost().free_port())
    try:
        address = succeed(project, "ml", "deploy", "0043", "--environment", "staging")["environment"]["address"]
        with httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
            yield client
    finally:
        succeed(project, "ml", "deploy", "0043", "--environment", "staging", "--stop")


@pytest.mark.parametrize("name", BODIES)
def test_a_bad_body_is_refused_and_the_service_goes_on(service: httpx.Client, name: str) -> None:
    path, body, status, field = BODIES[name]
    response = service.post(path, content=body, headers={"content-type": "application/json"})
    error = response.json()["error"]
    assert (response.status_code, error["field"]) == (status, field), error
    assert error["code"]
    assert 0 < len(error["message"]) <= 500
    assert service.post("/predict", json=ROW).status_code == 200


@pytest.mark.parametrize("name", TAKEN)
def test_what_the_model_itself_takes_is_taken(service: httpx.Client, name: str) -> None:
    assert service.post("/predict", content=TAKEN[name]).status_code == 200


def test_no_bad_body_was_a_failure_of_the_service(service: httpx.Client) -> None:
    metrics = service.get("/metrics").text
    assert not [line for line in metrics.splitlines() if 'status="5' in line and not line.endswith((" 0", " 0.0"))]
    assert service.get("/health/ready").status_code == 200
