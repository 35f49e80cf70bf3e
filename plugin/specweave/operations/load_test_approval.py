"""What a person is asked before another machine is loaded."""

from specweave.command import Context
from specweave.increments import deployment, store
from specweave.operations.load_test_request import LoadTestRequest, load_of
from specweave.operations.load_testing import Exchange, Plan
from specweave.operations.load_testing.plan import parse_target
from specweave.operations.load_testing.shape import shape
from specweave.operations.measured_service import sent_key
from specweave.operations.request_headers import header_variables


def question(request: LoadTestRequest, context: Context) -> str | None:
    """The question for an address that is not this machine; None where there is none.

    Raises:
        NotFoundError: the increment is not there.
        InvalidInputError: `url-invalid`, `load-test-plan-invalid`; headers that cannot be sent.
    """
    # An address beside an environment is refused before anything is sent.
    if request.url is None or request.environment is not None:
        return None
    target = parse_target(request.url)
    if target.is_loopback:
        return None
    increment = store.find(context.project, request.increment, kind="deployment")
    form = shape(load_of(request, context.project), deployment.read(increment.folder).slo)
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
