"""How far the uncertainty can be trusted, and the card's pictures.

``python -m training.mr_denoise.uncertainty FOLDERS``, after ``validation_folders`` wrote FOLDERS. Writes
uncertainty.json and figures/ into the pipeline's folder: root mean square of the spread and of the error
over the foreground, in percent of the 99.5th percentile of the reference, and the correlation of both maps
after averaging over 8 x 8 pixels.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt

from pipelines.catalog import load_entry
from pipelines.pipeline import Execution, Pipeline, open_pipeline
from pipelines.repeats import UncertainResult
from pipelines.volume import SliceValues
from plugin.evaluate.stacks import Stack, stacks_in

matplotlib.use("Agg")
import matplotlib.pyplot as plt

Image = npt.NDArray[np.float32]
SQUARE = 8
MEASURED = ("rician-05", "rician-10")
SHOWN = ("rician-05-T1", "rician-05-T2", "rician-10-FLAIR", "rician-05-PD")


@dataclass(frozen=True)
class Denoised:
    """The middle slice of one series."""

    group: str
    source: Image
    result: Image
    spread: Image
    reference: Image
    seconds: float
    """Of processor time a slice."""

    @property
    def scale(self) -> float:
        return float(np.percentile(self.reference, 99.5))

    @property
    def error(self) -> Image:
        return self.result - self.reference


def denoised(source: Stack, reference: Stack, pipeline: Pipeline) -> Denoised:
    """The middle slice, between two others that the network sees with it."""
    middle, grid = source.plan.grid.slices // 2, source.plan.grid
    near = range(middle - 1, middle + 2)
    three = replace(grid, positions_lps_mm=tuple(grid.positions_lps_mm[index] for index in near))
    images = [source.slice(index).values() for index in near]
    began = time.process_time()
    results = list(pipeline.stream((SliceValues(i, image) for i, image in enumerate(images)), three, seed=1))
    seconds = (time.process_time() - began) / len(images)
    found = results[1]
    assert isinstance(found, UncertainResult)
    group = source.folder.split("/")[0]
    truth = reference.slice(middle).values()
    return Denoised(group, images[1], found.values, found.spread, truth, seconds)


def squares(image: Image) -> Image:
    """Means over `SQUARE` x `SQUARE` pixels."""
    rows, columns = (length // SQUARE * SQUARE for length in image.shape)
    blocks = image[:rows, :columns].reshape(rows // SQUARE, SQUARE, columns // SQUARE, SQUARE)
    return blocks.mean((1, 3))  # type: ignore[no-any-return]


def row(found: Denoised) -> dict[str, str | float]:
    """One line of the table."""
    inside = found.reference > 0.1 * found.scale
    spread, error = (
        100 * float(np.sqrt((image[inside] ** 2).mean())) / found.scale
        for image in (found.spread, found.error)
    )
    whole = squares(inside.astype(np.float32)) == 1
    maps = [np.sqrt(squares(image**2))[whole] for image in (found.spread, found.error)]
    correlation = float(np.corrcoef(*maps)[0, 1])
    figures = {
        "SpreadPercent": spread,
        "ErrorPercent": error,
        "Ratio": spread / error,
        "Correlation": correlation,
    }
    return {"Group": found.group, **{name: float(f"{value:.4g}") for name, value in figures.items()}}


def draw(found: list[Denoised], path: Path) -> None:
    """Input, result, reference, error, spread; one line each."""
    figure, axes = plt.subplots(len(found), 5, figsize=(15, 3.1 * len(found)), squeeze=False)
    titles = ("input", "result (mean of the samples)", "reference", "error, +-10 %", "spread, 0 to 5 %")
    for line, each in zip(axes, found, strict=True):
        top = each.scale
        panels = (
            *((image, 0.0, top) for image in (each.source, each.result, each.reference)),
            (each.error, -0.1 * top, 0.1 * top),
            (each.spread, 0.0, 0.05 * top),
        )
        for axis, (image, low, high), title in zip(line, panels, titles, strict=True):
            axis.imshow(image, cmap="gray", vmin=low, vmax=high)
            axis.set_title(title if axis is not line[0] else f"{each.group}: {title}", fontsize=8)
            axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=70)
    plt.close(figure)


def all_denoised(folders: Path, pipeline: Pipeline) -> Iterator[Denoised]:
    """Every series of FOLDERS whose noise is one of `MEASURED`."""
    references = {s.study_instance_uid: s for s in stacks_in(folders / "reference", print)}
    for source in stacks_in(folders / "input", print):
        if not source.folder.startswith(MEASURED):
            continue
        yield denoised(source, references[source.study_instance_uid], pipeline)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path)
    parser.add_argument("--pipeline", type=Path, default=Path("pipelines/mr-denoise"))
    options = parser.parse_args()
    found = list(all_denoised(options.folders, open_pipeline(load_entry(options.pipeline), Execution())))
    figures = options.pipeline / "figures"
    figures.mkdir(exist_ok=True)
    draw([next(each for each in found if each.group == name) for name in SHOWN], figures / "examples.png")
    worst = sorted(found, key=lambda each: -float(row(each)["ErrorPercent"]))[:3]
    draw(worst, figures / "failures.png")
    seconds = float(f"{np.mean([each.seconds for each in found]):.2g}")
    content = {"SecondsPerSlice": seconds, "Rows": [row(each) for each in found]}
    (options.pipeline / "uncertainty.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
