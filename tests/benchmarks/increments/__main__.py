"""What 1,000 increments of 30 tasks cost against 10: `sw status`, `sw next` and `sw inc` by the program of the shell.

Each figure is of medians; both projects are asked in turn within one run, so that a busy machine disturbs both alike.
The index is warm, as it is in every call but the first after a clone; what the first costs is measured too. Last come
the programs of tests/concurrency, which count what was lost.
"""
# ruff: noqa: T201 - a benchmark prints

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import projects

ROUNDS = 9
FIRST_ROUNDS = 2
SMALL, LARGE = 10, 1000
_LAUNCHER = Path(__file__).with_name("launcher.py")
PROGRAM = str(Path(sys.executable).with_name("specweave"))


class Cost(NamedTuple):
    """Of one process: wall and CPU in milliseconds, and the largest memory it held, in MB."""

    wall_ms: float
    cpu_ms: float
    rss_mb: float


def cost_of(root: Path, *words: str) -> Cost:
    """What one command costs in a project."""
    argv = [sys.executable, "-I", "-S", str(_LAUNCHER), PROGRAM, *words, "--project", str(root)]
    wall_s, cpu_s, rss = json.loads(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout)
    # The kernel counts kilobytes, that of macOS bytes.
    return Cost(wall_s * 1e3, cpu_s * 1e3, rss / (1e6 if sys.platform == "darwin" else 1e3))


def median(samples: list[Cost]) -> Cost:
    """The medians of each column."""
    return Cost(*(statistics.median(column) for column in zip(*samples, strict=True)))


def measure(small: Path, large: Path) -> dict[tuple[str, int], Cost]:
    """The medians by command and number of increments."""
    commands = {"status": ("sw", "status"), "next": ("sw", "next")}
    samples: dict[tuple[str, int], list[Cost]] = {}
    for _ in range(FIRST_ROUNDS):
        for count, root in ((SMALL, small), (LARGE, large)):
            shutil.rmtree(root / ".specweave" / "cache", ignore_errors=True)
            samples.setdefault(("first status", count), []).append(cost_of(root, "sw", "status"))
    for number in range(ROUNDS):
        for name, words in commands.items():
            for count, root in ((SMALL, small), (LARGE, large)):
                samples.setdefault((name, count), []).append(cost_of(root, *words))
        for count, root in ((SMALL, small), (LARGE, large)):
            samples.setdefault(("inc", count), []).append(cost_of(root, "sw", "inc", f"Another part {number}"))
    return {key: median(costs) for key, costs in samples.items()}


def main() -> None:
    """Make the projects, measure, print a table, then the figures as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder, "small"), Path(folder, "large")
        print(f"making {SMALL} and {LARGE} increments of {projects.TASKS} tasks …", file=sys.stderr)
        projects.make(small, SMALL)
        projects.make(large, LARGE)
        _settle(large)
        found = measure(small, large)
    print("many processes at once, and killed ones …", file=sys.stderr)
    losses = lost()

    def over(name: str, column: str) -> float:
        return float(getattr(found[name, LARGE], column) / getattr(found[name, SMALL], column))

    figures = {
        "status_1000_over_10": round(over("status", "wall_ms"), 2),
        "next_1000_over_10": round(over("next", "wall_ms"), 2),
        "status_1000_ms": round(found["status", LARGE].wall_ms, 1),
        "next_1000_ms": round(found["next", LARGE].wall_ms, 1),
        "inc_ms": round(found["inc", LARGE].wall_ms, 1),
        "inc_1000_over_10": round(over("inc", "wall_ms"), 2),
        "first_status_1000_ms": round(found["first status", LARGE].wall_ms, 1),
        "rss_1000_over_10": round(max(over("status", "rss_mb"), over("next", "rss_mb")), 3),
        "first_rss_1000_over_10": round(over("first status", "rss_mb"), 3),
        **losses,
    }
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, ",
        end="",
    )
    print(f"{ROUNDS} rounds ({FIRST_ROUNDS} without an index), medians")
    print(f"{'':14}{'increments':>11}{'wall ms':>9}{'CPU ms':>9}{'RSS MB':>9}")
    for (name, count), cost in found.items():
        print(f"{name:14}{count:11}{cost.wall_ms:9.0f}{cost.cpu_ms:9.0f}{cost.rss_mb:9.1f}")
    print(json.dumps({"bench": "increments", "figures": figures}))


def lost() -> dict[str, int]:
    """Invariants that 8 processes with 200 random operations each break, and that 200 killed commands break."""
    sys.path.append(str(Path(__file__).parents[2] / "concurrency"))
    import programs  # noqa: PLC0415 - it stands in another folder

    return {"lost_writes": programs.lost_writes(), "lost_after_kill": programs.lost_after_kill()}


def _settle(root: Path) -> None:
    """Wait until no file was changed a moment ago: what was is read again, because the clock of files is coarse."""
    newest = max(path.stat().st_mtime for path in (root / ".specweave").rglob("*"))
    while time.time() < newest + 3:
        time.sleep(0.1)


if __name__ == "__main__":
    main()
