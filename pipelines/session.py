"""ONNX Runtime sessions, opened from verified bytes and never from a path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from threading import Event

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from pipelines.batch_memory import Shapes, fitting_items, memory_budget, without_weights
from pipelines.binding import GPU_PROVIDERS, Resident, length, part, resident, run_bound, shape_of
from pipelines.errors import JobInterrupted, PassingTrouble, PipelineBroken
from pipelines.execution import Execution
from pipelines.onnx_check import check_model
from pipelines.providers import fall_back_warnings, provider_settings
from pipelines.tensor_spec import TensorSpec

Tensor = NDArray[np.float32]
Inputs = Mapping[str, Resident]

LOAD_ERRORS = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoModel,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
RUN_ERRORS = (ort_errors.Fail, ort_errors.RuntimeException, ort_errors.EPFail)
OUT_OF_MEMORY = ("Failed to allocate memory", "out of memory", "OUT_OF_MEMORY", "bad_alloc", "BFCArena")


class OpenModel:
    """A loaded network and the provider that really runs it."""

    def __init__(
        self,
        name: str,
        session: onnxruntime.InferenceSession,
        provider: str,
        warnings: tuple[str, ...] = (),
        interruption: Event | None = None,
        fits: Callable[[Shapes], int] | None = None,
    ) -> None:
        self.name = name
        self._fits = fits
        self._interruption = interruption or Event()
        self.session = session
        self.provider = provider
        self.warnings = warnings
        self.inputs = {tensor.name: _spec(tensor) for tensor in session.get_inputs()}
        self.outputs = {tensor.name: _spec(tensor) for tensor in session.get_outputs()}
        self._most = 1 if any(tensor.shape[:1] == (1,) for tensor in self.inputs.values()) else None

    def run(self, output: str, inputs: Inputs) -> Tensor:
        """One inference; every input's first axis is the batch.

        Safe from several threads at once; ONNX Runtime lets go of the GIL. A batch that is not expected to
        fit in memory runs in parts. Where memory runs out all the same the batch is halved, for later calls
        too, down to single items; `PassingTrouble` if even one does not fit, or on any other failure.
        `PipelineBroken` if the model does not take such tensors. `JobInterrupted` once the interruption is
        set.
        """
        if self._interruption.is_set():
            raise JobInterrupted(f"{self.name}: the inference was interrupted")
        size = length(next(iter(inputs.values())))
        if size > (most := self._items_at_once(inputs, size)):
            return self._run_in_parts(output, inputs, size, most)
        try:
            return self._run_once(output, inputs)
        except ort_errors.InvalidArgument as error:
            remedy = "correct the manifest or the export"
            raise PipelineBroken(f"{self.name} does not take its inputs: {error}", remedy=remedy) from error
        except RUN_ERRORS as error:
            if size == 1 or not any(words in str(error) for words in OUT_OF_MEMORY):
                raise self._failed(error) from error
        self._most = size // 2
        return self.run(output, inputs)

    def resident(self, values: Tensor) -> Resident:
        """`values` where the model runs, for use in many calls."""
        return resident(values, self.provider)

    def _items_at_once(self, inputs: Inputs, size: int) -> int:
        most = size if self._most is None else min(size, self._most)
        if self._fits is None or most == 1:
            return most
        return min(most, self._fits(tuple((name, shape_of(values)[1:]) for name, values in inputs.items())))

    def _run_in_parts(self, output: str, inputs: Inputs, size: int, most: int) -> Tensor:
        """Each answer is copied: as it comes it holds memory of ONNX Runtime's, which may be all there is."""
        parts = (
            {name: part(values, begin, begin + most) for name, values in inputs.items()}
            for begin in range(0, size, most)
        )
        copied = [self.run(output, each).copy() for each in parts]
        return np.concatenate(copied)

    def _run_once(self, output: str, inputs: Inputs) -> Tensor:
        if self.provider in GPU_PROVIDERS:
            return run_bound(self.session, output, inputs)
        (values,) = self.session.run([output], inputs)
        return np.asarray(values)

    def _failed(self, error: Exception) -> PassingTrouble:
        remedy = "if memory ran out, let fewer slices run at once"
        return PassingTrouble(f"{self.name}: the inference failed: {error}", remedy=remedy)


def open_model(
    name: str, content: bytes, execution: Execution, interruption: Event | None = None
) -> OpenModel:
    """A session on the first of the wanted providers that works here.

    Raises `PipelineBroken` if the bytes are unsafe or no model ONNX Runtime can run, `ConfigurationError`
    if none of the wanted providers is at hand. Falling back to a later one is a warning, never silent.
    """
    model = check_model(name, content)
    wanted = provider_settings(execution)
    try:
        session = onnxruntime.InferenceSession(content, _options(execution), providers=wanted)
    except LOAD_ERRORS as error:
        remedy = "export the model again for this version of ONNX Runtime"
        raise PipelineBroken(f"{name}: ONNX Runtime refuses the model: {error}", remedy=remedy) from error
    session.disable_fallback()
    provider = session.get_providers()[0]
    warnings = fall_back_warnings(execution.providers[0], provider)
    fits = None
    if provider in GPU_PROVIDERS and not execution.batch_slices:
        budget = memory_budget(execution, len(content))
        fits = cache(partial(fitting_items, without_weights(model), budget))
    return OpenModel(name, session, provider, warnings, interruption, fits)


def _spec(tensor: onnxruntime.NodeArg) -> TensorSpec:
    shape = (axis if isinstance(axis, int) else None for axis in tensor.shape)
    return TensorSpec(tensor.type, tuple(shape))


def _options(execution: Execution) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = execution.threads_per_session
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options
