"""How a step goes just now, at a price that the step does not feel."""

from array import array

import msgspec
import numpy as np

# So many are sorted in some microseconds, and tell P95 as well as anybody can read it while it changes.
_MOST_SAMPLES = 500


class Recent(msgspec.Struct, frozen=True):
    """The last second or so of a step.

    Attributes:
        rate: answers a second.
        p50_ms, p95_ms: latency, milliseconds.
        late_ms: P95 of the generator's lateness, milliseconds.
    """

    rate: float
    p50_ms: float
    p95_ms: float
    late_ms: float


def recent(
    due: "array[float]", released: "array[float]", done: "array[float]", ended: tuple[int, int], seconds: float
) -> Recent | None:
    """Of the requests that ended lately; None where there are none.

    Args:
        due: when each request was to start, seconds.
        released: when the generator got to it.
        done: when it ended; 0.0 where it has not.
        ended: how many had ended before, and how many have now. They end about in the order in which they were due.
        seconds: between the two.
    """
    before, now = ended
    if now <= before or seconds <= 0:
        return None
    part = slice(before, now, max(1, (now - before) // _MOST_SAMPLES))
    ends = np.frombuffer(done)[part]
    starts, late = np.frombuffer(due)[part], np.frombuffer(released)[part]
    known = ends > 0
    if not known.any():
        return None
    p50, p95 = np.quantile(ends[known] - starts[known], [0.5, 0.95], method="inverted_cdf").tolist()
    late_p95 = float(np.quantile(late[known] - starts[known], 0.95, method="inverted_cdf"))
    return Recent((now - before) / seconds, p50 * 1e3, p95 * 1e3, late_p95 * 1e3)
