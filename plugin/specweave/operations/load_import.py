"""What another load generator measured, judged against the SLO of an increment and left as a report of it."""

import hashlib

from specweave import __version__
from specweave.command import Context
from specweave.errors import InvalidInputError
from specweave.increments import deployment, evidence, store
from specweave.increments.content import Content
from specweave.operations.load_test_request import LoadTestRequest
from specweave.operations.load_testing import Measurement
from specweave.operations.load_testing.imports import ImportedResult, read_result
from specweave.operations.load_testing.judgement import judge, judged_steps
from specweave.operations.load_testing.report import render_report
from specweave.operations.service_measurement import Measured

_LOOPS = {
    "open": "requests left on a schedule, whether or not answers came",
    "closed": "closed loop: each client waited for the answer before it",
    "unknown": "not told: on a schedule, or each client waiting for the answer before it",
}
_CLOSED_LOOP = (
    "The latencies of a closed loop are too good to be true where the service stalls: what would have been sent "
    "meanwhile was not, and waited for nothing."
)


def record_import(context: Context, request: LoadTestRequest, *, command: str) -> Measured:
    """Read a result into a report. It is evidence for no package: nobody here saw what answered.

    Args:
        context: project, clock.
        request: names the file; beside it only the increment.
        command: the same as a slash command, for the evidence.

    Raises:
        InvalidInputError: `arguments-conflict`, `path-outside-project`, `import-not-understood`, `import-too-large`.
        NotFoundError: the increment, its deployment.yaml or the file is not there (`result-not-found`).
    """
    _require_alone(request)
    started = context.host.now()
    increment = store.find(context.project, request.increment, kind="deployment")
    evidence.require_recordable(increment)
    head = evidence.stand(increment)
    settings = deployment.read(increment.folder)
    path = context.project.resolve(request.import_file or "", what="result")
    imported = read_result(path, slow_s=settings.slo.latency_p95_ms / 1e3)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    file = context.project.relative(path)
    tools = {imported.tool: imported.version or "of unknown version"}
    measurement = Measurement(imported.steps, {}, tools, lengthened_by=None)
    judgement = judge(measurement.steps, settings.slo)
    remarks = _remarks(imported)
    markdown, charts = render_report(
        measurement,
        judgement,
        settings.slo,
        title=f"{settings.service.name}, as {imported.tool} measured it",
        timeout_s=None,
        remarks=remarks,
        conditions=_conditions(imported, file, digest),
    )
    report = evidence.record(
        context,
        increment,
        operation="load-test",
        command=command,
        passed=judgement.passed,
        started=started,
        markdown=markdown,
        data={
            "imported": {"file": file, "sha256": digest, **_described(imported)},
            "slo": settings.slo.model_dump(),
            "steps": judged_steps(measurement.steps, judgement),
            "max_rps_within_slo": judgement.max_rps_within_slo,
            "first_rps_beyond_slo": judgement.first_rps_beyond_slo,
            "versions": {"specweave": __version__, **measurement.versions},
        },
        attachments=charts,
        head=head,
        content=Content(),
    )
    return Measured(
        increment_id=increment.id,
        address=imported.target or "",
        version=None,
        slo=settings.slo,
        measurement=measurement,
        judgement=judgement,
        report=context.project.relative(report.path),
        remarks=tuple(remarks),
        imported=imported.tool,
    )


def _require_alone(request: LoadTestRequest) -> None:
    for name, info in type(request).model_fields.items():
        if name in {"increment", "import_file"}:
            continue
        if getattr(request, name) != info.get_default(call_default_factory=True, validated_data={}):
            option = (info.alias or name).replace("_", "-")
            raise InvalidInputError(
                "arguments-conflict",
                f"--import reads what was measured before; --{option} is for a test that runs now",
                next_step="leave one of them out",
            )


def _remarks(imported: ImportedResult) -> list[str]:
    source = (
        f"This was measured by {imported.tool}, not by specweave: it is no evidence for the package and opens no gate. "
        f"What answered is not known, and whether rightly only as far as {imported.tool} was told to look."
    )
    counted = f"Latencies count from {imported.counted_from}."
    return [source, counted, *([_CLOSED_LOOP] if imported.loop == "closed" else []), *imported.remarks]


def _described(imported: ImportedResult) -> dict[str, object]:
    return {
        "tool": imported.tool,
        "version": imported.version,
        "format": imported.format,
        "loop": imported.loop,
        "counted_from": imported.counted_from,
        "target": imported.target,
    }


def _conditions(imported: ImportedResult, file: str, digest: str) -> dict[str, str]:
    return {
        "read from": file,
        "its SHA-256": digest,
        "written by": f"{imported.tool} ({imported.format})",
        "arrivals": _LOOPS[imported.loop],
        "service": imported.target or "not told",
        "specweave": __version__,
    }
