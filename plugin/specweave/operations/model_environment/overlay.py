"""What the model environment lacks, in a folder of its own; the user's environment is never changed."""

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from specweave.command import Context, Progress
from specweave.errors import HostError, ModelError
from specweave.files.atomic import coded_errors
from specweave.host import uv_program, without_credentials
from specweave.operations.model_environment.python import ModelPython

COMPLETE = ".complete"
_TIMEOUT_S = 900.0
_NO_SOLUTION = 1


def overlay(context: Context, python: ModelPython, wanted: Sequence[str]) -> Path | None:
    """A folder for the end of the user's `sys.path` that has what is wanted and not there yet; None where all is there.

    The user's own versions are constraints: what is added works with what trained the model, and comes after it.

    Args:
        context: project and host.
        python: the model environment.
        wanted: requirements such as `onnxruntime==1.23.0`.

    Raises:
        ModelError: `overlay-contradicts`: no version works with what the user has.
        HostError: `overlay-failed`: the package index cannot be reached, or the disk has no room.
    """
    if not wanted:
        return None
    identity = json.dumps([sorted(wanted), python.version, python.platform, sorted(python.installed.items())])
    folder = context.project.state / "cache" / "overlays" / hashlib.sha256(identity.encode()).hexdigest()[:20]
    if not (folder / COMPLETE).exists():
        context.report(Progress("adding what the model environment lacks, in a folder of its own"))
        _make(context, python, wanted, folder)
    return folder if any(path.name != COMPLETE for path in folder.iterdir()) else None


def _make(context: Context, python: ModelPython, wanted: Sequence[str], folder: Path) -> None:
    making = folder.with_name(f".making-{secrets.token_hex(6)}")
    try:
        with coded_errors(making):
            making.mkdir(parents=True)
            lacking = _lacking(context, python, wanted, making)
            site = making / "site"
            site.mkdir()
            if lacking:
                _install(context, python, lacking, making, site)
            (site / COMPLETE).touch()
            try:
                site.rename(folder)
            except OSError:
                # Another process may have made the same one meanwhile.
                if not (folder / COMPLETE).exists():
                    raise
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _install(context: Context, python: ModelPython, lacking: Sequence[str], making: Path, site: Path) -> None:
    pins = making / "requirements.txt"
    pins.write_text("\n".join(lacking))
    _uv(context, making, "pip", "install", "--no-deps", *_into(python), "--target", str(site), "-r", str(pins))


def _into(python: ModelPython) -> tuple[str, ...]:
    # A source distribution would run its build here: only what is built is taken.
    return ("--python", str(python.path), "--only-binary", ":all:")


def _lacking(context: Context, python: ModelPython, wanted: Sequence[str], making: Path) -> list[str]:
    """What a resolution beside the user's versions needs beyond them, pinned."""
    constraints = making / "constraints.txt"
    constraints.write_text(
        "\n".join(f"{name}=={version}" for name, version in sorted(python.installed.items()) if _public(version))
    )
    (making / "wanted.txt").write_text("\n".join(wanted))
    quiet = ("--quiet", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links")
    files = ("--constraints", str(constraints), str(making / "wanted.txt"))
    resolved = _uv(context, making, "pip", "compile", *quiet, *_into(python), *files)
    pins = [line.strip() for line in resolved.splitlines() if "==" in line and not line.startswith("#")]
    return [pin for pin in pins if re.sub(r"[-_.]+", "-", pin.split("==")[0]).lower() not in python.installed]


def _public(version: str) -> bool:
    # A local version (1.2+cu118) or a source checkout cannot be asked of an index.
    return "+" not in version


def _uv(context: Context, folder: Path, *arguments: str) -> str:
    argv = [uv_program(), *arguments, "--no-python-downloads"]
    done = context.host.run(argv, cwd=folder, env={"UV_NO_PROGRESS": "1"}, timeout_s=_TIMEOUT_S)
    if done.returncode == 0:
        return done.stdout
    said = without_credentials(" ".join(done.stderr.split()))[-800:]
    if done.returncode == _NO_SOLUTION and "No solution found" in said:
        raise ModelError(
            "overlay-contradicts",
            f"what converts the model cannot stand beside the versions of the model environment: {said}",
            next_step="train the model with newer versions of the libraries named there",
        )
    raise HostError(
        "overlay-failed",
        f"uv could not add what the model environment lacks: {said}",
        next_step="check the network, the package index of your uv settings and the room on disk, then run it again",
    )
