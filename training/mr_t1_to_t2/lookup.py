"""The baseline: the best curve from T1 intensity to T2 intensity that training patients teach, and pictures.

``python -m training.mr_t1_to_t2.lookup FOLDERS --sessions SESSIONS``, after ``validation_folders`` wrote
FOLDERS. Writes lookup.json and figures/ into the pipeline's folder. `orthogen evaluate` has a stronger
curve of its own, fitted on the very series it is measured on; no such curve is at hand where T2 is not.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt

from pipelines.catalog import load_entry
from pipelines.evaluation.fidelity import Fidelity
from pipelines.evaluation.scale import series_scale
from pipelines.evaluation.subject import Subject, Triple
from pipelines.pipeline import Execution, Pipeline, open_pipeline
from pipelines.volume import SliceValues
from plugin.evaluate.stacks import Stack, stacks_in
from plugin.evaluate.subjects import measured
from training.mr_dicom import STORED
from training.mr_slices import BRAIN_SESSIONS, HEAD_SESSIONS, PERCENTILE, target_scale, training_sessions

matplotlib.use("Agg")
import matplotlib.pyplot as plt

Image = npt.NDArray[np.float32]
EDGES = np.linspace(0.0, 2.0, 257)
LEAST_VOXELS = 50


def taught(sessions: Path, names: list[str]) -> npt.NDArray[np.float64]:
    """For each bin of T1, the mean of T2 in the brains of these sessions, each of one weight."""
    counts, sums = np.zeros(256), np.zeros(256)
    for name in names:
        arrays = np.load(sessions / f"{name}.npz")
        t1, t2 = (arrays[f"on_t1_{contrast}"].astype(np.float32) for contrast in ("T1", "T2"))
        brain = arrays["brain"]
        place = np.clip(np.digitize(t1[brain], EDGES) - 1, 0, 255)
        values = (t2 * target_scale(t2, brain))[brain]
        counts += np.bincount(place, minlength=256) / brain.sum()
        sums += np.bincount(place, values, 256) / brain.sum()
    known = counts > LEAST_VOXELS / 1e6
    filled = np.interp(np.arange(256), np.flatnonzero(known), (sums / np.maximum(counts, 1e-12))[known])
    return filled * STORED


def subject_of(source: Stack, reference: Stack, curve: npt.NDArray[np.float64]) -> Subject:
    """The curve's translation in the place of a result."""
    images = [source.slice(index).values() for index in range(source.plan.grid.slices)]
    top = float(np.percentile(np.stack(images), PERCENTILE))

    def triples() -> Iterator[Triple]:
        for index, image in enumerate(images):
            opposite = reference.slice(index)
            place = np.clip(np.digitize(image / top, EDGES) - 1, 0, 255)
            result = curve[place].astype(np.float32)
            yield Triple(index, image, result, opposite.values(), measured(opposite))

    return Subject("", 1, source.plan.grid, "mr_signal", False, "", triples)


def psnr_of(subject: Subject) -> dict[str, float]:
    """As tier 1 of an evaluation measures it."""
    scale = series_scale(subject)
    fidelity = Fidelity(subject, scale, None)
    for triple in subject.triples():
        fidelity.observe(triple, scale.masks(triple))
    found = {
        quantity.figure: value for quantity, value in fidelity.values().items() if quantity.image == "result"
    }
    return {name: float(f"{found[name]:.5g}") for name in ("psnr", "ssim", "rmse")}


def draw(source: Stack, reference: Stack, pipeline: Pipeline, path: Path) -> None:
    """Four slices: T1, translated, acquired, the difference in the brain."""
    grid, count = source.plan.grid, source.plan.grid.slices
    images = [source.slice(index).values() for index in range(count)]
    results = list(pipeline.stream((SliceValues(i, image) for i, image in enumerate(images)), grid, seed=0))
    figure, axes = plt.subplots(4, 4, figsize=(12, 12.6))
    for line, index in zip(axes, np.linspace(0.15, 0.85, 4) * (count - 1), strict=True):
        opposite, result = reference.slice(int(index)), results[int(index)].values
        truth = np.where(measured(opposite), opposite.values(), 0.0)
        difference = np.where(measured(opposite), result - truth, 0.0)
        panels = (
            ("T1", images[int(index)], 0.0, float(np.percentile(np.stack(images), PERCENTILE))),
            ("translated", result, 0.0, STORED),
            ("acquired T2 (brain)", truth, 0.0, STORED),
            ("difference, +-0.5", difference, -STORED / 2, STORED / 2),
        )
        for axis, (title, image, low, high) in zip(line, panels, strict=True):
            axis.imshow(image, cmap="gray", vmin=low, vmax=high)
            axis.set_title(title, fontsize=8)
            axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=65)
    plt.close(figure)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path)
    parser.add_argument("--sessions", type=Path, required=True, help="folder written by training.mr_slices")
    parser.add_argument("--pipeline", type=Path, default=Path("pipelines/mr-t1-to-t2"))
    options = parser.parse_args()
    pipeline = open_pipeline(load_entry(options.pipeline), Execution())
    (options.pipeline / "figures").mkdir(exist_ok=True)
    references = {s.study_instance_uid: s for s in stacks_in(options.folders / "reference", print)}
    teachers = set(training_sessions())
    everybody = taught(options.sessions, sorted(teachers))
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for source in stacks_in(options.folders / "input", print):
        kind = source.folder.split("/")[0]
        alike = HEAD_SESSIONS if kind == "whole-head" else BRAIN_SESSIONS
        own_kind = taught(options.sessions, [name for name in alike if name in teachers])
        reference = references[source.study_instance_uid]
        rows[kind] = {
            "AllTrainingPatients": psnr_of(subject_of(source, reference, everybody)),
            "TrainingPatientsOfThisKind": psnr_of(subject_of(source, reference, own_kind)),
        }
        draw(source, reference, pipeline, options.pipeline / "figures" / f"{kind}.png")
    (options.pipeline / "lookup.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
