"""How odd a slice looks to a VAE that has seen CT and MR: what it cannot draw again, where its latent lies.

Reconstruction error and the Mahalanobis distance of the latent find different things: a lesion-sized oddity
that cannot be drawn again, and a whole picture that is drawn well but is unlike the modality it claims
(Denouden et al. 2018, arXiv 1812.02765).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipelines.out_of_distribution.thumbnail import SIDE
from pipelines.shipped_network import open_shipped

FOLDER = Path(__file__).parent
PATCH = 16
"""Side of the squares in which the error is largest, in pixels of the thumbnail."""

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Oddity:
    """Of one slice."""

    error: float
    """Mean absolute difference of thumbnail and reconstruction, from 0 to 1."""
    worst_error: float
    """The same in the worst square of 16 x 16 pixels."""
    distance: float
    """Mahalanobis distance of the latent from the modality's mean, over the root of its dimensions."""
    map: Values
    """(128, 128): where the thumbnail is not drawn again."""


def features(oddity: Oddity) -> dict[str, float]:
    """By the names that limits have."""
    return {"Error": oddity.error, "WorstError": oddity.worst_error, "Distance": oddity.distance}


@dataclass(frozen=True)
class Usual:
    """What is usual for one modality."""

    mean: NDArray[np.float64]
    precision: NDArray[np.float64]
    largest: Mapping[str, float]
    """What each feature reaches in 98 of 100 slices of patients that were not trained on."""


@dataclass(frozen=True)
class OddityModel:
    """The VAE and, by modality, what is usual."""

    session: onnxruntime.InferenceSession
    usual: Mapping[str, Usual]

    @classmethod
    def load(cls, folder: Path = FOLDER) -> OddityModel:
        """Raises PipelineBroken where model and limits do not belong together."""
        document = json.loads((folder / "usual.json").read_text(encoding="utf-8"))
        path, expected = folder / "model.onnx", "usual.json was measured with"
        session = open_shipped(path, document["Sha256"], expected)
        return cls(session, {name: _usual(found) for name, found in document["Modalities"].items()})

    def knows(self, modality: str) -> bool:
        return modality in self.usual

    def relative(self, oddity: Oddity, modality: str) -> float:
        """The feature that is largest beside what is usual; 1 is at the bounds of what is."""
        largest = self.usual[modality].largest
        return max(value / largest[name] for name, value in features(oddity).items())

    def oddity(self, image: Values, modality: str) -> Oddity:
        """Of a (2, 128, 128) thumbnail; KeyError for a modality the VAE has not seen."""
        latents, drawn = self.session.run(None, {"images": image[np.newaxis]})
        differences = np.abs(drawn[0] - image).mean(0)
        squares = differences.reshape(SIDE // PATCH, PATCH, SIDE // PATCH, PATCH).mean((1, 3))
        known = self.usual[modality]
        away = latents[0].astype(np.float64) - known.mean
        distance = sqrt(max(float((away[:, np.newaxis] * known.precision * away).sum()), 0) / len(away))
        return Oddity(float(differences.mean()), float(squares.max()), distance, differences)


@lru_cache(maxsize=1)
def oddity_model() -> OddityModel:
    """The one that ships, opened once in a process."""
    return OddityModel.load()


def _usual(found: Mapping[str, Any]) -> Usual:
    return Usual(np.array(found["Mean"]), np.array(found["Precision"]), dict(found["Largest"]))
