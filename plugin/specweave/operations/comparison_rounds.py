"""Both versions of a comparison, loaded in turn, block by block.

Two processes of the very same program differ by some percent for as long as they live: where their memory lies decides
it. So every round starts both services anew, and the differences between rounds hold what a start may do (Kalibera and
Jones, Rigorous Benchmarking in Reasonable Time, 2013). Within a round each rate has a block of either version, with the
same requests at the same moments. Which version goes first is drawn, and balanced: what drifts evenly hits both.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

import msgspec

from specweave.command import Context, Progress
from specweave.errors import OperationError
from specweave.model_packages.store import Package
from specweave.operations.load_test_preparation import Prepared
from specweave.operations.load_testing import Measurement, Plan, Step, run_load_test
from specweave.operations.load_testing.measurement import CANCELLED, end_interrupted, reason, split_cores
from specweave.operations.load_testing.paired_comparison import Pair, balanced_order
from specweave.operations.local_service import serve

SEED = 0
_INTERRUPTIONS = frozenset({CANCELLED, "load-generator-failed"})
# What a service of either version may do after some rounds; the pairs before it are as good as they were.
_SERVICE_FAILED: Mapping[str, str] = {
    "service-not-ready": "a service did not become ready",
    "service-unreachable": "a service could no longer be reached",
}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: its package, and the plan of its blocks but for address, step and seed."""

    package: Package
    plan: Plan


@dataclass(slots=True)
class Rounds:
    """A comparison under way.

    Attributes:
        context: project, machine, progress.
        prepared: increment and load.
        sides: the two versions.
        rounds: how many there are to be.
        block_s: for which each rate is held in a block, seconds.
        pairs: what is measured so far, with the number of the round.
        last: the last block, whole or not.
        stop: what interrupted it.
    """

    context: Context
    prepared: Prepared
    sides: tuple[Side, Side]
    rounds: int
    block_s: float
    pairs: list[tuple[int, Pair]] = field(default_factory=list)
    last: Measurement | None = None
    stop: KeyboardInterrupt | OperationError | None = None

    @property
    def interrupted(self) -> str | None:
        """Why it ended before its time; None where it did not."""
        if self.stop is None:
            return None
        if isinstance(self.stop, OperationError) and self.stop.code in _SERVICE_FAILED:
            return _SERVICE_FAILED[self.stop.code]
        return (self.last and self.last.interrupted) or reason(self.stop)

    @property
    def tools(self) -> Mapping[str, str]:
        """What generated the load, with versions."""
        return self.last.versions if self.last else {}

    @property
    def versions(self) -> tuple[str, str]:
        """The first and the second."""
        return self.sides[0].package.version, self.sides[1].package.version

    def run(self) -> None:
        """All rounds, or those until it is interrupted.

        Raises:
            KeyboardInterrupt, OperationError: it was interrupted, or a service failed, before there was a pair.
        """
        try:
            for number, swapped in enumerate(balanced_order(self.rounds, SEED)):
                self._round(number, (1, 0) if swapped else (0, 1))
        except (KeyboardInterrupt, OperationError) as stop:
            kept = isinstance(stop, KeyboardInterrupt) or stop.code in {*_INTERRUPTIONS, *_SERVICE_FAILED}
            if not self.pairs or not kept:
                raise
            self.stop = stop

    def end(self, page: str) -> None:
        """End as the comparison did: does nothing where it was whole.

        Args:
            page: where the pairs are that were whole.

        Raises:
            KeyboardInterrupt, OperationError: what ended it, and the page.
        """
        if isinstance(self.stop, OperationError) and self.stop.code in _SERVICE_FAILED:
            message = f"the comparison ended early; what was measured until then is in {page}: {self.stop.message}"
            raise OperationError(
                self.stop.code, message, next_step=self.stop.next_step, details=self.stop.details
            ) from self.stop
        end_interrupted(self.interrupted, page)

    def _round(self, number: int, order: tuple[int, int]) -> None:
        with ExitStack() as services:
            addresses = {side: services.enter_context(self._serve(number, side)) for side in order}
            for place, step in enumerate(self.prepared.form.steps):
                found = {}
                for turn, side in enumerate(order):
                    done = (number * len(self.prepared.form.steps) + place) * 2 + turn
                    self.last = self._block(number, side, step, addresses[side], done)
                    end_interrupted(self.last.interrupted)
                    found[side] = self.last.steps[0]
                self.pairs.append((number, Pair(found[0], found[1])))

    def _serve(self, number: int, side: int) -> AbstractContextManager[str]:
        context = self.context.with_report(self._reporting(number, side))
        server_cores, _ = split_cores(self.prepared.load.workers)
        return serve(context, self.prepared.increment, self.sides[side].package, cores=server_cores)

    def _block(self, number: int, side: int, step: Step, address: str, done: int) -> Measurement:
        plan = msgspec.structs.replace(
            self.sides[side].plan,
            url=f"{address}/predict",
            steps=(msgspec.structs.replace(step, duration_s=self.block_s),),
            seed=SEED + number,
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
