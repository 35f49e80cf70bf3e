"""What has to be there before a service can be tested, run, deployed or put into an image."""

from specweave.errors import NotFoundError
from specweave.increments.store import Increment

_NEEDED = ("api/main.py", "api/requirements.txt", "runtime/specweave_runtime/server.py")


def require(increment: Increment, *further: str) -> None:
    """Refuse an increment whose service was not generated.

    Args:
        increment: whose `api/` and `runtime/`.
        further: more files that are needed, relative to the increment.

    Raises:
        NotFoundError: `service-missing`, with the first file that is not there.
    """
    for needed in (*_NEEDED, *further):
        if not (increment.folder / needed).is_file():
            raise NotFoundError(
                "service-missing",
                f"there is no {increment.project.relative(increment.folder / needed)}",
                next_step=f"generate the service: /ml:create-api {increment.number}",
            )
