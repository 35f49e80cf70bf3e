"""The load test of an increment's service: which service, which requests, what is left as evidence."""

from dataclasses import dataclass

import msgspec

from specweave import __version__
from specweave.command import Context, Progress
from specweave.files.quoting import markdown as quoted
from specweave.increments import evidence
from specweave.increments.content import Content
from specweave.increments.evidence import PackageReference
from specweave.model_packages.store import Package
from specweave.operations import earlier_measurement, load_test_generation, measured_service
from specweave.operations.load_test_preparation import Prepared, prepare
from specweave.operations.load_test_request import LoadTestRequest
from specweave.operations.load_testing import Measurement, Plan, preflight, run_load_test
from specweave.operations.load_testing.comparison import compare
from specweave.operations.load_testing.judgement import Judgement, judge, judged_steps
from specweave.operations.load_testing.measurement import end_interrupted
from specweave.operations.load_testing.plan import parse_target
from specweave.operations.load_testing.preflight import Served
from specweave.operations.load_testing.report import render_report
from specweave.operations.measured_service import Place
from specweave.operations.request_headers import header_values, header_variables
from specweave.project import SloSettings

_REPLACED = (
    "Another release took over while this was measured: the figures are of both, and evidence for neither; run it "
    "again."
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A load test that was run and recorded.

    Attributes:
        increment_id: whose service.
        address: where the requests went.
        version: of the model package, None where the service serves another one than the increment names, also where
            another release took over meanwhile.
        slo: against which it was judged.
        measurement: the figures.
        judgement: what follows from them.
        report: path relative to the project.
        remarks: what a reader must know of the figures; markdown, one sentence each.
        imported: the other load generator that measured it; empty where this one did.
        target_rps: requests a second that all instances together are to bear, if that was asked.
    """

    increment_id: str
    address: str
    version: str | None
    slo: SloSettings
    measurement: Measurement
    judgement: Judgement
    report: str
    remarks: tuple[str, ...] = ()
    imported: str = ""
    target_rps: float | None = None


def measure(context: Context, request: LoadTestRequest, *, command: str) -> Measured:
    """Load the service of an increment and leave the report.

    Without an environment and a URL the increment's own service is started for it.

    Args:
        context: project, machine, progress.
        request: what is asked for.
        command: the same as a slash command, for the evidence.

    Raises:
        NotFoundError: increment, package, API or deployment is not there.
        InvalidInputError: `arguments-conflict`, `url-invalid`, `load-test-plan-invalid`.
        OperationError: `service-not-ready`, `service-unauthorized`, `service-unreachable`, `load-generator-failed`;
            `certificate-refused`, `host-unknown`; `cancelled`, once what was measured is recorded.
        KeyboardInterrupt: as well.
    """
    started = context.host.now()
    prepared = prepare(context, request)
    increment, package, settings = prepared.increment, prepared.package, prepared.settings
    evidence.require_recordable(increment)
    head = evidence.stand(increment)
    with measured_service.place(
        context,
        increment,
        package,
        settings,
        environment=request.environment,
        url=request.url,
        workers=prepared.load.workers,
    ) as place:
        served, same_model = _look(context, place, prepared)
        plan = prepared.plan(
            place.url, same_model=same_model, cores=place.engine_cores, key_variable=place.key_variable
        )
        measured = _driven(context, request, prepared, plan)
        measurement = msgspec.structs.replace(measured, lengthened_by=prepared.load.lengthened_by)
        replaced = not measured_service.serves_still(context, settings, place, request.environment)
    whole = measurement.interrupted is None
    counts = whole and not replaced
    judgement = judge(measurement.steps, settings.slo, interrupted=not whole)
    remarks = [] if same_model else [_other_model(served, package)]
    remarks += [_REPLACED] if replaced else []
    remarks += [load_test_generation.remark(request.workers_at)] if request.engine == "locust" else []
    # What answers at some --url may be anything.
    about = (counts and place.content) or Content()
    figures = _data(place, plan, measurement, judgement, prepared=prepared, served=served)
    data = {**figures, "engine": request.engine, "content": about.digest if about.files else None}
    earlier = earlier_measurement.find(increment, package.name, data) if same_model else None
    markdown, charts = render_report(
        measurement,
        judgement,
        settings.slo,
        title=f"{package.name} {package.version}" if same_model else settings.service.name,
        timeout_s=plan.timeout_s,
        remarks=remarks,
        conditions=_conditions(place, plan, prepared),
        earlier=earlier.title if earlier else "",
        changes=compare(earlier.steps, measurement.steps, earlier.disturbed.union(judgement.disturbed))
        if earlier
        else (),
        target_rps=request.target_rps,
    )
    report = evidence.record(
        context,
        increment,
        operation="load-test",
        command=command,
        passed=judgement.passed,
        started=started,
        markdown=markdown,
        data=data,
        package=PackageReference(name=package.name, version=package.version, digest=package.identity)
        if same_model and counts
        else None,
        environment=request.environment,
        attachments=charts,
        head=head,
        content=about,
    )
    page = context.project.relative(report.path)
    end_interrupted(measurement.interrupted, page)
    return Measured(
        increment_id=increment.id,
        address=place.url,
        version=package.version if same_model and not replaced else None,
        slo=settings.slo,
        measurement=measurement,
        judgement=judgement,
        report=page,
        remarks=(_REPLACED,) if replaced else (),
        target_rps=request.target_rps,
    )


def _driven(context: Context, request: LoadTestRequest, prepared: Prepared, plan: Plan) -> Measurement:
    if request.engine == "locust":
        return load_test_generation.run_by_locust(context, prepared, plan, request.workers_at)
    slow_s = prepared.settings.slo.latency_p95_ms / 1e3
    return run_load_test(context, plan, slow_s=slow_s, calibrated=prepared.is_calibrated, moments=prepared.form.moments)


def _look(context: Context, place: Place, prepared: Prepared) -> tuple[Served, bool]:
    bodies = prepared.bodies
    served = preflight.look(
        context.host,
        parse_target(place.url),
        bodies.bodies[0].text,
        header_values(header_variables(prepared.headers, place.key_variable)),
        insists=not bodies.are_golden,
        ca_file=prepared.load.ca_file,
    )
    same_model = served.digest == prepared.package.identity
    if not same_model:
        context.report(Progress(_other_model(served, prepared.package)))
    return served, same_model


def _other_model(served: Served, package: Package) -> str:
    found = quoted(f"version {served.version}") if served.version else "a model that it does not name"
    return (
        f"The service serves {found}, not {package.name} {package.version}: answers were checked for their form only, "
        "and this report is no evidence for the package."
    )


def _conditions(place: Place, plan: Plan, prepared: Prepared) -> dict[str, str]:
    return {
        "service": place.description,
        "arrivals": plan.arrivals,
        "timeout": f"{plan.timeout_s:g} s",
        "requests": prepared.bodies.description,
        **({"headers": ", ".join(plan.header_variables)} if plan.header_variables else {}),
        "model runs as": prepared.package.manifest.executable.kind,
        "specweave": __version__,
    }


def _data(
    place: Place, plan: Plan, measurement: Measurement, judgement: Judgement, *, prepared: Prepared, served: Served
) -> dict[str, object]:
    return {
        "url": plan.url,
        "service": place.description,
        "arrivals": plan.arrivals,
        "settle": plan.settle,
        "seed": plan.seed,
        "timeout_s": plan.timeout_s,
        "bodies": prepared.bodies.identity,
        "headers": plan.header_variables,
        "served": msgspec.to_builtins(served),
        "slo": prepared.settings.slo.model_dump(),
        "steps": judged_steps(measurement.steps, judgement),
        "max_rps_within_slo": judgement.max_rps_within_slo,
        "first_rps_beyond_slo": judgement.first_rps_beyond_slo,
        "disturbed_rates": list(judgement.disturbed),
        "calibration": None if measurement.calibration is None else msgspec.to_builtins(measurement.calibration),
        "machine": measurement.machine,
        "versions": {"specweave": __version__, **measurement.versions},
    }
