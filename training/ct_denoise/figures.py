"""Figures of the card: ``python -m training.ct_denoise.figures --work RUN --pipeline pipelines/ct-denoise``.

Run after `evaluate`, which leaves RUN/rows.json and simulation.json. Images are stored with 32 grey levels to
stay small; they are illustrations, not data.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from scipy import ndimage

from .cases import Case, cases
from .evaluate import Denoise, denoiser
from .projection import FloatArray, ParallelBeam
from .slices import Slice, load_slices, read_series
from .tables import Row

matplotlib.use("Agg")
from matplotlib import pyplot as plt

WINDOW_HU = (-160.0, 240.0)
LUNG_WINDOW_HU = (-1200.0, 300.0)
SIDE = 176  # pixels of each shown square


def store(figure: Figure, path: Path, levels: int) -> None:
    """PNG with a palette of grey levels."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=72)
    plt.close(figure)
    Image.open(buffer).convert("L").quantize(levels).save(path, optimize=True)


def panels(
    rows: list[tuple[str, list[FloatArray], tuple[float, float]]], titles: list[str], path: Path
) -> None:
    """Rows of squares at one pixel per pixel; the last square is a difference, shown +-60 HU."""
    side = SIDE / 72
    figure, axes = plt.subplots(
        len(rows),
        len(titles),
        squeeze=False,
        figsize=(len(titles) * side, len(rows) * (side + 0.22)),
        gridspec_kw={"wspace": 0.01, "hspace": 0.08, "left": 0, "right": 1, "bottom": 0, "top": 0.96},
    )
    for line, (label, images, window) in zip(axes, rows, strict=True):
        for axis, image, title in zip(line, images, titles, strict=True):
            limits = (-60.0, 60.0) if "minus" in title else window
            axis.imshow(image, cmap="gray", vmin=limits[0], vmax=limits[1], interpolation="nearest")
            axis.set_axis_off()
            axis.set_title(title, fontsize=6, pad=1)
        line[0].text(2, 10, label, fontsize=6, color="white", backgroundcolor="black")
    store(figure, path, 24)


