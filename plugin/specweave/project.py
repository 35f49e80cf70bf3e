"""A user's project: its root, the `.specweave` folder, its settings, and paths that stay inside."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from specweave.errors import InvalidInputError, NotFoundError

Gate = Literal["package-validated", "load-test", "staging", "approval"]


class Settings(BaseModel):
    """A part of config.yaml: unknown keys are errors, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EnvironmentSettings(Settings):
    """A named place that a deployment goes to."""

    target: Literal["local"] = "local"
    port: int = Field(8000, ge=1, le=65535)
    gates: tuple[Gate, ...] = ("package-validated", "load-test")


class SloSettings(Settings):
    """What the service promises; `rps` is the rate that a load test must have held before a deployment."""

    latency_p95_ms: float = Field(100.0, gt=0)
    error_rate: float = Field(0.01, ge=0, le=1)
    rps: float | None = Field(None, gt=0, le=100_000)


class ModelSettings(Settings):
    """Where the models come from."""

    python: str | None = None


class ServiceSettings(Settings):
    """Limits of every generated service."""

    body_bytes: int = Field(1_048_576, ge=1)
    batch_rows: int = Field(1_000, ge=1)


class TaskSettings(Settings):
    """What `sw do` and `sw verify` may do by themselves."""

    test_commands: bool = False
    test_timeout_s: float = Field(600.0, gt=0, le=86_400)


class Config(Settings):
    """The whole of `.specweave/config.yaml`; every key is optional."""

    model: ModelSettings = ModelSettings()
    service: ServiceSettings = ServiceSettings()
    slo: SloSettings = SloSettings()
    tasks: TaskSettings = TaskSettings()
    environments: Mapping[str, EnvironmentSettings] = {
        "staging": EnvironmentSettings(port=8100),
        "production": EnvironmentSettings(port=8000, gates=("package-validated", "load-test", "staging", "approval")),
    }


@dataclass(frozen=True)
class Project:
    """A directory tree that specweave works in.

    Attributes:
        root: absolute, symlinks resolved.
    """

    root: Path

    @classmethod
    def find(cls, start: Path) -> "Project":
        """The project that `start` lies in: the nearest parent with `.specweave`, else with `.git`, else `start`."""
        start = start.resolve()
        parents = (start, *start.parents)
        for mark in (".specweave", ".git"):
            for folder in parents:
                if (folder / mark).exists():
                    return cls(folder)
        return cls(start)

    @property
    def state(self) -> Path:
        """The `.specweave` folder, which may not exist yet."""
        return self.root / ".specweave"

    @cached_property
    def config(self) -> Config:
        """The settings of `.specweave/config.yaml`, defaults where it is silent.

        Raises:
            InvalidInputError: `config-invalid`, with the key and what is wrong with it.
        """
        path = self.state / "config.yaml"
        if not path.exists():
            return Config()
        from ruamel.yaml import YAML  # noqa: PLC0415 - start-up: most listings read no settings
        from ruamel.yaml.error import YAMLError  # noqa: PLC0415 - as above

        try:
            data = YAML(typ="safe").load(path.read_text("utf-8")) or {}
            return Config.model_validate(data)
        except (YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInputError(
                "config-invalid",
                f"{path} is not YAML: {' '.join(str(error).split())}",
                next_step=f"correct {self.relative(path)}, or restore it from git",
            ) from error
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            what = "this key is not known" if first["type"] == "extra_forbidden" else first["msg"]
            step = f"correct or remove the key {key} in" if key else "write keys and values into"
            raise InvalidInputError(
                "config-invalid",
                f"{path}: {key}: {what}" if key else f"{path}: {what}",
                next_step=f"{step} {self.relative(path)}",
            ) from error

    def resolve(self, path: str | Path, *, what: str = "file") -> Path:
        """An existing file inside the project, symlinks resolved.

        Relative paths count from the root; where nothing is there, from the current directory, as a shell means them.

        Raises:
            InvalidInputError: `path-outside-project`, `path-invalid`.
            NotFoundError: `<what>-not-found`, also for a folder, a pipe or a device: reading one may never end.
        """
        try:
            resolved = self._find(Path(path))
            exists, is_file = resolved.exists(), resolved.is_file()
        except (OSError, ValueError, RuntimeError) as error:
            raise InvalidInputError(
                "path-invalid",
                f"{str(path)[:200]!r} is no usable path: {error}",
                next_step=f"name a {what} file inside the project",
            ) from error
        if not resolved.is_relative_to(self.root):
            raise InvalidInputError(
                "path-outside-project",
                f"{path} lies outside the project {self.root}",
                next_step="copy it into the project and name it there",
            )
        if not is_file:
            found = f"{path} in {self.root} is no file" if exists else f"there is no {what} {path} in {self.root}"
            raise NotFoundError(f"{what}-not-found", found, next_step=f"name a {what} file inside the project")
        return resolved

    def _find(self, path: Path) -> Path:
        from_root, from_here = (self.root / path).resolve(), path.resolve()
        here = not from_root.exists() and from_here.exists() and from_here.is_relative_to(self.root)
        return from_here if here else from_root

    def relative(self, path: Path) -> str:
        """`path` as it is written in documents: relative to the root, with forward slashes."""
        return path.relative_to(self.root).as_posix()
