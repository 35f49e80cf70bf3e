"""From what a load test did, or would do, to what its caller is told."""

from specweave.operations.load_test_generation import Generated
from specweave.operations.load_test_outlook import Outlook
from specweave.operations.load_test_result import LoadTestResult, LoadTestStep, PlannedStep, VersionDifference
from specweave.operations.load_testing.explanation import explain, summarize_knee
from specweave.operations.load_testing.judgement import instances, recommendation
from specweave.operations.service_measurement import Measured
from specweave.operations.version_comparison import Compared


def result_of(measured: Measured, revision: str) -> LoadTestResult:
    """What a load test that was recorded says to its caller.

    Args:
        measured: the load test.
        revision: of its increment, after the report was added.
    """
    steps = [
        LoadTestStep(
            rps=step.rate,
            requests=step.requests,
            achieved_rps=step.achieved_rate,
            p50_ms=step.latency.p50,
            p95_ms=step.latency.p95,
            p95_interval_ms=step.p95_interval,
            p99_ms=step.latency.p99,
            max_ms=step.latency.maximum,
            error_rate=step.error_rate,
            errors={failure.cause: failure.count for failure in step.failures},
            verdict=verdict,
        )
        for step, verdict in zip(measured.measurement.steps, measured.judgement.verdicts, strict=True)
    ]
    return LoadTestResult(
        passed=measured.judgement.passed,
        increment=measured.increment_id,
        url=measured.address,
        version=measured.version,
        steps=steps,
        max_rps_within_slo=measured.judgement.max_rps_within_slo,
        slo_p95_ms=measured.slo.latency_p95_ms,
        slo_error_rate=measured.slo.error_rate,
        recommendation="\n".join(recommendation(measured.judgement, measured.slo)),
        notes=[
            *summarize_knee(measured.measurement, measured.judgement, measured.slo, measured.target_rps),
            *explain(measured.measurement, measured.judgement, measured.slo),
            *measured.remarks,
        ],
        report=measured.report,
        revision=revision,
        imported=measured.imported,
        instances=None if measured.target_rps is None else instances(measured.judgement, measured.target_rps),
    )


def result_of_comparison(compared: Compared, revision: str) -> LoadTestResult:
    """What a comparison that was recorded says to its caller.

    Args:
        compared: the comparison.
        revision: of its increment, after the report was added.
    """
    return LoadTestResult(
        passed=compared.conclusion.passed,
        increment=compared.increment_id,
        url="",
        version=None,
        steps=[],
        max_rps_within_slo=None,
        slo_p95_ms=compared.slo.latency_p95_ms,
        slo_error_rate=compared.slo.error_rate,
        recommendation=compared.conclusion.headline,
        notes=list(compared.conclusion.notes),
        report=compared.report,
        revision=revision,
        compared=list(compared.versions),
        differences=[
            VersionDifference(
                rps=found.rate,
                figure=found.figure,
                first=found.first,
                second=found.second,
                difference=found.difference,
                low=found.low,
                high=found.high,
                pairs=found.pairs,
                verdict=found.verdict,
            )
            for found in compared.differences
        ],
    )


def result_of_generation(generated: Generated, revision: str) -> LoadTestResult:
    """What is said of load tests that were written.

    Args:
        generated: the files.
        revision: of their increment.
    """
    return LoadTestResult(
        increment=generated.increment.id,
        url=generated.url,
        version=None,
        steps=[],
        max_rps_within_slo=None,
        slo_p95_ms=generated.slo.latency_p95_ms,
        slo_error_rate=generated.slo.error_rate,
        recommendation=f"The load test for Locust and k6 is in `{generated.folder}`; nothing was sent.",
        notes=[f"It would be sent to {generated.url}, unless `--host` or TARGET says otherwise."],
        report="",
        revision=revision,
        generated=list(generated.changes),
    )


def result_of_outlook(outlook: Outlook, revision: str) -> LoadTestResult:
    """What is said of a load test that was only asked about.

    Args:
        outlook: what would be done.
        revision: of its increment.
    """
    return LoadTestResult(
        increment=outlook.increment.id,
        url=outlook.url,
        version=outlook.version,
        steps=[],
        max_rps_within_slo=None,
        slo_p95_ms=outlook.slo.latency_p95_ms,
        slo_error_rate=outlook.slo.error_rate,
        recommendation=outlook.headline,
        notes=list(outlook.notes),
        report="",
        revision=revision,
        planned=[
            PlannedStep(rps=step.rate, duration_s=step.duration_s, requests=step.requests, connections=connections)
            for step, connections in zip(outlook.steps, outlook.connections, strict=True)
        ],
    )
