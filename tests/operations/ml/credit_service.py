"""An increment with a small package, services that answer as its own does, and load tests of them."""

import asyncio
import hashlib
from collections.abc import Callable

import msgspec
from tests.operations.load_testing.servers import Handler, answer

from specweave import arguments
from specweave.command import Context
from specweave.increments import store
from specweave.increments.store import Increment
from specweave.operations.load_test_result import LoadTestResult
from specweave.operations.ml.load_test import COMMAND, LoadTestRequest
from specweave_runtime.package import (
    Executable,
    Feature,
    Golden,
    GoldenRow,
    Input,
    Manifest,
    Output,
    Parity,
    Signature,
    Source,
)

# So long that a busy machine keeps within it: what is too slow here is so by seconds.
SLO_MS = 5_000
DEPLOYMENT = f"""\
model: {{name: credit, version: 0001-v1}}
service: {{name: credit}}
slo: {{latency_p95_ms: {SLO_MS}, error_rate: 0.01}}
environments:
  staging: {{target: local, port: 8100}}
"""


def make_increment(context: Context) -> Increment:
    """An increment whose package predicts good above 30 years."""
    made = store.create(context, "Deploy credit", kind="deployment")
    (made.folder / "deployment.yaml").write_text(DEPLOYMENT)
    package = context.project.state / "models" / "credit" / "0001-v1"
    package.mkdir(parents=True)
    rows = tuple(
        GoldenRow({"age": age, "job": "fixed"}, "good" if age > 30 else "bad", (0.4, 0.6) if age > 30 else (0.7, 0.3))
        for age in (25, 35, 45)
    )
    files = {
        "signature.json": msgspec.json.encode(
            Signature(
                (Feature("age", "integer"), Feature("job", "string")),
                Output("classification", ("bad", "good"), probabilities=True),
                (Input("rows", "float64", ("age", "job")),),
            )
        ),
        "golden.json": msgspec.json.encode(Golden(rows, 1e-5, 1.0)),
        "reference.json": b"{}",
        "model.onnx": b"never opened by the tool",
    }
    for name, content in files.items():
        (package / name).write_bytes(content)
    manifest = Manifest(
        format=1, name="credit", version="0001-v1", created="2026-11-20T12:00:00Z", estimator=("LogisticRegression",),
        executable=Executable("onnx", "model.onnx"), source=Source("m.joblib", "0" * 64, "0001"), python="3.11.7",
        libraries={}, parity=Parity(3, 0, 0.0, 1e-5, "held-out", (), 1.0, 1.0),
        files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    )  # fmt: skip
    (package / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return made


def identity(context: Context) -> str:
    manifest = context.project.state / "models" / "credit" / "0001-v1" / "manifest.json"
    return hashlib.sha256(manifest.read_bytes()).hexdigest()


def service(
    digest: str,
    *,
    service_s: float = 0.0,
    wrong: bool = False,
    ready: bool = True,
    overloaded: Callable[[int], bool] = lambda _number: False,
) -> Handler:
    """What a generated service answers; it gives up on the requests, by their number, that it has no room for."""

    async def handle(body: dict[str, object], writer: asyncio.StreamWriter, number: int) -> None:
        if not body:  # GET /health/ready and GET /model/info
            document = {"version": "0001-v1", "digest": digest, "reason": "the model is being loaded"}
            writer.write(answer(document, status="200 OK" if ready else "503 Service Unavailable"))
            return
        features = body["features"]
        assert isinstance(features, dict)
        if service_s:
            await asyncio.sleep(service_s)
        if overloaded(number):
            writer.write(answer({"error": {"code": "overloaded"}}, status="503 Service Unavailable"))
        else:
            good = (features["age"] > 30) != wrong
            probabilities = {"bad": 0.4, "good": 0.6} if good else {"bad": 0.7, "good": 0.3}
            document = {"prediction": "good" if good else "bad", "probabilities": probabilities}
            writer.write(answer({**document, "model_version": "0001-v1", "inference_time_ms": 0.1}))

    return handle


def run(context: Context, **values: object) -> LoadTestResult:
    request = arguments.validate(LoadTestRequest, {"increment": "0001", "arrivals": "constant", **values})
    result = COMMAND.run(request, context)
    assert isinstance(result, LoadTestResult)
    return result
