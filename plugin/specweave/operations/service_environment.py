"""The virtual environments that services run in on this machine.

One for each set of locked requirements and interpreter, under `.specweave/cache/environments/`, made by uv with every
file checked against its hash. They are a cache: each may be deleted, and is made again when it is needed.
"""

import hashlib
import secrets
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from specweave.command import Context, Progress
from specweave.errors import HostError, InvalidInputError, OperationError
from specweave.files.atomic import coded_errors
from specweave.files.lock import lock
from specweave.host import tool_python, uv_program, without_credentials
from specweave_runtime.package import Manifest

_TIMEOUT_S = 900.0
_STALE_S = 86_400.0


def ensure(
    context: Context, requirements: Path, python: Path | None = None, *, what: str = "the service's environment"
) -> Path:
    """The interpreter of an environment that has exactly these requirements; made where it does not exist yet.

    It is made under a temporary name and renamed when complete: a kill leaves no half environment under the final
    name, and of two processes that make the same one at once the second takes what the first made.

    Args:
        context: project and host.
        requirements: a requirements file where each line is pinned and has its hashes.
        python: the interpreter to build on; the tool's own where it does not matter.
        what: is made, for the progress.

    Raises:
        InvalidInputError: `requirements-not-locked`.
        OperationError: `environment-failed`, with what uv said.
        HostError: disk or permission.
    """
    try:
        content = requirements.read_bytes()
    except OSError as error:
        raise InvalidInputError(
            "requirements-missing",
            f"{requirements} cannot be read: {error.strerror}",
            next_step="generate the service again: /ml:create-api",
        ) from error
    if b"--hash=" not in content:
        raise InvalidInputError(
            "requirements-not-locked",
            f"{requirements} has no hashes",
            next_step="generate the service again: /ml:create-api",
        )
    base = (python or Path(tool_python())).absolute()
    identity = hashlib.sha256(content + b"\0" + str(base).encode() + b"\0" + _version(context, base).encode())
    environments = context.project.state / "cache" / "environments"
    final = environments / identity.hexdigest()[:20]
    interpreter = final / "bin" / "python"
    if interpreter.exists():
        return interpreter
    context.report(Progress(f"making {what} from its locked requirements"))
    with coded_errors(environments):
        environments.mkdir(parents=True, exist_ok=True)
        _tidy(context, environments, broken=final)
    making = environments / f".making-{secrets.token_hex(6)}"
    try:
        _make(context, making, base, requirements)
        _settle(making, final)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return interpreter


def _version(context: Context, python: Path) -> str:
    done = context.host.run([str(python), "-I", "-c", "import sys, platform; print(sys.version, platform.platform())"])
    if done.returncode != 0:
        raise HostError("python-broken", f"{python} does not run: {done.stderr.strip()[-300:]}")
    return done.stdout


def _make(context: Context, folder: Path, base: Path, requirements: Path) -> None:
    uv = uv_program()
    _uv(context, [uv, "venv", "--no-python-downloads", "--no-project", "--relocatable", "--python", base, folder])
    target = folder / "bin" / "python"
    _uv(context, [uv, "pip", "install", "--require-hashes", "--strict", "--python", target, "-r", requirements])


def _uv(context: Context, argv: list[str | Path]) -> None:
    done = context.host.run([str(part) for part in argv], cwd=context.project.root, timeout_s=_TIMEOUT_S)
    if done.returncode != 0:
        said = without_credentials(done.stderr.strip())[-1500:]
        raise OperationError(
            "environment-failed",
            f"uv {argv[1]} failed with status {done.returncode}: {said}",
            next_step="see that the package index can be reached and the disk has room, then run the command again",
        )


def _settle(making: Path, final: Path) -> None:
    try:
        making.rename(final)
    except OSError:
        if not (final / "bin" / "python").exists():
            with coded_errors(final):
                raise


def _tidy(context: Context, environments: Path, *, broken: Path) -> None:
    away = environments / f".making-{secrets.token_hex(6)}"
    with lock(environments.with_name("environments.lock")):
        # An environment whose base interpreter went away has a dangling link and can never work again. Looked at once
        # more under the lock: another process may have made it anew.
        if broken.is_dir() and not (broken / "bin" / "python").exists():
            broken.rename(away)
    shutil.rmtree(away, ignore_errors=True)
    now = context.host.now().timestamp()
    for left in environments.glob(".making-*"):
        with suppress(FileNotFoundError):  # another process may have removed it just now
            if now - left.stat().st_mtime > _STALE_S:
                shutil.rmtree(left, ignore_errors=True)


def interpreter(context: Context, manifest: Manifest) -> Path | None:
    """The interpreter to build a service's environment on; None where the tool's own will do.

    A converted model runs on any; the user's own estimator wants the Python that it was trained with.

    Raises:
        HostError: `python-missing`.
    """
    wanted = ".".join(manifest.python.split(".")[:2])
    if manifest.executable.kind != "estimator" or wanted == f"{sys.version_info.major}.{sys.version_info.minor}":
        return None
    found = context.host.run(
        [uv_program(), "python", "find", "--no-python-downloads", "--no-project", "--system", wanted]
    )
    if found.returncode != 0:
        raise HostError(
            "python-missing",
            f"the model was trained with Python {manifest.python}, and there is no Python {wanted} on this machine",
            next_step=f"install Python {wanted}, or train the model again with a Python that is here",
        )
    return Path(found.stdout.strip())
