"""Two versions of a model against each other: both services on this machine, loaded in turn, block by block.

Two processes of the very same program differ by some percent for as long as they live: where their memory lies decides
it. So every round starts both services anew, and the differences between rounds hold what a start may do (Kalibera and
Jones, Rigorous Benchmarking in Reasonable Time, 2013). Within a round each rate has a block of either version, with the
same requests at the same moments. Which version goes first is drawn, and balanced: what drifts evenly hits both.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace

import msgspec

from specweave import __version__
from specweave.artifacts import api_types
from specweave.command import Context, Progress
from specweave.errors import InvalidInputError
from specweave.increments import content, evidence
from specweave.model_packages import store as packages
from specweave.model_packages.store import Package
from specweave.operations.load_test_preparation import Prepared, prepare
from specweave.operations.load_test_request import LoadTestRequest
from specweave.operations.load_testing import Exchange, Measurement, Plan, Step, run_load_test
from specweave.operations.load_testing.answer_form import AnswerForm
from specweave.operations.load_testing.comparison_report import Conclusion, conclude, render_comparison
from specweave.operations.load_testing.measurement import split_cores
from specweave.operations.load_testing.paired_comparison import (
    Difference,
    Pair,
    balanced_order,
    block_seconds,
    compare_pairs,
)
from specweave.operations.load_testing.statistics import StepMeasurement
from specweave.operations.local_service import serve
from specweave.operations.request_bodies import read_bodies
from specweave.project import SloSettings

OPERATION = "load-test-comparison"
_SEED = 0
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


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two: its package, and the plan of its blocks but for address, step and seed."""

    package: Package
    plan: Plan


@dataclass(slots=True)
class _Comparison:
    """A comparison under way.

    Attributes:
        context: project, machine, progress.
        prepared: increment and load.
        sides: the two versions.
        rounds: how many there are to be.
        block_s: for which each rate is held in a block, seconds.
        pairs: what is measured so far, with the number of the round.
        last: the last block, whole or not.
    """

    context: Context
    prepared: Prepared
    sides: tuple[_Side, _Side]
    rounds: int
    block_s: float
    pairs: list[tuple[int, Pair]] = field(default_factory=list)
    last: Measurement | None = None

    @property
    def versions(self) -> tuple[str, str]:
        """The first and the second."""
        return self.sides[0].package.version, self.sides[1].package.version

    def run(self) -> Measurement:
        """All rounds, or those until it is interrupted; gives the last block."""
        for number, swapped in enumerate(balanced_order(self.rounds, _SEED)):
            self._round(number, (1, 0) if swapped else (0, 1))
            if self.last is None or self.last.interrupted:
                break
        assert self.last is not None  # noqa: S101 - narrows the type: there is a round, and a rate
        return self.last

    def _round(self, number: int, order: tuple[int, int]) -> None:
        with ExitStack() as services:
            addresses = {side: services.enter_context(self._serve(number, side)) for side in order}
            for place, step in enumerate(self.prepared.form.steps):
                found = {}
                for turn, side in enumerate(order):
                    done = (number * len(self.prepared.form.steps) + place) * 2 + turn
                    self.last = self._block(number, side, step, addresses[side], done)
                    if self.last.interrupted:
                        return
                    found[side] = self.last.steps[0]
                self.pairs.append((number, Pair(found[0], found[1])))

    def _serve(self, number: int, side: int) -> AbstractContextManager[str]:
        context = self.context.with_report(self._reporting(number, side))
        server_cores, _ = split_cores()
        return serve(context, self.prepared.increment, self.sides[side].package, cores=server_cores)

    def _block(self, number: int, side: int, step: Step, address: str, done: int) -> Measurement:
        plan = msgspec.structs.replace(
            self.sides[side].plan,
            url=f"{address}/predict",
            steps=(msgspec.structs.replace(step, duration_s=self.block_s),),
            seed=_SEED + number,
        )
        slow_s = self.prepared.settings.slo.latency_p95_ms / 1e3
        return run_load_test(self.context.with_report(self._reporting(number, side, done)), plan, slow_s=slow_s)

    def _reporting(self, number: int, side: int, done: int | None = None) -> Callable[[Progress], None]:
        blocks = self.rounds * len(self.prepared.form.steps) * 2

        def report(progress: Progress) -> None:
            message = f"round {number + 1} of {self.rounds}, {self.versions[side]}: {progress.message}"
            fraction = None if done is None else (done + (progress.fraction or 0.0)) / blocks
            self.context.report(Progress(message, fraction))

        return report


