"""Networks that ship beside the code that asks them: opened only if they are the ones it was written for."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import onnxruntime

from pipelines.errors import PipelineBroken


def open_shipped(path: Path, digest: str, expected: str) -> onnxruntime.InferenceSession:
    """The ONNX file at `path`, on one thread of the CPU.

    Raises PipelineBroken unless `digest` is its SHA-256; `expected` ends the sentence "it is not the model
    that ...".
    """
    content = path.read_bytes()
    if sha256(content).hexdigest() != digest:
        raise PipelineBroken(
            f"{path} is not the model that {expected}",
            remedy="install the software again",
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
