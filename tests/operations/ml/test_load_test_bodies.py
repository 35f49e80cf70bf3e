"""`ml load-test` with other bodies than the golden rows, and with headers, by its own door."""

import asyncio
import hashlib
import json
from pathlib import Path

import msgspec
import pytest
from tests.operations.load_testing.servers import Handler, answer, serve
from tests.operations.ml.credit_service import identity, run, service

from specweave import cli, load_test_model
from specweave.command import Context
from specweave.errors import InvalidInputError, NotFoundError, OperationError, SpecweaveError
from specweave.increments import evidence
from specweave.increments.store import Increment
from specweave.operations.ml.load_test import COMMAND, LoadTestRequest
from specweave_runtime.package import Manifest, read_manifest

REFERENCE = {
    "format": 1,
    "features": {
        "age": {"type": "integer", "count": 9, "missing": 0, "edges": [20.0, 40.0, 60.0], "counts": [4, 5]},
        "job": {"type": "category", "count": 9, "missing": 0, "counts": {"fixed": 8, "free": 1}},
    },
}
ROWS = "age,job,target\n25,fixed,bad\n,fixed,bad\n35,free,good\n"


def change_package(context: Context, name: str, content: bytes, **source: object) -> str:
    """Another file in the package, or another origin; the manifest is in step again."""
    folder = context.project.state / "models" / "credit" / "0001-v1"
    (folder / name).write_bytes(content)
    manifest = read_manifest(folder)
    manifest = msgspec.structs.replace(
        manifest,
        files={**manifest.files, name: hashlib.sha256(content).hexdigest()},
        source=msgspec.convert({**msgspec.to_builtins(manifest.source), **source}, type(manifest.source)),
    )
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    assert msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest) == manifest
    return identity(context)


def sent(bodies: list[dict[str, object]]) -> list[str]:
    """The different bodies of requests, without those of the looks before."""
    return sorted({json.dumps(body) for body in bodies if body})


def test_generated_rows_are_sent_and_answers_judged_by_what_the_signature_promises(
    context: Context, increment: Increment
) -> None:
    digest = change_package(context, "reference.json", json.dumps(REFERENCE).encode())
    with serve(service(digest)) as server:
        result = run(context, rps=200, duration=1, bodies="generated", url=server.url)
    assert result.steps[0].errors == {}
    assert result.version == "0001-v1"
    rows = [json.loads(body)["features"] for body in sent(server.bodies)]
    assert {row["job"] for row in rows} == {"fixed", "free"}
    assert all(20 <= row["age"] <= 60 for row in rows)
    assert len(rows) > 30
    report = evidence.newest(increment, "load-test", package_digest=digest)
    assert report is not None
    assert report.data["bodies"] == "generated"
    page = (context.project.root / result.report).read_text()
    assert "1,000 rows generated for credit 0001-v1 from the distribution of its reference data, seed 0" in page
    assert "--bodies generated" in page


def misbehaving(digest: str) -> Handler:
    """Answers like the service, but with a class that there is not for everybody above 40."""
    good = service(digest)

    async def handle(body: dict[str, object], writer: asyncio.StreamWriter, number: int) -> None:
        features = body.get("features")
        if isinstance(features, dict) and features["age"] > 40:
            writer.write(answer({"prediction": "excellent"}))
        else:
            await good(body, writer, number)

    return handle


def test_an_answer_that_the_signature_does_not_promise_is_a_wrong_answer(
    context: Context, increment: Increment
) -> None:
    digest = change_package(context, "reference.json", json.dumps(REFERENCE).encode())
    with serve(misbehaving(digest)) as server:
        result = run(context, rps=200, duration=1, bodies="generated", url=server.url)
    assert not result.passed
    assert result.steps[0].errors.keys() == {"wrong answer"}
    assert "none of the classes" in (context.project.root / result.report).read_text()


def test_rows_of_the_reference_data_are_sent_but_for_those_that_the_service_refuses(
    context: Context, increment: Increment
) -> None:
    data = context.project.root / "credit.csv"
    data.write_text(ROWS)
    sha256 = hashlib.sha256(ROWS.encode()).hexdigest()
    digest = change_package(context, "reference.json", b"{}", data="credit.csv", data_sha256=sha256)
    with serve(service(digest)) as server:
        result = run(context, rps=100, duration=1, bodies="reference", url=server.url)
    assert result.steps[0].errors == {}
    assert sent(server.bodies) == [
        '{"features": {"age": 25, "job": "fixed"}}',
        '{"features": {"age": 35, "job": "free"}}',
    ]
    page = (context.project.root / result.report).read_text()
    assert "2 of the 3 rows of credit.csv, without 1 that the service refuses" in page
    data.write_text(ROWS + "99,free,good\n")
    with pytest.raises(InvalidInputError) as caught:
        run(context, rps=100, duration=1, bodies="reference")
    assert caught.value.code == "reference-changed"
    data.unlink()
    with pytest.raises(NotFoundError) as missing:
        run(context, rps=100, duration=1, bodies="reference")
    assert missing.value.code == "reference-not-found"


