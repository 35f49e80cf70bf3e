"""What a load test needs before anything is sent: the increment, its package, the load, the requests."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from specweave.command import Context
from specweave.errors import InvalidInputError
from specweave.increments import deployment, store
from specweave.increments.deployment import Deployment
from specweave.increments.store import Increment
from specweave.model_packages import store as packages
from specweave.model_packages.store import Package
from specweave.operations.load_test_request import LoadTestRequest, load_of
from specweave.operations.load_testing import Exchange, Plan
from specweave.operations.load_testing.shape import Load, Shape, shape
from specweave_runtime.agreement import by_class
from specweave_runtime.package import Golden, GoldenRow, PackageError, read_golden

KEY_HEADER = "X-API-Key"
# Any machine on which the tool itself works sends so many a second; each step says if it was late all the same.
_RATE_WITHOUT_CALIBRATION = 2_000.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A load test that can be run.

    Attributes:
        increment: whose service.
        settings: of its deployment, with the SLO.
        package: the model package that it names.
        golden: rows of that package with their right answers.
        load: what is asked for.
        form: the steps that it comes to, or the search.
    """

    increment: Increment
    settings: Deployment
    package: Package
    golden: Golden
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
            corpus=corpus(self.golden, self.package.signature.output.classes if same_model else None),
            search=self.form.search,
            settle=self.form.settle,
            arrivals=self.load.arrivals,
            tolerance=self.golden.tolerance,
            scale=self.golden.scale,
            header_variables={KEY_HEADER: key_variable} if key_variable else {},
            repeat_disturbed=True,
            cores=tuple(cores),
        )


def prepare(context: Context, request: LoadTestRequest) -> Prepared:
    """Everything that can be refused before a service is started or asked.

    Raises:
        NotFoundError: increment or package is not there.
        InvalidInputError: `arguments-conflict`, `url-invalid`, `load-test-plan-invalid`, `package-invalid`.
    """
    if request.environment is not None and request.url is not None:
        raise InvalidInputError(
            "arguments-conflict", "--environment and --url both say where", next_step="leave one of them out"
        )
    load = load_of(request)
    increment = store.find(context.project, request.increment, kind="deployment")
    settings = deployment.read(increment.folder)
    package = packages.open_package(context.project, settings.model.name, settings.model.version)
    prepared = Prepared(increment, settings, package, _golden(package), load, shape(load, settings.slo))
    prepared.plan(request.url or "http://127.0.0.1", same_model=False).check()
    return prepared


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


def _golden(package: Package) -> Golden:
    try:
        golden = read_golden(package.path)
    except PackageError as error:
        raise InvalidInputError("package-invalid", str(error)) from error
    if not golden.rows:
        raise InvalidInputError("package-invalid", f"{package.path} has no golden rows")
    return golden
