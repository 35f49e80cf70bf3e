"""`ml load-test`: latency and errors of the service at given request rates."""

from specweave.command import Annotations, Command, Context
from specweave.errors import GateError
from specweave.operations.artifact_patterns import WHAT_RUNS
from specweave.operations.load_test_request import LoadTestRequest, load_of
from specweave.operations.load_test_result import LoadTestResult, result_of, result_of_comparison, result_of_generation


def run(request: LoadTestRequest, context: Context) -> LoadTestResult:
    """Load the service and leave the report.

    Raises:
        GateError: `approval-required`.
        NotFoundError: the increment, its package, its API or the deployment is not there.
        InvalidInputError: an address or a plan that cannot be used.
        OperationError: `service-not-ready` and its like; nothing is recorded.
    """
    from specweave.arguments import slash_line  # noqa: PLC0415 - a listing must stay cheap
    from specweave.increments import store  # noqa: PLC0415
    from specweave.operations import load_test_generation, service_measurement, version_comparison  # noqa: PLC0415

    if request.generate:
        generated = load_test_generation.generate(context, request)
        return result_of_generation(generated, store.revision(generated.increment))
    question = None if context.approved else approval(request, context)
    if question:
        raise GateError("approval-required", question, next_step="a person who agrees runs it with `--approve`")
    command = slash_line(COMMAND, request)
    if request.compare:
        compared = version_comparison.compare_versions(context, request, command=command)
        revision = store.revision(store.find(context.project, compared.increment_id))
        return result_of_comparison(compared, revision)
    measured = service_measurement.measure(context, request, command=command)
    return result_of(measured, store.revision(store.find(context.project, measured.increment_id)))


def approval(request: LoadTestRequest, context: Context) -> str | None:
    """The question for an address that is not this machine.

    Raises:
        NotFoundError: the increment is not there.
        InvalidInputError: `url-invalid`, `load-test-plan-invalid`; headers that cannot be sent.
    """
    # An address beside an environment is refused by `run`; files are written without a question.
    if request.url is None or request.environment is not None or request.generate:
        return None
    from specweave.increments import deployment, store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations.load_testing import Exchange, Plan  # noqa: PLC0415
    from specweave.operations.load_testing.plan import parse_target  # noqa: PLC0415
    from specweave.operations.load_testing.shape import shape  # noqa: PLC0415
    from specweave.operations.measured_service import sent_key  # noqa: PLC0415
    from specweave.operations.request_headers import header_variables  # noqa: PLC0415

    target = parse_target(request.url)
    if target.is_loopback:
        return None
    increment = store.find(context.project, request.increment, kind="deployment")
    form = shape(load_of(request), deployment.read(increment.folder).slo)
    Plan(request.url, form.steps, (Exchange("{}"),), form.search).check()
    variables = header_variables(request.header, sent_key()).values()
    with_key = f", each with what is in {', '.join(variables)}" if variables else ""
    if form.search:
        return (
            f"Send {form.search.start:g} requests a second to {target.base}, then more and more until it holds its SLO "
            f"no longer, {form.search.duration_s:g} s at each rate; its owner has agreed to it{with_key}?"
        )
    highest = max(step.rate for step in form.steps)
    return (
        f"Send {sum(step.requests for step in form.steps):,} requests, up to {highest:,g} a second, to {target.base}, "
        f"whose owner has agreed to it{with_key}?"
    )


COMMAND = Command(
    group="ml",
    name="load-test",
    request=LoadTestRequest,
    result=LoadTestResult,
    run=run,
    annotations=Annotations(open_world=True),
    examples=(
        "0043 --rps 100 --duration 60s",
        "0043 --find-max",
        "0043 --compare 0043-v1,0043-v2 --rps 100",
        "0043 --engine locust --workers-at local,local --rps 100",
        "0043 --environment staging --rps 10,50,100 --duration 30s",
    ),
    approval=approval,
    checks=lambda request: not request.generate,
    long=True,
    artifacts=WHAT_RUNS,
)
