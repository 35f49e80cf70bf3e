"""The generated service as its clients see it."""

import json
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from starlette.testclient import TestClient
from tests.runtime import generated_services, packages

from specweave.increments.store import Increment
from specweave_runtime.package import Executable, Feature, GoldenRow, Input, Output, Signature

ROW: dict[str, Any] = {"age": 30, "Debt ratio": 0.25, "income": 52_000.0, "home": "rent"}
WITHOUT_AGE = {name: value for name, value in ROW.items() if name != "age"}
DEPTH = 10_000


def changed(**values: object) -> dict[str, Any]:
    return {**ROW, **{name.replace("_", " "): value for name, value in values.items()}}


def body(row: object) -> bytes:
    return json.dumps(row).encode()


# name → body, status, code, field
BAD_ROWS: dict[str, tuple[bytes, int, str, str | None]] = {
    "empty": (b"", 400, "body-empty", None),
    "white space": (b"  \n", 400, "body-empty", None),
    "not JSON": (b"age=30", 400, "body-malformed", None),
    "half an object": (b'{"age": 30', 400, "body-malformed", None),
    "two objects": (body(ROW) * 2, 400, "body-malformed", None),
    "invalid UTF-8": (b'{"home": "\xff\xfe"}', 400, "body-malformed", None),
    "invalid UTF-8 in a name": (b'{"\xff": 1}', 400, "body-malformed", None),
    "a lone surrogate": (body(ROW).replace(b'"rent"', b'"\\ud800"'), 400, "body-malformed", None),
    "a byte order mark": (b"\xef\xbb\xbf" + body(ROW), 400, "body-malformed", None),
    "UTF-16": (json.dumps(ROW).encode("utf-16"), 400, "body-malformed", None),
    "an array": (body([ROW]), 422, "body-invalid", None),
    "null": (b"null", 422, "body-invalid", None),
    "a number": (b"1", 422, "body-invalid", None),
    "deep arrays": (b"[" * DEPTH, 422, "body-invalid", None),
    "deep objects": (b'{"age":' * DEPTH, 422, "field-invalid", "age"),
    "deep arrays in a field": (b'{"age": 1.5, "home": ' + b"[" * DEPTH, 400, "body-malformed", None),
    "an empty object": (b"{}", 422, "field-missing", "age"),
    "features is null": (body({"features": None}), 422, "field-invalid", "features"),
    "features is an array": (body({"features": [ROW]}), 422, "field-invalid", "features"),
    "beside features": (body({"features": ROW, "id": 7}), 422, "field-unknown", "id"),
    "null for a number": (body(changed(Debt_ratio=None)), 422, "field-invalid", "Debt ratio"),
    "null for a category": (body(changed(home=None)), 422, "field-invalid", "home"),
    "NaN": (body(changed(income=float("nan"))), 400, "body-malformed", None),
    "Infinity": (body(changed(income=float("inf"))), 400, "body-malformed", None),
    "beyond double": (body(ROW).replace(b"52000.0", b"1e999"), 422, "field-invalid", "income"),
    "400 digits": (body(ROW).replace(b"52000.0", b"9" * 400), 422, "field-invalid", "income"),
    "400 digits for an integer": (body(ROW).replace(b"30", b"9" * 400), 422, "field-invalid", "age"),
    "beyond single precision": (body(changed(income=1e300)), 422, "field-invalid", "income"),
    "a whole number beyond 64 bits": (body(changed(age=1e30)), 422, "field-invalid", "age"),
    "text for a number": (body(changed(income="52000")), 422, "field-invalid", "income"),
    "text for an integer": (body(changed(age="30")), 422, "field-invalid", "age"),
    "true for a number": (body(changed(income=True)), 422, "field-invalid", "income"),
    "true for an integer": (body(changed(age=True)), 422, "field-invalid", "age"),
    "a fraction for an integer": (body(changed(age=30.5)), 422, "field-invalid", "age"),
    "a number for a category": (body(changed(home=3)), 422, "field-invalid", "home"),
    "an object for a number": (body(changed(income={})), 422, "field-invalid", "income"),
    "an unseen category": (body(changed(home="castle")), 422, "category-unknown", "home"),
    "an extra field": (body(changed(colour="red")), 422, "field-unknown", "colour"),
    "a missing field": (body(WITHOUT_AGE), 422, "field-missing", "age"),
}


