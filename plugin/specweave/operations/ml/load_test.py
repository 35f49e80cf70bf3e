"""`ml load-test`: latency and errors of the service at given request rates."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from specweave.command import Annotations, Command, Context, Duration, IncrementName, Request
from specweave.errors import GateError, InvalidInputError

if TYPE_CHECKING:
    from specweave.operations.load_testing.shape import Load
from specweave.operations.artifact_patterns import WHAT_RUNS
from specweave.operations.load_test_result import LoadTestResult, result_of

_ONE_RATE, _SEARCH_S = 50.0, 10.0

Rate = Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]


class LoadTestRequest(Request):
    """Which service, at which rates, for how long."""

    increment: IncrementName = None
    rps: tuple[Rate, ...] = Field(
        (10.0, 50.0, 100.0, 500.0, 1000.0),
        min_length=1,
        max_length=32,
        description="Requests a second, one rate or several: 10,50,100; each is held for the duration.",
    )
    duration: Duration = 60.0
    find_max: bool = Field(
        False,
        description="Search the highest rate within the SLO, from --rps (50) on, each held for --duration (10s).",
    )
    spike: Rate | None = Field(
        None, description="Go from --rps (50) to this rate and back without a pause, --duration at each."
    )
    soak: Duration | None = Field(None, description="Hold --rps (50) for so long, and watch memory: 10m, 1h.")
    environment: str | None = Field(None, description="Test what is deployed there, instead of a service of its own.")
    url: str | None = Field(
        None,
        description="Test the service at this address (http://127.0.0.1:8000); for another machine a person is asked.",
    )
    arrivals: Literal["poisson", "constant", "ramp"] = Field(
        "poisson",
        description="poisson: as independent callers come; constant: evenly spaced, which flatters; ramp: rising.",
    )


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
    from specweave.operations import service_measurement  # noqa: PLC0415

    question = None if context.approved else approval(request, context)
    if question:
        raise GateError("approval-required", question, next_step="a person who agrees runs it with `--approve`")
    measured = service_measurement.measure(
        context,
        increment_name=request.increment,
        load=_load(request),
        environment=request.environment,
        url=request.url,
        command=slash_line(COMMAND, request),
    )
    return result_of(measured, store.revision(store.find(context.project, measured.increment_id)))


def _load(request: LoadTestRequest) -> "Load":
    """What is asked for, where one rate is meant that of `_ONE_RATE`.

    Raises:
        InvalidInputError: `arguments-conflict`.
    """
    from specweave.operations.load_testing.shape import Load  # noqa: PLC0415 - a listing must stay cheap

    given = request.model_fields_set
    if request.soak is not None and ("duration" in given or request.find_max or request.spike is not None):
        raise InvalidInputError(
            "arguments-conflict", "--soak is a duration and a test of its own", next_step="leave the others out"
        )
    of_one_rate = request.find_max or request.spike is not None or request.soak is not None
    duration_s = _SEARCH_S if request.find_max and "duration" not in given else request.soak or request.duration
    return Load(
        rates=(_ONE_RATE,) if of_one_rate and "rps" not in given else request.rps,
        duration_s=duration_s,
        arrivals=request.arrivals,
        find_max=request.find_max,
        spike=request.spike,
    )


def approval(request: LoadTestRequest, context: Context) -> str | None:
    """The question for an address that is not this machine.

    Raises:
        NotFoundError: the increment is not there.
        InvalidInputError: `url-invalid`, `load-test-plan-invalid`.
    """
    # An address beside an environment is refused by `run`.
    if request.url is None or request.environment is not None:
        return None
    from specweave.increments import deployment, store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations.load_testing import Exchange, Plan  # noqa: PLC0415
    from specweave.operations.load_testing.plan import parse_target  # noqa: PLC0415
    from specweave.operations.load_testing.shape import shape  # noqa: PLC0415
    from specweave.operations.measured_service import sent_key  # noqa: PLC0415

    target = parse_target(request.url)
    if target.is_loopback:
        return None
    increment = store.find(context.project, request.increment, kind="deployment")
    form = shape(_load(request), deployment.read(increment.folder).slo)
    Plan(request.url, form.steps, (Exchange("{}"),), form.search).check()
    key = sent_key()
    with_key = f", each with the key in {key}" if key else ""
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
        "0043 --environment staging --rps 10,50,100 --duration 30s",
    ),
    approval=approval,
    checks=lambda _request: True,
    long=True,
    artifacts=WHAT_RUNS,
)
