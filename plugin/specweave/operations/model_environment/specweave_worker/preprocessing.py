"""Exact float64 ONNX for the usual preprocessing steps; every other step is asked of skl2onnx.

skl2onnx turns some of these into float32 (Imputer, FeatureVectorizer) or refuses texts with missing values; both would
change answers.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

from .describe import is_null, positions
from .failure import Refused, reason
from .graph import OPSETS, Graph, Part

UNKNOWN, NULL = -1, -2


def add(graph: Graph, step: Any, parts: list[Part]) -> list[Part]:
    """Put one fitted transformer into the graph; the parts that come out of it.

    Raises:
        Refused: it cannot be expressed exactly.
    """
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return parts
    return EMITTERS.get(type(step), _other)(graph, step, parts)


def select(parts: list[Part], indices: Iterable[int]) -> list[Part]:
    """Columns of a value by their position over all parts, neighbours of one tensor kept together."""
    columns = _single_columns(parts)
    chosen: list[Part] = []
    for index in indices:
        together = chosen[-1].joined(columns[index]) if chosen else None
        if together is None:
            chosen.append(columns[index])
        else:
            chosen[-1] = together
    return chosen


def _single_columns(parts: list[Part]) -> list[Part]:
    return [part.pick(column) for part in parts for column in range(part.width)]


def _pipeline(graph: Graph, step: Pipeline, parts: list[Part]) -> list[Part]:
    for _, inner in step.steps:
        parts = add(graph, inner, parts)
    return parts


def _union(graph: Graph, step: FeatureUnion, parts: list[Part]) -> list[Part]:
    if step.transformer_weights:
        raise Refused("a FeatureUnion with weights")
    return [part for _, inner in step.transformer_list if inner != "drop" for part in add(graph, inner, parts)]


def _column_transformer(graph: Graph, step: ColumnTransformer, parts: list[Part]) -> list[Part]:
    if step.transformer_weights:
        raise Refused("a ColumnTransformer with weights")
    names = [str(name) for name in getattr(step, "feature_names_in_", range(step.n_features_in_))]
    outputs = []
    for _, inner, columns in step.transformers_:
        indices = positions(columns, names)
        if indices and not (isinstance(inner, str) and inner == "drop"):
            outputs += add(graph, inner, select(parts, indices))
    return outputs


def _imputer(graph: Graph, step: SimpleImputer, parts: list[Part]) -> list[Part]:
    if not is_null(step.missing_values):
        raise Refused("a SimpleImputer of something other than null")
    outputs, start = [], 0
    for part in parts:
        statistics = step.statistics_[start : start + part.width]
        start += part.width
        if any(is_null(value) for value in statistics):
            raise Refused("a SimpleImputer of a column that was empty in training")
        if part.text:
            # The encoder that follows takes null for this text: texts themselves never have to be rewritten.
            outputs.append(replace(part, fills=part.fills or tuple(str(value) for value in statistics)))
            continue
        fill = graph.constant(np.asarray(statistics, dtype=np.float64).reshape(1, -1), np.float64)
        tensor = graph.tensor(part)
        outputs.append(Part.of(graph.node("Where", graph.node("IsNaN", tensor), fill, tensor), part.width))
    if step.add_indicator:
        whole = graph.numbers(parts)
        chosen = replace(whole, columns=tuple(whole.columns[index] for index in step.indicator_.features_))
        missing = graph.node("Cast", graph.node("IsNaN", graph.tensor(chosen)), to=TensorProto.DOUBLE)
        outputs.append(Part.of(missing, chosen.width))
    return outputs


def _shifted(graph: Graph, step: Any, parts: list[Part]) -> list[Part]:
    """(x - centre) / scale, in the order in which the scaler computes it."""
    part = graph.numbers(parts)
    tensor = graph.tensor(part)
    centre = step.mean_ if isinstance(step, StandardScaler) and step.with_mean else getattr(step, "center_", None)
    if centre is not None:
        tensor = graph.node("Sub", tensor, graph.constant(centre, np.float64))
    if step.scale_ is not None:
        tensor = graph.node("Div", tensor, graph.constant(step.scale_, np.float64))
    return [Part.of(tensor, part.width)]


def _min_max(graph: Graph, step: MinMaxScaler, parts: list[Part]) -> list[Part]:
    part = graph.numbers(parts)
    tensor = graph.node("Mul", graph.tensor(part), graph.constant(step.scale_, np.float64))
    tensor = graph.node("Add", tensor, graph.constant(step.min_, np.float64))
    if step.clip:
        low, high = (graph.constant(bound, np.float64) for bound in step.feature_range)
        tensor = graph.node("Clip", tensor, low, high)
    return [Part.of(tensor, part.width)]


def _function(graph: Graph, step: FunctionTransformer, parts: list[Part]) -> list[Part]:
    if step.func is None:
        return parts
    known: dict[Callable[..., Any], str] = {
        np.log: "Log",
        np.log1p: "Log",
        np.sqrt: "Sqrt",
        np.abs: "Abs",
        np.exp: "Exp",
    }
    if step.func not in known or step.kw_args:
        raise Refused(f"a FunctionTransformer of {getattr(step.func, '__name__', step.func)}")
    part = graph.numbers(parts)
    tensor = graph.tensor(part)
    if step.func is np.log1p:
        tensor = graph.node("Add", tensor, graph.constant([1.0], np.float64))
    return [Part.of(graph.node(known[step.func], tensor), part.width)]


def _one_hot(graph: Graph, step: OneHotEncoder, parts: list[Part]) -> list[Part]:
    codes, source, wanted = [], [], []
    for index, part in enumerate(_single_columns(parts)):
        groups, infrequent = _groups(step, index)
        width = max(groups) + 1
        takes_rare = infrequent and step.handle_unknown in ("infrequent_if_exist", "warn")
        codes.append(_codes(graph, part, step.categories_[index], groups, width - 1 if takes_rare else UNKNOWN))
        dropped = step.drop_idx_[index] if step.drop_idx_ is not None else None
        if dropped is not None and infrequent:
            raise Refused("a OneHotEncoder that drops and has infrequent categories")
        kept = [code for code in range(width) if code != dropped]
        source += [index] * len(kept)
        wanted += kept
    together = codes[0] if len(codes) == 1 else graph.node("Concat", *codes, axis=1)
    repeated = graph.node("Gather", together, graph.constant(source, np.int64), axis=1)
    equal = graph.node("Equal", repeated, graph.constant(np.asarray(wanted).reshape(1, -1), np.int64))
    return [Part.of(graph.node("Cast", equal, to=TensorProto.DOUBLE), len(wanted))]


def _ordinal(graph: Graph, step: OrdinalEncoder, parts: list[Part]) -> list[Part]:
    outputs = []
    for index, part in enumerate(_single_columns(parts)):
        categories = step.categories_[index]
        groups, _ = _groups(step, index)
        groups += [NULL] * (len(categories) - len(groups))
        groups = [NULL if is_null(value) else group for value, group in zip(categories, groups, strict=True)]
        code = _codes(graph, part, categories, groups, UNKNOWN)
        number = graph.node("Cast", code, to=TensorProto.DOUBLE)
        if step.handle_unknown == "use_encoded_value":
            number = _replaced(graph, code, number, UNKNOWN, step.unknown_value)
        if NULL in groups:
            number = _replaced(graph, code, number, NULL, step.encoded_missing_value)
        outputs.append(Part.of(number, 1))
    return outputs


def _replaced(graph: Graph, code: str, number: str, which: int, value: float) -> str:
    found = graph.node("Equal", code, graph.constant([which], np.int64))
    return graph.node("Where", found, graph.constant([float(value)], np.float64), number)


def _groups(step: Any, index: int) -> tuple[list[int], bool]:
    """Place in the output of each category of a column, and whether infrequent ones share a place."""
    mapping = getattr(step, "_default_to_infrequent_mappings", None)
    if mapping is not None and mapping[index] is not None:
        return [int(code) for code in mapping[index]], True
    return list(range(len(step.categories_[index]))), False


def _codes(graph: Graph, part: Part, categories: Sequence[Any], groups: list[int], default: int) -> str:
    """One column as int64 codes: `groups[i]` for `categories[i]`, `default` for anything else."""
    if part.text:
        return _text_codes(graph, part, categories, groups, default)
    tensor = graph.tensor(part)
    keys = np.asarray([np.nan if is_null(value) else float(value) for value in categories], dtype=np.float64).reshape(
        1, -1
    )
    equal = graph.node("Equal", tensor, graph.constant(keys, np.float64))
    if np.isnan(keys).any():
        null = graph.node("And", graph.node("IsNaN", tensor), graph.constant(np.isnan(keys), bool))
        equal = graph.node("Or", equal, null)
    shift = graph.constant(np.asarray(groups, dtype=np.int64).reshape(1, -1) - default, np.int64)
    found = graph.node("Mul", graph.node("Cast", equal, to=TensorProto.INT64), shift)
    total = graph.node("ReduceSum", found, graph.constant([1], np.int64), keepdims=1)
    return graph.node("Add", total, graph.constant([default], np.int64))


def _text_codes(graph: Graph, part: Part, categories: Sequence[Any], groups: list[int], default: int) -> str:
    codes = {str(value): group for value, group in zip(categories, groups, strict=True) if not is_null(value)}
    null = [group for value, group in zip(categories, groups, strict=True) if is_null(value)]
    if part.fills:
        codes[graph.missing] = codes.get(part.fills[0], default)
    elif null:
        codes[graph.missing] = null[0]
    return graph.node(
        "LabelEncoder",
        graph.tensor(part),
        domain="ai.onnx.ml",
        keys_strings=list(codes),
        values_int64s=list(codes.values()),
        default_int64=default,
    )


def _other(graph: Graph, step: Any, parts: list[Part]) -> list[Part]:
    part = graph.numbers(parts)
    try:
        model = convert_sklearn(
            step, initial_types=[("input", DoubleTensorType([None, part.width]))], target_opset=dict(OPSETS)
        )
    except Exception as error:
        raise Refused(f"{type(step).__name__}: {reason(error)}") from error
    if len(model.graph.output) != 1:
        raise Refused(f"{type(step).__name__} has several outputs")
    kind = model.graph.output[0].type.tensor_type
    output = graph.absorb(model, graph.tensor(part))[0]
    if kind.elem_type != TensorProto.DOUBLE:
        output = graph.node("Cast", output, to=TensorProto.DOUBLE)
    return [Part.of(output, kind.shape.dim[1].dim_value)]


EMITTERS: dict[type, Callable[[Graph, Any, list[Part]], list[Part]]] = {
    Pipeline: _pipeline,
    FeatureUnion: _union,
    ColumnTransformer: _column_transformer,
    SimpleImputer: _imputer,
    OneHotEncoder: _one_hot,
    OrdinalEncoder: _ordinal,
    StandardScaler: _shifted,
    MaxAbsScaler: _shifted,
    RobustScaler: _shifted,
    MinMaxScaler: _min_max,
    FunctionTransformer: _function,
}
