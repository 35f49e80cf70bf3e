"""What `ml create-api` does: generate the service, write it, test it, record it."""

from specweave.arguments import slash_line
from specweave.artifacts import api
from specweave.command import Context
from specweave.files.quoting import code_block, code_span
from specweave.increments import content, deployment, evidence, store
from specweave.model_packages import store as package_store
from specweave.operations.file_changes import file_changes
from specweave.operations.ml.create_api import COMMAND, CreateApiRequest, CreateApiResult
from specweave.operations.service_tests import run_tests

_ROUTES = (
    "POST /predict",
    "POST /predict/batch",
    "GET /health",
    "GET /health/live",
    "GET /health/ready",
    "GET /model/info",
    "GET /metrics",
    "GET /docs",
)


def create(request: CreateApiRequest, context: Context) -> CreateApiResult:
    """Generate the service of a deployment increment and record it, or say what would change."""
    started = context.host.now()
    increment = store.find(context.project, request.increment, kind="deployment")
    settings = deployment.read(increment.folder)
    package = package_store.open_package(context.project, settings.model.name, settings.model.version)
    plan = api.generate(context, increment, package, settings)
    result = CreateApiResult(
        increment=increment.id,
        model=package.name,
        version=package.version,
        folder=context.project.relative(increment.folder / "api"),
        engine=package.manifest.executable.kind,
        routes=list(_ROUTES),
        changes=file_changes(plan.changes),
        dry_run=request.dry_run,
        revision=store.revision(increment),
    )
    if request.dry_run:
        return result
    evidence.require_recordable(increment)
    head = evidence.stand(increment)
    plan.apply(lay_new=request.lay_new)
    about = content.of_line(increment, slash_line(COMMAND, request))
    cases: list[dict[str, object]] = []
    if request.test:
        run = run_tests(context, increment, package)
        cases = run.results.as_data()
        result.passed = run.results.passed
        result.tests, result.failed_tests = run.results.ran, run.results.failed
        result.test_output = "" if result.passed else run.output
    report = evidence.record(
        context,
        increment,
        operation="create-api",
        command=slash_line(COMMAND, request),
        passed=result.passed,
        started=started,
        markdown=_markdown(result, package.identity),
        data=_data(result, cases),
        package=evidence.PackageReference(name=package.name, version=package.version, digest=package.identity),
        head=head,
        content=about,
    )
    result.report = context.project.relative(report.path)
    result.revision = store.revision(increment)
    return result


def _markdown(result: CreateApiResult, identity: str) -> str:
    lines = [
        f"- service: {code_span(result.folder)}",
        f"- model: {result.model} {result.version}, `{identity}`, on {result.engine}",
        *(
            []
            if result.tests is None
            else [f"- its own tests: {result.tests - result.failed_tests} of {result.tests} passed"]
        ),
        *(["", code_block(result.test_output)] if result.test_output else []),
        "",
        "| file | |",
        "|---|---|",
        *(
            f"| {code_span(change.path, cell=True)} | {change.action} |"
            for change in result.changes
            if not _vendored(change.path)
        ),
    ]
    return "\n".join(lines) + "\n"


def _data(result: CreateApiResult, cases: list[dict[str, object]]) -> dict[str, object]:
    files = [{"path": change.path, "action": change.action} for change in result.changes]
    return {
        "engine": result.engine,
        "routes": result.routes,
        "files": files,
        "tests": result.tests,
        "failed_tests": result.failed_tests,
        **({"cases": cases} if cases else {}),
    }


def _vendored(path: str) -> bool:
    return path.startswith("runtime/")
