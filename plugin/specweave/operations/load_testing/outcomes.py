"""How a request ended: one small number each, so that a million of them fit an array."""

from enum import IntEnum

from specweave.errors import OperationError


class Outcome(IntEnum):
    """What became of a request; an HTTP status that is no success stands for itself (from 100 on)."""

    PENDING = 0
    CORRECT = 1
    WRONG_ANSWER = 2
    MALFORMED = 3
    TOO_LARGE = 4
    TIMEOUT = 5
    REFUSED = 6
    RESET = 7
    CLOSED = 8
    UNFINISHED = 9


_NAMES = {
    Outcome.PENDING: "pending",
    Outcome.CORRECT: "correct",
    Outcome.WRONG_ANSWER: "wrong answer",
    Outcome.MALFORMED: "malformed answer",
    Outcome.TOO_LARGE: "answer too large",
    Outcome.TIMEOUT: "timeout",
    Outcome.REFUSED: "connection refused",
    Outcome.RESET: "connection reset",
    Outcome.CLOSED: "connection closed before the answer",
    Outcome.UNFINISHED: "unfinished when the test was interrupted",
}


def name(outcome: int) -> str:
    """For people: `timeout`, `status 503`."""
    return f"status {outcome}" if outcome >= 100 else _NAMES[Outcome(outcome)]  # noqa: PLR2004 - the lowest HTTP status


class EngineError(OperationError):
    """The engine could not do its plan."""
