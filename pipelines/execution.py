"""Where and how wide a pipeline runs."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Execution:
    """Settings of the machine, not of the pipeline: none of them changes a result beyond rounding."""

    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    """ONNX Runtime's execution providers in order of preference."""
    parallel_slices: int = 0
    """Slices (or tiles of a volume) inferred at once; 0 means one for each core this process may use."""
    threads_per_session: int = 1
    """Threads inside one inference. On a CPU several slices of one thread beat one slice of several."""
    batch_slices: int = 0
    """Slices handed to one inference, halved whenever memory runs out.

    0 lets memory choose on a GPU, and is 1 elsewhere: on a CPU, where every core has a slice of its own, more
    gains nothing.
    """
    gpu_memory_bytes: int | None = None
    """Most that ONNX Runtime's CUDA memory arena may take; None sets no limit."""
    engine_cache: str | None = None
    """Folder in which TensorRT keeps its engines."""

    server: str | None = None
    """Address of an inference server that speaks KServe v2, such as http://triton:8000; None infers here."""

    @property
    def workers(self) -> int:
        """Threads that call the session."""
        if self.parallel_slices:
            return self.parallel_slices
        return max(1, len(os.sched_getaffinity(0)) // self.threads_per_session)
