"""`python tests/concurrency writes|kills [--processes 8] [--operations 200] [--kills 200] [--seed 0]`."""

import argparse
import sys

from programs import lost_after_kill, lost_writes


def main() -> int:
    """Exit status 1 where an invariant was broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("program", choices=("writes", "kills"))
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--operations", type=int, default=200)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.program == "writes":
        broken = lost_writes(asked.processes, asked.operations, asked.seed)
    else:
        broken = lost_after_kill(asked.kills, asked.seed)
    print(f"{broken} invariants broken")  # noqa: T201 - a program that people run
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
