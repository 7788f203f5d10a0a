"""ONNX Runtime sessions, opened from verified bytes and never from a path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import DTypeLike, NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from pipelines.errors import PassingTrouble, PipelineBroken
from pipelines.execution import Execution
from pipelines.onnx_check import check_model
from pipelines.providers import fall_back_warnings, provider_settings

Tensor = NDArray[np.float32]
Inputs = dict[str, NDArray[Any]]

LOAD_ERRORS = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoModel,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
RUN_ERRORS = (ort_errors.Fail, ort_errors.InvalidArgument, ort_errors.RuntimeException, ort_errors.EPFail)
OUT_OF_MEMORY = ("Failed to allocate memory", "out of memory", "OUT_OF_MEMORY", "bad_alloc", "BFCArena")
DTYPES: dict[str, DTypeLike] = {
    "tensor(float)": np.float32,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


@dataclass(frozen=True)
class OpenModel:
    """A loaded network and the provider that really runs it."""

    name: str
    session: onnxruntime.InferenceSession
    provider: str
    warnings: tuple[str, ...]

    def run(self, output: str, inputs: Inputs) -> Tensor:
        """One inference; every input's first axis is the batch.

        Safe from several threads at once; ONNX Runtime lets go of the GIL. Where memory runs out the batch
        is halved, down to single items; `PassingTrouble` if even one does not fit, or on any other failure.
        """
        size = len(next(iter(inputs.values())))
        if size > 1 and self.one_at_a_time:
            return self._run_in_parts(output, inputs, range(size + 1))
        try:
            return self._run_once(output, inputs)
        except RUN_ERRORS as error:
            if size == 1 or not any(words in str(error) for words in OUT_OF_MEMORY):
                raise self._failed(error) from error
        return self._run_in_parts(output, inputs, (0, size // 2, size))

    def channels(self, name: str) -> int:
        """The number of channels of an input tensor; 1 if the model leaves it open."""
        length = self._input(name).shape[1]
        return length if isinstance(length, int) else 1

    def dtype(self, name: str) -> DTypeLike:
        """The numpy type an input tensor wants."""
        declared = self._input(name).type
        if declared not in DTYPES:
            what = f"{self.name}: input {name} is {declared}"
            raise PipelineBroken(what, remedy=f"export it as one of {', '.join(DTYPES)}")
        return DTYPES[declared]

    @cached_property
    def one_at_a_time(self) -> bool:
        """Whether the model was exported for batches of one."""
        return any(tensor.shape and tensor.shape[0] == 1 for tensor in self.session.get_inputs())

    def _run_in_parts(self, output: str, inputs: Inputs, bounds: Sequence[int]) -> Tensor:
        parts = (
            {name: values[begin:end] for name, values in inputs.items()} for begin, end in pairwise(bounds)
        )
        return np.concatenate([self.run(output, part) for part in parts])

    def _run_once(self, output: str, inputs: Inputs) -> Tensor:
        (values,) = self.session.run([output], inputs)
        return np.asarray(values)

    def _input(self, name: str) -> Any:
        return next(tensor for tensor in self.session.get_inputs() if tensor.name == name)

    def _failed(self, error: Exception) -> PassingTrouble:
        remedy = "if memory ran out, let fewer slices run at once"
        return PassingTrouble(f"{self.name}: the inference failed: {error}", remedy=remedy)


def open_model(name: str, content: bytes, execution: Execution) -> OpenModel:
    """A session on the first of the wanted providers that works here.

    Raises `PipelineBroken` if the bytes are unsafe or no model ONNX Runtime can run, `ConfigurationError`
    if none of the wanted providers is at hand. Falling back to a later one is a warning, never silent.
    """
    check_model(name, content)
    wanted = provider_settings(execution)
    try:
        session = onnxruntime.InferenceSession(content, _options(execution), providers=wanted)
    except LOAD_ERRORS as error:
        remedy = "export the model again for this version of ONNX Runtime"
        raise PipelineBroken(f"{name}: ONNX Runtime refuses the model: {error}", remedy=remedy) from error
    session.disable_fallback()
    provider = session.get_providers()[0]
    return OpenModel(name, session, provider, fall_back_warnings(execution.providers[0], provider))


def _options(execution: Execution) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = execution.threads_per_session
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options
