"""`ml status`: what runs in each environment."""

from pydantic import Field

from specweave.command import Annotations, Command, Context, IncrementName, Request, Result
from specweave.operations.deployment_views import EnvironmentView


class StatusRequest(Request):
    """Of which increment, and where."""

    increment: IncrementName = None
    environment: str | None = Field(
        None, max_length=63, description="One environment; by default all of deployment.yaml."
    )


class StatusResult(Result):
    """Each environment; `passed` is false where something that should run does not, or is not ready."""

    increment: str
    model: str
    version: str
    environments: list[EnvironmentView]

    def text(self) -> str:
        """The environments in a few lines of markdown, ending with the next steps."""
        lines = [f"{self.model}: deployment.yaml of `{self.increment}` names {self.version}", ""]
        for environment in self.environments:
            lines += environment.lines()
        steps = [f"`{view.next_step}`" for view in self.environments if view.next_step and not view.well]
        steps = steps or [f"`{view.next_step}`" for view in self.environments if view.next_step][:1]
        return "\n".join([*lines, *(["", f"Next: {', '.join(steps)}"] if steps else [])])


def run(request: StatusRequest, context: Context) -> StatusResult:
    """Ask the supervisors, the records and the services.

    Raises:
        NotFoundError, InvalidInputError: the increment, its deployment.yaml or the environment.
    """
    from specweave.increments import deployment, store  # noqa: PLC0415 - a listing must stay cheap
    from specweave.operations import local_deployment  # noqa: PLC0415 - as above
    from specweave.operations.deployment_views import environment_view  # noqa: PLC0415 - as above

    increment = store.find(context.project, request.increment, kind="deployment", completed=True)
    settings = deployment.read(increment.folder)
    names = [request.environment] if request.environment else list(settings.environments)
    for name in names:
        settings.environment(name)
    views = [
        environment_view(local_deployment.examine(context.project, settings.service.name, name), increment.number)
        for name in names
    ]
    return StatusResult(
        passed=all(view.well for view in views),
        increment=increment.id,
        model=settings.model.name,
        version=settings.model.version,
        environments=views,
    )


COMMAND = Command(
    group="ml",
    name="status",
    request=StatusRequest,
    result=StatusResult,
    run=run,
    annotations=Annotations(read_only=True, idempotent=True),
    examples=("0043", "0043 --environment production"),
)
