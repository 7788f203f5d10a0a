"""Held-out patients as DICOM: ``python -m training.mr_t1_to_t2.validation_folders OUT --sessions SESSIONS``.

OUT/input/KIND/PATIENT is T1 as acquired, OUT/reference/KIND/PATIENT the T2 of the same session registered
onto it, with all that is not brain marked as padding, so that figures are those of the brain. Then:

    orthogen evaluate --pipeline mr-t1-to-t2 --input OUT/input --reference OUT/reference \\
        --output EVALUATION --groups
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy import ndimage

from training.mr_dicom import EvaluationSeries, write
from training.mr_slices import HEAD_SESSIONS, HELD_OUT, target_scale

LEAST_BRAIN = 0.05
"""Share of a slice that must be brain."""
MOST_SLICES = 48
"""Next to each other, around the middle of the brain."""


def write_session(out: Path, sessions: Path, session: str) -> None:
    """Input and reference of one patient."""
    arrays = np.load(sessions / f"{session}.npz")
    t1, t2 = (arrays[f"on_t1_{contrast}"].astype(np.float32) for contrast in ("T1", "T2"))
    brain, spacing = arrays["brain"], tuple(float(length) for length in arrays["spacing_mm"])
    known = np.flatnonzero(brain.mean((1, 2)) > LEAST_BRAIN)
    spare = max(0, len(known) - MOST_SLICES) // 2
    chosen = slice(int(known[spare]), int(known[-1 - spare]) + 1)
    inside = np.stack([ndimage.binary_erosion(slice_, iterations=2) for slice_ in brain])
    scaled = np.clip(t2 * target_scale(t2, brain), 0, 6)
    t1_series = EvaluationSeries(session, session, "T1", "T1", spacing)  # type: ignore[arg-type]
    t2_series = EvaluationSeries(session, session, "T2", "T2", spacing)  # type: ignore[arg-type]
    kind = "whole-head" if session in HEAD_SESSIONS else "skull-stripped"
    write(out / "input" / kind / session, t1_series, t1[chosen])
    write(out / "reference" / kind / session, t2_series, scaled[chosen], inside[chosen])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sessions", type=Path, required=True, help="folder written by training.mr_slices")
    options = parser.parse_args()
    for session in HELD_OUT:
        write_session(options.out, options.sessions, session)


if __name__ == "__main__":
    main()
