"""The load test before this one that it can be compared with: the same model and machine, loaded in the same way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from specweave.errors import SpecweaveError
from specweave.increments import evidence, store
from specweave.increments.evidence import ReportData
from specweave.increments.store import Increment
from specweave.operations.load_testing.comparison import Earlier, earlier_steps

_ALIKE = ("machine", "service", "arrivals", "settle", "bodies")


@dataclass(frozen=True, slots=True)
class EarlierMeasurement:
    """A load test of the past.

    Attributes:
        title: its model, version and report, for people.
        steps: what it measured.
        disturbed: the rates at which the generator was late.
    """

    title: str
    steps: tuple[Earlier, ...]
    disturbed: frozenset[float]


def find(increment: Increment, model: str, data: Mapping[str, object]) -> EarlierMeasurement | None:
    """The newest load test of a model that was made as the one with these data was, and shares a rate with it.

    One at other rates in between says nothing of these, and hides nothing.

    Args:
        increment: whose reports, and those of the increments that it builds upon, are looked through.
        model: name of the model; its versions may differ.
        data: what the present report will hold: `machine`, `service`, `arrivals`, `settle`, `bodies` and
            `engine` must be the same there, and one rate of `steps` with an interval of its P95.
    """
    rates = _compared_rates(data)
    alike = [
        (report, where)
        for report, where in _reports(increment)
        if report.package is not None
        and report.package.name == model
        and all(report.data.get(key) == data[key] for key in _ALIKE)
        and report.data.get("engine", "own") == data["engine"]
        and rates & _compared_rates(report.data)
    ]
    if not alike:
        return None
    report, where = max(alike, key=lambda found: found[0].started)
    version = report.package.version if report.package else ""
    late = report.data.get("disturbed_rates")
    return EarlierMeasurement(
        f"{model} {version} in {where.id}, report {report.number:03d}",
        earlier_steps(report.data),
        frozenset(rate for rate in late if isinstance(rate, float)) if isinstance(late, list) else frozenset(),
    )


def _compared_rates(data: Mapping[str, object]) -> frozenset[float]:
    return frozenset(step.rate for step in earlier_steps(data) if step.p95_interval is not None)


def _reports(increment: Increment) -> Iterator[tuple[ReportData, Increment]]:
    places = [increment]
    for link in increment.metadata().links:
        try:
            places.append(store.find(increment.project, link))
        except SpecweaveError:
            continue  # put away, or never there: the comparison is a courtesy
    for place in places:
        for report in evidence.reports(place):
            if report.operation == "load-test":
                yield report, place
