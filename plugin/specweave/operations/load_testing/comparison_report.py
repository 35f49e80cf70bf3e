"""What people read of two versions against each other: the conclusion, the table, the report."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from specweave.files import rendering
from specweave.operations.counting import counted
from specweave.operations.load_testing.paired_comparison import (
    BLOCK_FOR_P95,
    Difference,
    Figure,
    Pair,
    Verdict,
    was_late,
)
from specweave.operations.load_testing.statistics import SAMPLES_FOR_INTERVAL
from specweave.operations.load_testing.wording import milliseconds

_NAMES: Mapping[Figure, str] = {
    "p50_ms": "P50",
    "p95_ms": "P95",
    "p99_ms": "P99",
    "error_rate": "error rate",
    "cpu_us_per_request": "CPU a request",
}
# What is said first: what the SLO limits, then the rest.
_ORDER: Sequence[Figure] = ("p95_ms", "error_rate", "p99_ms", "p50_ms", "cpu_us_per_request")
_LATENCIES: frozenset[Figure] = frozenset({"p50_ms", "p95_ms", "p99_ms"})
_NOT_COMPARED: frozenset[Verdict] = frozenset({"too-few", "disturbed"})
_MOST_NAMED = 3
_WHOLE_MICROSECONDS = 10


class Conclusion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What follows from the differences.

    Attributes:
        verdict: of the second version: `worse` or `better` in what differs beyond chance, `mixed` where it is both,
            `noise` where nothing does, `unknown` where nothing could be compared.
        passed: it is worse in nothing, and the comparison is whole.
        headline: the same for people, one sentence.
        notes: what else is to be known, one sentence each; markdown.
    """

    verdict: Literal["better", "worse", "mixed", "noise", "unknown"]
    passed: bool
    headline: str
    notes: tuple[str, ...]


def conclude(
    pairs: Sequence[Pair],
    differences: Sequence[Difference],
    versions: tuple[str, str],
    *,
    interrupted: str | None,
) -> Conclusion:
    """What the differences come to.

    Args:
        pairs: what they are of.
        differences: of the second version to the first.
        versions: their names.
        interrupted: why the comparison ended before its time, None where it did not.
    """
    ranked = sorted(differences, key=lambda found: _ORDER.index(found.figure))
    worse = [found for found in ranked if found.verdict == "worse"]
    better = [found for found in ranked if found.verdict == "better"]
    # That both take as much processor time does not say that they are as fast.
    noise = [found for found in ranked if found.verdict == "noise" and found.figure in _LATENCIES]
    first, second = versions
    verdict: Literal["better", "worse", "mixed", "noise", "unknown"]
    if worse and better:
        verdict = "mixed"
        said = f"{second} is worse than {first} in some, better in other figures: {_named([*worse[:2], *better[:2]])}"
    elif worse or better:
        verdict = "worse" if worse else "better"
        said = f"{second} is {verdict} than {first}: {_named([*worse, *better])}"
    elif noise:
        verdict, said = "noise", _alike(differences, versions)
    else:
        verdict, said = "unknown", f"{second} and {first} could not be compared"
    passed = verdict in {"better", "noise"} and interrupted is None
    return Conclusion(verdict, passed, said, tuple(_notes(pairs, differences, interrupted)))


def render_comparison(
    pairs: Sequence[Pair],
    differences: Sequence[Difference],
    conclusion: Conclusion,
    *,
    title: str,
    versions: tuple[str, str],
    conditions: Mapping[str, str],
) -> str:
    """The report in markdown.

    Args:
        pairs: what was measured.
        differences: of the second version to the first.
        conclusion: what follows from them.
        title: name of the model.
        versions: the first and the second.
        conditions: name → value of what the figures depend on.
    """
    values = {
        "title": title,
        "first": versions[0],
        "second": versions[1],
        "headline": conclusion.headline,
        "notes": conclusion.notes,
        "rows": [row_of(difference) for difference in differences],
        "pairs": _each_rate(pairs),
        "failures": [
            {"version": version, "rate": f"{rate:g}", "cause": cause, "count": count, "sample": sample}
            for (version, rate, cause), (count, sample) in _failures(pairs, versions).items()
        ],
        "conditions": conditions.items(),
    }
    return rendering.render("load-test-comparison", values)["report.md"].decode()


def row_of(difference: Difference) -> dict[str, str]:
    """The cells of a difference: rate, figure, first, second, difference, interval, verdict."""
    figure, first = difference.figure, difference.first
    share = f" ({difference.difference / first:+.1%})" if difference.difference is not None and first else ""
    return {
        "rate": f"{difference.rate:g}",
        "figure": _NAMES[figure],
        "first": _shown(figure, first),
        "second": _shown(figure, difference.second),
        "difference": _signed(figure, difference.difference) + share,
        "interval": f"{_signed(figure, difference.low)} to {_signed(figure, difference.high)}"
        if difference.low is not None
        else "n/a",
        "verdict": difference.verdict.replace("-", " "),
    }


