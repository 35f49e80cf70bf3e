"""One fault, one code: a service that was not generated."""

from pathlib import Path

import pytest

from specweave.artifacts import service
from specweave.errors import NotFoundError
from specweave.increments.store import Increment
from specweave.project import Project

FILES = ("api/main.py", "api/requirements.txt", "runtime/specweave_runtime/server.py", "api/tests/requirements.txt")


@pytest.mark.parametrize("missing", FILES)
def test_a_service_that_is_not_whole_is_refused_with_the_way_to_make_it(tmp_path: Path, missing: str) -> None:
    increment = Increment(Project(tmp_path), tmp_path / ".specweave" / "increments" / "0043-deploy-credit")
    for name in FILES:
        path = increment.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    service.require(increment, FILES[-1])
    (increment.folder / missing).unlink()
    with pytest.raises(NotFoundError) as caught:
        service.require(increment, FILES[-1])
    assert (caught.value.code, caught.value.next_step) == (
        "service-missing",
        "generate the service: /ml:create-api 0043",
    )
    assert missing in caught.value.message
