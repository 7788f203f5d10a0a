"""Plots and slices as PNG within the page: the same values give the same bytes."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from pipelines.evaluation.cohort import WorstSlice
from pipelines.evaluation.document import Curve

matplotlib.use("Agg")

DPI = 80
PANEL_INCHES = 3.4
FEW_POINTS = 8
GREY_LEVELS = 32
DIFFERENCE_OF_WINDOW = 0.25
"""Differences are shown up to this part of the window's width, on either side."""


def png(figure: Figure) -> bytes:
    """The figure as PNG."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def data_address(image: bytes) -> str:
    """A `data:` address of a PNG."""
    return "data:image/png;base64," + base64.b64encode(image).decode("ascii")


def in_grey_levels(image: bytes) -> bytes:
    """The PNG again in 32 levels of grey: an illustration, small enough for a repository."""
    buffer = BytesIO()
    with Image.open(BytesIO(image)) as opened:
        opened.convert("L").quantize(GREY_LEVELS).save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def worst_slice_picture(worst: WorstSlice) -> bytes:
    """Input | result | reference | difference | spread, where there is one, of one slice."""
    panels = list(_panels(worst))
    figure = Figure(figsize=(len(panels) * PANEL_INCHES, PANEL_INCHES + 0.3), layout="constrained")
    for axis, (title, image, lowest, highest) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        axis.imshow(image, cmap="gray", vmin=lowest, vmax=highest, interpolation="nearest")
        axis.set_title(title, fontsize=9)
        axis.set_axis_off()
    return png(figure)


def _panels(worst: WorstSlice) -> Iterator[tuple[str, NDArray[np.float32], float, float]]:
    triple, (low, high), gain = worst.triple, worst.window, np.float32(worst.gain)
    result, reach = triple.result * gain, DIFFERENCE_OF_WINDOW * (high - low)
    yield f"input {worst.group}".strip(), triple.source, *source_window(worst)
    yield "result", result, low, high
    yield "reference", triple.reference, low, high
    yield f"result - reference, {-reach:.0f} to {reach:.0f}", result - triple.reference, -reach, reach
    if triple.spread is not None:
        yield f"spread, 0 to {reach / 2:.0f}", triple.spread * gain, 0.0, reach / 2


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
    return data_address(png(figure))


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
    return data_address(png(figure))
