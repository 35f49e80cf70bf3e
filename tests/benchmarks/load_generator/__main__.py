"""What the load generator holds on one core beside its peers, and how true its figures are.

The engine has one core and the server another. The highest rate is the one at which 99 % of the requests leave within a
millisecond of their time and every answer is right; a peer that cannot be told a rate counts with all that it sends.
Truth is computed from the schedule and from the timetable of a server that keeps it to the microsecond. `--quick` takes
shorter turns, a tenth of the requests for the memory, and two searches.
"""
# ruff: noqa: T201 - a benchmark prints

import argparse
import importlib.metadata
import json
import math
import os
import platform
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import own
import peers
import searching
import servers
import truth
from peers import Evenness, Peer
from searching import Found
from truth import Comparison

from specweave.operations.load_testing import Step
from specweave.operations.load_testing.measurement import describe_machine
from specweave.operations.load_testing.statistics import StepMeasurement

_COARSE, _FINE = 10_000.0, 2_500.0
_AIOHTTP_RATES = range(2_000, 16_001, 2_000)
_HTTPX_RATES = range(250, 2_001, 250)
_FIGURE_OF = {"h2load": "h2load", "wrk": "wrk", "Locust FastHttpUser": "locust", "aiohttp": "aiohttp", "httpx": "httpx"}

Figures = dict[str, float]


@dataclass(frozen=True)
class Turns:
    """How long each part takes, seconds, and how much is sent."""

    rate_s: float
    peer_s: float
    even_s: float
    truth_s: float
    stall_s: float
    search_s: float
    searches: int
    million: int
    million_rate: float


WHOLE = Turns(2.5, 3.0, 4.0, 10.0, 20.0, 3.0, 3, 1_000_000, 25_000)
QUICK = Turns(1.5, 1.0, 2.0, 4.0, 10.0, 1.0, 2, 100_000, 25_000)


def say(title: str) -> None:
    """The heading of a table."""
    print(f"\n{title}", flush=True)


def rates(port: int, turns: Turns) -> tuple[StepMeasurement | None, Figures]:
    """The engine against the fast server: what it measured at the highest rate held, and the figures."""
    print(f"{'req/s':>9}{'lateness P50':>14}{'P99 ms':>9}{'us/req':>8}{'core':>7}{'server':>8}{'wrong':>7}  held")
    steps = own.highest_held(port, coarse=_COARSE, fine=_FINE, seconds=turns.rate_s)
    for step in steps:
        lateness, server = step.generator.lateness, step.server.cpu if step.server else math.nan
        print(f"{step.rate:9,.0f}{lateness.p50 or 0:14.3f}{lateness.p99 or 0:9.3f}{own.cpu_us(step):8.1f}", end="")
        print(f"{step.generator.cpu:7.0%}{server:8.0%}{step.requests - step.correct:7}", end="")
        print(f"  {'yes' if own.is_held(step) else 'no'}")
    held = [step for step in steps if own.is_held(step)]
    if not held:
        return None, {"max_rate_held": 0.0}
    best = held[-1]
    figures = {
        "max_rate_held": best.rate,
        "us_per_request": round(own.cpu_us(best), 2),
        "lateness_p99_ms": round(best.generator.lateness.p99 or math.nan, 3),
    }
    return best, figures


def beside(port: int, best: StepMeasurement | None, turns: Turns) -> Figures:
    """The peers, each against the same server."""
    lacking = peers.missing()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        makers: Mapping[str, Callable[[], Peer]] = {
            "h2load": lambda: peers.h2load(port, turns.peer_s, folder),
            "wrk": lambda: peers.wrk(port, turns.peer_s, folder),
            "Locust FastHttpUser": lambda: peers.locust(port, turns.peer_s),
            "aiohttp": lambda: peers.library("aiohttp", port, turns.rate_s, _AIOHTTP_RATES),
            "httpx": lambda: peers.library("httpx", port, turns.rate_s, _HTTPX_RATES),
        }
        print(f"{'':22}{'req/s':>9}{'us/req':>8}{'even?':>7}{'off P99 ms':>12}{'gaps':>7}  at    highest rate is of")
        _print_peer("specweave", best and best.rate, best and own.cpu_us(best), peers.own_evenness(turns.even_s))
        found = {name: make() for name, make in makers.items() if name not in lacking}
    for peer in found.values():
        _print_peer(peer.name, peer.rate, peer.cpu_us, peer.arrivals, peer.how)
    for name, remedy in lacking.items():
        print(f"{name:22} missing: {remedy}")
    print(f"even: 99 % of the arrivals at a server within {peers.EVEN_WITHIN_MS:g} ms of an even schedule; gaps: their")
    print(f"standard deviation over their mean; {peers.EVEN_RATE} a second where a rate can be told. aiohttp and httpx")
    print("are driven by specweave's own timer. Only specweave looks whether the answers are right.")
    if best is None:
        return {}
    return {
        f"ratio_to_{_FIGURE_OF[name]}": round(best.rate / peer.rate, 2) for name, peer in found.items() if peer.rate
    }


