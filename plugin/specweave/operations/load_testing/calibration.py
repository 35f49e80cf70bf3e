"""What the load generator itself can send on time here and now, to a server that does nothing but answer."""

import asyncio
import time

import numpy as np

from specweave.operations.load_testing.crew import Crew
from specweave.operations.load_testing.outcomes import EngineError
from specweave.operations.load_testing.plan import MOST_CONNECTIONS, Step
from specweave.operations.load_testing.statistics import MAX_GENERATOR_CPU, MAX_LATENESS_MS
from specweave.operations.load_testing.summary import Calibration

_TRY_S = 0.4
_TRIES = 6
_REACH_S = 10.0
_REACH_PAUSE_S = 0.02


async def calibrate(crew: Crew, rate: float) -> Calibration:
    """The first of `rate` and its halves that is sent on time: lateness P99 and processor within the limits.

    Args:
        crew: sends its requests to the calibration server, which may still be starting; the answers are not looked at.
        rate: the highest that is wanted.

    Raises:
        EngineError: `calibration-failed` where that server does not come up.
    """
    await _reach(crew)
    await crew.prepare(min(MOST_CONNECTIONS, max(4, round(rate / 100))), trial=True)
    found = await _try(crew, rate)
    for _ in range(_TRIES - 1):
        if found.lateness_p99_ms <= MAX_LATENESS_MS and found.cpu <= MAX_GENERATOR_CPU:
            break
        found = await _try(crew, found.rate / 2)
    await crew.prepare(0, trial=True)
    return found


async def _reach(crew: Crew) -> None:
    deadline = time.monotonic() + _REACH_S
    while True:
        try:
            await crew.own.trial_pool.reach()
        except EngineError as error:
            if time.monotonic() > deadline:
                raise EngineError("calibration-failed", f"the calibration server does not answer: {error}") from error
            await asyncio.sleep(_REACH_PAUSE_S)
        else:
            return


async def _try(crew: Crew, rate: float) -> Calibration:
    accounts, moments = await crew.send(Step(rate, _TRY_S), trial=True)
    used = max(account.cpu_seconds / account.seconds for account in accounts if account.seconds)
    late = (moments["released"] - moments["due"]) * 1e3
    workers = moments["worker"]
    lateness = max(float(np.quantile(late[workers == worker], 0.99)) for worker in np.unique(workers))
    return Calibration(rate, lateness, used)
