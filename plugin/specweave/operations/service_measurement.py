"""The load test of an increment's service: which service, which requests, what is left as evidence."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from specweave import __version__
from specweave.command import Context, Progress
from specweave.errors import InvalidInputError
from specweave.files.quoting import markdown as quoted
from specweave.increments import deployment, evidence, store
from specweave.increments.content import Content
from specweave.increments.evidence import PackageReference
from specweave.model_packages import store as packages
from specweave.model_packages.store import Package
from specweave.operations import earlier_measurement, measured_service
from specweave.operations.load_test_request import LoadTestRequest, load_of
from specweave.operations.load_testing import Exchange, Measurement, Plan, preflight, run_load_test
from specweave.operations.load_testing.comparison import compare
from specweave.operations.load_testing.judgement import Judgement, judge
from specweave.operations.load_testing.plan import parse_target
from specweave.operations.load_testing.preflight import Served
from specweave.operations.load_testing.report import render_report
from specweave.operations.load_testing.shape import shape
from specweave.operations.measured_service import Place
from specweave.project import SloSettings
from specweave_runtime.agreement import by_class
from specweave_runtime.package import Golden, GoldenRow, PackageError, read_golden

_KEY_HEADER = "X-API-Key"
# Any machine on which the tool itself works sends so many a second; each step says if it was late all the same.
_RATE_WITHOUT_CALIBRATION = 2_000.0


@dataclass(frozen=True, slots=True)
class Measured:
    """A load test that was run and recorded.

    Attributes:
        increment_id: whose service.
        address: where the requests went.
        version: of the model package, None where the service serves another one than the increment names.
        slo: against which it was judged.
        measurement: the figures.
        judgement: what follows from them.
        report: path relative to the project.
    """

    increment_id: str
    address: str
    version: str | None
    slo: SloSettings
    measurement: Measurement
    judgement: Judgement
    report: str


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
        OperationError: `service-not-ready`, `service-unauthorized`, `service-unreachable`, `load-generator-failed`.
    """
    environment, url, load = request.environment, request.url, load_of(request)
    if environment is not None and url is not None:
        raise InvalidInputError(
            "arguments-conflict", "--environment and --url both say where", next_step="leave one of them out"
        )
    started = context.host.now()
    increment = store.find(context.project, request.increment, kind="deployment")
    evidence.require_recordable(increment)
    head = evidence.stand(increment)
    settings = deployment.read(increment.folder)
    package = packages.open_package(context.project, settings.model.name, settings.model.version)
    golden = _golden(package)
    form = shape(load, settings.slo)
    Plan(url or "http://127.0.0.1", form.steps, corpus(golden, None), form.search).check()
    with measured_service.place(context, increment, package, settings, environment=environment, url=url) as place:
        served, same_model = _look(context, place, package, golden)
        plan = Plan(
            url=place.url,
            steps=form.steps,
            corpus=corpus(golden, package.signature.output.classes if same_model else None),
            search=form.search,
            settle=form.settle,
            arrivals=load.arrivals,
            tolerance=golden.tolerance,
            scale=golden.scale,
            header_variables={_KEY_HEADER: place.key_variable} if place.key_variable else {},
            repeat_disturbed=True,
            cores=place.engine_cores,
        )
        measurement = run_load_test(
            context,
            plan,
            slow_s=settings.slo.latency_p95_ms / 1e3,
            calibrated=load.find_max or max(step.rate for step in form.steps) > _RATE_WITHOUT_CALIBRATION,
        )
    judgement = judge(measurement.steps, settings.slo)
    remarks = [] if same_model else [_other_model(served, package)]
    # What answers at some --url may be anything.
    about = place.content or Content()
    figures = _data(place, plan, measurement, judgement, slo=settings.slo, served=served)
    data = {**figures, "content": place.content and about.digest}
    earlier = earlier_measurement.find(increment, package.name, data) if same_model else None
    markdown, charts = render_report(
        measurement,
        judgement,
        settings.slo,
        title=f"{package.name} {package.version}" if same_model else settings.service.name,
        timeout_s=plan.timeout_s,
        remarks=remarks,
        conditions=_conditions(place, plan, package),
        earlier=earlier.title if earlier else "",
        changes=compare(earlier.steps, measurement.steps, earlier.disturbed.union(judgement.disturbed))
        if earlier
        else (),
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
        if same_model
        else None,
        environment=environment,
        attachments=charts,
        head=head,
        content=about,
    )
    return Measured(
        increment_id=increment.id,
        address=place.url,
        version=package.version if same_model else None,
        slo=settings.slo,
        measurement=measurement,
        judgement=judgement,
        report=context.project.relative(report.path),
    )


