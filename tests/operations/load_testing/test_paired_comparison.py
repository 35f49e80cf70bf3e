"""Two services against each other, on simulated blocks whose true difference is known."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.operations.load_testing import archive
from specweave.operations.load_testing.comparison_report import conclude, render_comparison
from specweave.operations.load_testing.paired_comparison import (
    Difference,
    Figure,
    Pair,
    balanced_order,
    block_seconds,
    compare_pairs,
)
from specweave.operations.load_testing.statistics import (
    Failure,
    Floats,
    Generator,
    Percentiles,
    ServerUse,
    StepMeasurement,
)

RATE, SERVICE_S = 100.0, 0.005
VERSIONS = ("0001-v1", "0001-v2")


def block(
    seconds: Floats, *, rate: float = RATE, failed: int = 0, cpu_us: float | None = 500.0, lateness_ms: float = 0.1
) -> StepMeasurement:
    """A block with these latencies."""
    count = len(seconds) + failed
    late, took = Percentiles(count, 0.0, 0.0, lateness_ms, lateness_ms), Percentiles(len(seconds))
    return StepMeasurement(
        rate=rate, duration_s=count / rate, requests=count, correct=len(seconds), achieved_rate=rate,
        error_rate=failed / count, latency=took, p95_interval=None, service_time=took,
        failures=(Failure("status 503", failed, "overloaded"),) if failed else (),
        generator=Generator(late, 0.1, late, 0, 8, 0), histogram=archive.histogram(seconds),
        server=None if cpu_us is None else ServerUse(1, 0.1, cpu_us, 50.0, 0.0),
    )  # fmt: skip


def queue(arrivals: Floats, service: Floats) -> Floats:
    """Time in a system of one server that begins empty, by Lindley's recursion."""
    backlog = np.cumsum(np.concatenate([[0.0], service[:-1] - np.diff(arrivals)]))
    waited: Floats = backlog - np.minimum.accumulate(np.minimum(backlog, 0.0)) + service
    return waited


def queued_pairs(seed: int, slower: float, *, load: float = 0.4, pairs: int = 10, count: int = 500) -> list[Pair]:
    """Blocks of two M/M/1 queues with the same arrivals; the service of the second takes `slower` times as long.

    A start makes each process 3 % faster or slower than it is, and the machine slows down as time goes by.
    """
    random, made = np.random.default_rng(seed), []
    for number, swapped in enumerate(balanced_order(pairs, seed)):
        arrivals = np.cumsum(random.exponential(SERVICE_S / load, count))
        found = {}
        for turn, side in enumerate((1, 0) if swapped else (0, 1)):
            took = SERVICE_S * (slower if side else 1.0) * (1 + 0.03 * random.standard_normal())
            drift = 1 + 0.005 * (2 * number + turn)
            found[side] = block(queue(arrivals, random.exponential(took, count)) * drift)
        made.append(Pair(found[0], found[1]))
    return made


def quantile_ms(share: float, slower: float, load: float = 0.4) -> float:
    """Time in an M/M/1 queue is exponential; 1.0475 is the mean of the drift."""
    return float(-np.log(1 - share) * SERVICE_S * slower / (1 - load * slower) * 1e3 * 1.0475)


def by_figure(pairs: Sequence[Pair]) -> dict[Figure, Difference]:
    return {found.figure: found for found in compare_pairs(pairs)}


def bounds(found: Difference) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


@pytest.mark.parametrize("slower", [1.0, 1.25])
def test_the_intervals_hold_the_true_differences_together_about_as_often_as_they_say(slower: float) -> None:
    truth: dict[Figure, float] = {
        "p50_ms": quantile_ms(0.5, slower) - quantile_ms(0.5, 1),
        "p95_ms": quantile_ms(0.95, slower) - quantile_ms(0.95, 1),
        "cpu_us_per_request": 0.0,
    }
    held = 0
    for seed in range(40):
        found = by_figure(queued_pairs(seed, slower))
        assert found["p99_ms"].verdict == "too-few"
        held += all(low <= value <= high for value, (low, high) in ((truth[it], bounds(found[it])) for it in truth))
    assert held >= 34, "95 % of 40 are 38; fewer than 34 are one case in a hundred"


def test_two_equal_services_differ_by_noise_and_a_slower_one_is_worse() -> None:
    equal = [by_figure(queued_pairs(seed, 1.0)) for seed in range(20)]
    quiet = [all(found.verdict in {"noise", "too-few"} for found in one.values()) for one in equal]
    assert sum(quiet) >= 17
    for seed in range(5):
        found = by_figure(queued_pairs(seed, 1.6))
        assert (found["p50_ms"].verdict, found["p95_ms"].verdict) == ("worse", "worse")
        turned = by_figure([Pair(pair.second, pair.first) for pair in queued_pairs(seed, 1.6)])
        assert turned["p95_ms"].verdict == "better"
        assert turned["p95_ms"].difference == -(found["p95_ms"].difference or 0.0)


