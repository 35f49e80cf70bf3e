"""Deployments on this machine: release directories, gates, the supervisor, and what it says of itself."""

from specweave.operations.local_deployment.condition import Condition, examine
from specweave.operations.local_deployment.deploying import (
    Outcome,
    candidate,
    deploy,
    place,
    preview,
    rollback,
    stop,
)
from specweave.operations.local_deployment.gates import Standing, question, standings
from specweave.operations.local_deployment.recording import Place
from specweave.project import Project

__all__ = [
    "Condition",
    "Outcome",
    "Place",
    "Standing",
    "address",
    "candidate",
    "deploy",
    "examine",
    "place",
    "preview",
    "question",
    "rollback",
    "standings",
    "stop",
]


def address(project: Project, service: str, environment: str) -> str | None:
    """Where a service answers in an environment, `http://127.0.0.1:8100`; None where none runs."""
    return examine(project, service, environment).address
