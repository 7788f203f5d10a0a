"""Plots and slices as PNG within the page: the same values give the same bytes."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from io import BytesIO

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pipelines.evaluation.cohort import WorstSlice
from pipelines.evaluation.document import Curve

matplotlib.use("Agg")

DPI = 80
PANEL_INCHES = 3.4
FEW_POINTS = 8
DIFFERENCE_OF_WINDOW = 0.25
"""Differences are shown up to this part of the window's width, on either side."""


def data_address(figure: Figure) -> str:
    """A `data:` address of the figure as PNG."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def worst_slice_picture(worst: WorstSlice) -> str:
    """Input | result | reference | difference of one slice."""
    triple, (low, high) = worst.triple, worst.window
    result = triple.result * np.float32(worst.gain)
    reach = DIFFERENCE_OF_WINDOW * (high - low)
    difference = result - triple.reference
    panels: Sequence[tuple[str, NDArray[np.float32], float, float]] = (
        ("input", triple.source, *source_window(worst)),
        ("result", result, low, high),
        ("reference", triple.reference, low, high),
        (f"result - reference, {-reach:.0f} to {reach:.0f}", difference, -reach, reach),
    )
    figure = Figure(figsize=(4 * PANEL_INCHES, PANEL_INCHES + 0.3), layout="constrained")
    for axis, (title, image, lowest, highest) in zip(figure.subplots(1, 4), panels, strict=True):
        axis.imshow(image, cmap="gray", vmin=lowest, vmax=highest, interpolation="nearest")
        axis.set_title(title, fontsize=9)
        axis.set_axis_off()
    return data_address(figure)


def source_window(worst: WorstSlice) -> tuple[float, float]:
    """The reference's window, or for another contrast the source's own range."""
    if worst.gain == 1.0:
        return worst.window
    return float(worst.triple.source.min()), float(np.percentile(worst.triple.source, 99.5))


def curves_picture(title: str, curves: Sequence[Curve]) -> str:
    """All lines of one plot."""
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axis = figure.subplots()
    for curve in curves:
        line = "none" if curve.points else "-"
        marker = "o" if curve.points or len(curve.x) < FEW_POINTS else None
        axis.plot(curve.x, curve.y, label=curve.label, linestyle=line, marker=marker, markersize=4)
    axis.set(title=title, xlabel=curves[0].x_name, ylabel=curves[0].y_name)
    axis.legend(fontsize=8)
    axis.grid(alpha=0.3)
    return data_address(figure)


def patients_picture(title: str, unit: str, values: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """One line of dots per image: the value of each patient, by number."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axis = figure.subplots()
    for image, points in values.items():
        axis.plot(*zip(*points, strict=True), "o", label=image, markersize=5)
    axis.set(title=title, xlabel="patient", ylabel=unit or title)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(fontsize=8)
    axis.grid(alpha=0.3)
    return data_address(figure)
