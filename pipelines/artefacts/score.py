"""What a small network says of motion and of metal in a slice.

It is trained on slices with artefacts that were drawn (`training/artefacts`), so its answer is a likeness to
those, from 0 to 1, and no probability.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipelines.errors import PipelineBroken

FOLDER = Path(__file__).parent
SIDE = 256
"""Of the thumbnails it sees, in pixels."""


@dataclass(frozen=True)
class Artefacts:
    """Of one slice; log odds, so that they can be averaged."""

    motion: float
    metal: float


@dataclass(frozen=True)
class ArtefactModel:
    """The network, opened."""

    session: onnxruntime.InferenceSession

    @classmethod
    def load(cls, folder: Path = FOLDER) -> ArtefactModel:
        """Raises PipelineBroken where the model is not the one that model.json names."""
        content = (folder / "model.onnx").read_bytes()
        if sha256(content).hexdigest() != json.loads((folder / "model.json").read_text())["Sha256"]:
            raise PipelineBroken(
                f"{folder / 'model.onnx'} is not the model that model.json names",
                remedy="install the software again",
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return cls(onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"]))

    def artefacts(self, image: NDArray[np.float32]) -> Artefacts:
        """Of a (2, 256, 256) thumbnail."""
        motion, metal = self.session.run(None, {"images": image[np.newaxis]})[0][0].tolist()
        return Artefacts(motion, metal)


@lru_cache(maxsize=1)
def artefact_model() -> ArtefactModel:
    """The one that ships, opened once in a process."""
    return ArtefactModel.load()
