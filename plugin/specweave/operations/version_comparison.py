"""Two versions of a model against each other: which, with what requests, and what is left of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from specweave import __version__
from specweave.artifacts import api_types
from specweave.command import Context
from specweave.errors import InvalidInputError
from specweave.increments import content, evidence
from specweave.model_packages import store as packages
from specweave.model_packages.store import Package
from specweave.operations.comparison_rounds import SEED, Rounds, Side
from specweave.operations.load_test_preparation import Prepared, prepare
from specweave.operations.load_test_request import LoadTestRequest
from specweave.operations.load_testing import Exchange, Plan
from specweave.operations.load_testing.answer_form import AnswerForm
from specweave.operations.load_testing.comparison_report import Conclusion, conclude, render_comparison
from specweave.operations.load_testing.measurement import describe_machine, split_cores
from specweave.operations.load_testing.paired_comparison import Difference, block_seconds, compare_pairs
from specweave.operations.load_testing.statistics import StepMeasurement
from specweave.operations.request_bodies import read_bodies
from specweave.project import SloSettings

OPERATION = "load-test-comparison"
_SHORTEST_S = 2.0
# What else may be said of a comparison: how hard, for how long, with what.
_TAKES = frozenset(
    {"increment", "compare", "rps", "duration", "arrivals", "bodies", "header", "timeout", "connections", "workers"}
)


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison that was run and recorded.

    Attributes:
        increment_id: whose service.
        versions: the first and the second.
        slo: of the deployment.
        differences: of the second to the first.
        conclusion: what follows from them.
        report: path relative to the project.
    """

    increment_id: str
    versions: tuple[str, str]
    slo: SloSettings
    differences: tuple[Difference, ...]
    conclusion: Conclusion
    report: str


def compare_versions(context: Context, request: LoadTestRequest, *, command: str) -> Compared:
    """Load two versions of an increment's model in turn and leave the report; it opens no gate.

    Args:
        context: project, machine, progress.
        request: what is asked for; `compare` names the versions.
        command: the same as a slash command, for the evidence.

    Raises:
        NotFoundError: increment, a package or the API is not there.
        InvalidInputError: `arguments-conflict`, `load-test-plan-invalid`, `versions-not-comparable`.
        OperationError: `service-not-ready` and its like; nothing is recorded where no pair of blocks was whole.
        KeyboardInterrupt: it was interrupted, or an OperationError `cancelled`, `service-not-ready` or
            `service-unreachable`; the pairs of blocks that were whole by then are in the report.
    """
    started = context.host.now()
    _refuse_others(request)
    prepared = prepare(context, request)
    rounds, block_s = block_seconds(prepared.load.duration_s)
    comparison = Rounds(context, prepared, _sides(context, prepared, request), rounds, block_s)
    evidence.require_recordable(prepared.increment)
    head, about = evidence.stand(prepared.increment), content.of_line(prepared.increment, command)
    comparison.run()
    pairs = [pair for _, pair in comparison.pairs]
    differences = compare_pairs(pairs)
    conclusion = conclude(pairs, differences, comparison.versions, interrupted=comparison.interrupted)
    markdown = render_comparison(
        pairs,
        differences,
        conclusion,
        title=prepared.package.name,
        versions=comparison.versions,
        conditions=_conditions(comparison),
    )
    report = evidence.record(
        context,
        prepared.increment,
        operation=OPERATION,
        command=command,
        passed=conclusion.passed,
        started=started,
        markdown=markdown,
        data=_data(comparison, differences, conclusion),
        head=head,
        content=about,
    )
    page = context.project.relative(report.path)
    comparison.end(page)
    return Compared(
        prepared.increment.id,
        comparison.versions,
        prepared.settings.slo,
        differences,
        conclusion,
        page,
    )


def _refuse_others(request: LoadTestRequest) -> None:
    fields = type(request).model_fields
    others = [name for name in fields if name not in _TAKES and getattr(request, name) != fields[name].get_default()]
    if request.arrivals == "ramp":
        others.append("arrivals ramp")
    if others:
        raise InvalidInputError(
            "arguments-conflict",
            f"--compare starts two services and holds each rate; --{others[0].replace('_', '-')} is another test",
            next_step="leave one of them out",
        )
    if request.duration < _SHORTEST_S:
        raise InvalidInputError(
            "load-test-plan-invalid",
            f"{request.duration:g} s are too short to be cut into blocks",
            next_step="use a longer --duration, such as 60s",
        )


