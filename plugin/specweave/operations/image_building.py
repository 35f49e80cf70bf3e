"""Building a container image with what is at hand: docker, podman or buildah; and hadolint, where it is there."""

import json
import os
import re
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from specweave.command import Context, Progress
from specweave.errors import HostError
from specweave.host import Host, without_credentials

_BUILD_TIMEOUT_S = 1800.0
_PROBE_TIMEOUT_S = 20.0
_LOG_LINES = 2000
_IMAGE_ID = re.compile(r"(?:sha256:)?[0-9a-f]{12,64}")

# Each with what asks whether it can work here (a docker client is nothing without its daemon) and how it builds.
# The image format of OCI has no health check, so that podman and buildah are told to write docker's.
_BUILDERS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "docker": (("version", "--format", "{{.Server.Version}}"), ("build",)),
    "podman": (("info", "--format", "{{.Version.Version}}"), ("build", "--format", "docker")),
    "buildah": (("info",), ("build", "--format", "docker")),
}


@dataclass(frozen=True, slots=True)
class Builder:
    """A program that builds images here.

    Attributes:
        name: docker, podman or buildah.
        argv: the program and its build command.
    """

    name: str
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Build:
    """A build that ended.

    Attributes:
        builder: which program.
        image: the id, `sha256:…`; None where it failed.
        log: the last lines of what the builder printed.
        seconds: wall-clock time.
    """

    builder: str
    image: str | None
    log: str
    seconds: float


def find_builder(host: Host) -> Builder:
    """The first of docker, podman and buildah that works on this machine.

    Raises:
        HostError: `builder-missing`, with what was wrong with each.
    """
    refused: dict[str, str] = {}
    for name, (probe, command) in _BUILDERS.items():
        program = shutil.which(name)
        if program is None:
            refused[name] = "not installed"
            continue
        completed = host.run([program, *probe], timeout_s=_PROBE_TIMEOUT_S)
        if completed.returncode == 0:
            return Builder(name, (program, *command))
        refused[name] = _last_line(completed.stderr) or f"exit status {completed.returncode}"
    raise HostError(
        "builder-missing",
        "no program here can build an image: " + "; ".join(f"{name}: {why}" for name, why in refused.items()),
        next_step="install docker, podman or buildah, or build the Dockerfile on another machine",
        details={"builders": refused},
    )


def build(context: Context, builder: Builder, *, dockerfile: Path, folder: Path, tag: str) -> Build:
    """Build and tag an image.

    Args:
        context: receives each line of the build as progress.
        builder: what `find_builder` found.
        dockerfile: absolute path.
        folder: the build context.
        tag: name of the image.

    Raises:
        HostError: `timeout` after half an hour.
    """
    lines: deque[str] = deque(maxlen=_LOG_LINES)

    def heard(line: str) -> None:
        # A package index with a password in its address is named in what pip prints.
        line = without_credentials(line)
        lines.append(line)
        context.report(Progress(line.strip()[:200]))

    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch, "image")
        completed = context.host.run(
            [*builder.argv, *_index(), "--file", str(dockerfile), "--tag", tag, "--iidfile", str(written), str(folder)],
            cwd=folder,
            timeout_s=_BUILD_TIMEOUT_S,
            on_line=heard,
        )
        image = written.read_text("utf-8").strip() if written.exists() else ""
    succeeded = completed.returncode == 0 and _IMAGE_ID.fullmatch(image)
    log = "\n".join([*without_credentials(completed.stdout).splitlines()[-_LOG_LINES:], *lines])
    return Build(builder.name, image if succeeded else None, log, completed.seconds)


def lint(host: Host, dockerfile: Path) -> list[str] | None:
    """What hadolint finds in a Dockerfile, one line each; None where hadolint is not there."""
    beside = Path(sys.executable).with_name("hadolint")
    program = shutil.which("hadolint") or (str(beside) if beside.is_file() else None)
    if program is None:
        return None
    completed = host.run([program, "--format", "json", "--no-fail", str(dockerfile)], timeout_s=_PROBE_TIMEOUT_S)
    try:
        findings = json.loads(completed.stdout)
        return [f"line {finding['line']}: {finding['code']} {finding['message']}" for finding in findings]
    except (ValueError, TypeError, KeyError) as error:
        raise HostError(
            "hadolint-failed", f"hadolint could not check {dockerfile}: {_last_line(completed.stderr)}"
        ) from error


def _index() -> tuple[str, ...]:
    # Without a value the builder takes it from the environment, so that no password stands among the arguments.
    return ("--build-arg", "PIP_INDEX_URL") if os.environ.get("PIP_INDEX_URL") else ()


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""
