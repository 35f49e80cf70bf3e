"""What clients may rely on. The rows are the golden rows of the model package that the service is set to."""

import json
from typing import Any

import pytest
from specweave_runtime.agreement import agrees, by_class
from specweave_runtime.package import Feature, GoldenRow, read_golden, read_manifest, read_signature
from starlette.testclient import TestClient

from api.settings import settings

PACKAGE = settings().package
GOLDEN = read_golden(PACKAGE)
SIGNATURE = read_signature(PACKAGE)
ROW = GOLDEN.rows[0].features


def refused(client: TestClient, row: object, path: str = "/predict") -> dict[str, Any]:
    """The error that answers a row which cannot be accepted."""
    response = client.post(path, content=row if isinstance(row, bytes) else json.dumps(row))
    assert 400 <= response.status_code < 500
    error: dict[str, Any] = response.json()["error"]
    return error


def wrong_value(feature: Feature) -> object:
    """A value that is of no type of this feature."""
    return 3.5 if feature.type == "string" else "3.5"


def test_the_service_is_ready(client: TestClient) -> None:
    response = client.get("/health/ready")
    assert response.status_code == 200
    assert response.json()["version"] == read_manifest(PACKAGE).version


def test_the_process_is_live(client: TestClient) -> None:
    assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize("golden", GOLDEN.rows)
def test_a_golden_row_gets_the_expected_answer(client: TestClient, golden: GoldenRow) -> None:
    response = client.post("/predict", json={"features": golden.features})
    assert response.status_code == 200
    answer = response.json()
    if SIGNATURE.output.task == "classification":
        assert answer["prediction"] == golden.prediction
    else:
        assert agrees(answer["prediction"], golden.prediction, GOLDEN.tolerance, GOLDEN.scale)
    if golden.probabilities is not None:
        expected = by_class(SIGNATURE.output.classes, golden.probabilities)
        given = answer.get("probabilities") or dict(
            zip(expected, (1 - answer["probability"], answer["probability"]), strict=True)
        )
        assert agrees(given, expected, GOLDEN.tolerance, GOLDEN.scale)
    assert answer["model_version"] == read_manifest(PACKAGE).version
    assert answer["inference_time_ms"] >= 0


def test_the_bare_object_gets_the_same_answer(client: TestClient) -> None:
    wrapped, bare = (client.post("/predict", json=body).json() for body in ({"features": ROW}, ROW))
    assert wrapped["prediction"] == bare["prediction"]


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_batch_is_answered_in_its_order(client: TestClient, wrapped: bool) -> None:
    rows = [golden.features for golden in GOLDEN.rows]
    response = client.post("/predict/batch", json={"instances": rows} if wrapped else rows)
    assert response.status_code == 200
    singles = [client.post("/predict", json=row).json()["prediction"] for row in rows]
    assert [prediction["prediction"] for prediction in response.json()["predictions"]] == pytest.approx(singles)


@pytest.mark.parametrize("feature", SIGNATURE.features, ids=lambda feature: feature.name)
def test_a_missing_field_is_named(client: TestClient, feature: Feature) -> None:
    row = {name: value for name, value in ROW.items() if name != feature.name}
    assert refused(client, row)["field"] == feature.name


@pytest.mark.parametrize("feature", SIGNATURE.features, ids=lambda feature: feature.name)
def test_a_value_of_another_type_is_refused(client: TestClient, feature: Feature) -> None:
    assert refused(client, {"features": {**ROW, feature.name: wrong_value(feature)}})["field"] == feature.name


@pytest.mark.parametrize("feature", SIGNATURE.features, ids=lambda feature: feature.name)
def test_null_is_taken_only_where_the_model_has_an_answer_to_it(client: TestClient, feature: Feature) -> None:
    response = client.post("/predict", json={**ROW, feature.name: None})
    assert response.status_code == (200 if feature.nullable else 422)


def test_a_further_field_is_refused(client: TestClient) -> None:
    assert refused(client, {**ROW, "no such feature": 1})["field"] == "no such feature"


@pytest.mark.parametrize("body", [b"", b"text", b"[]", b"null", b"\xff", b"[" * 10_000, b'{"a":' * 10_000, b"{} {}"])
@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_a_body_that_is_no_row_is_refused(client: TestClient, path: str, body: bytes) -> None:
    assert refused(client, body, path)["code"]


def test_a_body_beyond_the_limit_is_refused(client: TestClient) -> None:
    assert refused(client, b" " * (settings().body_bytes + 1))["code"] == "body-too-large"


def test_the_answers_are_counted(client: TestClient) -> None:
    client.post("/predict", json=ROW)
    assert 'http_requests_total{route="/predict",status="200"}' in client.get("/metrics").text


def test_the_documentation_names_every_feature(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert list(schemas["Features"]["properties"]) == [feature.name for feature in SIGNATURE.features]
