"""One call of the worker: a subprocess of the user's Python that alone ever opens a model."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from specweave.command import Context
from specweave.errors import HostError, ModelError
from specweave.operations.model_environment.python import ModelPython

# The worker's folder is on the path only while the worker itself is imported, so that nothing of it can stand in for a
# module that a model asks for.
START = """
import sys
sys.path.insert(0, sys.argv[1])
import specweave_worker.main as worker
del sys.path[0]
worker.main(*sys.argv[2:])
"""
TIMEOUT_S = 1_800.0


def call(
    context: Context,
    python: ModelPython,
    overlay: Path | None,
    request: Mapping[str, object],
    *,
    timeout_s: float = TIMEOUT_S,
) -> dict[str, Any]:
    """The worker's answer to a request.

    Raises:
        ModelError: with the worker's own code, or `model-timeout`, `model-process-died`.
    """
    model = Path(str(request["model"])).name
    with tempfile.TemporaryDirectory(prefix="specweave-") as scratch:
        asked, answered = Path(scratch, "request.json"), Path(scratch, "answer.json")
        content = {**request, "overlay": [str(overlay)] if overlay else [], "memory_bytes": _memory()}
        asked.write_text(json.dumps(content), "utf-8")
        argv = [str(python.path), "-I", "-B", "-X", "utf8", "-c", START]
        argv += [str(Path(__file__).parent), str(asked), str(answered)]
        try:
            done = context.host.run(argv, cwd=Path(scratch), env={"OMP_NUM_THREADS": "1"}, timeout_s=timeout_s)
        except HostError as error:
            if error.code != "timeout":
                raise
            raise ModelError(
                "model-timeout",
                f"{model} was not done after {timeout_s:g} s in the model environment, and was stopped",
                next_step="try a smaller model or fewer rows of reference data",
            ) from error
        if not answered.is_file():
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1][:300]
            raise ModelError(
                "model-process-died",
                f"the model environment's process ended with status {done.returncode} over {model}: {last}",
                next_step=f"see whether {python.path} can load the model by itself, and whether there is enough memory",
                details={"exit_status": done.returncode},
            )
        answer = json.loads(answered.read_text("utf-8"))
    if failure := answer.get("error"):
        kind = HostError if failure["code"] in ("disk-full", "write-failed") else ModelError
        raise kind(failure["code"], failure["message"], next_step=failure["next_step"], details=failure["details"])
    result: dict[str, Any] = answer["ok"]
    return result


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
