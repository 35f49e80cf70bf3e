"""`ml load-test --compare` by its own door: two versions, each in a small service as slow as its model."""

import hashlib
import shutil
import signal
import subprocess
import sys
import zipfile

import msgspec
import psutil
import pytest
from tests.operations.ml.credit_service import run

from specweave.command import Context, Progress
from specweave.errors import InvalidInputError, NotFoundError, OperationError
from specweave.increments import evidence
from specweave.increments.store import Increment
from specweave.operations.load_test_result import LoadTestResult
from specweave_runtime.package import Feature, Golden, GoldenRow, read_golden, read_manifest, read_signature

FIRST, SECOND = "0001-v1", "0001-v2"
# What takes the place of the runtime: it answers the golden rows of its package after the seconds in model.onnx, and
# counts what it is asked in a file beside the package.
SERVICE = """
import asyncio, json, os, sys
from pathlib import Path
package = Path(os.environ["MODEL_PACKAGE"])
seconds = float((package / "model.onnx").read_text())
log = package.parent / f"{package.name}.log"
died_before = log.exists() and "started" in log.read_text()
if seconds == -1 or (seconds == -2 and died_before):
    raise SystemExit("the model cannot be loaded")
with log.open("a") as file:
    file.write("started\\n")
async def converse(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\\r\\n\\r\\n")).decode()
            length = int(head.lower().partition("content-length: ")[2].partition("\\r\\n")[0] or 0)
            body = json.loads(await reader.readexactly(length) or b"{}")
            if "features" in body and seconds == -3 and died_before:
                os._exit(1)
            if "features" in body:
                with log.open("a") as file:
                    file.write(f"{body['features']['age']}\\n")
                await asyncio.sleep(max(seconds, 0))
            good = body.get("features", {"age": 0})["age"] > 30
            probabilities = {"bad": 0.4, "good": 0.6} if good else {"bad": 0.7, "good": 0.3}
            answer = json.dumps({"prediction": "good" if good else "bad", "probabilities": probabilities}).encode()
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(answer) + answer)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    port = int(sys.argv[sys.argv.index("--port") + 1])
    await (await asyncio.start_server(converse, "127.0.0.1", port)).serve_forever()
asyncio.run(main())
"""


def add_version(
    context: Context, version: str, *, seconds: float = 0.0, row: int | None = None, feature: str = "job"
) -> None:
    """A version like the first, whose service takes so long; with another row, or with a feature of another name."""
    models = context.project.state / "models" / "credit"
    folder = models / version
    if version != FIRST:
        shutil.copytree(models / FIRST, folder)
    (folder / "model.onnx").write_text(str(seconds))
    if row is not None:
        golden = read_golden(folder)
        rows = (*golden.rows[:2], GoldenRow({"age": row, feature: "fixed"}, "good", (0.4, 0.6)))
        (folder / "golden.json").write_bytes(msgspec.json.encode(Golden(rows, golden.tolerance, golden.scale)))
    signature = msgspec.structs.replace(
        read_signature(folder), features=(Feature("age", "integer"), Feature(feature, "string"))
    )
    (folder / "signature.json").write_bytes(msgspec.json.encode(signature))
    manifest = read_manifest(folder)
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in manifest.files}
    (folder / "manifest.json").write_bytes(
        msgspec.json.encode(msgspec.structs.replace(manifest, version=version, files=files))
    )


@pytest.fixture
def equipped(context: Context, increment: Increment) -> Increment:
    """The increment with an API whose runtime is `SERVICE`, and its first version."""
    wheel = context.project.root / "tinypart-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tinypart.py", "")
        archive.writestr("tinypart-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinypart\nVersion: 1.0\n")
        archive.writestr(
            "tinypart-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tinypart-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    made = {
        "api/main.py": "",
        "api/requirements.txt": f"tinypart @ {wheel.as_uri()} --hash=sha256:{digest}\n",
        "runtime/specweave_runtime/__init__.py": "",
        "runtime/specweave_runtime/server.py": SERVICE,
    }
    for name, text in made.items():
        path = increment.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    add_version(context, FIRST)
    return increment


