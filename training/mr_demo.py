"""The bundled brain series as training volumes, for reduced retrainings that run on any machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from pydicom import dcmread

from training.mr_patches import Stack
from training.mr_slices import PERCENTILE

DEMO = Path("demo/mr_brain_pd")


def series_values(folder: Path = DEMO) -> np.ndarray:
    """(slices, rows, columns) float32, the 99.5th percentile 1."""
    files = sorted(
        (dcmread(path) for path in folder.glob("*.dcm")), key=lambda file: int(file.InstanceNumber)
    )
    values = np.stack([file.pixel_array for file in files]).astype(np.float32)
    return values / np.percentile(values, PERCENTILE)


def single(folder: Path = DEMO) -> Stack:
    """Proton density alone."""
    values = torch.from_numpy(series_values(folder))
    return Stack(values[None], values > 0.1)


def paired(folder: Path = DEMO) -> Stack:
    """Proton density beside what stands in for another contrast: its negative within the head."""
    values = torch.from_numpy(series_values(folder))
    head = values > 0.1
    return Stack(torch.stack([values, torch.where(head, 1.2 - values, 0.0).clamp(min=0)]), head)
