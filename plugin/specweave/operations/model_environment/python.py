"""The model environment: which Python trained the user's model, and what it has."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from specweave.errors import HostError, NotFoundError
from specweave.host import Host, tool_python
from specweave.project import Project

Origin = Literal["config", "project", "virtual-env", "tool"]

OLDEST = (3, 10)
_DESCRIBE = """
import json, sys, sysconfig, importlib.metadata as m
found = {}
for d in m.distributions():
    name = d.metadata["Name"]
    if name:
        found.setdefault(name.lower().replace("_", "-").replace(".", "-"), d.version)
print(json.dumps({"version": list(sys.version_info[:3]), "platform": sysconfig.get_platform(), "installed": found}))
"""


@dataclass(frozen=True, slots=True)
class ModelPython:
    """The interpreter of the user's project.

    Attributes:
        path: the interpreter; a link into a virtual environment is kept, for following it would leave that.
        version: `3.11.7`.
        origin: how it was found: config.yaml, `.venv` of the project, VIRTUAL_ENV, or the tool's own.
        platform: as sysconfig names it.
        installed: normalized name of each distribution → version.
    """

    path: Path
    version: str
    origin: Origin
    platform: str
    installed: dict[str, str]


def find_python(project: Project, host: Host) -> ModelPython:
    """The model environment: `model.python` of config.yaml, else `.venv`, else VIRTUAL_ENV, else the tool's own.

    Raises:
        NotFoundError: `python-not-found` where config.yaml names one that is not there.
        HostError: `python-broken`, `python-too-old`.
    """
    path, origin = _candidate(project)
    done = host.run([str(path), "-I", "-c", _DESCRIBE], timeout_s=60)
    try:
        facts = json.loads(done.stdout)
    except ValueError:
        raise HostError(
            "python-broken",
            f"{path} does not run: {done.stderr.strip()[-300:]}",
            next_step="repair it, or set model.python in .specweave/config.yaml to the Python that trained the model",
        ) from None
    version = ".".join(str(part) for part in facts["version"])
    if tuple(facts["version"][:2]) < OLDEST:
        raise HostError(
            "python-too-old",
            f"{path} is Python {version}; specweave reads models with 3.10 or newer",
            next_step="train the model with a newer Python, and set model.python in .specweave/config.yaml to it",
        )
    return ModelPython(path, version, origin, facts["platform"], facts["installed"])


def _candidate(project: Project) -> tuple[Path, Origin]:
    named = project.config.model.python
    if named:
        path = project.root / Path(named).expanduser()
        path = path / "bin" / "python" if path.is_dir() else path
        if not path.is_file():
            raise NotFoundError(
                "python-not-found",
                f"model.python in .specweave/config.yaml names {named}, which is not there",
                next_step="set it to the Python that trained the model, or remove the key",
            )
        return path, "config"
    own = project.root / ".venv" / "bin" / "python"
    if own.is_file():
        return own, "project"
    active = os.environ.get("VIRTUAL_ENV")
    if active and (path := Path(active) / "bin" / "python").is_file():
        return path, "virtual-env"
    return Path(tool_python()), "tool"