def test_the_more_is_compared_the_wider_each_interval_so_that_all_hold_together() -> None:
    pairs = queued_pairs(1, 1.0)
    others = [
        Pair(*(msgspec.structs.replace(step, rate=rate) for step in pair)) for rate in (200.0, 400.0) for pair in pairs
    ]
    alone, together = by_figure(pairs)["p95_ms"], compare_pairs([*pairs, *others])
    wide = next(found for found in together if found.figure == "p95_ms")
    assert [found.rate for found in together] == sorted(found.rate for found in together)
    assert wide.difference == alone.difference
    assert np.ptp(bounds(wide)) > 1.2 * np.ptp(bounds(alone))


def test_figures_are_those_of_all_blocks_together() -> None:
    random = np.random.default_rng(5)
    sides = random.gamma(4, 0.002, (2, 10, 300))
    found = by_figure([Pair(block(first), block(second, failed=3)) for first, second in zip(*sides, strict=True)])
    for side, values in zip(("first", "second"), sides, strict=True):
        shares: dict[Figure, float] = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
        for figure, share in shares.items():
            exact = np.quantile(values, share, method="inverted_cdf") * 1e3
            assert getattr(found[figure], side) == pytest.approx(exact, rel=2e-3), "to three figures"
    errors = found["error_rate"]
    assert (errors.first, errors.verdict, errors.pairs) == (0, "worse", 10)
    assert errors.difference == errors.low == errors.high == pytest.approx(3 / 303)


def test_an_interval_is_what_its_formula_says() -> None:
    steady = np.full(50, 0.001)
    pairs = [Pair(block(steady, cpu_us=100.0), block(steady, cpu_us=100.0 + more)) for more in (1, 2, 3, 4)]
    found = by_figure(pairs)
    # With P50 two differences are stated: t of 3 degrees of freedom at 97.5 % is 4.176535.
    half = 4.176535 * (5 / 3 / 4) ** 0.5
    assert found["cpu_us_per_request"].difference == pytest.approx(2.5)
    assert bounds(found["cpu_us_per_request"]) == pytest.approx((2.5 - half, 2.5 + half))
    late = Pair(block(steady, lateness_ms=40.0), block(steady))
    assert by_figure([*pairs, late])["p95_ms"].verdict == "too-few", "four pairs are enough, fifty requests are not"


def test_what_neither_has_and_what_is_not_known_is_left_out() -> None:
    steady = np.full(300, 0.01)
    assert set(by_figure([Pair(block(steady, cpu_us=None), block(steady))] * 4)) == {"p50_ms", "p95_ms", "p99_ms"}
    found = by_figure([Pair(block(steady), block(steady))] * 4)
    assert (found["p50_ms"].low, found["p50_ms"].high, found["p50_ms"].verdict) == (0, 0, "noise")
    assert compare_pairs([]) == ()


@pytest.mark.parametrize(
    ("pairs", "count", "verdict", "said"),
    [(3, 1_000, "too-few", "p95_ms"), (10, 99, "too-few", "p95_ms"), (10, 19, "too-few", "p50_ms"),
     (9, 111, "too-few", "p95_ms"), (10, 100, "noise", "p95_ms"), (4, 250, "noise", "p95_ms")],
)  # fmt: skip
def test_too_few_pairs_or_requests_are_no_comparison(pairs: int, count: int, verdict: str, said: Figure) -> None:
    found = by_figure([Pair(block(np.full(count, 0.01)), block(np.full(count, 0.01)))] * pairs)[said]
    assert found.verdict == verdict
    assert (found.difference is None) == (verdict == "too-few")


def test_a_pair_in_which_the_generator_was_late_does_not_count() -> None:
    good, late = queued_pairs(3, 1.0), Pair(block(np.full(500, 0.01)), block(np.full(500, 9.0), lateness_ms=40.0))
    found = by_figure([*good[:6], *[late] * 4])["p95_ms"]
    assert (found.pairs, found.verdict) == (6, by_figure(good[:6])["p95_ms"].verdict)
    assert by_figure([*good[:3], *[late] * 7])["p95_ms"].verdict == "disturbed"
    notes = conclude([*good[:6], *[late] * 4], [found], VERSIONS, interrupted=None).notes
    assert any("4 of 10 pairs were left out" in note for note in notes)


def test_services_without_one_answer_are_told_by_their_errors() -> None:
    nothing = block(np.zeros(0), failed=300)
    found = by_figure([Pair(block(np.full(300, 0.01)), nothing)] * 4)
    assert (found["p95_ms"].second, found["p95_ms"].verdict) == (None, "too-few")
    assert found["error_rate"].verdict == "worse"


@given(st.integers(1, 40).map(lambda half: 2 * half), st.integers(0, 2**31))
def test_each_version_goes_first_in_one_of_each_two_rounds(rounds: int, seed: int) -> None:
    order = balanced_order(rounds, seed)
    assert len(order) == rounds
    assert all(order[place] != order[place + 1] for place in range(0, rounds, 2))
    assert order == balanced_order(rounds, seed)


def test_which_goes_first_is_drawn() -> None:
    assert len({balanced_order(10, seed) for seed in range(60)}) > 20


