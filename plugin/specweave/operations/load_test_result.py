"""What a load test says to its caller: the figures of each rate, and what follows from them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from specweave.command import Result
from specweave.operations.file_changes import FileChange, described

# What to do after a test that did not pass: the first whose verdict there is.
_ADVICE = {
    "beyond": "read the report; a faster model, a lower rate or more instances bring it within the SLO.",
    "undecided": "repeat it with more requests: there were too few to judge.",
    "generator-limited": "repeat it on a quiet machine or at a lower rate: the load generator was the limit.",
}


class LoadTestStep(BaseModel):
    """One rate. Latencies are milliseconds from the intended start, None where there are too few requests for them.

    Attributes:
        rps: intended requests a second.
        achieved_rps: correct answers a second.
        p95_interval_ms: 95 % confidence interval of the P95; None below 1,000 requests.
        p50_ms, p95_ms, p99_ms, max_ms: latency; a request that timed out counts with the timeout, one that failed later
            than the SLO's latency with its own time.
        error_rate: share of requests that failed, 0 to 1.
        errors: cause → number of requests.
        verdict: `within` the SLO, `beyond` it, or not known: `generator-limited`, `undecided`, `p95-unknown`.
    """

    model_config = ConfigDict(extra="forbid")

    rps: float
    requests: int
    achieved_rps: float
    p50_ms: float | None
    p95_ms: float | None
    p95_interval_ms: tuple[float, float] | None
    p99_ms: float | None
    max_ms: float | None
    error_rate: float
    errors: dict[str, int]
    verdict: Literal["within", "beyond", "generator-limited", "undecided", "p95-unknown"]


class VersionDifference(BaseModel):
    """One figure of two versions at one rate.

    Attributes:
        rps: intended requests a second.
        figure: latency in milliseconds, error rate from 0 to 1, or processor microseconds a request.
        first, second: of all blocks together; None where there are too few requests for it.
        difference: second - first, less is better; None where there are too few requests or pairs of blocks to tell it
            from chance.
        low, high: its interval; all of a comparison hold together with 95 %.
        pairs: of blocks.
        verdict: of the second version.
    """

    model_config = ConfigDict(extra="forbid")

    rps: float
    figure: Literal["p50_ms", "p95_ms", "p99_ms", "error_rate", "cpu_us_per_request"]
    first: float | None
    second: float | None
    difference: float | None
    low: float | None
    high: float | None
    pairs: int
    verdict: Literal["better", "worse", "noise", "too-few", "disturbed"]


class PlannedStep(BaseModel):
    """One rate that would be run.

    Attributes:
        rps: requests a second.
        duration_s: for which it would be held.
        requests: how many that are.
        connections: that would be dialled before it.
    """

    model_config = ConfigDict(extra="forbid")

    rps: float
    duration_s: float
    requests: int
    connections: int


class LoadTestResult(Result):
    """The figures, and what follows from them.

    Attributes:
        increment: whose service.
        url: where the requests went; empty where that is not known, and for a comparison, whose services start and end
            with it.
        version: of the model package that this is evidence for; None where the service serves another one.
        steps: one for each rate that was run; none of a comparison.
        max_rps_within_slo: highest rate held, with every lower one; None when not even the lowest is.
        slo_p95_ms, slo_error_rate: against which.
        recommendation: for people, two lines; of a comparison what it comes to.
        imported: the other load generator that measured it, else empty.
        compared: the two versions of a comparison, else empty.
        differences: of the second to the first.
        generated: files of the increment for Locust and k6, where only those were asked for.
        planned: what would have been sent, where only that was asked; of a search its first step.
        instances: how many bear `target_rps` together; None where that was not asked or is not known.
        report: path relative to the project; empty where nothing was sent.
    """

    increment: str
    url: str
    version: str | None
    steps: list[LoadTestStep]
    max_rps_within_slo: float | None
    slo_p95_ms: float
    slo_error_rate: float
    recommendation: str
    notes: list[str]
    report: str
    revision: str
    compared: list[str] = Field([])
    imported: str = ""
    instances: int | None = None
    planned: list[PlannedStep] = Field([])
    generated: list[FileChange] = Field([])
    differences: list[VersionDifference] = Field([])

    def text(self) -> str:
        """The table, the recommendation and the next step."""
        if self.compared:
            return self._comparison()
        if self.generated:
            return self._generation()
        if self.planned:
            return self._plan()
        from specweave.operations.load_testing.wording import achieved, milliseconds  # noqa: PLC0415 - start-up

        lines = [
            "Load Test Results:",
            "",
            "| RPS | Achieved | Latency P50 | Latency P95 | Latency P99 | Max | Error Rate |",
            "|------|------|-------------|-------------|-------------|------|------------|",
        ]
        for step in self.steps:
            times = [milliseconds(value) for value in (step.p50_ms, step.p95_ms, step.p99_ms, step.max_ms)]
            cells = [f"{step.rps:g}", achieved(step.achieved_rps), *times, f"{step.error_rate:.2%}"]
            lines.append(f"| {' | '.join(cells)} |")
        errors = [
            f"- {step.rps:g} RPS: " + ", ".join(f"{count} {cause}" for cause, count in step.errors.items())
            for step in self.steps
            if step.errors
        ]
        lines += ["", self.recommendation, ""] + [f"- {note}" for note in self.notes]
        lines += ["", "Errors:", *errors] if errors else []
        return "\n".join([*lines, "", f"Report: {self.report}", "", f"Next: {self._next_step()}"])

    def _next_step(self) -> str:
        number, verdicts = self.increment[:4], {step.verdict for step in self.steps}
        if self.imported:
            return f"`/ml:load-test {number}` tests the package itself; what {self.imported} measured opens no gate."
        if self.passed and self.version:
            return f"`/ml:deploy {number} --environment staging`."
        if self.passed:
            return "deploy the increment's own package and test that; this was another one."
        if self._fails():
            return "see Errors in the report; find out why the service answers so."
        known = (advice for verdict, advice in _ADVICE.items() if verdict in verdicts)
        return next(known, "read the report: it says what is missing.")

    def _fails(self) -> bool:
        """Whether most requests at the lowest rate beyond the SLO fail, and not only because answers were late."""
        from specweave.operations.load_testing.outcomes import Outcome, name  # noqa: PLC0415 - start-up

        lowest = min((step for step in self.steps if step.verdict == "beyond"), key=lambda step: step.rps, default=None)
        if lowest is None:
            return False
        late = lowest.errors.get(name(Outcome.TIMEOUT), 0)
        return lowest.error_rate > self.slo_error_rate and sum(lowest.errors.values()) - late > lowest.requests / 2

    def _plan(self) -> str:
        from specweave.operations.load_testing.wording import asked  # noqa: PLC0415 - start-up

        lines = [
            self.recommendation,
            "",
            "| RPS | Seconds | Requests | Connections |",
            "|----:|--------:|---------:|------------:|",
            *(
                f"| {asked(step.rps)} | {asked(step.duration_s)} | {step.requests:,} | {step.connections} |"
                for step in self.planned
            ),
            "",
            *(f"- {note}" for note in self.notes),
        ]
        return "\n".join([*lines, "", "Next: the same without `--dry-run`."])

    def _generation(self) -> str:
        lines = [self.recommendation, "", *described(self.generated), *(f"- {note}" for note in self.notes)]
        number = self.increment[:4]
        next_step = f"Next: read its README.md, or `/ml:load-test {number} --engine locust --workers-at local,local`."
        return "\n".join([*lines, "", next_step])

    def _comparison(self) -> str:
        from specweave.operations.load_testing.comparison_report import row_of  # noqa: PLC0415 - start-up
        from specweave.operations.load_testing.paired_comparison import Difference  # noqa: PLC0415 - as above

        first, second = self.compared
        lines = [f"{self.recommendation}.", "", f"| RPS | | {first} | {second} | Difference | 95 % interval | |"]
        lines.append("|------|---|------|------|------|------|---|")
        for found in self.differences:
            values = found.model_dump()
            row = row_of(Difference(rate=values.pop("rps"), **values))
            lines.append(f"| {' | '.join(row.values())} |")
        lines += ["", *(f"- {note}" for note in self.notes)]
        number = self.increment[:4]
        next_step = f"Next: `/ml:load-test {number}` tests the version of deployment.yaml; a comparison opens no gate."
        return "\n".join([*lines, "", f"Report: {self.report}", "", next_step])