def corpus(golden: Golden, classes: Sequence[object] | None) -> tuple[Exchange, ...]:
    """The golden rows as requests; with their right answers where the classes of the service's own model are given."""
    return tuple(_exchange(row, classes) for row in golden.rows)


def _exchange(row: GoldenRow, classes: Sequence[object] | None) -> Exchange:
    body = json.dumps({"features": row.features}, ensure_ascii=False, allow_nan=False)
    if classes is None:
        return Exchange(body)
    probabilities: dict[str, object] = {}
    if row.probabilities is not None:
        # The generated API names every class, or gives the one probability of a class that is 1 or true.
        probabilities = {"probabilities": by_class(classes, row.probabilities), "probability": row.probabilities[-1]}
    return Exchange(body, {"prediction": row.prediction}, probabilities)


def _look(context: Context, place: Place, package: Package, golden: Golden) -> tuple[Served, bool]:
    headers = {_KEY_HEADER: os.environ[place.key_variable]} if place.key_variable else {}
    body = corpus(golden, None)[0].body
    served = preflight.look(context.host, parse_target(place.url), body, headers)
    same_model = served.digest == package.identity
    if not same_model:
        context.report(Progress(_other_model(served, package)))
    return served, same_model


def _other_model(served: Served, package: Package) -> str:
    found = quoted(f"version {served.version}") if served.version else "a model that it does not name"
    return (
        f"The service serves {found}, not {package.name} {package.version}: answers were checked for their form only, "
        "and this report is no evidence for the package."
    )


def _golden(package: Package) -> Golden:
    try:
        golden = read_golden(package.path)
    except PackageError as error:
        raise InvalidInputError("package-invalid", str(error)) from error
    if not golden.rows:
        raise InvalidInputError("package-invalid", f"{package.path} has no golden rows")
    return golden


def _conditions(place: Place, plan: Plan, package: Package) -> dict[str, str]:
    return {
        "service": place.description,
        "arrivals": plan.arrivals,
        "timeout": f"{plan.timeout_s:g} s",
        "requests": f"{len(plan.corpus)} golden rows of {package.name} {package.version} in turn",
        "model runs as": package.manifest.executable.kind,
        "specweave": __version__,
    }


def _data(
    place: Place, plan: Plan, measurement: Measurement, judgement: Judgement, *, slo: SloSettings, served: Served
) -> dict[str, object]:
    steps = [
        {**msgspec.to_builtins(step), "verdict": verdict}
        for step, verdict in zip(measurement.steps, judgement.verdicts, strict=True)
    ]
    return {
        "url": plan.url,
        "service": place.description,
        "arrivals": plan.arrivals,
        "settle": plan.settle,
        "seed": plan.seed,
        "timeout_s": plan.timeout_s,
        "served": msgspec.to_builtins(served),
        "slo": slo.model_dump(),
        "steps": steps,
        "max_rps_within_slo": judgement.max_rps_within_slo,
        "first_rps_beyond_slo": judgement.first_rps_beyond_slo,
        "disturbed_rates": list(judgement.disturbed),
        "calibration": None if measurement.calibration is None else msgspec.to_builtins(measurement.calibration),
        "machine": measurement.machine,
        "versions": {"specweave": __version__, **measurement.versions},
    }