@given(st.floats(2, 86_400))
def test_a_duration_is_cut_into_an_even_number_of_blocks(duration_s: float) -> None:
    pairs, block_s = block_seconds(duration_s)
    assert pairs in {4, 6, 8, 10}
    assert pairs * block_s == pytest.approx(duration_s)
    assert block_s >= 1 or pairs == 4


def conclusion(make: Callable[[int], list[Pair]], interrupted: str | None = None) -> tuple[str, bool, str]:
    pairs = make(1)
    found = conclude(pairs, compare_pairs(pairs), VERSIONS, interrupted=interrupted)
    return found.verdict, found.passed, found.headline


def test_the_conclusion_names_what_differs_and_passes_what_is_worse_in_nothing() -> None:
    worse = conclusion(lambda seed: queued_pairs(seed, 2.0))
    assert worse[:2] == ("worse", False)
    assert worse[2].startswith("0001-v2 is worse than 0001-v1: P95 at 100 RPS +")
    assert conclusion(lambda seed: queued_pairs(seed, 0.5))[:2] == ("better", True)
    assert conclusion(lambda seed: queued_pairs(seed, 1.0))[:2] == ("noise", True)
    assert conclusion(lambda seed: queued_pairs(seed, 1.0), "ctrl-c")[:2] == ("noise", False)
    assert conclusion(lambda seed: queued_pairs(seed, 1.0)[:3])[:2] == ("unknown", False)
    dearer = [Pair(pair.first, msgspec.structs.replace(pair.second, server=ServerUse(1, 0.1, 900.0, 50.0, 0.0)))
              for pair in queued_pairs(1, 0.5)]  # fmt: skip
    assert conclusion(lambda _seed: dearer)[:2] == ("mixed", False)


def test_the_headline_says_what_could_not_be_compared() -> None:
    steady = np.full(60, 0.001)
    few = [Pair(block(steady), block(steady)) for _ in range(4)]
    found = conclude(few, compare_pairs(few), VERSIONS, interrupted=None)
    assert found.headline == (
        "0001-v2 against 0001-v1: P95 could not be compared; P50 and CPU a request do not differ beyond chance"
    )
    assert any("a P50 that is up to 0.00ms higher" in note for note in found.notes)

    many = [Pair(block(np.full(300, 0.001), rate=900.0), block(np.full(300, 0.001), rate=900.0)) for _ in range(4)]
    assert conclusion(lambda _seed: [*few, *many])[2] == (
        "0001-v2 against 0001-v1: P95 at 100 RPS could not be compared; "
        "P50, P95 at 900 RPS and CPU a request do not differ beyond chance"
    )
    assert conclusion(lambda _seed: many)[2] == "0001-v2 does not differ from 0001-v1 beyond chance"
    alone = [Pair(block(steady, cpu_us=None), block(steady)) for _ in range(4)]
    assert conclusion(lambda _seed: alone)[2].endswith("; P50 does not differ beyond chance")


def test_the_report_counts_the_pairs_of_a_rate_and_not_of_all_rates() -> None:
    steady = np.full(60, 0.001)
    pairs = [Pair(block(steady, rate=rate), block(steady, rate=rate)) for rate in (50.0, 100.0) for _ in range(4)]
    for made, said in ((pairs, "the 4 pairs at each rate"), (pairs[:-1], "the 3 or 4 pairs at each rate")):
        differences = compare_pairs(made)
        found = conclude(made, differences, VERSIONS, interrupted=None)
        page = render_comparison(made, differences, found, title="credit", versions=VERSIONS, conditions={})
        assert said in page


def test_processor_time_alone_does_not_show_that_two_versions_are_alike() -> None:
    few = [Pair(block(np.full(9, 0.001)), block(np.full(9, 0.009))) for _ in range(4)]
    assert {found.figure: found.verdict for found in compare_pairs(few)} == {
        "p50_ms": "too-few", "p95_ms": "too-few", "p99_ms": "too-few", "cpu_us_per_request": "noise"
    }  # fmt: skip
    assert conclusion(lambda _seed: few)[:2] == ("unknown", False)


def test_the_report_has_every_figure_its_interval_and_the_errors() -> None:
    pairs = [Pair(block(np.full(60, 0.001)), block(np.full(60, 0.002), failed=6)) for _ in range(10)]
    differences = compare_pairs(pairs)
    found = conclude(pairs, differences, VERSIONS, interrupted="ctrl-c")
    page = render_comparison(pairs, differences, found, title="credit", versions=VERSIONS, conditions={"rounds": "10"})
    assert "# load-test-comparison: credit 0001-v1 and 0001-v2" in page
    assert "| 100 | P50 | 1.0ms | 2.0ms | +1.00ms (+100.0%) | +1.00ms to +1.00ms | worse |" in page
    assert "| 100 | error rate | 0.00% | 9.09% | +9.09% | +9.09% to +9.09% | worse |" in page
    assert "| 100 | P95 | 1.0ms | 2.0ms | n/a | n/a | too few |" in page
    assert "it takes `--duration 10s`" in page
    assert "**Partial**: interrupted (ctrl-c) after 10 pairs" in page
    assert "| 0001-v2 | 100 | status 503 | 60 | overloaded |" in page
    assert "one such table in twenty" in page
