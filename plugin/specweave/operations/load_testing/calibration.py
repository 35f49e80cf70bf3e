"""What the load generator itself can send on time here and now, to a server that does nothing but answer."""

import asyncio
import time
from collections.abc import Sequence

import numpy as np

from specweave.operations.load_testing.connection import Pool
from specweave.operations.load_testing.outcomes import EngineError
from specweave.operations.load_testing.plan import MOST_CONNECTIONS, Step, Target, schedule
from specweave.operations.load_testing.run import Request, Run
from specweave.operations.load_testing.statistics import MAX_GENERATOR_CPU, MAX_LATENESS_MS
from specweave.operations.load_testing.summary import Calibration

_TRY_S = 0.4
_TRIES = 6
_REACH_S = 10.0
_REACH_PAUSE_S = 0.02


async def calibrate(target: Target, requests: Sequence[Request], rate: float) -> Calibration:
    """The first of `rate` and its halves that is sent on time: lateness P99 and processor within the limits.

    Args:
        target: the calibration server, which may still be starting.
        requests: as they will be sent; the answers are not looked at.
        rate: the highest that is wanted.

    Raises:
        EngineError: `calibration-failed` where that server does not come up.
    """
    pool = Pool(target)
    try:
        await _reach(pool)
        await pool.resize(min(MOST_CONNECTIONS, max(4, round(rate / 100))))
        found = await _try(pool, requests, rate)
        for _ in range(_TRIES - 1):
            if found.lateness_p99_ms <= MAX_LATENESS_MS and found.cpu <= MAX_GENERATOR_CPU:
                break
            found = await _try(pool, requests, found.rate / 2)
    finally:
        await pool.close()
    return found


async def _reach(pool: Pool) -> None:
    deadline = time.monotonic() + _REACH_S
    while True:
        try:
            await pool.reach()
        except EngineError as error:
            if time.monotonic() > deadline:
                raise EngineError("calibration-failed", f"the calibration server does not answer: {error}") from error
            await asyncio.sleep(_REACH_PAUSE_S)
        else:
            return


async def _try(pool: Pool, requests: Sequence[Request], rate: float) -> Calibration:
    offsets = schedule(Step(rate, _TRY_S), "constant", 0).tolist()
    cpu, started = time.process_time(), time.monotonic()
    run = Run(pool, requests, offsets, tolerance=0.0, scale=1.0, timeout_s=5.0)
    await run.finish()
    used = (time.process_time() - cpu) / (time.monotonic() - started)
    lateness = float(np.quantile(np.subtract(run.released, run.due), 0.99)) * 1e3
    return Calibration(rate, lateness, used)
