"""ONNX models by onnxruntime, on one thread: a row takes microseconds, less than handing it to another thread."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from specweave_runtime.outcomes import Outcome, most_probable
from specweave_runtime.package import Executable, PackageError, Signature
from specweave_runtime.predictors import Row
from specweave_runtime.predictors.columns import Array, Column


class OnnxPredictor:
    """An ONNX model.

    Args:
        path: the model file.
        executable: names the output tensors.
        signature: names the input tensors and the classes.
        sample: a row that the model accepts; it shows the form of the answer.

    Raises:
        PackageError: the file is no usable ONNX model, or it has other inputs or outputs than the signature says.
    """

    inline = True

    def __init__(self, path: Path, executable: Executable, signature: Signature, sample: Row) -> None:
        self._columns = [Column(signature, source) for source in signature.inputs]
        self._output = signature.output
        self._probabilities = executable.probability_output is not None
        self._session = _open(path)
        self._names = [_output_name(path, self._session, executable)]
        _check_inputs(path, self._session, [column.name for column in self._columns])
        buffers = [column.buffer() for column in self._columns]
        self._fills = [column.filler(buffer) for column, buffer in zip(self._columns, buffers, strict=True)]
        self._feeds = {column.name: buffer for column, buffer in zip(self._columns, buffers, strict=True)}
        self._answer = self._first_answer(path, sample)
        # onnxruntime cannot bind strings to memory; where there are none, running in place saves a third of the time.
        strings = any(column.text for column in self._columns) or self._answer.dtype == np.object_
        self._binding = None if strings else self._bind()
        self._values = None if self._binding is None else self._answer.reshape(-1).data

    def one(self, row: Row) -> Outcome[Any]:
        """The outcome of one row, through buffers made once."""
        for fill in self._fills:
            fill(row)
        if self._binding is None or self._values is None:
            return self._outcome(self._session.run(self._names, self._feeds)[0].reshape(-1).tolist())
        self._session.run_with_iobinding(self._binding)
        return self._outcome(self._values.tolist())

    def many(self, rows: Sequence[Row]) -> list[Outcome[Any]]:
        """The outcomes of rows, in one run."""
        feeds = {column.name: column.array(rows) for column in self._columns}
        return [
            self._outcome(values) for values in self._session.run(self._names, feeds)[0].reshape(len(rows), -1).tolist()
        ]

    def _outcome(self, values: list[Any]) -> Outcome[Any]:
        if self._probabilities:
            return Outcome(self._output.classes[most_probable(values)], values)
        return Outcome(values[0] if self._output.width == 1 else values)

    def _first_answer(self, path: Path, sample: Row) -> Array:
        try:
            answer = self._session.run(self._names, {column.name: column.array([sample]) for column in self._columns})[
                0
            ]
        except Exception as error:
            raise PackageError(f"{path}: the first golden row cannot be predicted: {error}") from error
        width = len(self._output.classes) if self._probabilities else self._output.width
        if not isinstance(answer, np.ndarray) or answer.size != width:
            raise PackageError(f"{path}: the answer to one row is no array of {width} values")
        return np.ascontiguousarray(answer)

    def _bind(self) -> "onnxruntime.IOBinding":
        binding = self._session.io_binding()
        for name, buffer in self._feeds.items():
            binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(buffer))
        binding.bind_ortvalue_output(self._names[0], onnxruntime.OrtValue.ortvalue_from_numpy(self._answer))
        return binding


def _open(path: Path) -> "onnxruntime.InferenceSession":
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise PackageError(f"{path}: onnxruntime cannot open it: {error}") from error


def _output_name(path: Path, session: "onnxruntime.InferenceSession", executable: Executable) -> str:
    outputs = [output.name for output in session.get_outputs()]
    name: str = executable.probability_output or executable.label_output or outputs[0]
    if name not in outputs:
        raise PackageError(f"{path}: it has no output {name}, but {', '.join(outputs)}")
    return name


def _check_inputs(path: Path, session: "onnxruntime.InferenceSession", names: list[str]) -> None:
    inputs = [source.name for source in session.get_inputs()]
    if sorted(inputs) != sorted(names):
        raise PackageError(f"{path}: its inputs are {', '.join(inputs)}; the signature says {', '.join(names)}")
