"""A small builder of ONNX graphs: values are lists of parts, each a matrix of numbers (float64) or of texts."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, checker, compose, helper, numpy_helper

from .failure import Refused

OPSETS = {"": 18, "ai.onnx.ml": 3}
DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
IR_VERSION = 8


@dataclass(frozen=True)
class Part:
    """A matrix, or some columns of one, in the graph.

    Attributes:
        tensor: its name.
        columns: which columns of the tensor are meant, in order.
        whole: columns of the tensor.
        text: whether it holds texts; numbers (float64) otherwise.
        fills: for texts, what an imputer put in the place of null, column by column; empty where null stays null.
    """

    tensor: str
    columns: tuple[int, ...]
    whole: int
    text: bool = False
    fills: tuple[str, ...] = ()

    @classmethod
    def of(cls, tensor: str, width: int, *, text: bool = False) -> "Part":
        """The whole of a tensor."""
        return cls(tensor, tuple(range(width)), width, text)

    @property
    def width(self) -> int:
        """How many columns are meant."""
        return len(self.columns)

    def pick(self, index: int) -> "Part":
        """One of its columns."""
        return replace(self, columns=(self.columns[index],), fills=self.fills[index : index + 1])

    def joined(self, other: "Part") -> "Part | None":
        """Both as columns of the same tensor, or None where they are not."""
        if (self.tensor, bool(self.fills)) != (other.tensor, bool(other.fills)):
            return None
        return replace(self, columns=self.columns + other.columns, fills=self.fills + other.fills)


class Graph:
    """Nodes and constants on the way to a model."""

    def __init__(self, missing: str) -> None:
        self.missing = missing
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._names = 0

    def name(self, stem: str) -> str:
        """A name nobody else has."""
        self._names += 1
        return f"{stem}_{self._names}"

    def constant(self, values: Any, dtype: Any) -> str:
        """The name of a constant tensor."""
        name = self.name("constant")
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def node(self, operator: str, *inputs: str, domain: str = "", output: str | None = None, **attributes: Any) -> str:
        """Add one operation with one output; its name."""
        output = output or self.name(operator.lower())
        self.nodes.append(helper.make_node(operator, list(inputs), [output], domain=domain, **attributes))
        return output

    def tensor(self, part: Part) -> str:
        """The name of a tensor with just the columns of a part."""
        if part.columns == tuple(range(part.whole)):
            return part.tensor
        return self.node("Gather", part.tensor, self.constant(part.columns, np.int64), axis=1)

    def numbers(self, parts: list[Part]) -> Part:
        """One matrix of numbers of all the parts."""
        if any(part.text for part in parts):
            raise Refused("text reaches the estimator without an encoder")
        if not parts:
            raise Refused("no column reaches the estimator")
        tensors = [self.tensor(part) for part in parts]
        width = sum(part.width for part in parts)
        return Part.of(tensors[0] if len(tensors) == 1 else self.node("Concat", *tensors, axis=1), width)

    def absorb(self, model: ModelProto, tensor: str) -> list[str]:
        """Put a model with one input into this graph, fed by `tensor`; the names of its outputs."""
        model = compose.add_prefix(model, f"{self.name('part')}_")
        if len(model.graph.input) != 1:
            raise Refused("a step has several inputs")
        entry = model.graph.input[0].name
        for node in model.graph.node:
            node.input[:] = [tensor if name == entry else name for name in node.input]
            self.nodes.append(node)
        self.constants.extend(model.graph.initializer)
        return [output.name for output in model.graph.output]

    def build(self, inputs: list[ValueInfoProto], outputs: list[ValueInfoProto]) -> ModelProto:
        """The checked model."""
        graph = helper.make_graph(self.nodes, "model", inputs, outputs, self.constants)
        opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="specweave")
        checker.check_model(model)
        return model


def check(model: ModelProto) -> None:
    """Refuse what reaches beyond the file or beyond onnxruntime's own operators.

    Raises:
        Refused: external data, or an operator of a foreign domain.
    """
    foreign = {opset.domain for opset in model.opset_import} | {node.domain for node in _nodes(model)}
    if foreign := foreign - DOMAINS:
        raise Refused(f"operators of the domain {', '.join(sorted(foreign))}")
    tensors = [*model.graph.initializer, *(a.t for node in _nodes(model) for a in node.attribute if a.HasField("t"))]
    if any(tensor.data_location == TensorProto.EXTERNAL or tensor.external_data for tensor in tensors):
        raise Refused("tensors that lie in other files")


def _nodes(model: ModelProto) -> Iterator[NodeProto]:
    graphs = [model.graph, *model.functions]
    while graphs:
        for node in graphs.pop().node:
            yield node
            for attribute in node.attribute:
                graphs += [attribute.g] if attribute.HasField("g") else list(attribute.graphs)
