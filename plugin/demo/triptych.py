"""Original | result | difference of one slice, side by side, as a radiologist wants to judge it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SYNTHETIC_NOTE = "AI-PROCESSED - not for primary diagnosis"


@dataclass(frozen=True)
class Window:
    """Display window: values at the centre are mid-grey, width from black to white."""

    centre: float
    width: float
    unit: str = "HU"

    @classmethod
    def of_signal(cls, values: NDArray[np.float32]) -> Window:
        """MR signal has no unit: from 0 to the 99.5th percentile of this image."""
        top = max(float(np.percentile(values, 99.5)), 1.0)
        return cls(top / 2, top, "signal")

    @property
    def limits(self) -> tuple[float, float]:
        return self.centre - self.width / 2, self.centre + self.width / 2


def draw_triptych(
    original: NDArray[np.float32], result: NDArray[np.float32], window: Window, title: str, path: Path
) -> None:
    """Writes a PNG. Both images are (rows, columns) in the same unit; the difference is result minus
    original.
    """
    difference = result - original
    reach = max(float(np.percentile(np.abs(difference), 99.5)), 1.0)
    figure, axes = plt.subplots(1, 3, figsize=(15, 5.8), facecolor="black")
    low, high = window.limits
    panels = (
        (original, "original", low, high),
        (result, "result", low, high),
        (difference, f"difference (result - original), +-{reach:.0f} {window.unit}", -reach, reach),
    )
    for axis, (image, name, lowest, highest) in zip(axes, panels, strict=True):
        axis.imshow(image, cmap="gray", vmin=lowest, vmax=highest, interpolation="nearest")
        axis.set_title(name, color="white", fontsize=12)
        axis.axis("off")
    axes[1].text(
        0.02, 0.02, SYNTHETIC_NOTE, transform=axes[1].transAxes, color="orange", fontsize=9, weight="bold"
    )
    figure.suptitle(title, color="white", fontsize=13)
    figure.tight_layout()
    figure.savefig(path, dpi=90, facecolor="black")
    plt.close(figure)