def _print_peer(
    name: str, rate: float | None, cpu_us: float | None, arrivals: Evenness, how: str = "open loop, lateness P99 < 1 ms"
) -> None:
    even = "yes" if arrivals.is_even else "no"
    print(f"{name:22}{rate or 0:9,.0f}{cpu_us or math.nan:8.1f}{even:>7}{arrivals.off_p99_ms:12.3f}", end="")
    print(f"{arrivals.gaps:7.2f}  {arrivals.rate:4.0f}  {how}", flush=True)


def known_times(turns: Turns) -> Figures:
    """The engine against servers whose every answer is known."""
    steady = truth.compare(1_000, turns.truth_s, arrivals="poisson", freezes=False, closed_s=turns.peer_s)
    stalled = truth.compare(200, turns.stall_s, arrivals="constant", freezes=True, closed_s=turns.stall_s)
    print(f"{'ms':44}" + "".join(f"{name:>9}" for name in truth.SHARES))
    _print_truth("5 ms always, 1,000 req/s Poisson", steady)
    _print_truth("5 ms, 500 ms frozen each 5 s, 200 req/s", stalled)
    print("errors below 2 % or 0.3 ms: " + ("all" if all(map(_all_right, (steady, stalled))) else "NOT all"))
    return {
        "known_p50_error_ms": round(steady.error_ms("p50"), 3),
        "known_p99_error_ms": round(steady.error_ms("p99"), 3),
        "known_p999_error_ms": round(steady.error_ms("p99.9"), 3),
        "stall_p50_error_ms": round(stalled.error_ms("p50"), 3),
        "stall_p99_error": round(stalled.error_ms("p99") / stalled.true["p99"], 4),
        "stall_p999_error": round(stalled.error_ms("p99.9") / stalled.true["p99.9"], 4),
        "stall_p99_closed_loop_ms": round(stalled.closed_loop["p99"], 1),
    }


def _all_right(comparison: Comparison) -> bool:
    return all(comparison.is_right(name) for name in truth.SHARES)


def _print_truth(title: str, comparison: Comparison) -> None:
    rows = ("true", comparison.true), ("specweave", comparison.reported), ("closed loop", comparison.closed_loop)
    for name, values in rows:
        print(f"{title:32}".ljust(32)[:32] if name == "true" else " " * 32, end="")
        print(f"{name:>12}" + "".join(f"{values[share]:9.2f}" for share in truth.SHARES))


def searches(turns: Turns) -> Figures:
    """Searches for the highest rate of one service, in a row."""
    found: list[Found] = []
    with searching.demo_increment() as root:
        for _ in range(turns.searches):
            found.append(searching.find_max(root, start=2_000, seconds=turns.search_s))
            one = found[-1]
            print(f"held {one.held:,.0f} RPS, not {one.beyond or math.inf:,.0f}", flush=True)
    return {"find_max_spread": round(searching.spread(found), 4), "find_max_rps": sorted(one.held for one in found)[-1]}


def memory(port: int, turns: Turns) -> Figures:
    """What a million requests leave behind."""
    step, seen = own.footprint(port, Step(turns.million_rate, turns.million / turns.million_rate))
    print(
        f"{step.requests:,} requests, {step.correct:,} right: {seen.rss[0] / 1e6:.1f} MB resident at the first, ",
        end="",
    )
    print(f"{max(seen.rss) / 1e6:.1f} MB at most; {seen.leaked} more descriptors open at the last")
    return {"rss_growth_mb": round(seen.growth_mb, 2), "rss_requests": float(step.requests)}


def describe() -> None:
    """The machine and the versions."""
    names = ("uvloop", "httptools", "numpy", "msgspec")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    machine = describe_machine()
    print(f"{machine['processor']}, {os.cpu_count()} cores, {machine['system']}")
    print(f"CPython {platform.python_version()}, {versions}")
    print(f"engine on core {servers.CLIENT_CORES or 'any'}, server on core {servers.SERVER_CORES or 'any'}")


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter turns, and less of everything")
    turns = QUICK if parser.parse_args().quick else WHOLE
    describe()
    with servers.fast() as (name, port):
        say(f"the engine on one core against {name}, {own.CONNECTIONS} connections")
        best, figures = rates(port, turns)
        say("beside its peers, each on that core against that server")
        figures |= beside(port, best, turns)
        say("memory")
        figures |= memory(port, turns)
    say("truth")
    figures |= known_times(turns)
    say("ml load-test --find-max on the service generated for the demo's model")
    figures |= searches(turns)
    print(json.dumps({"bench": "load_generator", "figures": figures}))


if __name__ == "__main__":
    main()