def asked(context: Context, version: str) -> list[list[str]]:
    """The ages that each process of a version was asked for, in order."""
    text = (context.project.state / "models" / "credit" / f"{version}.log").read_text()
    return [part.split() for part in text.split("started\n")[1:]]


def compare(context: Context, **values: object) -> LoadTestResult:
    return run(
        context, **{"compare": f"{FIRST},{SECOND}", "rps": 60, "duration": "2s", "arrivals": "poisson", **values}
    )


@pytest.mark.measures
def test_a_slower_version_is_worse_and_the_report_says_by_how_much(context: Context, equipped: Increment) -> None:
    add_version(context, SECOND, seconds=0.08, row=55)
    line = "/ml:load-test 0001 --rps 60 --duration 2s"
    (equipped.folder / "tasks.md").write_text(
        f"### T-001: Hold the rate\n\n**Run**: {line}\n**Status**: [ ] pending\n\n"
        f"### T-002: Compare\n\n**Run**: {line} --compare {FIRST},{SECOND}\n**Status**: [ ] pending\n"
    )
    said: list[Progress] = []
    result = compare(context.with_report(said.append))
    assert not result.passed
    found = {difference.figure: difference for difference in result.differences}
    middle = found["p50_ms"]
    assert (middle.rps, middle.pairs, middle.verdict) == (60, 4, "worse")
    assert middle.first is not None
    assert middle.second is not None
    assert middle.first < 80 <= middle.second
    assert middle.low is not None
    assert middle.high is not None
    assert 0 < middle.low <= middle.second - middle.first <= middle.high
    assert found["p95_ms"].verdict == "too-few"
    assert "error_rate" not in found, "the right answers are known of each version's own rows, the form of the others"
    text = result.text()
    assert text.startswith(f"{SECOND} is worse than {FIRST}: P50 at 60 RPS +")
    assert f"| RPS | | {FIRST} | {SECOND} | Difference | 95 % interval | |" in text

    # Each round starts both anew and sends them the same: four rows in turn, of both versions.
    asked_of = [asked(context, version) for version in (FIRST, SECOND)]
    assert [len(processes) for processes in asked_of] == [4, 4]
    assert [ages[-30:] for ages in asked_of[0]] == [ages[-30:] for ages in asked_of[1]]
    assert {age for ages in asked_of[0] for age in ages} == {"25", "35", "45", "55"}

    fractions = [progress.fraction for progress in said if progress.fraction is not None]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert any(progress.message.startswith("round 4 of 4, 0001-v") for progress in said)

    report = evidence.newest(equipped, "load-test-comparison")
    assert report is not None
    assert evidence.newest(equipped, "load-test") is None, "it opens no gate"
    assert report.package is None
    assert [len(report.data["pairs"]), report.data["block_s"]] == [4, 0.5]
    assert tuple(report.tasks) == ("T-002",), "a comparison shows nothing of a task that wants a load test"
    page = (context.project.root / result.report).read_text()
    assert f"# load-test-comparison: credit {FIRST} and {SECOND}" in page
    assert "4 bodies in turn, the same to both" in page