def test_bodies_of_a_file_are_sent_in_turn(context: Context, increment: Increment) -> None:
    path = context.project.root / "rows.jsonl"
    path.write_text('{"age": 31, "job": "fixed"}\n{"features": {"age": 29, "job": "free"}}\n')
    with serve(service(identity(context))) as server:
        result = run(context, rps=50, duration=1, bodies="rows.jsonl", url=server.url)
    assert result.steps[0].errors == {}
    assert len(sent(server.bodies)) == 2
    assert "2 bodies of rows.jsonl in turn" in (context.project.root / result.report).read_text()


def test_bodies_that_the_service_does_not_take_are_refused_before_the_load(
    context: Context, increment: Increment
) -> None:
    ready = service(identity(context))

    async def strict(body: dict[str, object], writer: asyncio.StreamWriter, number: int) -> None:
        if body and "features" not in body:
            writer.write(answer({"error": "Object missing required field `features`"}, status="422 Unprocessable"))
        else:
            await ready(body, writer, number)

    (context.project.root / "rows.json").write_text('[{"inputs": [[1, 2]]}]')
    with serve(strict) as server, pytest.raises(OperationError) as caught:
        run(context, rps=50, duration=1, bodies="rows.json", url=server.url)
    assert caught.value.code == "request-refused"
    assert "missing required field" in caught.value.message
    assert len(sent(server.bodies)) == 1
    assert evidence.newest(increment, "load-test") is None


def test_many_bodies_do_not_make_the_warm_up_long(context: Context, increment: Increment) -> None:
    rows = "".join(f"{number},fixed\n" for number in range(20_000))
    (context.project.root / "many.csv").write_text(f"age,job\n{rows}")
    with serve(service(identity(context))) as server:
        run(context, rps=50, duration=1, bodies="many.csv", url=server.url)
    assert len(server.bodies) < 500


@pytest.mark.parametrize("status", ["404 Not Found", "405 Method Not Allowed"])
def test_a_path_that_there_is_not_is_refused_before_the_load(
    context: Context, increment: Increment, status: str
) -> None:
    ready = service(identity(context))

    async def without_it(body: dict[str, object], writer: asyncio.StreamWriter, number: int) -> None:
        if body:
            writer.write(answer({}, status=status))
        else:
            await ready(body, writer, number)

    with serve(without_it) as server, pytest.raises(OperationError) as caught:
        run(context, rps=50, duration=1, url=f"http://127.0.0.1:{server.port}/predicts")
    assert caught.value.code == "request-refused"
    assert "/predicts answers" in caught.value.message
    assert "/predict if none is given" in caught.value.next_step
    assert len(sent(server.bodies)) == 1


