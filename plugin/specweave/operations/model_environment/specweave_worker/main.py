"""Reads a request, writes an answer."""

import errno
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from .failure import WorkerError


def main(request_path: str, answer_path: str) -> None:
    """Do what the request says and write the answer, also where it is a failure.

    The answer is `{"ok": …}` or `{"error": {"code", "message", "next_step", "details"}}`.
    """
    request = json.loads(Path(request_path).read_text("utf-8"))
    sys.path.extend(request["overlay"])
    _limit_memory(request["memory_bytes"])
    try:
        # Only now: what these modules import may come from the overlay.
        answer = {"ok": import_module("specweave_worker.operations").run(request)}
    except WorkerError as error:
        answer = {"error": error.answer}
    except MemoryError:
        answer = _error(
            "model-out-of-memory",
            f"{Path(request['model']).name} needs more memory than there is",
            "use a machine with more memory, or a smaller model",
        )
    except ModuleNotFoundError as error:
        answer = _error(
            "model-environment-incomplete",
            f"the model environment {sys.executable} has no {error.name}",
            f"install {error.name} there, or set model.python in .specweave/config.yaml",
        )
    except OSError as error:
        code = "disk-full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "write-failed"
        answer = _error(code, f"the converted model was not written: {error}", "make room and run the command again")
    temporary = Path(f"{answer_path}.part")
    temporary.write_text(json.dumps(answer, ensure_ascii=False, allow_nan=False), "utf-8")
    temporary.replace(answer_path)


def _error(code: str, message: str, next_step: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "next_step": next_step, "details": {}}}


def _limit_memory(size: int) -> None:
    """Fail with MemoryError before the machine runs out."""
    try:
        import resource  # noqa: PLC0415 - not on every platform
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.getrlimit(resource.RLIMIT_AS)[1]))
