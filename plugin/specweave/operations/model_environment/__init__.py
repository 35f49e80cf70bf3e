"""The model environment: read, convert and compare models in a subprocess of the user's own Python."""

from specweave.operations.model_environment.inspection import Inspection, inspect_model
from specweave.operations.model_environment.packaging import build_package
from specweave.operations.model_environment.python import ModelPython, find_python

__all__ = ["Inspection", "ModelPython", "build_package", "find_python", "inspect_model"]
