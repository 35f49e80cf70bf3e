"""ONNX for the last step of a model. Its output is `probabilities`, `label` where there are none, or `value`."""

from typing import Any

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from . import boosting
from .failure import Refused, reason
from .graph import OPSETS, Graph, Part

# These compare float32 features with their thresholds; given float64 they would take other branches.
TREES = (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
LINEAR = (ElasticNet, Lasso, LinearRegression, Ridge)
BINARY = 2


def add(graph: Graph, estimator: Any, parts: list[Part]) -> ValueInfoProto:
    """Put the estimator into the graph; its output.

    Raises:
        Refused: it does not convert.
    """
    matrix = graph.numbers(parts)
    if type(estimator) is LogisticRegression:
        return _logistic(graph, estimator, matrix)
    if type(estimator) in LINEAR:
        return _linear(graph, estimator, matrix)
    if type(estimator) in (*boosting.PLAIN, *boosting.HISTOGRAM):
        name = "probabilities" if hasattr(estimator, "classes_") else "value"
        return _output(graph, boosting.add(graph, estimator, matrix), name, TensorProto.DOUBLE)
    if isinstance(estimator, LinearClassifierMixin) and not callable(getattr(estimator, "predict_proba", None)):
        return _linear_label(graph, estimator, matrix)
    return _library(graph, estimator, matrix)


def _library(graph: Graph, estimator: Any, matrix: Part) -> ValueInfoProto:
    tensor, kind = graph.tensor(matrix), DoubleTensorType
    if isinstance(estimator, TREES):
        tensor, kind = graph.node("Cast", tensor, to=TensorProto.FLOAT), FloatTensorType
    classes = getattr(estimator, "classes_", None)
    try:
        model = convert_sklearn(
            estimator,
            initial_types=[("input", kind([None, matrix.width]))],
            target_opset=dict(OPSETS),
            options={id(estimator): {"zipmap": False}} if classes is not None else None,
        )
    except Exception as error:
        raise Refused(f"{type(estimator).__name__}: {reason(error)}") from error
    outputs = graph.absorb(model, tensor)
    if classes is None:
        return _output(graph, graph.node("Cast", outputs[0], to=TensorProto.DOUBLE), "value", TensorProto.DOUBLE)
    if callable(getattr(estimator, "predict_proba", None)):
        element = model.graph.output[1].type.tensor_type.elem_type
        return _output(graph, outputs[1], "probabilities", element)
    return _output(graph, outputs[0], "label", model.graph.output[0].type.tensor_type.elem_type, columns=False)


def _logistic(graph: Graph, estimator: LogisticRegression, matrix: Part) -> ValueInfoProto:
    if len(estimator.classes_) > BINARY and estimator.solver == "liblinear":
        raise Refused("a LogisticRegression of one against the rest")
    score = _scores(graph, estimator, matrix)
    if len(estimator.classes_) > BINARY:
        return _output(graph, graph.node("Softmax", score, axis=1), "probabilities", TensorProto.DOUBLE)
    positive = graph.node("Sigmoid", score)
    negative = graph.node("Sub", graph.constant([1.0], np.float64), positive)
    return _output(graph, graph.node("Concat", negative, positive, axis=1), "probabilities", TensorProto.DOUBLE)


def _linear(graph: Graph, estimator: Any, matrix: Part) -> ValueInfoProto:
    return _output(graph, _scores(graph, estimator, matrix), "value", TensorProto.DOUBLE)


def _linear_label(graph: Graph, estimator: Any, matrix: Part) -> ValueInfoProto:
    score = _scores(graph, estimator, matrix)
    if len(estimator.classes_) == BINARY:
        above = graph.node("Greater", score, graph.constant([0.0], np.float64))
        index = graph.node("Squeeze", graph.node("Cast", above, to=TensorProto.INT64), graph.constant([1], np.int64))
    else:
        index = graph.node("ArgMax", score, axis=1, keepdims=0)
    kind, dtype = _class_type(estimator.classes_)
    classes = graph.constant(estimator.classes_.tolist(), dtype)
    return _output(graph, graph.node("Gather", classes, index, axis=0), "label", kind, columns=False)


def _class_type(classes: Any) -> tuple[int, Any]:
    if all(isinstance(value, str) for value in classes.tolist()):
        return TensorProto.STRING, object
    kinds = {"b": (TensorProto.BOOL, bool), "i": (TensorProto.INT64, np.int64), "f": (TensorProto.DOUBLE, np.float64)}
    if classes.dtype.kind not in kinds:
        raise Refused(f"classes of the type {classes.dtype}")
    return kinds[classes.dtype.kind]


def _scores(graph: Graph, estimator: Any, matrix: Part) -> str:
    coefficients = np.atleast_2d(estimator.coef_).T
    intercept = np.broadcast_to(np.asarray(estimator.intercept_, dtype=np.float64), (coefficients.shape[1],))
    product = graph.node("MatMul", graph.tensor(matrix), graph.constant(coefficients, np.float64))
    return graph.node("Add", product, graph.constant(intercept, np.float64))


def _output(graph: Graph, tensor: str, name: str, kind: int, *, columns: bool = True) -> ValueInfoProto:
    graph.node("Identity", tensor, output=name)
    return helper.make_tensor_value_info(name, kind, [None, None] if columns else [None])
