"""Where a load test sends its requests: a service named by address, a deployment, or one started for the test."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from specweave.artifacts import service
from specweave.command import Context
from specweave.errors import NotFoundError
from specweave.increments.content import Content
from specweave.increments.deployment import Deployment
from specweave.increments.store import Increment
from specweave.model_packages.store import Package
from specweave.operations import local_deployment
from specweave.operations.load_testing.measurement import split_cores
from specweave.operations.load_testing.plan import parse_target
from specweave.operations.local_deployment import content, releases
from specweave.operations.local_deployment.releases import Release
from specweave.operations.local_service import serve

KEY_VARIABLE = "SPECWEAVE_API_KEY"
# A local deployment takes its key from this variable; it may be sent back there, and to no other address.
_LOCAL_KEY_VARIABLE = "API_KEY"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the requests go, and what is known of it.

    Attributes:
        url: where predictions are asked; empty for a service that is not started yet.
        description: for people.
        engine_cores: where the load generator runs; empty for anywhere.
        key_variable: holds the key that is sent there, if any.
        content: what runs there, see `local_deployment.content`; None where only the service itself says so.
        since: of a deployment, when what serves took over.
    """

    url: str
    description: str
    engine_cores: tuple[int, ...]
    key_variable: str | None = None
    content: Content | None = None
    since: str | None = None


@contextmanager
def place(
    context: Context,
    increment: Increment,
    package: Package,
    settings: Deployment,
    *,
    environment: str | None,
    url: str | None,
    workers: int = 1,
) -> Iterator[Place]:
    """The service to load; one that was started for it ends with the block.

    Args:
        context: project, machine, progress.
        increment: whose service.
        package: what it serves, where it is started here.
        settings: of deployment.yaml.
        environment: where it is deployed, if a deployment is meant.
        url: where else it is.
        workers: processes of the load generator.

    Raises:
        NotFoundError: `service-missing`, `environment-not-deployed`.
        InvalidInputError: `url-invalid`.
        OperationError: `service-not-ready`, `environment-failed`.
    """
    found = foresee(context, increment, package, settings, environment=environment, url=url, workers=workers)
    if found.url:
        yield found
        return
    server_cores, _ = split_cores(workers)
    with serve(context, increment, package, cores=server_cores) as address:
        yield replace(found, url=_with_path(address))


def foresee(
    context: Context,
    increment: Increment,
    package: Package,
    settings: Deployment,
    *,
    environment: str | None,
    url: str | None,
    workers: int = 1,
) -> Place:
    """The service that `place` would give; without an address where it would be started first.

    Raises:
        NotFoundError: `service-missing`, `environment-not-deployed`.
        InvalidInputError: `url-invalid`.
    """
    server_cores, engine_cores = split_cores(workers)
    if url is not None:
        return Place(_with_path(url), f"a service at {url}", engine_cores, sent_key())
    if environment is not None:
        address, active, since = _deployed(context, increment, settings, environment)
        key_variable = _key_variable(KEY_VARIABLE, _LOCAL_KEY_VARIABLE)
        description = f"the deployment in {environment}"
        return Place(_with_path(address), description, engine_cores, key_variable, releases.content_of(active), since)
    service.require(increment)
    apart = f", on {_listed(server_cores)}, load from {_listed(engine_cores)}" if server_cores else ""
    description = f"the increment's own service, one process started for this test{apart}"
    # Before it starts: what is changed while it runs does not run.
    return Place("", description, engine_cores, content=content.of_increment(increment, package))


def serves_still(context: Context, settings: Deployment, found: Place, environment: str | None) -> bool:
    """Whether nothing took the place of what was found in an environment, as a deployment or a rollback would."""
    if environment is None:
        return True
    return local_deployment.examine(context.project, settings.service.name, environment).since == found.since


def _deployed(
    context: Context, increment: Increment, settings: Deployment, environment: str
) -> tuple[str, Release, str | None]:
    settings.environment(environment)
    found = local_deployment.examine(context.project, settings.service.name, environment)
    if found.address is None or found.active is None:
        raise NotFoundError(
            "environment-not-deployed",
            f"{settings.service.name} does not run in {environment}",
            next_step=f"deploy it: /ml:deploy {increment.number} --environment {environment}",
        )
    return found.address, found.active, found.since


def sent_key() -> str | None:
    """The environment variable whose key goes to an address that is named; None where no key would be sent."""
    return _key_variable(KEY_VARIABLE)


def _key_variable(*names: str) -> str | None:
    return next((name for name in names if os.environ.get(name)), None)


def _listed(cores: Sequence[int]) -> str:
    return f"core{'s' * (len(cores) > 1)} {', '.join(map(str, cores))}"


def _with_path(address: str) -> str:
    target = parse_target(address)
    return target.base + target.path
