"""From what the model says to what the service answers."""

from collections.abc import Sequence

from specweave_runtime.outcomes import Outcome

from .models import Answer, BatchAnswer, Label, Prediction


def answer(outcome: Outcome[Label], model_version: str, inference_time_ms: float) -> Answer:
    """The answer to one row."""
    return Answer(outcome.prediction, outcome.probabilities[1], model_version, inference_time_ms)


def batch_answer(outcomes: Sequence[Outcome[Label]], model_version: str, inference_time_ms: float) -> BatchAnswer:
    """The answer to many rows, in their order."""
    predictions = [Prediction(outcome.prediction, outcome.probabilities[1]) for outcome in outcomes]
    return BatchAnswer(predictions, model_version, inference_time_ms)
