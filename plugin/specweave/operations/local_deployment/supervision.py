"""Talking to the supervisor of a deployment, and starting it. It is the truth about what runs."""

import json
import os
import socket
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from specweave.command import Context, Progress
from specweave.errors import ConflictError, HostError, OperationError, SpecweaveError
from specweave.files.atomic import coded_errors
from specweave.host import tool_python
from specweave_runtime.deployment_state import private, read_state
from specweave_runtime.worker_process import SETTINGS

LOG = "supervisor.log"

_START_S = 20.0
_POLL_S = 0.02
# The supervisor has deadlines of its own for all it does; these are for one that hangs. Its status it knows at once.
_SILENCE_S = 300.0
_STATUS_S = 5.0


class NotRunningError(Exception):
    """No supervisor answers for this deployment."""


class SilentError(NotRunningError):
    """There is one, and it does not answer in time."""


def ask(
    folder: Path, request: Mapping[str, object], *, on_progress: Callable[[str], None] = lambda _text: None
) -> dict[str, Any]:
    """The supervisor's answer, which has `ok`, `state` and, where `ok` is false, `code` and `message`.

    Args:
        folder: of the deployment.
        request: see `specweave_runtime.supervisor`.
        on_progress: told what the supervisor is doing.

    Raises:
        NotRunningError: there is none, or it ended before it answered.
        SilentError: it has not said a word for 5 s after a question for its status, for 5 min during anything else.
    """
    state = read_state(folder) or {}
    path = Path(str((state.get("supervisor") or {}).get("control", "")))
    if not _ours(path):
        raise NotRunningError(str(folder))
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_STATUS_S if request["do"] == "status" else _SILENCE_S)
            client.connect(str(path))
            client.sendall(json.dumps(request).encode() + b"\n")
            with client.makefile("rb") as lines:
                for line in lines:
                    answer: dict[str, Any] = json.loads(line)
                    if "ok" in answer:
                        return answer
                    on_progress(str(answer.get("progress", "")))
    except TimeoutError as error:
        raise SilentError(f"{folder}: no answer") from error
    except (OSError, ValueError) as error:
        raise NotRunningError(f"{folder}: {error}") from error
    raise NotRunningError(f"{folder}: it ended")


def answers(folder: Path) -> bool:
    """Whether there is a supervisor."""
    try:
        ask(folder, {"do": "status"})
    except NotRunningError:
        return False
    return True


def ensure(context: Context, folder: Path, *, environment: str, service: str, port: int) -> None:
    """Start the supervisor where none answers; it listens to nothing yet.

    Raises:
        ConflictError: `port-changed` where one runs on another port.
        OperationError: `supervisor-not-started`, with the end of its log.
        HostError: `supervisor-silent`.
    """
    try:
        running = int(ask(folder, {"do": "status"})["state"]["port"])
    except SilentError as error:
        raise _silent(folder) from error
    except NotRunningError:
        _start(context, folder, environment=environment, service=service, port=port)
        return
    if running != port:
        raise ConflictError(
            "port-changed",
            f"{service} in {environment} runs on port {running}, deployment.yaml says {port}",
            next_step="stop it with `--stop`, then deploy again",
        )


def activate(
    context: Context, folder: Path, *, operation: str, release: str, within_s: float = 120.0
) -> dict[str, Any]:
    """Have the supervisor bring a release into service; its answer.

    The variables that a person may set for the service (API_KEY and its like) are taken from this process; those that
    are not set here are as for the release that serves.

    Raises:
        ConflictError: `port-in-use`; `api-key-missing` where the key that was demanded is not known any more.
        OperationError: `release-not-ready` with the reason; what served before still serves.
        HostError: `supervisor-failed`.
    """
    settings = {name: os.environ[name] for name in SETTINGS if os.environ.get(name)}
    if "API_KEY_FILE" in settings:
        # The service has another working directory.
        settings["API_KEY_FILE"] = str(Path(settings["API_KEY_FILE"]).absolute())
    request = {
        "do": "activate",
        "operation": operation,
        "release": release,
        "within_s": within_s,
        "settings": settings,
    }
    try:
        answer = ask(folder, request, on_progress=_reporter(context))
    except NotRunningError as error:
        raise HostError(
            "supervisor-failed",
            f"the supervisor ended before it answered: {error}",
            next_step=f"see {folder / LOG}, then run the command again",
        ) from error
    if not answer["ok"]:
        raise _refusal(answer, folder)
    return answer


def stop(context: Context, folder: Path) -> bool:
    """End the deployment and its supervisor; false where none ran.

    Raises:
        HostError: `supervisor-silent`, `supervisor-failed`.
    """
    try:
        ask(folder, {"do": "status"})
        answer = ask(folder, {"do": "stop"}, on_progress=_reporter(context))
    except SilentError as error:
        raise _silent(folder) from error
    except NotRunningError:
        return False
    if not answer["ok"]:
        raise _refusal(answer, folder)
    return True


def _start(context: Context, folder: Path, *, environment: str, service: str, port: int) -> None:
    with coded_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    argv = [tool_python(), "-P", "-m", "specweave_runtime.supervisor", str(folder)]
    argv += ["--port", str(port), "--environment", environment, "--service", service]
    log = folder / LOG
    with coded_errors(log):
        context.host.start_daemon(argv, cwd=folder, log=log)
    end = context.host.monotonic() + _START_S
    while not answers(folder):
        if context.host.monotonic() > end:
            tail = log.read_text("utf-8", "replace")[-1000:]
            raise OperationError(
                "supervisor-not-started",
                f"the supervisor of {service} in {environment} does not answer; its log ends: {tail}",
                next_step=f"see {log}",
            )
        context.host.sleep(_POLL_S)


def _silent(folder: Path) -> HostError:
    pid = ((read_state(folder) or {}).get("supervisor") or {}).get("pid")
    return HostError(
        "supervisor-silent",
        f"the supervisor of {folder} (process {pid}) is there and does not answer",
        next_step=f"continue or end process {pid}, then run the command again",
    )


def _ours(path: Path) -> bool:
    # state.json lies in the project, which others may have written: only a socket of this user is asked.
    try:
        found = path.lstat()
        return stat.S_ISSOCK(found.st_mode) and found.st_uid == os.getuid() and private(path.parent)
    except OSError:
        return False


def _reporter(context: Context) -> Callable[[str], None]:

    return lambda text: context.report(Progress(text))


def _refusal(answer: Mapping[str, Any], folder: Path) -> SpecweaveError:
    code, message = str(answer["code"]), str(answer["message"])
    if code == "port-in-use":
        return ConflictError(
            code,
            message,
            next_step="stop what listens there, or set another port for the environment in deployment.yaml",
        )
    if code == "api-key-missing":
        return ConflictError(
            code,
            message,
            next_step="set API_KEY or API_KEY_FILE as for the deployment before; to serve without one, `--stop` first",
        )
    if code == "release-not-ready":
        return OperationError(
            code,
            f"the release was not put into service: {message}",
            next_step=f"what served before still serves; see {folder / 'service.log'}",
        )
    return HostError("supervisor-failed", f"{code}: {message}", next_step=f"see {folder / LOG}, then run it again")
