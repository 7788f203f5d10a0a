"""A real Triton server (PyPI nvidia-pytriton) with one model: the mean over channels.

Run by the tests with the interpreter that ORTHOGEN_TRITON_PYTHON names: triton_server.py PORT MODEL_NAME
"""

from __future__ import annotations

import sys

import numpy as np
from pytriton.decorators import batch  # type: ignore[import-not-found]
from pytriton.model_config import ModelConfig, Tensor  # type: ignore[import-not-found]
from pytriton.triton import Triton, TritonConfig  # type: ignore[import-not-found]


@batch
def infer(slices):  # type: ignore[no-untyped-def]
    return {"denoised": slices.mean(axis=1, keepdims=True).astype(np.float32)}


def main(port: int, name: str) -> None:
    config = TritonConfig(
        http_address="127.0.0.1", http_port=port, allow_grpc=False, allow_metrics=False, exit_timeout_secs=2
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name=name,
            infer_func=infer,
            inputs=[Tensor(name="slices", dtype=np.float32, shape=(3, -1, -1))],
            outputs=[Tensor(name="denoised", dtype=np.float32, shape=(1, -1, -1))],
            config=ModelConfig(max_batch_size=8),
        )
        triton.serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
