"""Many processes at once, and processes that are killed: both give the number of invariants that were broken."""

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import acts
import invariants
import places
from acts import Actor
from places import Journal, Place

_SHORTEST_S, _LONGEST_S = 0.002, 0.25
_SHOWN = 40


def lost_writes(processes: int = 8, operations: int = 200, seed: int = 0) -> int:
    """How many invariants are broken after processes did random things to one project at the same time.

    Args:
        processes: how many at once.
        operations: of each of them.
        seed: of their dice; what happens at the same moment is the machine's.
    """
    acts.load()
    with _place() as place:
        started = [_fork(lambda number=number: _work(place, number, operations, seed)) for number in range(processes)]
        ended = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in started]
        broken = [f"process {number} ended with status {status}" for number, status in enumerate(ended) if status]
        broken += invariants.violations(place, synchronized=False)
        broken += invariants.synchronize(place)
        broken += [text for text in invariants.violations(place, synchronized=True) if text not in broken]
        return _told(place, broken)


def lost_after_kill(kills: int = 200, seed: int = 0) -> int:
    """How many invariants are broken where commands are killed at random moments and the next command goes on.

    Args:
        kills: how many commands get a SIGKILL before their end.
        seed: of what is done and of the moments.
    """
    acts.load()
    dice = random.Random(seed)  # noqa: S311 - what is done, no secrets
    with _place() as place:
        broken: list[str] = []
        count = killed = 0
        while killed < kills:
            count += 1
            tree = dice.choice(place.trees)
            if _killed_on_the_way(place, tree, count, dice):
                killed += 1
                # The next command repairs or reports.
                _act(place, tree, f"after-{count}", dice.randrange(2**32))
                broken += invariants.violations(place, synchronized=False) if killed % 10 == 0 else []
            if broken:
                break
        broken += [text for text in invariants.violations(place, synchronized=False) if text not in broken]
        broken += invariants.synchronize(place)
        broken += [text for text in invariants.violations(place, synchronized=True) if text not in broken]
        return _told(place, broken)


def _killed_on_the_way(place: Place, tree: Path, count: int, dice: random.Random) -> bool:
    """Whether a process that did one thing was killed before its end."""
    seed, moment = dice.randrange(2**32), dice.uniform(_SHORTEST_S, _LONGEST_S)
    process = _fork(lambda: _act(place, tree, f"killed-{count}", seed))
    time.sleep(moment)
    os.kill(process, signal.SIGKILL)  # it stays a zombie until it is waited for, so the number is still its own
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL


def _work(place: Place, number: int, operations: int, seed: int) -> None:
    tree = place.trees[number % len(place.trees)]
    journal = Journal(place, f"worker-{number}")
    actor = Actor(place, tree, f"worker-{number}", random.Random(f"{seed}-{number}"), journal)  # noqa: S311
    for _ in range(operations):
        actor.act()
    journal.close()


def _act(place: Place, tree: Path, name: str, seed: int) -> None:
    journal = Journal(place, name)
    Actor(place, tree, name, random.Random(seed), journal).act()  # noqa: S311 - what is done, no secrets
    journal.close()


def _fork(work: Callable[[], None]) -> int:
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        work()
        status = 0
    except BaseException:  # noqa: BLE001 - a child must never go on as its parent
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


@contextmanager
def _place() -> Iterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix="concurrency-"))
    try:
        yield places.make(folder)
    finally:
        if "KEEP" in os.environ:
            print(f"kept: {folder}", file=sys.stderr)  # noqa: T201 - for whoever looks into a failure
        else:
            shutil.rmtree(folder)


def _told(place: Place, broken: list[str]) -> int:
    """What was found goes to stderr."""
    found = places.journals(place)
    commands = [entry for entry in found if "line" in entry]
    refused = sum("refused" in entry for entry in commands)
    written = sum("note" in entry for entry in found)
    print(f"{len(commands)} commands answered ({refused} refused), {written} notes written", file=sys.stderr)  # noqa: T201
    for text in broken[:_SHOWN]:
        print(text, file=sys.stderr)  # noqa: T201
    return len(broken)
