"""What a load test would send, where to, and what it would leave; nothing is started, sent or written."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from specweave.command import Context
from specweave.errors import InvalidInputError
from specweave.increments.reports import FOLDER, next_number
from specweave.increments.store import Increment
from specweave.operations import measured_service
from specweave.operations.counting import counted
from specweave.operations.load_test_preparation import Prepared, prepare
from specweave.operations.load_test_request import LoadTestRequest
from specweave.operations.load_testing import Plan, Step
from specweave.operations.load_testing.arrival_log import count_lines
from specweave.operations.load_testing.paired_comparison import block_seconds
from specweave.operations.load_testing.wording import time_span
from specweave.operations.measured_service import Place
from specweave.project import SloSettings


@dataclass(frozen=True, slots=True)
class Outlook:
    """A load test that could be run.

    Attributes:
        increment: whose service.
        url: where the requests would go; empty where the service would be started first.
        version: of the package in deployment.yaml, whose golden rows the answers are compared with.
        slo: against which it would be judged.
        steps: what would be sent; of a search the first only.
        connections: that would be dialled before each of these.
        headline: all of it in one sentence.
        notes: on what the figures would depend, a sentence each.
    """

    increment: Increment
    url: str
    version: str
    slo: SloSettings
    steps: Sequence[Step]
    connections: Sequence[int]
    headline: str
    notes: Sequence[str]


def foresee(context: Context, request: LoadTestRequest, question: str | None) -> Outlook:
    """What `service_measurement.measure` would do.

    Args:
        context: project, machine.
        request: what is asked for.
        question: what a person would be asked first.

    Raises:
        NotFoundError: increment, package, API or deployment is not there.
        InvalidInputError: see `prepare`; `arguments-conflict` for what sends nothing anyway.
    """
    _refuse_what_has_no_outlook(request)
    prepared = prepare(context, request)
    increment, settings = prepared.increment, prepared.settings
    place = measured_service.foresee(
        context,
        increment,
        prepared.package,
        settings,
        environment=request.environment,
        url=request.url,
        workers=prepared.load.workers,
    )
    plan = prepared.plan(place.url or "http://127.0.0.1", same_model=True, key_variable=place.key_variable)
    steps = plan.steps
    if plan.search:
        steps = (Step(plan.search.start, plan.search.duration_s),)
    page = f"{FOLDER}/{next_number(increment):03d}-load-test.md"
    return Outlook(
        increment=increment,
        url=place.url,
        version=prepared.package.version,
        slo=settings.slo,
        steps=steps,
        connections=[plan.connections or step.connections for step in steps],
        headline=_headline(plan, place),
        notes=[*_notes(plan, prepared, request), f"It would leave {page}, with the figures and charts beside it."]
        + ([f"A person would be asked first: {question}"] if question else []),
    )


def _refuse_what_has_no_outlook(request: LoadTestRequest) -> None:
    if request.generate:
        raise InvalidInputError(
            "arguments-conflict",
            "--dry-run is not available with --generate, which sends nothing anyway",
            next_step="leave one of them out",
        )
    if request.compare:
        rounds, block_s = block_seconds(request.duration)
        takes = time_span(2 * len(request.rps) * rounds * block_s)
        raise InvalidInputError(
            "arguments-conflict",
            "--dry-run is not available with --compare: it shows what one service would be sent, and a comparison "
            f"loads two in turn. This one would take {takes} ({rounds} rounds of {counted(len(request.rps), 'rate')}, "
            f"{time_span(block_s)} of either version at each), and some seconds a round to start the services",
            next_step="leave one of them out",
        )


def _headline(plan: Plan, place: Place) -> str:
    where = place.description
    if place.url not in where:
        where = f"{where}, {place.url}"
    if plan.search:
        return (
            f"Would search the highest rate within the SLO, from {plan.search.start:g} RPS on, "
            f"{time_span(plan.search.duration_s)} at each, in {where}; nothing was sent."
        )
    total = sum(step.requests for step in plan.steps)
    takes = time_span(sum(step.duration_s for step in plan.steps))
    pauses = ", and pauses in which queues drain," if len(plan.steps) > 1 and plan.settle else ""
    return f"Would send {total:,} requests in {takes}{pauses} to {where}; nothing was sent."


def _notes(plan: Plan, prepared: Prepared, request: LoadTestRequest) -> list[str]:
    slo = prepared.settings.slo
    bodies = prepared.bodies.description
    with_headers = f"; headers {', '.join(plan.header_variables)} from the environment" if plan.header_variables else ""
    sender = "specweave" if plan.workers == 1 else f"{plan.workers} processes of specweave"
    if request.engine == "locust":
        sender = f"Locust, workers at {', '.join(request.workers_at)}"
    arrivals = plan.arrivals if request.replay is None else f"as in {request.replay}"
    return [
        f"{bodies}{with_headers}.",
        f"Arrivals: {arrivals}; timeout {time_span(plan.timeout_s)}; sent by {sender}.",
        *_left_out(prepared, request),
        f"SLO of deployment.yaml: P95 up to {slo.latency_p95_ms:g} ms, error rate up to {slo.error_rate:.2%}.",
    ]


def _left_out(prepared: Prepared, request: LoadTestRequest) -> list[str]:
    moments, log = prepared.form.moments, prepared.load.replay
    if moments is None or log is None or len(moments) == (lines := count_lines(Path(log))):
        return []
    later = " or come after `--duration`" if isfinite(prepared.load.duration_s) else ""
    return [
        f"{len(moments):,} of {lines:,} lines of {request.replay} are played; the others are no predictions{later}."
    ]
