"""What a load test is asked for: its arguments, and the load that they come to."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from specweave.command import Duration, IncrementName, Request
from specweave.errors import InvalidInputError

if TYPE_CHECKING:
    from specweave.operations.load_testing.shape import Load
    from specweave.project import Project

_ONE_RATE, _SEARCH_S = 50.0, 10.0

Rate = Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]


class LoadTestRequest(Request):
    """Which service, at which rates, for how long."""

    increment: IncrementName = None
    rps: tuple[Rate, ...] = Field(
        (10.0, 50.0, 100.0, 500.0, 1000.0),
        min_length=1,
        max_length=32,
        description="Requests a second, one rate or several: 10,50,100; each is held for the duration.",
    )
    duration: Duration = 60.0
    find_max: bool = Field(
        False,
        description="Search the highest rate within the SLO, from --rps (50) on, each held for --duration (10s).",
    )
    spike: Rate | None = Field(
        None, description="Go from --rps (50) to this rate and back without a pause, --duration at each."
    )
    soak: Duration | None = Field(None, description="Hold --rps (50) for so long, and watch memory: 10m, 1h.")
    replay: str | None = Field(None, description="Log in the project whose requests are sent again when they came.")
    speed: Annotated[float, Field(gt=0, le=1000)] = Field(1.0, description="How many times as fast --replay goes.")
    compare: tuple[str, ...] = Field(
        (),
        min_length=2,
        max_length=2,
        description="Compare two versions, each in a service of its own, loaded in turn: 0043-v1,0043-v2.",
    )
    environment: str | None = Field(None, description="Test what is deployed there, instead of a service of its own.")
    url: str | None = Field(
        None,
        description="Test the service at this address (http://127.0.0.1:8000); for another machine a person is asked.",
    )
    arrivals: Literal["poisson", "constant", "ramp"] = Field(
        "poisson",
        description="poisson: as independent callers come; constant: evenly spaced, which flatters; ramp: rising.",
    )
    bodies: str = Field(
        "golden",
        min_length=1,
        description="golden rows, reference rows, generated from the distribution, or a FILE: JSON lines, JSON, CSV.",
    )
    header: dict[str, str] = Field(
        {}, description="Header and the environment variable that holds its value: X-Tenant=TENANT."
    )
    ca_file: str | None = Field(None, description="PEM file of the authority that signed the service's certificate.")
    timeout: Duration = Field(10.0, description="For each request: 2s, 500ms.")
    connections: int | None = Field(None, ge=1, le=10_000, description="Connections that are kept open in all.")
    workers: int = Field(1, ge=1, le=64, description="Processes that send, a core each; one does for 30,000 a second.")
    target_rps: Rate | None = Field(None, description="Say how many instances bear so many requests a second together.")
    engine: Literal["own", "locust"] = Field("own", description="locust: a master and workers, on several machines.")
    workers_at: tuple[str, ...] = Field(
        ("local", "local"),
        min_length=1,
        max_length=100,
        description="Where Locust's workers run, a word each: local, or a machine where a person starts one.",
    )
    generate: bool = Field(False, description="Write load-tests/ for Locust and k6 into the increment; send nothing.")
    import_file: str | None = Field(
        None, alias="import", description="Report what k6, vegeta, wrk, wrk2, h2load or Locust wrote; send nothing."
    )
    dry_run: bool = Field(False, description="Show what would be sent where, and send nothing.")


def load_of(request: LoadTestRequest, project: "Project") -> "Load":
    """The load that is asked for; where one rate is meant and none is given, 50 a second.

    Args:
        request: what is asked for.
        project: where its files are.

    Raises:
        InvalidInputError: `arguments-conflict`; a log outside the project.
        NotFoundError: `log-not-found`.
    """
    from specweave.operations.load_testing.shape import Load  # noqa: PLC0415 - a listing must stay cheap

    given = request.model_fields_set
    _require_one_engine(request)
    _require_no_other_than_replay(request)
    if request.soak is not None and ("duration" in given or request.find_max or request.spike is not None):
        raise InvalidInputError(
            "arguments-conflict", "--soak is a duration and a test of its own", next_step="leave the others out"
        )
    of_one_rate = request.find_max or request.spike is not None or request.soak is not None
    duration_s = _SEARCH_S if request.find_max and "duration" not in given else request.soak or request.duration
    if request.replay is not None and "duration" not in given:
        duration_s = float("inf")
    return Load(
        rates=(_ONE_RATE,) if of_one_rate and "rps" not in given else request.rps,
        duration_s=duration_s,
        arrivals=request.arrivals,
        find_max=request.find_max,
        soak=request.soak is not None,
        spike=request.spike,
        replay=str(project.resolve(request.replay, what="log")) if request.replay is not None else None,
        speed=request.speed,
        timeout_s=request.timeout,
        connections=request.connections,
        workers=request.workers if request.engine == "own" else _workers_here(request),
        ca_file=str(project.root / request.ca_file) if request.ca_file is not None else None,
    )


def _require_no_other_than_replay(request: LoadTestRequest) -> None:
    others = ("rps", "find_max", "spike", "soak", "arrivals", "compare", "generate")
    clash = next((name for name in others if name in request.model_fields_set and getattr(request, name)), None)
    if request.replay is not None and (clash or request.engine != "own"):
        option = f"--{clash.replace('_', '-')}" if clash else "--engine locust"
        raise InvalidInputError(
            "arguments-conflict",
            f"--replay sends requests as a log says, {option} otherwise",
            next_step="leave one of them out",
        )
    if "speed" in request.model_fields_set and request.replay is None:
        raise InvalidInputError(
            "arguments-conflict", "--speed says how fast a log is played", next_step="name the log with --replay"
        )


def _require_one_engine(request: LoadTestRequest) -> None:
    if "workers_at" in request.model_fields_set and request.engine != "locust":
        raise InvalidInputError(
            "arguments-conflict", "--workers-at says where Locust runs", next_step="add --engine locust"
        )
    if "workers" in request.model_fields_set and request.engine == "locust":
        raise InvalidInputError(
            "arguments-conflict",
            "--workers is of specweave's own engine; Locust has one for each word of --workers-at",
            next_step="leave --workers out",
        )
    if request.generate and request.ca_file is not None:
        raise InvalidInputError(
            "arguments-conflict",
            "--generate writes files for every machine, and --ca-file is on this one",
            next_step="leave --ca-file out, and have each machine trust the authority",
        )
    if (request.engine == "locust" or request.generate) and (request.find_max or request.compare):
        asked = "--find-max" if request.find_max else "--compare"
        raise InvalidInputError(
            "arguments-conflict",
            f"{asked} needs specweave's own engine; Locust and k6 are given their rates first",
            next_step=f"leave {asked} out and name the rates with --rps, or leave out --engine and --generate",
        )


def _workers_here(request: LoadTestRequest) -> int:
    """How many of Locust's workers get a core of their own on this machine; the service keeps one."""
    from specweave.operations.load_testing.locust import LOCAL  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations.load_testing.measurement import count_cores  # noqa: PLC0415 - as above

    return max(1, min(request.workers_at.count(LOCAL), count_cores() - 1))