@pytest.mark.parametrize(
    ("bodies", "code"),
    [
        ("no-such-file.csv", "bodies-not-found"),
        ("Golden", "bodies-not-found"),
        (".specweave", "bodies-not-found"),
        ("../outside.csv", "path-outside-project"),
        ("/etc/passwd", "path-outside-project"),
        ("reference", "reference-not-found"),
        ("broken.csv", "bodies-invalid"),
        ("", "argument-invalid"),
        ("a\0b", "path-invalid"),
    ],
)
def test_bodies_that_cannot_be_read_are_refused_and_nothing_is_started(
    context: Context, increment: Increment, bodies: str, code: str
) -> None:
    (context.project.root / "broken.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SpecweaveError) as caught:
        run(context, rps=50, duration=1, bodies=bodies)
    assert caught.value.code == code
    assert caught.value.next_step
    assert evidence.newest(increment, "load-test") is None


def test_headers_come_from_the_environment_and_their_values_are_written_nowhere(
    context: Context, increment: Increment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOKEN", "Bearer s3cret-of-mine")
    monkeypatch.setenv("TENANT", "acme-tenant")
    monkeypatch.chdir(context.project.root)
    ready = service(identity(context))

    async def chatty(body: dict[str, object], writer: asyncio.StreamWriter, number: int) -> None:
        if body and number % 2:
            said = "Bearer s3cret-of-mine of acme-tenant"
            # What a report quotes of an answer ends after 200 characters, here within the key.
            whole = number % 4 == 1
            status = "409 Conflict" if whole else "410 Gone"
            writer.write(answer(f"{'-' * (0 if whole else 182)} {said}".encode(), status=status))
        else:
            await ready(body, writer, number)

    with serve(chatty) as server:
        line = f"ml load-test 0001 --rps 50 --duration 1s --url {server.url}"
        status = cli.run([*line.split(), "--header", "Authorization=TOKEN", "--header", "X-Tenant=TENANT"])
    assert status == 1
    predictions = [head for head in server.heads if head.startswith("POST")]
    assert len(predictions) > 40
    for head in predictions:
        assert "authorization: bearer s3cret-of-mine\r\n" in head.lower()
        assert "x-tenant: acme-tenant\r\n" in head.lower()
    report = evidence.newest(increment, "load-test")
    assert report is not None
    assert report.data["headers"] == {"Authorization": "TOKEN", "X-Tenant": "TENANT"}
    assert report.command.endswith("--header Authorization=TOKEN --header X-Tenant=TENANT")
    written = [path.read_text() for path in (increment.folder / "reports").iterdir()]
    said = capsys.readouterr()
    for text in (*written, said.out, said.err):
        assert "s3cret" not in text
        assert "acme-t" not in text
    assert any("*** of ***" in text for text in written), "the sample is there, without the values"
    assert any("---- ***…" in text for text in written)


def test_a_service_that_shows_nothing_without_a_header_is_said_to_want_one(
    context: Context, increment: Increment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "Bearer s3cret")
    ready = service(identity(context))

    async def guarded(body: dict[str, object], writer: asyncio.StreamWriter, number: int) -> None:
        if "bearer s3cret" not in server.heads[-1].lower():
            writer.write(answer({}, status="401 Unauthorized"))
        else:
            await ready(body, writer, number)

    with serve(guarded) as server:
        with pytest.raises(OperationError) as caught:
            run(context, rps=50, duration=1, url=server.url)
        result = run(context, rps=50, duration=1, url=server.url, header={"Authorization": "TOKEN"})
    assert caught.value.code == "service-unauthorized"
    assert "/health/ready answers 401" in caught.value.message
    assert "--header Authorization=TOKEN" in caught.value.next_step
    assert result.version == "0001-v1"
    assert result.steps[0].errors == {}


def test_a_person_is_told_which_variables_go_to_another_machine(
    context: Context, increment: Increment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "Bearer s3cret")
    assert COMMAND.approval is not None
    request = LoadTestRequest(increment="0001", rps=(10,), url="https://credit.example", header={"X-Token": "TOKEN"})
    question = COMMAND.approval(request, context)
    assert question is not None
    assert question.endswith("each with what is in TOKEN?")


def test_what_is_typed_in_the_place_of_a_variable_is_not_repeated(
    context: Context, increment: Increment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(context.project.root)
    for typed in ("Authorization=Bearer s3cret", "Authorization: Bearer s3cret", "X-Key=s3cret"):
        assert cli.run(["ml", "load-test", "0001", "--rps", "10", "--header", typed]) == 2
    said = capsys.readouterr()
    assert "s3cret" not in said.out + said.err


def test_a_test_with_other_bodies_is_compared_with_none_of_golden_rows(context: Context, increment: Increment) -> None:
    path: Path = context.project.root / "rows.csv"
    path.write_text("age,job\n31,fixed\n")
    with serve(service(identity(context))) as server:
        results = [run(context, rps=50, duration=1, bodies=bodies, url=server.url) for bodies in ("golden", "rows.csv")]
    page = (context.project.root / results[1].report).read_text()
    assert "Against the test before" not in page


def test_the_python_function_takes_every_option_by_its_name(
    context: Context, increment: Increment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENANT", "acme")
    root = context.project.root
    with serve(service(identity(context))) as server:
        options = {"bodies": "generated", "header": {"X-Tenant": "TENANT"}, "soak": "1s"}
        result = load_test_model(server.url, increment="0001", project=root, **options)
    assert [(step.rps, step.requests) for step in result.steps] == [(50, 50)]
    assert "--soak 1s" in (root / result.report).read_text()
    with pytest.raises(InvalidInputError, match="there is no argument body"):
        load_test_model(increment="0001", project=root, body="generated")