def _sides(context: Context, prepared: Prepared, request: LoadTestRequest) -> tuple[Side, Side]:
    """Raises: NotFoundError: `package-not-found`; InvalidInputError: `versions-not-comparable`."""
    first, second = (packages.open_package(context.project, prepared.package.name, name) for name in request.compare)
    if first.identity == second.identity:
        raise _not_comparable(request.compare, "they are one package")
    if api_types.of(first.signature) != api_types.of(second.signature):
        raise _not_comparable(request.compare, "they take other features or answer otherwise: no API serves both")
    _, engine_cores = split_cores(prepared.load.workers)
    plans = [
        replace(prepared, package=package, bodies=read_bodies(context.project, package, request.bodies)).plan(
            "http://127.0.0.1", same_model=True, cores=engine_cores
        )
        for package in (first, second)
    ]
    bodies = {exchange.body: None for plan in plans for exchange in plan.corpus}
    return _side(first, plans[0], bodies), _side(second, plans[1], bodies)


def _side(package: Package, plan: Plan, bodies: Mapping[str, None]) -> Side:
    """Both versions get the bodies of both; the right answer is known of a version's own rows alone."""
    known = {exchange.body: exchange for exchange in plan.corpus}
    form = AnswerForm(package.signature.output.classes, package.signature.output.width)
    corpus = tuple(known.get(body) or Exchange(body, form=form) for body in bodies)
    return Side(package, msgspec.structs.replace(plan, corpus=corpus))


def _not_comparable(versions: Sequence[str], reason: str) -> InvalidInputError:
    return InvalidInputError(
        "versions-not-comparable",
        f"{versions[0]} and {versions[1]} cannot be compared: {reason}",
        next_step="name two versions of one model that one API serves: --compare 0043-v1,0043-v2",
    )


def _conditions(comparison: Rounds) -> dict[str, str]:
    plan, kinds = comparison.sides[0].plan, [side.package.manifest.executable.kind for side in comparison.sides]
    listed = [", ".join(map(str, cores)) for cores in split_cores(comparison.prepared.load.workers)]
    apart = f", on cores {listed[0]}, load from core {listed[1]}" if listed[0] else ""
    return {
        "services": f"the increment's own, one process for each version{apart}",
        "rounds": f"{comparison.rounds}, both services started anew in each",
        "block": f"{comparison.block_s:g} s at each rate, of either version in turn",
        "arrivals": f"{plan.arrivals}, the same in both blocks of a pair",
        "timeout": f"{plan.timeout_s:g} s",
        "requests": f"{len(plan.corpus)} bodies in turn, the same to both",
        "models run as": " and ".join(dict.fromkeys(kinds)),
        "specweave": __version__,
        **describe_machine(),
        "load generator": ", ".join(f"{name} {version}" for name, version in comparison.tools.items()),
    }


def _data(comparison: Rounds, differences: tuple[Difference, ...], conclusion: Conclusion) -> dict[str, object]:
    return {
        "model": comparison.prepared.package.name,
        "versions": [{"version": side.package.version, "digest": side.package.identity} for side in comparison.sides],
        "interrupted": comparison.interrupted,
        "conclusion": msgspec.to_builtins(conclusion),
        "differences": msgspec.to_builtins(differences),
        "rounds": comparison.rounds,
        "block_s": comparison.block_s,
        "seed": SEED,
        "pairs": [
            {"round": number, "first": _block(pair.first), "second": _block(pair.second)}
            for number, pair in comparison.pairs
        ],
        "machine": describe_machine(),
        "tools": {"specweave": __version__, **comparison.tools},
    }


def _block(step: StepMeasurement) -> object:
    # The histogram is what a block is compared by; how it went over a few seconds is not looked at again.
    return msgspec.to_builtins(msgspec.structs.replace(step, timeline=()))