def compare_versions(context: Context, request: LoadTestRequest, *, command: str) -> Compared:
    """Load two versions of an increment's model in turn and leave the report; it opens no gate.

    Args:
        context: project, machine, progress.
        request: what is asked for; `compare` names the versions.
        command: the same as a slash command, for the evidence.

    Raises:
        NotFoundError: increment, a package or the API is not there.
        InvalidInputError: `arguments-conflict`, `load-test-plan-invalid`, `versions-not-comparable`.
        OperationError: `service-not-ready` and its like; nothing is recorded.
        KeyboardInterrupt: it was interrupted; what was whole by then is in the report.
    """
    started = context.host.now()
    _refuse_others(request)
    prepared = prepare(context, request)
    rounds, block_s = block_seconds(prepared.load.duration_s)
    comparison = _Comparison(context, prepared, _sides(context, prepared, request), rounds, block_s)
    evidence.require_recordable(prepared.increment)
    head, about = evidence.stand(prepared.increment), content.of_line(prepared.increment, command)
    last = comparison.run()
    pairs = [pair for _, pair in comparison.pairs]
    differences = compare_pairs(pairs)
    conclusion = conclude(pairs, differences, comparison.versions, interrupted=last.interrupted)
    markdown = render_comparison(
        pairs,
        differences,
        conclusion,
        title=prepared.package.name,
        versions=comparison.versions,
        conditions=_conditions(comparison, last),
    )
    report = evidence.record(
        context,
        prepared.increment,
        operation=OPERATION,
        command=command,
        passed=conclusion.passed,
        started=started,
        markdown=markdown,
        data=_data(comparison, last, differences, conclusion),
        head=head,
        content=about,
    )
    return Compared(
        prepared.increment.id,
        comparison.versions,
        prepared.settings.slo,
        differences,
        conclusion,
        context.project.relative(report.path),
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


def _sides(context: Context, prepared: Prepared, request: LoadTestRequest) -> tuple[_Side, _Side]:
    """Raises: NotFoundError: `package-not-found`; InvalidInputError: `versions-not-comparable`."""
    first, second = (packages.open_package(context.project, prepared.package.name, name) for name in request.compare)
    if first.identity == second.identity:
        raise _not_comparable(request.compare, "they are one package")
    if api_types.of(first.signature) != api_types.of(second.signature):
        raise _not_comparable(request.compare, "they take other features or answer otherwise: no API serves both")
    _, engine_cores = split_cores()
    plans = [
        replace(prepared, package=package, bodies=read_bodies(context.project, package, request.bodies)).plan(
            "http://127.0.0.1", same_model=True, cores=engine_cores
        )
        for package in (first, second)
    ]
    bodies = {exchange.body: None for plan in plans for exchange in plan.corpus}
    return _side(first, plans[0], bodies), _side(second, plans[1], bodies)


def _side(package: Package, plan: Plan, bodies: Mapping[str, None]) -> _Side:
    """Both versions get the bodies of both; the right answer is known of a version's own rows alone."""
    known = {exchange.body: exchange for exchange in plan.corpus}
    form = AnswerForm(package.signature.output.classes, package.signature.output.width)
    corpus = tuple(known.get(body) or Exchange(body, form=form) for body in bodies)
    return _Side(package, msgspec.structs.replace(plan, corpus=corpus))


def _not_comparable(versions: Sequence[str], reason: str) -> InvalidInputError:
    return InvalidInputError(
        "versions-not-comparable",
        f"{versions[0]} and {versions[1]} cannot be compared: {reason}",
        next_step="name two versions of one model that one API serves: --compare 0043-v1,0043-v2",
    )


def _conditions(comparison: _Comparison, last: Measurement) -> dict[str, str]:
    plan, kinds = comparison.sides[0].plan, [side.package.manifest.executable.kind for side in comparison.sides]
    listed = [", ".join(map(str, cores)) for cores in split_cores()]
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
        **last.machine,
        "load generator": ", ".join(f"{name} {version}" for name, version in last.versions.items()),
    }


def _data(
    comparison: _Comparison, last: Measurement, differences: tuple[Difference, ...], conclusion: Conclusion
) -> dict[str, object]:
    return {
        "model": comparison.prepared.package.name,
        "versions": [{"version": side.package.version, "digest": side.package.identity} for side in comparison.sides],
        "interrupted": last.interrupted,
        "conclusion": msgspec.to_builtins(conclusion),
        "differences": msgspec.to_builtins(differences),
        "rounds": comparison.rounds,
        "block_s": comparison.block_s,
        "seed": _SEED,
        "pairs": [
            {"round": number, "first": _block(pair.first), "second": _block(pair.second)}
            for number, pair in comparison.pairs
        ],
        "machine": last.machine,
        "tools": {"specweave": __version__, **last.versions},
    }


def _block(step: StepMeasurement) -> object:
    # The histogram is what a block is compared by; how it went over a few seconds is not looked at again.
    return msgspec.to_builtins(msgspec.structs.replace(step, timeline=()))
