"""deployment.yaml: the reviewed input of a deployment increment (model, service, SLO, environments).

It is written once by the generator and belongs to people from then on; specweave changes single values in it and keeps
everything else, comments included.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from specweave.errors import InvalidInputError, NotFoundError
from specweave.files import atomic, reading
from specweave.project import EnvironmentSettings, Settings, SloSettings

FILE = "deployment.yaml"
_MEND = "correct it, or restore it from git"


class ModelReference(Settings):
    """Which model package: `.specweave/models/<name>/<version>`."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)
    version: str = Field(pattern=r"^[0-9]{4,}-v[1-9][0-9]*$")


class Service(Settings):
    """The service and its limits; `body_bytes` and `batch_rows` are per request."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=63)
    workers: int = Field(1, ge=1, le=64)
    body_bytes: int = Field(1_048_576, ge=1)
    batch_rows: int = Field(1_000, ge=1)


class Deployment(Settings):
    """The whole of deployment.yaml."""

    model: ModelReference
    service: Service
    slo: SloSettings = SloSettings()
    environments: Mapping[str, EnvironmentSettings]

    def environment(self, name: str) -> EnvironmentSettings:
        """The settings of one environment.

        Raises:
            NotFoundError: `environment-not-found`, with the ones there are.
        """
        try:
            return self.environments[name]
        except KeyError:
            known = ", ".join(self.environments)
            raise NotFoundError(
                "environment-not-found",
                f"{FILE} has no environment {name!r}",
                next_step=f"name one of {known}, or add it to {FILE}",
            ) from None


def read(folder: Path) -> Deployment:
    """The deployment of the increment in `folder`.

    Raises:
        NotFoundError: `deployment-missing`.
        InvalidInputError: `deployment-invalid`, with the key and what is wrong with it.
    """
    path = folder / FILE
    try:
        return Deployment.model_validate(_load(path))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InvalidInputError(
            "deployment-invalid", f"{path}: {key}: {first['msg']}", next_step="correct or remove that key"
        ) from error


def initial(model: ModelReference, service: Service, slo: SloSettings, environments: Mapping[str, Settings]) -> bytes:
    """The text of a new deployment.yaml."""
    document = {
        "model": model.model_dump(mode="json"),
        "service": service.model_dump(mode="json"),
        "slo": slo.model_dump(mode="json", exclude_none=True),
        "environments": {name: settings.model_dump(mode="json") for name, settings in environments.items()},
    }
    yaml = YAML()
    yaml.default_flow_style = None
    stream = io.BytesIO()
    stream.write(
        b"# What is deployed, what it promises, and where it goes. Edit and review it like code: specweave writes "
        b"this\n# file once and afterwards changes only model.version.\n"
    )
    yaml.dump(document, stream)
    return stream.getvalue()


def set_version(folder: Path, version: str) -> bool:
    """Name another version of the model; every other byte stays.

    Returns:
        Whether the file changed.
    """
    path = folder / FILE
    document = _load(path)
    if document["model"]["version"] == version:
        return False
    row, column = document["model"].lc.value("version")
    lines = path.read_bytes().decode().split("\n")
    before, after = lines[row][:column], lines[row][column:]
    lines[row] = before + after.replace(document["model"]["version"], version, 1)
    atomic.write(path, "\n".join(lines).encode())
    return True


def _load(path: Path) -> Any:
    try:
        document = YAML().load(reading.read(path))
    except FileNotFoundError:
        raise NotFoundError(
            "deployment-missing",
            f"there is no {path}",
            next_step="make it with /ml:deploy-prepare, or name a deployment increment",
        ) from None
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError("deployment-invalid", f"{path} is not YAML: {error}", next_step=_MEND) from error
    if not isinstance(document, dict):
        raise InvalidInputError("deployment-invalid", f"{path} holds no mapping", next_step=_MEND)
    return document
