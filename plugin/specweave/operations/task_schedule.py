"""The order in which the tasks of an increment are run, one after the other or several at a time."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from queue import SimpleQueue
from typing import Literal

from specweave import slash_line
from specweave.command import Context, Progress
from specweave.errors import ConflictError, SpecweaveError
from specweave.increments import evidence, graph, life_cycle, tasks
from specweave.increments.store import Increment
from specweave.increments.tasks import Task
from specweave.operations.sw.do import BROKEN
from specweave.operations.task_binding import Person, Standings, done, first_to_ask, ordered, ready
from specweave.operations.task_running import Ran, run_task

_Step = Ran | Person | BaseException | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be run.

    Attributes:
        only: just this task, done or not.
        until: just this task and those it depends on.
        dry_run: suppose that everything passes, and run nothing.
        parallel: how many tasks at a time, 1 or more.
        name: who claims them.
    """

    only: str | None = None
    until: str | None = None
    dry_run: bool = False
    parallel: int = 1
    name: str = "python"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was run, and why no more.

    Attributes:
        stopped: `completed` when nothing in question is left, `failed` after a failure and where a line cannot be run
            as it is written, `waiting` when all that is ready waits for a person, `dry-run`.
        ran: in the order they ended.
        waiting: tasks that are ready and wait for a person or an assistant.
    """

    stopped: Literal["completed", "failed", "waiting", "dry-run"]
    ran: tuple[Ran, ...]
    waiting: tuple[Person, ...]


def run_ready(increment: Increment, context: Context, wanted: Wanted) -> Outcome:
    """Run tasks that are ready until something fails or all that is left needs a person.

    After a failure those that run are let end, and no more are started.

    Raises:
        NotFoundError: `no-tasks`, `task-not-found`.
        InvalidInputError: `task-duplicate`, `task-dependency-unknown`, `task-cycle`.
        ConflictError: `increment-paused`, `increment-closed`, `task-not-ready`.
    """
    require_open(increment)
    outcome = _Schedule(increment, context, wanted, _scope(increment, wanted)).run()
    if not wanted.dry_run:
        evidence.settle(context, increment)  # people may have ticked what was left
    return outcome


def require_open(increment: Increment) -> None:
    """Refuse an increment on which nobody works now.

    Raises:
        ConflictError: `increment-paused`, `increment-closed`.
    """
    status = increment.metadata().status
    state = life_cycle.meaning(status)
    if state == "paused":
        raise ConflictError(
            "increment-paused",
            f"{increment.id} is paused",
            next_step=f"go on with it: `/sw:resume {increment.number}`",
        )
    if state in life_cycle.CLOSED:
        raise ConflictError(
            "increment-closed",
            f"{increment.id} is {status}",
            next_step=f'open it again with `/sw:reopen {increment.number} --reason "why"`, or make another: /sw:inc',
        )


def require_ready(increment: Increment, task: Task, everything: Sequence[Task], standings: Standings) -> None:
    """Refuse a task that waits for others.

    Raises:
        ConflictError: `task-not-ready`, with those it waits for.
    """
    finished = done(everything, standings)
    waiting = [f"{other} ({standings[other].standing})" for other in task.dependencies if other not in finished]
    if waiting:
        raise ConflictError(
            "task-not-ready",
            f"{task.id} waits for {', '.join(waiting)}",
            next_step=f"run `/sw:do {increment.number} --until {task.id}`, which does those first",
        )


def _scope(increment: Increment, wanted: Wanted) -> frozenset[str]:
    everything = ordered(increment)
    if wanted.only is not None:
        task = tasks.find(increment, wanted.only)
        require_ready(increment, task, everything, evidence.standings(increment, everything))
        return frozenset({task.id})
    if wanted.until is not None:
        return graph.needed_for(everything, tasks.find(increment, wanted.until).id)
    return frozenset(task.id for task in everything)


@dataclass(slots=True)
class _Schedule:
    """One call of `run_ready`; all of it in one thread but for the tasks themselves."""

    increment: Increment
    context: Context
    wanted: Wanted
    scope: frozenset[str]
    ran: list[Ran] = field(default_factory=list)
    waiting: dict[str, Person] = field(default_factory=dict)
    running: dict[str, Task] = field(default_factory=dict)
    ended: SimpleQueue[tuple[Task, _Step]] = field(default_factory=SimpleQueue)
    seen: set[str] = field(default_factory=set)

    def run(self) -> Outcome:
        tracker, failure = Tracker(self.context, len(self.scope)), None
        while True:
            if failure is None:
                for task in self._startable():
                    self._start(task, tracker.context(task))
            if not self.running:
                break
            task, step = self.ended.get()
            del self.running[task.id]
            tracker.end(task)
            failure = self._take(task, step) or failure
        if isinstance(failure, BaseException):
            raise failure
        broken = not self.wanted.dry_run and any(person.reason in BROKEN for person in self.waiting.values())
        return self._outcome(failed=failure is not None or broken)

    def _startable(self) -> Iterator[Task]:
        """What may be started now, by the documents as they are now: a command may have changed them."""
        if len(self.running) >= self.wanted.parallel:
            return
        everything = ordered(self.increment)
        supposed = frozenset(run.task.id for run in self.ran) if self.wanted.dry_run else frozenset()
        if self.wanted.only is not None:
            candidates: Sequence[Task] = everything
        else:
            candidates = tuple(ready(everything, evidence.standings(self.increment, everything), supposed))
        for task in candidates:
            if task.id not in self.scope or task.id in self.seen:
                continue
            if any(_overlap(self.increment, task, other) for other in self.running.values()):
                continue
            yield task
            if len(self.running) >= self.wanted.parallel:
                return

    def _start(self, task: Task, context: Context) -> None:
        self.running[task.id] = task
        self.seen.add(task.id)
        if self.wanted.parallel == 1:
            self._work(task, context)  # here, where an interruption ends what runs
        else:
            # They end with the process, and what they started ends with them.
            threading.Thread(target=self._work, args=(task, context), daemon=True).start()

    def _work(self, task: Task, context: Context) -> None:
        step: _Step
        try:
            again, dry_run = self.wanted.only is not None, self.wanted.dry_run
            step = run_task(self.increment, task, context, name=self.wanted.name, again=again, dry_run=dry_run)
        except BaseException as error:  # noqa: BLE001 - raised again by `run`, when the others have ended
            step = error
        self.ended.put((task, step))

    def _take(self, task: Task, step: _Step) -> Ran | BaseException | None:
        """Keep how a task ended; what forbids to start more."""
        if isinstance(step, BaseException):
            return step
        if isinstance(step, Person):
            self.waiting[task.id] = step
        elif step is not None:
            self.ran.append(step)
            if step.passed is False:
                if step.by_test:
                    self.waiting[task.id] = _test_failed(step, self.increment)
                return step
        return None

    def _outcome(self, *, failed: bool) -> Outcome:
        stopped: Literal["completed", "failed", "waiting", "dry-run"] = "completed"
        if failed:
            stopped = "failed"
        elif self.wanted.dry_run:
            stopped = "dry-run"
        elif self.waiting:
            stopped = "waiting"
        return Outcome(stopped, tuple(self.ran), tuple(first_to_ask(self.waiting.values())))


class Tracker:
    """Makes one progress of that of several tasks; it never goes back."""

    def __init__(self, context: Context, total: int) -> None:
        self._context = context
        self._total = total
        self._ended = 0
        self._fractions: dict[str, float] = {}
        self._lock = threading.Lock()

    def context(self, task: Task) -> Context:
        """A context whose progress is that of one task among several."""

        def report(progress: Progress) -> None:
            with self._lock:
                known = self._fractions.get(task.id, 0.0)
                self._fractions[task.id] = max(known, progress.fraction or 0.0)
                fraction = (self._ended + sum(self._fractions.values())) / self._total
            self._context.report(Progress(f"{task.id}: {progress.message}", min(fraction, 1.0)))

        return self._context.with_report(report)

    def end(self, task: Task) -> None:
        """Count a task that ended as done."""
        with self._lock:
            self._fractions.pop(task.id, None)
            self._ended += 1


def _test_failed(ran: Ran, increment: Increment) -> Person:
    task, report = ran.task, f", see {ran.report}" if ran.report else ""
    action = f"Do {task.id} ({task.title}) so that `{ran.line}` passes: {ran.message}{report}. "
    return Person(task, "test-failed", f"{action}Then run `/sw:do {increment.number}`.")


def _overlap(increment: Increment, task: Task, other: Task) -> bool:
    """Whether two tasks may touch the same files, or do the very same thing."""
    if (task.run, task.test) == (other.run, other.test):
        return True
    return any(_meet(one, two) for one in _touched(increment, task) for two in _touched(increment, other))


def _touched(increment: Increment, task: Task) -> tuple[PurePosixPath, ...]:
    """The folders and files that a task names, and its command's artifacts; of a pattern, the folder it begins with."""
    patterns = [pattern.removeprefix("./") for pattern in task.files]
    if task.run is not None:
        folder = increment.project.relative(increment.folder)
        try:
            artifacts = slash_line.parse(task.run).command.artifacts
        except SpecweaveError:
            artifacts = ()
        patterns += [f"{folder}/{pattern}" for pattern in artifacts if not pattern.startswith("!")]
    return tuple(_beginning(pattern) for pattern in patterns)


def _beginning(pattern: str) -> PurePosixPath:
    parts = PurePosixPath(pattern).parts
    wild = next((number for number, part in enumerate(parts) if set("*?[").intersection(part)), len(parts))
    return PurePosixPath(*parts[:wild])


def _meet(one: PurePosixPath, two: PurePosixPath) -> bool:
    return one.is_relative_to(two) or two.is_relative_to(one)
