"""A model that came as ONNX: it is its own reference, so the comparison is that of single rows with all at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pandas as pd
from onnx import ModelProto, TensorProto

from . import frames
from .describe import Known
from .failure import Refused, WorkerError, reason
from .graph import check
from .made_up import made_up
from .onnx_engine import OnnxEngine
from .subject import Answer, Subject

DTYPES = {
    TensorProto.FLOAT: "float32",
    TensorProto.DOUBLE: "float64",
    TensorProto.INT64: "int64",
    TensorProto.BOOL: "bool",
    TensorProto.STRING: "string",
}
TYPES = {"float32": "number", "float64": "number", "int64": "integer", "bool": "boolean", "string": "string"}


class OnnxSubject(Subject):
    """An ONNX model, and its tensors as features.

    Attributes:
        inputs, executable: as the signature and the manifest have them.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self.path, self.format = Path(request["model"]), "onnx"
        model = _read(self.path)
        self.kinds, self.framed, self.target = [_kind(model)], False, None
        self.notes = ["The model came as ONNX: there is no estimator to compare it with, only single rows with many."]
        self._tensors = [_tensor(self.path, value) for value in _real_inputs(model)]
        width = sum(tensor[2] for tensor in self._tensors)
        self.real = request["data"] is not None
        if self.real:
            read = self.table(Path(request["data"]), request["target"], width=width)
            frames.check_target(Path(request["data"]), read, request["target"])
            self.frame, self.target = read.frame, read.target
            names = list(self.frame.columns)
        else:
            names = [name for tensor in self._tensors for name in _names(*tensor)]
            self.frame = made_up([Known(name) for name in names])
            self.notes.append("No reference data was given: ranges are unknown and the rows were made up.")
        self.inputs, self.features = [], []
        for name, dtype, count in self._tensors:
            own, names = names[:count], names[count:]
            entry = {"name": name, "dtype": dtype, "features": own}
            self.inputs.append({**entry, "missing": ""} if dtype == "string" else entry)
            self.features += [self._feature(feature, dtype) for feature in own]
        self.executable, self.output = _outputs(self.path, model)
        try:
            self._engine = OnnxEngine(self.path.read_bytes(), self.inputs, self.executable, self.output["classes"])
        except Refused as refusal:
            raise WorkerError("model-unsupported", f"{self.path.name}: {refusal}", "export the model again") from None
        if self.output["task"] == "regression":
            values = self.predict(self.frame.iloc[:1])["values"]
            self.output["width"] = 1 if values.ndim == 1 else values.shape[1]

    def _feature(self, name: str, dtype: str) -> dict[str, Any]:
        column = self.frame[name]
        null = self.real and dtype.startswith("float") and bool(column.isna().any())
        kind = TYPES[dtype]
        if kind == "number" and self.real and pd.api.types.is_integer_dtype(column.dtype):
            kind = "integer"
        feature: dict[str, Any] = {"name": name, "type": kind, "nullable": null}
        if kind in ("number", "integer") and self.real and column.notna().any():
            feature |= {"minimum": float(column.min()), "maximum": float(column.max())}
        return feature

    def table(self, path: Path, target: str | None, width: int | None = None) -> frames.Table:
        """A data file: columns named like the tensors, else all columns but the target in their order."""
        # A tensor of texts holds no null.
        texts = {name: frames.NULLS for name, dtype, count in self._tensors if dtype == "string" and count == 1}
        data = frames.read(path, texts)
        names = [name for tensor in self._tensors for name in _names(*tensor)]
        if hasattr(self, "features"):
            names = [feature["name"] for feature in self.features]
        if not set(names) <= set(data.columns):
            names, target = frames.by_position(path, data, width or len(names), target, set())
        others = [name for name in data.columns if name not in names]
        target = (target if target in others else None) or frames.target_of(data, others, set())
        return frames.Table(frames.plain_frame(data[names]), target, [name for name in others if name != target])

    def answer(self, frame: pd.DataFrame) -> Answer:
        """The answers of the model itself."""
        return self._engine.run(self._engine.feed(frame))

    def once(self, frame: pd.DataFrame) -> Callable[[], object]:
        """One call of the model."""
        feed = self._engine.feed(frame)
        return lambda: self._engine.run(feed)


def _read(path: Path) -> ModelProto:
    try:
        model = onnx.load_model_from_string(path.read_bytes())
        check(model)
        onnx.checker.check_model(model)
    except Refused as refusal:
        raise WorkerError(
            "model-untrusted", f"{path.name} has {refusal}", "export it as one file with the standard operators only"
        ) from None
    except Exception as error:
        raise WorkerError(
            "model-unreadable", f"{path.name} cannot be read as an ONNX file: {reason(error)}", "export the model again"
        ) from error
    return model


def _real_inputs(model: ModelProto) -> list[Any]:
    constants = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in constants]


def _tensor(path: Path, value: Any) -> tuple[str, str, int]:
    """Name, element type and columns of an input."""
    kind = value.type.tensor_type
    sizes = [dimension.dim_value for dimension in kind.shape.dim]
    if kind.elem_type not in DTYPES or len(sizes) not in (1, 2) or (len(sizes) == 2 and not sizes[1]):  # noqa: PLR2004
        raise WorkerError(
            "model-unsupported",
            f"{path.name}: the input {value.name} is no matrix with a known number of columns",
            "export the model with inputs of the form [rows, columns]",
        )
    return value.name, DTYPES[kind.elem_type], sizes[1] if len(sizes) == 2 else 1  # noqa: PLR2004


def _names(name: str, _dtype: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}_{index}" for index in range(count)]


def _kind(model: ModelProto) -> str:
    return model.graph.name or model.producer_name or "ONNX"


def _outputs(path: Path, model: ModelProto) -> tuple[dict[str, str], dict[str, Any]]:
    """Names of the outputs that are used, and the output as the signature has it."""
    classes = _classes(model)
    tensors = [output for output in model.graph.output if output.type.HasField("tensor_type")]
    if not tensors or (classes and len(tensors) < len(model.graph.output)):
        raise WorkerError(
            "model-unsupported",
            f"{path.name} answers with a list of dictionaries",
            "convert it with the option zipmap=False",
        )
    if not classes:
        return {"label_output": tensors[0].name}, {
            "task": "regression",
            "classes": [],
            "probabilities": False,
            "width": 1,
        }
    output = {"task": "classification", "classes": classes, "probabilities": len(tensors) > 1, "width": 1}
    if len(tensors) > 1:
        return {"probability_output": tensors[1].name}, output
    return {"label_output": tensors[0].name}, output


def _classes(model: ModelProto) -> list[Any]:
    """Labels that a classifier of the standard holds; empty where there is none."""
    for node in reversed(model.graph.node):
        for attribute in node.attribute:
            if attribute.name in ("classlabels_strings", "classlabels_ints", "classlabels_int64s"):
                if attribute.strings:
                    return [value.decode() for value in attribute.strings]
                if attribute.ints:
                    return list(attribute.ints)
    return []