def _notes(pairs: Sequence[Pair], differences: Sequence[Difference], interrupted: str | None) -> list[str]:
    notes = []
    if interrupted is not None:
        notes.append(f"**Partial**: interrupted ({interrupted}) after {counted(len(pairs), 'pair')} of blocks.")
    noise = [found for found in differences if found.verdict == "noise"]
    hidden = [found for found in noise if found.figure == "p95_ms"] or [it for it in noise if it.figure == "p50_ms"]
    if hidden:
        widest = max(hidden, key=lambda found: (found.high or 0.0) / (found.first or 1.0))
        share = f", {widest.high / widest.first:.0%}" if widest.high is not None and widest.first else ""
        notes.append(
            f"What chance may hide: a {_NAMES[widest.figure]} that is up to {milliseconds(widest.high)} higher{share}, "
            f"at {widest.rate:g} RPS. A longer `--duration` narrows it."
        )
    short = [found.rate for found in differences if found.figure == "p95_ms" and found.verdict == "too-few"]
    if short:
        needed_s = max(SAMPLES_FOR_INTERVAL, 10 * BLOCK_FOR_P95) / min(short)
        rates = ", ".join(f"{rate:g}" for rate in short)
        notes.append(f"Too few requests to compare P95 at {rates} RPS; it takes `--duration {needed_s:.0f}s`.")
    for rate in sorted({pair.first.rate for pair in pairs}):
        made = [pair for pair in pairs if pair.first.rate == rate]
        if late := sum(any(map(was_late, pair)) for pair in made):
            notes.append(
                f"At {rate:g} RPS {late} of {len(made)} pairs were left out: the load generator was late or short of "
                "processor time."
            )
    return notes


def _alike(differences: Sequence[Difference], versions: tuple[str, str]) -> str:
    """That nothing differs beyond chance, and what of P50 and P95 is not known to be so."""
    first, second = versions
    missing = [it for it in differences if it.verdict in _NOT_COMPARED and it.figure in {"p50_ms", "p95_ms"}]
    if not missing:
        return f"{second} does not differ from {first} beyond chance"
    noise = [it for it in differences if it.verdict == "noise"]
    verb = "does" if len({it.figure for it in noise}) == 1 else "do"
    return (
        f"{second} against {first}: {_where(missing, differences)} could not be compared; "
        f"{_where(noise, differences)} {verb} not differ beyond chance"
    )


def _where(chosen: Sequence[Difference], among: Sequence[Difference]) -> str:
    """`P50, P95 at 10, 50 RPS and CPU a request`: the rates of a figure are named where they are not all it has."""
    told = []
    for figure in _NAMES:
        rates = [found.rate for found in chosen if found.figure == figure]
        if rates:
            part = len(rates) < sum(found.figure == figure for found in among)
            told.append(_NAMES[figure] + (f" at {', '.join(f'{rate:g}' for rate in rates)} RPS" if part else ""))
    return " and ".join(filter(None, (", ".join(told[:-1]), told[-1])))


def _each_rate(pairs: Sequence[Pair]) -> str:
    """How many pairs each rate has: `4 pairs`, or `3 or 4 pairs` of a round that was not whole."""
    counts = sorted(set(Counter(pair.first.rate for pair in pairs).values()))
    return f"{counts[0]} or {counts[1]} pairs" if len(counts) > 1 else counted(counts[0] if counts else 0, "pair")


def _named(differences: Sequence[Difference]) -> str:
    named = [
        f"{row['figure']} at {row['rate']} RPS {row['difference']}" for row in map(row_of, differences[:_MOST_NAMED])
    ]
    more = len(differences) - _MOST_NAMED
    return ", ".join(named) + (f", and {more} more" if more > 0 else "")


def _failures(pairs: Sequence[Pair], versions: tuple[str, str]) -> dict[tuple[str, float, str], tuple[int, str]]:
    found: dict[tuple[str, float, str], tuple[int, str]] = {}
    for pair in pairs:
        for version, step in zip(versions, pair, strict=True):
            for failure in step.failures:
                key = (version, step.rate, failure.cause)
                count, sample = found.get(key, (0, failure.sample))
                found[key] = (count + failure.count, sample)
    return found


def _shown(figure: Figure, value: float | None) -> str:
    if value is None:
        return "n/a"
    if figure == "error_rate":
        return f"{value:.2%}"
    return f"{value:,.0f}µs" if figure == "cpu_us_per_request" else milliseconds(value)


def _signed(figure: Figure, value: float | None) -> str:
    if value is None:
        return "n/a"
    if figure == "error_rate":
        return f"{value:+.2%}"
    if figure == "cpu_us_per_request":
        return f"{value:+,.{0 if abs(value) >= _WHOLE_MICROSECONDS else 1}f}µs"
    return f"{value:+.2f}ms"