@pytest.mark.parametrize(
    "values",
    [
        {"find_max": True},
        {"spike": 100},
        {"soak": "10s", "duration": None},
        {"environment": "staging"},
        {"url": "http://127.0.0.1:1"},
        {"arrivals": "ramp"},
        {"generate": True},
    ],
)
def test_another_test_beside_it_is_refused(context: Context, equipped: Increment, values: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        compare(context, **{key: value for key, value in {"duration": "2s", **values}.items() if value is not None})
    assert caught.value.code == "arguments-conflict"
    assert not (equipped.folder / "reports").exists()


def test_a_dry_run_of_it_is_refused_with_the_reason_and_the_time_it_would_take(
    context: Context, equipped: Increment
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        compare(context, rps="60,120", duration="60s", dry_run=True)
    assert caught.value.code == "arguments-conflict"
    assert "--dry-run is not available with --compare: it shows what one service would be sent" in caught.value.message
    assert "would take 4 min (10 rounds of 2 rates, 6 s of either version at each)" in caught.value.message
    assert not (equipped.folder / "reports").exists()


def test_what_cannot_be_compared_is_refused(context: Context, equipped: Increment) -> None:
    add_version(context, SECOND)
    add_version(context, "0001-v3", feature="profession")
    refused = {
        f"{FIRST},{FIRST}": "versions-not-comparable",
        f"{FIRST},0001-v3": "versions-not-comparable",
        FIRST: "argument-invalid",
        f"{FIRST},{SECOND},0001-v3": "argument-invalid",
        f"{FIRST},newest": "version-invalid",
    }
    for versions, code in refused.items():
        with pytest.raises(InvalidInputError) as caught:
            compare(context, compare=versions)
        assert caught.value.code == code, versions
    with pytest.raises(InvalidInputError) as caught:
        compare(context, duration=1)
    assert caught.value.code == "load-test-plan-invalid"
    with pytest.raises(NotFoundError) as missing:
        compare(context, compare=f"{FIRST},0001-v9")
    assert missing.value.code == "package-not-found"
    assert not (equipped.folder / "reports").exists()


def test_a_version_that_does_not_become_ready_ends_it_and_nothing_is_recorded(
    context: Context, equipped: Increment
) -> None:
    add_version(context, SECOND, seconds=-1)
    with pytest.raises(OperationError) as caught:
        compare(context)
    assert caught.value.code == "service-not-ready"
    assert "the model cannot be loaded" in caught.value.message
    assert not (equipped.folder / "reports").exists()


@pytest.mark.measures
@pytest.mark.parametrize(
    ("behaviour", "pairs", "ending"),
    [
        (-2, 2, ("service-not-ready", "a service did not become ready")),
        (-3, 3, ("service-unreachable", "a service could no longer be reached")),
    ],
)
def test_what_was_whole_when_a_service_failed_is_reported_as_a_part(
    context: Context, equipped: Increment, behaviour: float, pairs: int, ending: tuple[str, str]
) -> None:
    code, said = ending
    add_version(context, SECOND, seconds=behaviour)
    with pytest.raises(OperationError) as caught:
        compare(context, rps="40,50")
    page = ".specweave/increments/0001-deploy-credit/reports/001-load-test-comparison.md"
    assert caught.value.code == code
    assert f"what was measured until then is in {page}: " in caught.value.message
    report = evidence.newest(equipped, "load-test-comparison")
    assert report is not None
    assert not report.passed
    assert (report.data["interrupted"], len(report.data["pairs"])) == (said, pairs)
    text = (context.project.root / page).read_text()
    assert f"**Partial**: interrupted ({said}) after {pairs} pairs of blocks." in text


@pytest.mark.measures
def test_what_was_whole_when_somebody_ends_it_is_reported_as_a_part(context: Context, equipped: Increment) -> None:
    add_version(context, SECOND)
    argv = [sys.executable, "-m", "specweave", "ml", "load-test", "0001", "--compare", f"{FIRST},{SECOND}"]
    with subprocess.Popen(
        [*argv, "--rps", "40", "--duration", "4s"], cwd=context.project.root, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "round 2 of 4" in line and "answered" in line:
                descendants = psutil.Process(process.pid).children(recursive=True)
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 130, rest
    page = ".specweave/increments/0001-deploy-credit/reports/001-load-test-comparison.md"
    assert rest.endswith(f"interrupted; what was measured until then is in {page}\n")
    _, alive = psutil.wait_procs(descendants, 20)
    assert not alive
    report = evidence.newest(equipped, "load-test-comparison")
    assert report is not None
    assert not report.passed
    assert (report.data["interrupted"], len(report.data["pairs"])) == ("ctrl-c", 1)
    assert report.data["conclusion"]["verdict"] == "unknown"
    text = (equipped.folder / "reports" / f"{report.stem}.md").read_text()
    assert "**Partial**: interrupted (ctrl-c) after 1 pair of blocks." in text
