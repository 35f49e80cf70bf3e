"""Boosted trees in float64: skl2onnx adds them up in float32, and refuses the histogram kind."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from .failure import Refused
from .graph import Graph, Part

PLAIN = (GradientBoostingClassifier, GradientBoostingRegressor)
HISTOGRAM = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
# What the losses of scikit-learn make of a raw score, by their names.
LINKS = {
    "AbsoluteError": "",
    "HalfBinomialLoss": "Sigmoid",
    "HalfGammaLoss": "Exp",
    "HalfMultinomialLoss": "Softmax",
    "HalfPoissonLoss": "Exp",
    "HalfSquaredError": "",
    "HuberLoss": "",
    "PinballLoss": "",
}
NODE = ("feature", "threshold", "true", "false", "missing")
Tree = dict[str, Any]


def add(graph: Graph, estimator: Any, matrix: Part) -> str:
    """The values, or the probabilities, of a boosted ensemble.

    Raises:
        Refused: categorical splits, a start that depends on the row, a loss that is not known.
    """
    link = LINKS.get(type(estimator._loss).__name__)  # noqa: SLF001 - scikit-learn says it nowhere else
    if link is None:
        raise Refused(f"boosting with {type(estimator._loss).__name__}")  # noqa: SLF001
    tensor = graph.tensor(matrix)
    if isinstance(estimator, PLAIN):
        # They compare float32 features with float64 thresholds.
        tensor = graph.node("Cast", graph.node("Cast", tensor, to=TensorProto.FLOAT), to=TensorProto.DOUBLE)
        start, trees = _plain_start(estimator), list(_plain_trees(estimator))
    else:
        start, trees = _histogram_start(estimator), list(_histogram_trees(estimator))
    raw = graph.node("TreeEnsembleRegressor", tensor, domain="ai.onnx.ml", **_attributes(trees, start))
    score = graph.node("Cast", raw, to=TensorProto.DOUBLE)
    if not link:
        return score
    if link == "Softmax":
        return graph.node(link, score, axis=1)
    if link == "Exp":
        return graph.node(link, score)
    positive = graph.node("Sigmoid", score)
    negative = graph.node("Sub", graph.constant([1.0], np.float64), positive)
    return graph.node("Concat", negative, positive, axis=1)


def _plain_start(estimator: Any) -> Any:
    if estimator.init_ != "zero" and not isinstance(estimator.init_, (DummyClassifier, DummyRegressor)):
        raise Refused("boosting that starts from another estimator")
    row = np.zeros((1, estimator.n_features_in_), dtype=np.float32)
    return np.ravel(estimator._raw_predict_init(row))  # noqa: SLF001 - the same call as in its own predict


def _plain_trees(estimator: Any) -> Iterator[tuple[int, Tree]]:
    for stage in estimator.estimators_:
        for target, fitted in enumerate(stage):
            tree = fitted.tree_
            yield (
                target,
                {
                    "leaf": tree.children_left < 0,
                    "feature": tree.feature,
                    "threshold": tree.threshold,
                    "true": tree.children_left,
                    "false": tree.children_right,
                    "missing": np.zeros(tree.node_count, dtype=np.int64),
                    "value": estimator.learning_rate * tree.value[:, 0, 0],
                },
            )


def _histogram_start(estimator: Any) -> Any:
    if estimator._preprocessor is not None:  # noqa: SLF001 - there is one exactly where columns are categories
        raise Refused("boosting on categorical columns")
    return np.ravel(estimator._baseline_prediction)  # noqa: SLF001 - scikit-learn says it nowhere else


def _histogram_trees(estimator: Any) -> Iterator[tuple[int, Tree]]:
    for stage in estimator._predictors:  # noqa: SLF001 - scikit-learn says it nowhere else
        for target, predictor in enumerate(stage):
            nodes = predictor.nodes
            if nodes["is_categorical"].any():
                raise Refused("boosting on categorical columns")
            yield (
                target,
                {
                    "leaf": nodes["is_leaf"].astype(bool),
                    "feature": nodes["feature_idx"],
                    "threshold": nodes["num_threshold"],
                    "true": nodes["left"],
                    "false": nodes["right"],
                    "missing": nodes["missing_go_to_left"],
                    "value": nodes["value"],
                },
            )


def _attributes(trees: list[tuple[int, Tree]], start: Any) -> dict[str, Any]:
    leaves = [np.flatnonzero(tree["leaf"]) for _, tree in trees]
    sizes = [len(tree["leaf"]) for _, tree in trees]
    whole = {name: np.concatenate([np.where(tree["leaf"], 0, tree[name]) for _, tree in trees]) for name in NODE}
    leaf = np.concatenate([tree["leaf"] for _, tree in trees])
    weights = np.concatenate([tree["value"][places] for (_, tree), places in zip(trees, leaves, strict=True)])
    return {
        "n_targets": len(start),
        "base_values_as_tensor": _doubles(start),
        "nodes_treeids": np.repeat(np.arange(len(trees)), sizes).tolist(),
        "nodes_nodeids": np.concatenate([np.arange(size) for size in sizes]).tolist(),
        "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_featureids": whole["feature"].astype(np.int64).tolist(),
        "nodes_values_as_tensor": _doubles(whole["threshold"]),
        "nodes_truenodeids": whole["true"].astype(np.int64).tolist(),
        "nodes_falsenodeids": whole["false"].astype(np.int64).tolist(),
        "nodes_missing_value_tracks_true": whole["missing"].astype(np.int64).tolist(),
        "target_treeids": np.repeat(np.arange(len(trees)), [len(places) for places in leaves]).tolist(),
        "target_nodeids": np.concatenate(leaves).tolist(),
        "target_ids": np.repeat([target for target, _ in trees], [len(places) for places in leaves]).tolist(),
        "target_weights_as_tensor": _doubles(weights),
    }


def _doubles(values: Any) -> TensorProto:
    return numpy_helper.from_array(np.asarray(values, dtype=np.float64), "values")