def wrapped(content: bytes) -> bytes:
    return b'{"features": ' + content + b"}"


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_refused_with_its_reason(client: TestClient, name: str) -> None:
    content, status, code, field = BAD_ROWS[name]
    response = client.post("/predict", content=content)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["field"]) == (status, code, field)
    assert 0 < len(error["message"]) <= 500


@pytest.mark.parametrize("name", [name for name, bad in BAD_ROWS.items() if bad[3] not in {None, "features", "id"}])
@pytest.mark.parametrize("form", ["features", "instances", "array"])
def test_the_field_is_named_in_every_form_of_request(client: TestClient, form: str, name: str) -> None:
    content, status, code, field = BAD_ROWS[name]
    path, content = {
        "features": ("/predict", wrapped(content)),
        "instances": ("/predict/batch", b'{"instances": [' + body(ROW) + b"," + content + b"]}"),
        "array": ("/predict/batch", b"[" + content + b"]"),
    }[form]
    response = client.post(path, content=content)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["field"]) == (status, code, field)


@pytest.mark.parametrize(
    "content",
    [b"[]", b'{"instances": []}', b'{"instances": null}', b'{"rows": []}', b"{}", b"[1]", b"[[]]", b"", b"[", b"null"],
)
def test_a_bad_batch_is_refused(client: TestClient, content: bytes) -> None:
    response = client.post("/predict/batch", content=content)
    assert response.status_code in {400, 422}
    assert response.json()["error"]["code"]


def test_a_batch_beyond_the_limit_is_refused(client: TestClient) -> None:
    assert client.post("/predict/batch", json=[ROW] * 20).status_code == 200
    assert client.post("/predict/batch", json=[ROW] * 21).status_code == 422


def test_a_body_beyond_the_limit_is_refused_and_the_connection_lives_on(client: TestClient) -> None:
    response = client.post("/predict", content=b" " * 10_000_000)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "body-too-large")
    assert client.post("/predict", json=ROW).status_code == 200


def test_a_chunked_body_is_taken(client: TestClient) -> None:
    whole = body(ROW)
    response = client.post("/predict", content=iter([whole[:10], b"", whole[10:]]))
    assert response.status_code == 200


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "application/vnd.a+json"])
def test_a_body_that_says_it_is_json_is_taken(client: TestClient, kind: str) -> None:
    assert client.post("/predict", content=body(ROW), headers={"content-type": kind}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": ""},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_a_body_that_says_it_is_something_else_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    response = client.post("/predict", content=body(ROW), headers=headers)
    assert response.status_code == 415


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_predictions_take_post_only(client: TestClient, path: str, method: str) -> None:
    response = client.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/", "/predictions", "/predict/", "/predict/batch/x", "/health/x"])
def test_an_unknown_path_is_not_found(client: TestClient, path: str) -> None:
    response = client.post(path, json=ROW)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not-found")


def test_the_other_routes_say_which_method_they_take(client: TestClient) -> None:
    response = client.post("/health")
    assert (response.status_code, response.json()["error"]["code"]) == (405, "method-not-allowed")


def test_both_forms_of_a_row_get_the_same_answer(client: TestClient) -> None:
    first, second = (client.post("/predict", json=row).json() for row in (ROW, {"features": ROW}))
    assert {name: first[name] for name in ("prediction", "probability", "model_version")} == {
        name: second[name] for name in ("prediction", "probability", "model_version")
    }
    assert set(first) == {"prediction", "probability", "model_version", "inference_time_ms"}


@pytest.mark.parametrize("age", [b"30", b"30.0", b"3e1"])
def test_a_whole_number_is_an_integer_however_it_is_written(client: TestClient, age: bytes) -> None:
    content = body(ROW).replace(b"30", age)
    expected = client.post("/predict", json=ROW).json()["probability"]
    for path, sent in (("/predict", content), ("/predict", wrapped(content))):
        assert client.post(path, content=sent).json()["probability"] == expected
    batch = client.post("/predict/batch", content=b"[" + content + b"]").json()
    assert batch["predictions"][0]["probability"] == pytest.approx(expected)


def test_of_a_name_given_twice_the_last_counts(client: TestClient) -> None:
    content = body(ROW)[:-1] + b', "age": 79}'
    expected = client.post("/predict", json=changed(age=79)).json()
    assert client.post("/predict", content=content).json()["probability"] == expected["probability"]


def test_null_is_taken_where_the_model_imputes(client: TestClient) -> None:
    assert client.post("/predict", json=changed(income=None)).status_code == 200


def test_a_batch_is_answered_in_its_order_by_one_version(client: TestClient) -> None:
    rows = [changed(income=float(income)) for income in range(20_000, 80_000, 4_000)]
    answer = client.post("/predict/batch", json={"instances": rows}).json()
    singles = [client.post("/predict", json=row).json() for row in rows]
    assert [one["prediction"] for one in answer["predictions"]] == [one["prediction"] for one in singles]
    assert {one["model_version"] for one in singles} == {answer["model_version"]} == {"0043-v1"}


def metric(client: TestClient, name: str) -> float:
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(f"{name} ")]
    return float(lines[0].rsplit(" ", 1)[1]) if lines else 0.0


