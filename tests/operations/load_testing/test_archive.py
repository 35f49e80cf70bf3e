"""What is kept of latencies: a histogram to merge, and how they went over time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.operations.load_testing.archive import MOST_INTERVALS, histogram, merged, timeline


@given(st.lists(st.floats(0, 4_000), max_size=200), st.lists(st.floats(0, 4_000), max_size=200))
def test_merged_histograms_hold_what_each_held_to_three_figures(one: list[float], other: list[float]) -> None:
    whole = merged([histogram(np.array(one)), histogram(np.array(other))])
    both = np.clip(np.array(one + other), 1e-6, 3_600)
    assert whole.get_total_count() == len(both)
    for share in (0.5, 0.95, 0.99) if len(both) else ():
        least, most = (float(np.quantile(both, share, method=way)) * 1e6 for way in ("lower", "higher"))
        assert least * 0.998 - 1 <= whole.get_value_at_percentile(share * 100) <= most * 1.002 + 1


@given(st.integers(1, 2_000), st.floats(0.5, 900))
def test_every_request_is_in_one_interval_of_the_timeline(count: int, duration_s: float) -> None:
    due = np.sort(np.random.default_rng(count).random(count)) * duration_s
    intervals = timeline(due, np.full(count, 0.02), duration_s)
    assert sum(interval.requests for interval in intervals) == count
    assert len(intervals) <= MOST_INTERVALS + 1
    assert all(interval.p50 == pytest.approx(20) for interval in intervals if interval.requests)


def test_a_stall_stands_in_the_second_in_which_it_was() -> None:
    due = np.arange(1_000) / 100
    latency = np.where((due >= 4) & (due < 5), 0.9, 0.01)
    slow = [interval.start_s for interval in timeline(due, latency, 10) if (interval.p95 or 0) > 100]
    assert slow == [4]