def square(image: FloatArray, centre: tuple[int, int]) -> FloatArray:
    """A square of `SIDE` pixels around a place."""
    row, column = (int(np.clip(c, SIDE // 2, image.shape[-1] - SIDE // 2)) for c in centre)
    half = SIDE // 2
    return image[row - half : row + half, column - half : column + half]


def worst_place(difference: FloatArray) -> tuple[int, int]:
    """Where the squared error, averaged over 24 pixels, is largest within the evaluated centre."""
    error = ndimage.uniform_filter(difference.astype(float) ** 2, 24)
    error[:120], error[-120:], error[:, :120], error[:, -120:] = 0, 0, 0, 0
    row, column = np.unravel_index(int(np.argmax(error)), error.shape)
    return int(row), int(column)


def shown(case: Case, denoise: Denoise, worst: bool) -> tuple[str, list[FloatArray], tuple[float, float]]:
    """Low dose, denoised, reference and difference of one case."""
    output = denoise(case.noisy)
    centre = worst_place(output - case.reference) if worst else (270, 256)
    images = [case.noisy, output, case.reference, output - case.reference]
    label = f"{case.item.patient} {case.item.source_kernel}, {case.kernel.name}, dose {100 * case.dose:.0f} %"
    window = LUNG_WINDOW_HU if case.item.sharp else WINDOW_HU
    return label, [square(i, centre) for i in images], window


def gallery(slices: list[Slice], rows: list[Row], denoise: Denoise, folder: Path) -> None:
    """Examples near the median of the error against the bound, and the worst cases (one a patient)."""
    order = sorted(rows, key=lambda r: float(r["ModelOverBound"]))
    worst: list[str] = []
    patients: set[str] = set()
    for row in reversed(order):
        if str(row["Patient"]) not in patients:
            patients.add(str(row["Patient"]))
            worst.append(str(row["Case"]))
    smooth = [str(r["Case"]) for r in order if r["Source"] == "smooth" and r["Dose"] == 0.25]
    sharp = [str(r["Case"]) for r in order if r["Source"] == "sharp" and r["Dose"] == 0.25]
    typical = [smooth[len(smooth) // 2], sharp[len(sharp) // 2]]
    wanted = {*typical, *worst[:3]}
    chosen = {c.name: c for c in cases(slices, ParallelBeam(), wanted)}
    titles = ["low dose", "denoised", "full-dose reference", "denoised minus reference, +-60 HU"]
    panels([shown(chosen[n], denoise, False) for n in typical], titles, folder / "examples.png")
    panels([shown(chosen[n], denoise, True) for n in worst[:3]], titles, folder / "failures.png")


def demo(folder: Path, denoise: Denoise, out: Path) -> None:
    """One slice of the real noisy series, before, after, and what was removed."""
    volume, _ = read_series(folder)
    middle = len(volume) // 2
    output = denoise(volume[middle])
    lines = []
    for label, place, window in (
        ("soft tissue", (300, 256), WINDOW_HU),
        ("lung", (256, 150), LUNG_WINDOW_HU),
    ):
        images = [volume[middle], output, output - volume[middle]]
        lines.append((label, [square(i, place) for i in images], window))
    panels(lines, ["as acquired", "denoised", "denoised minus acquired, +-60 HU"], out / "demo.png")


def training_curve(log: dict[str, Any], axis: Axes) -> None:
    """Loss and error of the stages of this version, one after the other."""
    lines: dict[str, list[tuple[int, float]]] = {"Loss": [], "ErrorOverBound": []}
    began = 0
    for stage in log["Stages"]:
        if stage["Version"] == log["Version"]:
            for point in stage["Curve"]:
                for key in lines.keys() & point.keys():
                    lines[key].append((began + point["Iteration"], point[key]))
            began += stage["Curve"][-1]["Iteration"]
    for key, style, label in (("Loss", "k--", "loss"), ("ErrorOverBound", "k-", "RMSE / bound, training")):
        axis.plot(*zip(*lines[key], strict=True), style, label=label)
    axis.set(xlabel="iteration")


def curves(log: dict[str, Any], evaluation: dict[str, Any], out: Path) -> None:
    """Training curves, error against dose, and noise power in water."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.2))
    training_curve(log, axes[0])
    lines = [p for p in evaluation["PerDose"] if p["Source"] == "smooth"]
    for key, style in (("Tv", "k:"), ("Nlm", "k--"), ("Model", "k-")):
        axes[1].errorbar(
            [100 * p["Dose"] for p in lines],
            [p["SameCases"][key]["Mean"] for p in lines],
            fmt=style,
            label=key,
            yerr=np.transpose(
                [
                    [
                        p["SameCases"][key]["Mean"] - p["SameCases"][key]["Low95"],
                        p["SameCases"][key]["High95"] - p["SameCases"][key]["Mean"],
                    ]
                    for p in lines
                ]
            ),
        )
    axes[1].plot([100 * p["Dose"] for p in lines], [p["Bound"]["Mean"] for p in lines], "k-.", label="bound")
    axes[1].set(xlabel="dose (%), smooth references", ylabel="RMSE (HU)", xscale="log")
    noise = evaluation["Phantom"]["standard 0.25"]["Noise"]
    for key, style in (("FullDose", "k--"), ("Input", "k:"), ("Output", "k-")):
        power = np.array(noise[key]["Power"])
        axes[2].plot(noise["FrequencyPerMm"], power / power.max(), style, label=key)
    axes[2].set(xlabel="cycles/mm (standard kernel, dose 25 %)", ylabel="NPS / its maximum")
    for axis in axes:
        axis.legend(fontsize=7)
    figure.tight_layout()
    store(figure, out / "curves.png", 16)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/ct_train"))
    parser.add_argument("--demo", type=Path, default=Path("../shared/data/demo_ct_lidc_0314"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pipeline", type=Path, default=Path("pipelines/ct-denoise"))
    options = parser.parse_args()
    out = options.pipeline / "figures"
    out.mkdir(exist_ok=True)
    denoise = denoiser(options.pipeline / "model.onnx")
    rows = json.loads((options.work / "rows.json").read_text())
    log, figures = (
        json.loads((options.pipeline / name).read_text()) for name in ("training_log.json", "simulation.json")
    )
    curves(log, figures, out)
    demo(options.demo, denoise, out)
    gallery(load_slices(options.data), rows, denoise, out)


if __name__ == "__main__":
    main()
