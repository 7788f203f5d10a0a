"""A slice, its result and the gate's map as small pictures that a page carries inside itself."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipelines.gate import Picture
from pipelines.volume import Quantity

SIDE = 300
"""Of a picture in pixels: enough to see what is meant, too little to read a study from."""
QUALITY = 82
WINDOW_HU = (-160.0, 240.0)
LUNG_WINDOW_HU = (-1200.0, 200.0)
MARK = 18
"""Radius of the circle around the worst spot, in pixels of the picture."""

Values = NDArray[np.float32]
Grey = NDArray[np.uint8]


def shown(picture: Picture, quantity: Quantity) -> tuple[tuple[str, str], ...]:
    """Caption and address (data:) of source, result, change and map."""
    low, high = window_of(np.nan_to_num(picture.source, posinf=0, neginf=0), quantity)
    source, result = (np.nan_to_num(part, posinf=0, neginf=0) for part in (picture.source, picture.result))
    change = result - source
    reach = max(float(np.percentile(np.abs(change), 99.5)), 1e-6)
    parts = [
        (f"source, slice {picture.index + 1}", _jpeg(grey(picture.source, low, high), picture)),
        ("result", _jpeg(grey(picture.result, low, high), picture)),
        (f"result - source, +-{reach:.3g}", _jpeg(grey(change, -reach, reach), picture)),
    ]
    if picture.map is not None:
        parts.append(("map of the figure", _jpeg(heat(picture.map), picture)))
    return tuple(parts)


def window_of(values: Values, quantity: Quantity) -> tuple[float, float]:
    """CT: soft tissue, or lung where most of the body is air; MR: nothing to the 99.5th percentile."""
    if quantity == "hounsfield_units":
        tissue = float(((values > -160) & (values < 240)).mean())
        lung = float(((values > -900) & (values < -500)).mean())
        return LUNG_WINDOW_HU if lung > tissue else WINDOW_HU
    return 0.0, max(float(np.percentile(values, 99.5)), 1e-6)


def grey(values: Values, low: float, high: float) -> Grey:
    """(rows, columns) of 8 bits."""
    share = np.clip((np.nan_to_num(values) - low) / (high - low), 0, 1)
    shades: Grey = (255 * share).astype(np.uint8)
    return shades


def heat(chart: Values) -> Grey:
    """(rows, columns, 3): nothing is black, the largest value yellow; red: brighter, blue: darker."""
    reach = max(float(np.abs(chart).max()), 1e-6)
    share = np.clip(chart / reach, -1, 1)
    up, down = np.clip(share, 0, 1), np.clip(-share, 0, 1)
    colours = np.stack([np.minimum(1.6 * up, 1), up**2 + 0.7 * down**2, np.minimum(1.6 * down, 1)], axis=-1)
    painted: Grey = (255 * np.clip(colours, 0, 1)).astype(np.uint8)
    return painted


def _jpeg(pixels: Grey, picture: Picture) -> str:
    rows, columns = picture.source.shape
    scale = SIDE / max(rows, columns)
    small = Image.fromarray(pixels).resize((max(round(columns * scale), 1), max(round(rows * scale), 1)))
    image = small.convert("RGB")
    if picture.place is not None:
        row, column = (scale * at for at in picture.place)
        box = (column - MARK, row - MARK, column + MARK, row + MARK)
        ImageDraw.Draw(image).ellipse(box, outline=(255, 170, 0), width=2)
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + b64encode(buffer.getvalue()).decode("ascii")
