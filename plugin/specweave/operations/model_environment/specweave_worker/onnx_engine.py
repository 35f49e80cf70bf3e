"""onnxruntime on a graph of the whole model."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from . import estimators, preprocessing
from .engine import most_probable
from .failure import Refused, reason
from .graph import Graph, Part, check
from .sklearn_subject import SklearnSubject
from .subject import Answer, Subject, null_text

FILE, NUMBERS, TEXTS = "model.onnx", "numbers", "texts"


class OnnxEngine:
    """A converted model.

    Args:
        content: the model, serialized.
        inputs: its tensors, as the signature has them.
        output: its one output that is used: `probabilities`, `label` or `value`.
        classes: labels in the estimator's order.
    """

    def __init__(
        self, content: bytes, inputs: list[dict[str, Any]], output: dict[str, str], classes: list[Any]
    ) -> None:
        self.inputs = inputs
        self.executable = {"kind": "onnx", "file": FILE, **output}
        self._name = output.get("probability_output") or output["label_output"]
        self._probabilities, self._classes = "probability_output" in output, np.asarray(classes)
        self._session = session(content)

    def feed(self, frame: pd.DataFrame) -> dict[str, Any]:
        """The tensors of rows."""
        feed = {}
        for entry in self.inputs:
            columns = frame[entry["features"]]
            if entry["dtype"] == "string":
                texts, missing = columns.astype(object), entry.get("missing")
                if missing:
                    # As `specweave_runtime.predictors.columns`: a text that a caller sent is no null.
                    texts = texts.where(texts != missing, f"{missing}_")
                feed[entry["name"]] = texts.where(texts.notna(), missing).to_numpy(dtype=object)
            else:
                feed[entry["name"]] = columns.to_numpy(dtype=np.float64).astype(entry["dtype"])
        return feed

    def run(self, feed: dict[str, Any]) -> Answer:
        """Answers to tensors."""
        try:
            answer = np.asarray(self._session.run([self._name], feed)[0])
        except Exception as error:
            raise Refused(f"onnxruntime: {reason(error)}") from error
        if self._probabilities:
            labels = self._classes[[most_probable(row) for row in answer.tolist()]]
            return {"labels": labels, "probabilities": answer.astype(np.float64)}
        if len(self._classes):
            return {"labels": answer.reshape(-1)}
        rows = answer.reshape(len(answer), -1).astype(np.float64)
        return {"values": rows[:, 0] if rows.shape[1] == 1 else rows}


def session(content: bytes) -> "onnxruntime.InferenceSession":
    """The model in onnxruntime, on one thread as it is served.

    Raises:
        Refused: onnxruntime does not take it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise Refused(f"onnxruntime: {reason(error)}") from error


def open_engine(subject: Subject, folder: Path) -> OnnxEngine:
    """Convert a model of scikit-learn, or take over one that is ONNX already."""
    if isinstance(subject, SklearnSubject):
        model, inputs, output = _convert(subject)
        content = model.SerializeToString()
        executable = {"probability_output" if output.name == "probabilities" else "label_output": output.name}
    else:
        content, inputs, executable = subject.path.read_bytes(), subject.inputs, subject.executable  # type: ignore[attr-defined]
    engine = OnnxEngine(content, inputs, executable, subject.output["classes"])
    (folder / FILE).write_bytes(content)
    return engine


def _convert(subject: SklearnSubject) -> tuple[ModelProto, list[dict[str, Any]], ValueInfoProto]:
    texts = [feature["name"] for feature in subject.features if feature["type"] == "string"]
    numbers = [feature["name"] for feature in subject.features if feature["type"] != "string"]
    graph = Graph(null_text(subject.features))
    groups, tensors, inputs = [], [], []
    if numbers:
        groups.append(Part.of(NUMBERS, len(numbers)))
        tensors.append(helper.make_tensor_value_info(NUMBERS, TensorProto.DOUBLE, [None, len(numbers)]))
        inputs.append({"name": NUMBERS, "dtype": "float64", "features": numbers})
    if texts:
        groups.append(Part.of(TEXTS, len(texts), text=True))
        tensors.append(helper.make_tensor_value_info(TEXTS, TensorProto.STRING, [None, len(texts)]))
        inputs.append({"name": TEXTS, "dtype": "string", "features": texts, "missing": graph.missing})
    order = {name: index for index, name in enumerate(numbers + texts)}
    parts = preprocessing.select(groups, (order[feature["name"]] for feature in subject.features))
    final = subject.estimator
    while hasattr(final, "steps"):
        for _, step in final.steps[:-1]:
            parts = preprocessing.add(graph, step, parts)
        final = final.steps[-1][1]
    output = estimators.add(graph, final, parts)
    model = graph.build(tensors, [output])
    check(model)
    return model, inputs, output
