"""Execution providers: which are here, how each is set, and what to say when the wanted one is not."""

from __future__ import annotations

from typing import Any

import onnxruntime

from pipelines.errors import ConfigurationError
from pipelines.execution import Execution

Setting = tuple[str, dict[str, Any]]


def provider_settings(execution: Execution) -> list[Setting]:
    """The wanted providers that are installed, in order, with their options.

    Raises `ConfigurationError` if none of them is.
    """
    here = onnxruntime.get_available_providers()
    usable = [(name, _options(name, execution)) for name in execution.providers if name in here]
    if not usable:
        raise ConfigurationError(
            f"none of the execution providers {', '.join(execution.providers) or '(none)'} is installed",
            remedy=f"choose among {', '.join(here)}, or install the onnxruntime that has it",
        )
    return usable


def fall_back_warnings(first_choice: str, provider: str) -> tuple[str, ...]:
    """What to tell the operator when `provider` is not the one asked for."""
    if provider == first_choice:
        return ()
    return (f"{first_choice} was asked for but is not usable here; running on {provider}",)


def _options(name: str, execution: Execution) -> dict[str, Any]:
    if name == "CUDAExecutionProvider":
        return _cuda_options(execution)
    if name == "TensorrtExecutionProvider" and execution.engine_cache:
        return {"trt_engine_cache_enable": True, "trt_engine_cache_path": execution.engine_cache}
    return {}


def _cuda_options(execution: Execution) -> dict[str, Any]:
    """The exhaustive search tunes itself anew for each shape; TF32 would cost digits for no need of ours."""
    options: dict[str, Any] = {
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
        "use_tf32": 0,
    }
    if execution.gpu_memory_bytes is not None:
        options["gpu_mem_limit"] = execution.gpu_memory_bytes
    return options
