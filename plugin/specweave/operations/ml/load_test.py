"""`ml load-test`: latency and errors of the service at given request rates."""

from specweave.command import Annotations, Command, Context
from specweave.errors import GateError
from specweave.operations.artifact_patterns import WHAT_RUNS
from specweave.operations.load_test_request import LoadTestRequest
from specweave.operations.load_test_result import LoadTestResult


def run(request: LoadTestRequest, context: Context) -> LoadTestResult:
    """Load the service and leave the report.

    Raises:
        GateError: `approval-required`.
        NotFoundError: the increment, its package, its API or the deployment is not there.
        InvalidInputError: an address or a plan that cannot be used.
        OperationError: `service-not-ready` and its like; nothing is recorded.
    """
    from specweave.arguments import slash_line  # noqa: PLC0415 - a listing must stay cheap
    from specweave.increments import store  # noqa: PLC0415 - as above
    from specweave.operations import load_test_answer, service_measurement, version_comparison  # noqa: PLC0415 - as above

    if request.dry_run or request.generate or request.import_file is not None:
        return _without_load(request, context)
    asked = None if context.approved else approval(request, context)
    if asked:
        raise GateError("approval-required", asked, next_step="a person who agrees runs it with `--approve`")
    command = slash_line(COMMAND, request)
    if request.compare:
        compared = version_comparison.compare_versions(context, request, command=command)
        revision = store.revision(store.find(context.project, compared.increment_id))
        return load_test_answer.result_of_comparison(compared, revision)
    measured = service_measurement.measure(context, request, command=command)
    return load_test_answer.result_of(measured, store.revision(store.find(context.project, measured.increment_id)))


def _without_load(request: LoadTestRequest, context: Context) -> LoadTestResult:
    """What sends nothing: a plan that is shown, files that are written, a result that is read."""
    from specweave.arguments import slash_line  # noqa: PLC0415 - a listing must stay cheap
    from specweave.increments import store  # noqa: PLC0415 - as above
    from specweave.operations import (  # noqa: PLC0415 - as above
        load_import,
        load_test_answer,
        load_test_approval,
        load_test_generation,
        load_test_outlook,
    )

    if request.import_file is not None:
        read = load_import.record_import(context, request, command=slash_line(COMMAND, request))
        return load_test_answer.result_of(read, store.revision(store.find(context.project, read.increment_id)))
    if request.dry_run:
        outlook = load_test_outlook.foresee(context, request, load_test_approval.question(request, context))
        return load_test_answer.result_of_outlook(outlook, store.revision(outlook.increment))
    generated = load_test_generation.generate(context, request)
    return load_test_answer.result_of_generation(generated, store.revision(generated.increment))


def approval(request: LoadTestRequest, context: Context) -> str | None:
    """The question for an address that is not this machine.

    Raises:
        NotFoundError: the increment is not there.
        InvalidInputError: `url-invalid`, `load-test-plan-invalid`; headers that cannot be sent.
    """
    if request.dry_run or request.generate or request.import_file is not None:
        return None
    from specweave.operations.load_test_approval import question  # noqa: PLC0415 - a listing must stay cheap

    return question(request, context)


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
    checks=lambda request: not (request.generate or request.dry_run),
    long=True,
    artifacts=WHAT_RUNS,
)
