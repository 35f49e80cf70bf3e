"""The one error that a worker hands back on purpose."""


class WorkerError(Exception):
    """What is wrong with the user's model or data.

    Args:
        code: stable kebab-case name.
        message: one sentence that names the thing.
        next_step: what to do.
        details: facts for programs, JSON types.
    """

    def __init__(self, code: str, message: str, next_step: str, **details: object) -> None:
        super().__init__(message)
        self.answer = {"code": code, "message": message, "next_step": next_step, "details": details}


class Refused(Exception):  # noqa: N818 - a verdict on one way of execution, not a fault
    """The model cannot go this way; the text says why."""


def reason(error: BaseException, limit: int = 200) -> str:
    """The first line of what an error says."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:limit]
