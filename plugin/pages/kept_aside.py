"""A picture of a result that is not in Orthanc: a person cannot release what they have not seen."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from dicom_templates.source import read_header, read_slice
from plugin.pages.jobs import job_named
from plugin.pages.middle_slice import aside_folder, middle_of, window_of
from plugin.pages.page import HEADERS
from plugin.parts import Parts
from plugin.rest_errors import NotFound


def aside_png(parts: Parts, request: Request) -> Response:
    """The result's slice at the place of the source's middle one, with the source's window."""
    job = job_named(parts, request.query_params.get("id", ""))
    folder = aside_folder(parts, job)
    _, _, source = middle_of(parts.reception.orthanc, job)
    position = source["MainDicomTags"].get("ImagePositionPatient", "")
    found = file_at(folder, job.result_series_uids[0], position) if folder else None
    if found is None:
        raise NotFound("there is no such result aside", remedy="look whether the job is still held")
    values = read_slice(found).values()
    png = windowed_png(values, window_of(parts.reception.orthanc, source["ID"]))
    return Response(png, 200, HEADERS, media_type="image/png")


def file_at(folder: Path, series_instance_uid: str, position: str) -> bytes | None:
    """The instance of the series whose Image Position (Patient) is `position`, as DICOM writes it."""
    wanted = [float(part) for part in position.split("\\") if part]
    for path in sorted(folder.glob("*.dcm")):
        data = path.read_bytes()
        header = read_header(data)
        lies_at = [float(part) for part in header.get("ImagePositionPatient") or ()]
        if header.SeriesInstanceUID == series_instance_uid and np.allclose(lies_at, wanted, atol=1e-4):
            return data
    return None


def windowed_png(values: NDArray[np.float32], window: tuple[float, float] | None) -> bytes:
    """PNG of 8 bits; (rows, columns) in the unit of the window, or from least to most without one."""
    low, high = (float(values.min()), float(values.max()))
    if window:
        low, high = window[0] - window[1] / 2, window[0] + window[1] / 2
    grey = np.clip((values - low) / max(high - low, 1e-6), 0, 1) * 255
    buffer = BytesIO()
    Image.fromarray(grey.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