def test_a_value_beyond_the_training_data_is_answered_and_counted(client: TestClient) -> None:
    name = 'model_inputs_out_of_range_total{feature="age",model="small-model",version="0043-v1"}'
    before = metric(client, name)
    assert client.post("/predict", json=changed(age=130)).status_code == 200
    assert client.post("/predict", json=ROW).status_code == 200
    assert metric(client, name) == before + 1


def test_answers_and_refusals_are_counted(client: TestClient) -> None:
    good, bad = (f'http_requests_total{{route="/predict",status="{status}"}}' for status in (200, 422))
    label = client.post("/predict", json=ROW).json()["prediction"]
    predicted = f'model_predictions_total{{class="{label}",model="small-model",version="0043-v1"}}'
    count = 'http_request_duration_seconds_count{route="/predict"}'
    before = [metric(client, name) for name in (good, bad, predicted, count)]
    client.post("/predict", json=ROW)
    client.post("/predict", json={})
    assert [metric(client, name) for name in (good, bad, predicted, count)] == [
        before[0] + 1,
        before[1] + 1,
        before[2] + 1,
        before[3] + 2,
    ]
    assert metric(client, "http_requests_in_progress") == 0


def test_model_info_says_what_answers(client: TestClient) -> None:
    info = client.get("/model/info").json()
    assert (info["model"], info["version"], info["engine"]) == ("small-model", "0043-v1", "onnx")
    assert len(info["digest"]) == 64
    assert [feature["name"] for feature in info["features"]] == ["age", "Debt ratio", "income", "home"]


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/health/live"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_ready_service_is_healthy(client: TestClient, path: str, method: str) -> None:
    assert client.request(method, path).status_code == 200


