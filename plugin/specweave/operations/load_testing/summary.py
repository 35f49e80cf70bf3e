"""What the engine says of a plan that it did, beside the moments of each request."""

import msgspec

# Exit status of an engine that ended in good order before its plan did.
TERMINATED_STATUS = 143


class ServerSample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the service's processes have used at one moment.

    Attributes:
        at: `time.monotonic()`.
        processes: how many they are.
        cpu_s: processor seconds since their start, user and system.
        memory_bytes: resident set of all of them; pages that they share count for each.
        machine_cpu_s: processor seconds that the whole machine was not idle since its start, over all cores.
    """

    at: float
    processes: int
    cpu_s: float
    memory_bytes: int
    machine_cpu_s: float = 0.0


class StepSummary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the arrays of a step do not say.

    Attributes:
        seconds: wall-clock time of the step until its last answer.
        cpu_seconds: processor time of the engine in that time, of all its workers.
        busiest_cpu_seconds: of the worker that used most of it; None where one did all.
        connections: how many were asked for.
        reconnects: how many had to be dialled during the step.
        longest_queue: most requests that waited for a connection at once.
        rate, duration_s: as planned.
        repeated: the first try was disturbed.
        cut_after_s: when no more requests were started, seconds from the start; None where all were.
        interrupted: because somebody ended the test, not because it was clear how the step would end.
        server: what the service had used at the beginning, each second or so, and at the end; empty where it is not on
            this machine.
        samples: the first case of each kind of failure.
    """

    seconds: float
    cpu_seconds: float
    connections: int
    reconnects: int
    longest_queue: int
    samples: dict[str, str]
    rate: float
    duration_s: float
    repeated: bool = False
    cut_after_s: float | None = None
    interrupted: bool = False
    busiest_cpu_seconds: float | None = None
    server: tuple[ServerSample, ...] = ()


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the generator sent to a server that does nothing but answer, just before the test.

    Attributes:
        rate: requests a second; the highest wanted, or the first of its halves that was sent on time.
        lateness_p99_ms: between the intended and the true start.
        cpu: share of one core that the generator used.
    """

    rate: float
    lateness_p99_ms: float
    cpu: float


class Summary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The engine's account of itself.

    Attributes:
        versions: of what generated the load.
        calibration: of the generator, where the plan asked for it.
    """

    versions: dict[str, str]
    calibration: Calibration | None = None
