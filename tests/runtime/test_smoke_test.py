"""The smoke test against a service that answers as it is told."""

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from specweave_runtime.smoke_test import Client, SmokeTestError, readiness, smoke_test

Answers = dict[str, list[tuple[int, object]]]


class Service:
    """Gives the answers listed for a path in turn, the last of them again and again."""

    def __init__(self) -> None:
        self.answers: Answers = {"/model/info": [(200, {"digest": "d"})]}
        self.seen: list[tuple[str, Mapping[str, str]]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.seen.append((self.path, dict(self.headers)))
                self.rfile.read(int(self.headers.get("content-length", 0)))
                listed = service.answers[self.path]
                status, body = listed.pop(0) if len(listed) > 1 else listed[0]
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815 - the name that http.server asks for

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def client(self) -> Client:
        return Client(self.server.server_address[1], "key")


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def package(folder: Path, *rows: Mapping[str, Any], tolerance: float = 1e-5, scale: float = 1.0) -> Path:
    listed = [{"features": {"x": 1}, "probabilities": None, **row} for row in rows]
    classes = {2: ["bad", "good"], 3: [1, 2, 3]}.get(len(rows[0].get("probabilities") or ()), [])
    (folder / "signature.json").write_text(json.dumps({"output": {"classes": classes}}))
    (folder / "golden.json").write_text(json.dumps({"rows": listed, "tolerance": tolerance, "scale": scale}))
    return folder


AGREEING = [
    ({"prediction": "bad", "probabilities": [0.6, 0.4]}, {"prediction": "bad", "probability": 0.400001}),
    (
        {"prediction": 2, "probabilities": [0.1, 0.7, 0.2]},
        {"prediction": 2, "probabilities": {"1": 0.1, "2": 0.7, "3": 0.2}},
    ),
    ({"prediction": "bad"}, {"prediction": "bad"}),
    ({"prediction": 1}, {"prediction": 1}),
    ({"prediction": 200.0}, {"prediction": 200.001}),
    ({"prediction": [1.0, 2.0]}, {"prediction": [1.0, 2.0]}),
]
DIFFERING = [
    ({"prediction": "bad", "probabilities": [0.6, 0.4]}, {"prediction": "good", "probability": 0.4}),
    ({"prediction": "bad", "probabilities": [0.6, 0.4]}, {"prediction": "bad", "probability": 0.6}),
    ({"prediction": "bad", "probabilities": [0.6, 0.4]}, {"prediction": "bad"}),
    (
        {"prediction": 2, "probabilities": [0.1, 0.7, 0.2]},
        {"prediction": 2, "probabilities": {"1": 0.2, "2": 0.7, "3": 0.1}},
    ),
    (
        {"prediction": 2, "probabilities": [0.1, 0.7, 0.2]},
        {"prediction": 2, "probabilities": {"2": 0.1, "1": 0.7, "3": 0.2}},
    ),
    ({"prediction": 1}, {"prediction": 2}),
    ({"prediction": 200.0}, {"prediction": 200.1}),
    ({"prediction": 200.0}, {"prediction": None}),
    ({"prediction": [1.0, 2.0]}, {"prediction": [1.0]}),
    ({"prediction": [1.0, 2.0]}, {"prediction": 1.0}),
]


@pytest.mark.parametrize(("row", "answer"), AGREEING)
def test_expected_answers_pass(service: Service, tmp_path: Path, row: dict[str, Any], answer: dict[str, Any]) -> None:
    service.answers["/predict"] = [(200, answer)]
    assert smoke_test(service.client, package(tmp_path, row, row), "d") == 2
    assert all(headers["x-api-key"] == "key" for _, headers in service.seen)


@pytest.mark.parametrize(("row", "answer"), DIFFERING)
def test_other_answers_fail_and_are_shown(
    service: Service, tmp_path: Path, row: dict[str, Any], answer: dict[str, Any]
) -> None:
    service.answers["/predict"] = [(200, answer)]
    with pytest.raises(SmokeTestError, match="golden row 1: expected"):
        smoke_test(service.client, package(tmp_path, row), "d")


def test_a_small_value_is_compared_by_its_own_scale(service: Service, tmp_path: Path) -> None:
    service.answers["/predict"] = [(200, {"prediction": 0.0})]
    with pytest.raises(SmokeTestError, match="golden row 1: expected"):
        smoke_test(service.client, package(tmp_path, {"prediction": 5e-6}, scale=5e-8), "d")


@pytest.mark.parametrize(("status", "body"), [(401, {}), (500, b"Internal Server Error"), (200, b"no JSON"), (200, [])])
def test_what_is_no_answer_fails(service: Service, tmp_path: Path, status: int, body: object) -> None:
    service.answers["/predict"] = [(status, body)]
    with pytest.raises(SmokeTestError, match=f"golden row 1: POST /predict answers {status}"):
        smoke_test(service.client, package(tmp_path, {"prediction": 1}), "d")


def test_another_model_than_the_one_meant_fails(service: Service, tmp_path: Path) -> None:
    with pytest.raises(SmokeTestError, match="expected the digest e"):
        smoke_test(service.client, package(tmp_path, {"prediction": 1}), "e")


def test_a_rate_limit_is_waited_for(service: Service, tmp_path: Path) -> None:
    service.answers["/predict"] = [(429, {}), (200, {"prediction": 1})]
    assert smoke_test(service.client, package(tmp_path, {"prediction": 1}), "d") == 1


@pytest.mark.parametrize("text", ["", "[]", '{"rows": [], "tolerance": 0, "scale": 1}', '{"rows": [{}]}'])
def test_a_package_without_golden_rows_fails(service: Service, tmp_path: Path, text: str) -> None:
    (tmp_path / "golden.json").write_text(text)
    with pytest.raises(SmokeTestError, match="golden"):
        smoke_test(service.client, tmp_path, "d")


def test_readiness_gives_the_reason_of_the_service(service: Service) -> None:
    service.answers["/health/ready"] = [(503, {"status": "not ready", "reason": "no file"}), (200, {})]
    assert readiness(service.client) == (False, "no file")
    assert readiness(service.client) == (True, "")


def test_no_service_is_an_error() -> None:
    with pytest.raises(SmokeTestError, match="got no answer"):
        readiness(Client(1))
