"""The load test: an open-loop generator of requests, its statistics and its report.

Requests leave on a schedule that is made first, whether or not answers come, and latency counts from the intended
start: a stall of the service shows in every request that it delayed. Knows nothing of increments.

    plan ──▶ engine (own process: run, connection, timer, answers) ──▶ statistics ──▶ judgement ──▶ report
"""

from specweave.operations.load_testing.measurement import Measurement, run_load_test
from specweave.operations.load_testing.plan import Exchange, Plan, Search, Step

__all__ = ["Exchange", "Measurement", "Plan", "Search", "Step", "run_load_test"]
