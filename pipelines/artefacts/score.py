"""What a small network says of motion and of metal in a slice.

It is trained on slices with artefacts that were drawn (`training/artefacts`), so its answer is a likeness to
those, from 0 to 1, and no probability.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipelines.shipped_network import open_shipped

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
        document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        return cls(open_shipped(folder / "model.onnx", document["Sha256"], "model.json names"))

    def artefacts(self, image: NDArray[np.float32]) -> Artefacts:
        """Of a (2, 256, 256) thumbnail."""
        motion, metal = self.session.run(None, {"images": image[np.newaxis]})[0][0].tolist()
        return Artefacts(motion, metal)


@lru_cache(maxsize=1)
def artefact_model() -> ArtefactModel:
    """The one that ships, opened once in a process."""
    return ArtefactModel.load()
