"""The baseline: curves from T1 intensity to T2 intensity that training patients teach.

``python -m training.mr_t1_to_t2.lookup --sessions SESSIONS`` writes curve.json into the pipeline's folder,
for `orthogen evaluate --baseline-curve`. `evaluate` has a stronger curve of its own, fitted on the very
series it is measured on; no such curve is at hand where T2 is not.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipelines.evaluation.intensity import LearnedCurve, LearnedCurves
from training.mr_dicom import STORED
from training.mr_slices import BRAIN_SESSIONS, HEAD_SESSIONS, PERCENTILE, target_scale, training_sessions

BINS = 256
EDGES = np.linspace(0.0, 2.0, BINS + 1)
LEAST_VOXELS = 50
EVERYBODY, HEADS, BRAINS = "all training patients", "whole heads", "brains without skull"


def taught(sessions: Path, names: list[str]) -> npt.NDArray[np.float64]:
    """For each bin of T1 the mean of T2 in the brains of these sessions, each of one weight.

    T1 is relative to its percentile within the brain, as `orthogen evaluate` takes it: within what the
    reference has measured.
    """
    counts, sums = np.zeros(BINS), np.zeros(BINS)
    for name in names:
        arrays = np.load(sessions / f"{name}.npz")
        t1, t2 = (arrays[f"on_t1_{contrast}"].astype(np.float32) for contrast in ("T1", "T2"))
        brain = np.stack([ndimage.binary_erosion(slice_, iterations=2) for slice_ in arrays["brain"]])
        relative = t1[brain] / np.percentile(t1[brain], PERCENTILE)
        place = np.clip(np.digitize(relative, EDGES) - 1, 0, BINS - 1)
        values = (t2 * target_scale(t2, arrays["brain"]))[brain]
        counts += np.bincount(place, minlength=BINS) / brain.sum()
        sums += np.bincount(place, values, BINS) / brain.sum()
    known = counts > LEAST_VOXELS / 1e6
    filled = np.interp(np.arange(BINS), np.flatnonzero(known), (sums / np.maximum(counts, 1e-12))[known])
    return filled * STORED


def curves(sessions: Path) -> LearnedCurves:
    """Of all training patients, and of those of each kind."""
    teachers = set(training_sessions())
    groups = {EVERYBODY: sorted(teachers), HEADS: HEAD_SESSIONS, BRAINS: BRAIN_SESSIONS}
    middles = tuple(((EDGES[1:] + EDGES[:-1]) / 2).round(6).tolist())
    found = tuple(
        LearnedCurve(
            name=name,
            inputs=middles,
            outputs=tuple(taught(sessions, [n for n in names if n in teachers]).round(3).tolist()),
        )
        for name, names in groups.items()
    )
    return LearnedCurves(percentile=PERCENTILE, curves=found)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=Path, required=True, help="folder written by training.mr_slices")
    parser.add_argument("--pipeline", type=Path, default=Path("pipelines/mr-t1-to-t2"))
    options = parser.parse_args()
    text = curves(options.sessions).model_dump_json(by_alias=True)
    (options.pipeline / "curve.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