def test_the_documentation_types_both_routes(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    features = schema["components"]["schemas"]["Features"]
    assert features["required"] == ["age", "Debt ratio", "income", "home"]
    assert features["properties"]["age"]["type"] == "integer"
    assert features["properties"]["age"]["description"] == "18 to 80 in the training data"
    assert features["properties"]["home"]["enum"] == ["other", "owner", "rent"]
    for path in ("/predict", "/predict/batch"):
        operation = schema["paths"][path]["post"]
        assert operation["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
        assert {"200", "400", "401", "413", "415", "422", "429", "503"} <= set(operation["responses"])
    assert client.get("/docs").status_code == 200


def test_the_key_is_demanded_everywhere_but_by_probes(pipeline_service: Increment) -> None:
    with generated_services.client(pipeline_service, {"API_KEY": "s3cret"}) as client:
        for path in ("/health", "/health/live", "/health/ready"):
            assert client.get(path).status_code == 200
        for path in ("/metrics", "/model/info", "/docs", "/openapi.json", "/nowhere"):
            assert client.get(path).status_code == 401
        for headers in ({}, {"x-api-key": "s3cre"}, {"x-api-key": "é".encode()}, {"authorization": "Basic s3cret"}):
            response = client.post("/predict", json=ROW, headers=headers)
            assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorized")
            assert "s3cret" not in response.text
        for headers in ({"x-api-key": "s3cret"}, {"authorization": "Bearer s3cret"}):
            assert client.post("/predict", json=ROW, headers=headers).status_code == 200


def test_the_key_may_lie_in_a_file(pipeline_service: Increment, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from a file\n")
    with generated_services.client(pipeline_service, {"API_KEY_FILE": str(tmp_path / "key")}) as client:
        assert client.post("/predict", json=ROW).status_code == 401
        assert client.post("/predict", json=ROW, headers={"x-api-key": "from a file"}).status_code == 200


def test_beyond_the_rate_limit_clients_are_told_when_to_come_again(pipeline_service: Increment) -> None:
    with generated_services.client(pipeline_service, {"RATE_LIMIT": "0.001"}) as client:
        assert client.post("/predict", json=ROW).status_code == 200
        response = client.post("/predict", json=ROW)
        assert (response.status_code, response.json()["error"]["code"]) == (429, "rate-limited")
        assert 900 <= int(response.headers["retry-after"]) <= 1_000
        assert client.get("/health").status_code == 200


def test_the_request_log_holds_no_feature_values(
    pipeline_service: Increment, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    with generated_services.client(pipeline_service, {"REQUEST_LOG": "1"}) as client:
        client.post("/predict", json=changed(age=77))
        client.post("/predict", json=changed(home="castle"))
        client.get("/health")
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert [(line["path"], line["status"], line["error"]) for line in lines] == [
        ("/predict", 200, None),
        ("/predict", 422, "category-unknown"),
        ("/health", 200, None),
    ]
    assert lines[0]["model_version"] == "0043-v1"
    assert not {77, "castle"} & {value for line in lines for value in line.values()}


def test_limits_follow_the_environment(pipeline_service: Increment) -> None:
    with generated_services.client(pipeline_service, {"BODY_BYTES": "20", "BATCH_ROWS": "1"}) as client:
        assert client.post("/predict", json=ROW).status_code == 413


def test_a_changed_package_is_live_but_not_ready(tmp_path: Path) -> None:
    increment = generated_services.generate(tmp_path / "p", packages.pipeline_package(tmp_path / "package", "onnx"))
    model = increment.project.state / "models/small-model/0043-v1/model.onnx"
    model.write_bytes(model.read_bytes() + b"\0")
    with generated_services.client(increment) as client:
        assert client.get("/health/live").status_code == 200
        ready = client.get("/health/ready")
        assert ready.status_code == 503
        assert "model.onnx is not what the manifest says" in ready.json()["reason"]
        for path in ("/predict", "/predict/batch"):
            response = client.post(path, json=ROW)
            assert (response.status_code, response.json()["error"]["code"]) == (503, "not-ready")
        assert client.get("/model/info").status_code == 503
        assert metric(client, "model_ready") == 0
        assert client.get("/openapi.json").status_code == 200


def test_another_identity_than_demanded_is_not_ready(pipeline_service: Increment) -> None:
    with generated_services.client(pipeline_service, {"MODEL_DIGEST": "0" * 64}) as client:
        assert "expected 000000000000" in client.get("/health/ready").json()["reason"]


def test_a_package_with_other_inputs_is_not_ready(pipeline_service: Increment, tmp_path: Path) -> None:
    other = packages.forest_package(tmp_path / "other", "onnx")
    with generated_services.client(pipeline_service, {"MODEL_PACKAGE": str(other)}) as client:
        assert "generate it again" in client.get("/health/ready").json()["reason"]


def test_a_missing_package_is_not_ready(pipeline_service: Increment, tmp_path: Path) -> None:
    with generated_services.client(pipeline_service, {"MODEL_PACKAGE": str(tmp_path / "none")}) as client:
        assert "there is no model package" in client.get("/health/ready").json()["reason"]


@pytest.mark.parametrize("engine", ["onnx", "treelite", "estimator"])
def test_three_classes_have_a_probability_each(tmp_path: Path, engine: packages.Engine) -> None:
    increment = generated_services.generate(tmp_path / "p", packages.forest_package(tmp_path / "package", engine))
    with generated_services.client(increment) as client:
        answer = client.post("/predict", json=dict.fromkeys(packages.NUMBERS, 1.0)).json()
    assert answer["prediction"] in {1, 2, 3}
    assert list(answer["probabilities"]) == ["1", "2", "3"]
    assert sum(answer["probabilities"].values()) == pytest.approx(1)


@pytest.mark.parametrize("engine", ["onnx", "treelite", "estimator"])
def test_a_regressor_answers_a_value(tmp_path: Path, engine: packages.Engine) -> None:
    increment = generated_services.generate(tmp_path / "p", packages.regressor_package(tmp_path / "package", engine))
    with generated_services.client(increment) as client:
        answer = client.post("/predict", json=dict.fromkeys(packages.NUMBERS, 1.0)).json()
        assert metric(client, 'model_predictions_total{class="",model="small-model",version="0043-v1"}') == 1
    assert isinstance(answer["prediction"], float)
    assert set(answer) == {"prediction", "model_version", "inference_time_ms"}


def test_an_estimator_answers_many_clients_at_once_each_with_its_own(tmp_path: Path) -> None:
    package = packages.pipeline_package(tmp_path / "package", "estimator")
    increment = generated_services.generate(tmp_path / "p", package)
    rows = [changed(income=float(income)) for income in range(20_000, 80_000, 2_000)]
    with generated_services.client(increment) as client, ThreadPoolExecutor(8) as pool:
        alone = [client.post("/predict", json=row).json()["probability"] for row in rows]
        threads = threading.active_count()
        together = list(pool.map(lambda row: client.post("/predict", json=row).json()["probability"], rows))
        assert threading.active_count() <= threads + 8 + 1
    assert together == pytest.approx(alone, abs=1e-12)


def scaled_package(folder: Path) -> Path:
    """An estimator that divides by a small number first: 3e38 fits the type of its feature, and is too much for it."""
    rows = [[number / 1_000] for number in range(20)]
    model = make_pipeline(StandardScaler(), RandomForestRegressor(5, random_state=0)).fit(rows, range(20))
    signature = Signature((Feature("age", "number"),), Output("regression"), (Input("rows", "float64", ("age",)),))
    golden = [GoldenRow({"age": row[0]}, float(model.predict([row])[0])) for row in rows[:4]]
    executable = Executable("estimator", "model.pkl", "pickle")
    return packages.write(folder, signature, golden, executable, pickle.dumps(model))


def test_values_that_the_model_does_not_take_are_refused_and_trouble_nobody_else(tmp_path: Path) -> None:
    increment = generated_services.generate(tmp_path / "p", scaled_package(tmp_path / "package"))
    good, bad = {"age": 0.001}, {"age": 3e38}
    with generated_services.client(increment) as client, ThreadPoolExecutor(8) as pool:
        for path, row in (("/predict", bad), ("/predict/batch", [good, bad])):
            refusal = client.post(path, json=row)
            assert (refusal.status_code, refusal.json()["error"]["code"]) == (422, "row-refused")
            assert "too large" in refusal.json()["error"]["message"]
        mixed = [bad if number % 4 == 0 else good for number in range(40)]
        statuses = list(pool.map(lambda row: client.post("/predict", json=row).status_code, mixed))
    assert statuses == [422 if row is bad else 200 for row in mixed]
