"""What a load test needs before anything is sent: the increment, its package, the load, the requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from specweave.command import Context
from specweave.errors import InvalidInputError
from specweave.increments import deployment, store
from specweave.increments.deployment import Deployment
from specweave.increments.store import Increment
from specweave.model_packages import store as packages
from specweave.model_packages.store import Package
from specweave.operations.load_test_request import LoadTestRequest, load_of
from specweave.operations.load_testing import Plan
from specweave.operations.load_testing.locust import LOCAL
from specweave.operations.load_testing.measurement import count_cores
from specweave.operations.load_testing.plan import Target, parse_target
from specweave.operations.load_testing.reaching import tls_context
from specweave.operations.load_testing.shape import Load, Shape, shape
from specweave.operations.request_bodies import RequestBodies, read_bodies
from specweave.operations.request_headers import header_variables

# Any machine on which the tool itself works sends so many a second; each step says if it was late all the same.
_RATE_WITHOUT_CALIBRATION = 2_000.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A load test that can be run.

    Attributes:
        increment: whose service.
        settings: of its deployment, with the SLO.
        package: the model package that it names.
        bodies: what is asked.
        headers: header → environment variable that holds its value, as asked for.
        load: what is asked for.
        form: the steps that it comes to, or the search.
    """

    increment: Increment
    settings: Deployment
    package: Package
    bodies: RequestBodies
    headers: Mapping[str, str]
    load: Load
    form: Shape

    @property
    def is_calibrated(self) -> bool:
        """Whether the rates are such that the generator tries first what it can send on time."""
        return self.load.find_max or max(step.rate for step in self.form.steps) > _RATE_WITHOUT_CALIBRATION

    def plan(self, url: str, *, same_model: bool, cores: Sequence[int] = (), key_variable: str | None = None) -> Plan:
        """What the generator is told.

        Args:
            url: of the service.
            same_model: it serves the package, so its answers can be compared.
            cores: where the generator runs; empty for anywhere.
            key_variable: environment variable with the key that is sent, if any.
        """
        return Plan(
            url=url,
            steps=self.form.steps,
            corpus=self.bodies.exchanges(checked=same_model),
            search=self.form.search,
            settle=self.form.settle,
            arrivals=self.load.arrivals if self.form.moments is None else "replay",
            tolerance=self.bodies.golden.tolerance,
            scale=self.bodies.golden.scale,
            timeout_s=self.load.timeout_s,
            connections=self.load.connections,
            header_variables=header_variables(self.headers, key_variable),
            repeat_disturbed=True,
            cores=tuple(cores),
            workers=self.load.workers,
            ca_file=self.load.ca_file,
        )


def prepare(context: Context, request: LoadTestRequest) -> Prepared:
    """Everything that can be refused before a service is started or asked.

    Raises:
        NotFoundError: increment or package is not there.
        InvalidInputError: `arguments-conflict`, `url-invalid`, `load-test-plan-invalid`, `package-invalid`; bodies or
            headers that cannot be sent, see `read_bodies` and `header_variables`.
    """
    if request.environment is not None and request.url is not None:
        raise InvalidInputError(
            "arguments-conflict", "--environment and --url both say where", next_step="leave one of them out"
        )
    load = load_of(request, context.project)
    _require_possible(load)
    _require_one_service(request)
    increment = store.find(context.project, request.increment, kind="deployment")
    settings = deployment.read(increment.folder)
    package = packages.open_package(context.project, settings.model.name, settings.model.version)
    bodies = read_bodies(context.project, package, request.bodies)
    prepared = Prepared(increment, settings, package, bodies, request.header, load, shape(load, settings.slo))
    prepared.plan(request.url or "http://127.0.0.1", same_model=False).check()
    return prepared


def _require_one_service(request: LoadTestRequest) -> None:
    """To a worker on another machine a loopback address is that machine: it would load whatever answers there."""
    is_here = request.url is None or parse_target(request.url).is_loopback
    if request.engine != "locust" or not is_here:
        return
    for place in request.workers_at:
        if place != LOCAL and not Target(secure=False, host=place, port=1, path="/").is_loopback:
            raise InvalidInputError(
                "arguments-conflict",
                f"the service is at a loopback address, and a worker at {place[:100]!r} cannot reach it there",
                next_step="name the service by --url as that machine reaches it, or have all workers here: local",
            )


def _require_possible(load: Load) -> None:
    if load.ca_file is not None:
        tls_context(load.ca_file)
    cores = count_cores()
    if load.workers > cores:
        raise InvalidInputError(
            "workers-too-many",
            f"{load.workers} workers need as many cores, and this machine gives {cores}",
            next_step="lower --workers; one sends 30,000 requests a second",
        )
