"""Original, result and difference of a job's middle slice: pictures that Orthanc renders itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from plugin.ledger import Job
from plugin.orthanc_rest import Gone, OrthancRest
from plugin.parts import Parts

CT_WINDOW = (40.0, 400.0)
"""Centre and width in Hounsfield units, where the source names none."""
DIFFERENCE_WINDOW = (0.0, 100.0)
"""In units of the difference series."""

Entry = Mapping[str, Any]
"""An instance as Orthanc's index shows it."""


@dataclass(frozen=True)
class Triptych:
    """Addresses of pictures, relative to a page; None where there is no such picture."""

    original: str
    result: str | None
    difference: str | None
    """Of the job's own difference series; without one the page lays result over original."""
    place: int
    """The slice's place in the series, from 1."""
    slices: int
    window: tuple[float, float] | None
    """Centre and width, of original and result alike."""
    aside: bool
    """Whether the result is not in Orthanc, and its picture is the node's."""
    difference_window: tuple[float, float] = DIFFERENCE_WINDOW


def triptych(parts: Parts, job: Job) -> Triptych:
    """Of the middle slice of the job's source.

    Raises:
        Gone: the source is no longer in Orthanc.
    """
    orthanc = parts.reception.orthanc
    place, slices, source = middle_of(orthanc, job)
    window = window_of(orthanc, source["ID"])
    aside = aside_folder(parts, job) is not None
    result = counterpart(orthanc, job.result_series_uids[:1], source)
    own_difference = job.result_series_uids[1:2] if "difference" in job.companions else ()
    difference = counterpart(orthanc, own_difference, source)
    return Triptych(
        original=rendered(source["ID"], window),
        result="aside.png?" + urlencode({"id": job.id}) if aside else result and rendered(result, window),
        difference=difference and rendered(difference, DIFFERENCE_WINDOW),
        place=place,
        slices=slices,
        window=window,
        aside=aside,
    )


def aside_folder(parts: Parts, job: Job) -> Path | None:
    """Where the result lies if it is not in Orthanc: held by the gate, or of a shadow rule."""
    kept = {"held": parts.folders.held, "done": parts.folders.shadow}.get(job.state)
    found = kept / job.id if kept else None
    return found if found and found.is_dir() else None


def middle_of(orthanc: OrthancRest, job: Job) -> tuple[int, int, Entry]:
    """Place from 1, number of slices, and the instance in the middle by Instance Number."""
    snapshot = {orthanc_id for _, orthanc_id in job.instances}
    listed = [entry for entry in orthanc.instances_of(job.series_orthanc_id) if entry["ID"] in snapshot]
    if not listed:
        raise Gone("the source series is no longer in Orthanc")
    ordered = sorted(listed, key=instance_number)
    middle = len(ordered) // 2
    return middle + 1, len(ordered), ordered[middle]


def instance_number(entry: Entry) -> tuple[int, str]:
    text = str(entry["MainDicomTags"].get("InstanceNumber", "")).strip()
    return (int(text) if text.lstrip("-").isdigit() else 0, entry["ID"])


def counterpart(orthanc: OrthancRest, series_uids: Sequence[str], source: Entry) -> str | None:
    """Orthanc id of the instance at the same place in space, in the first of these series."""
    found = orthanc.find_series(series_uids[0]) if series_uids else None
    if found is None:
        return None
    wanted = source["MainDicomTags"].get("ImagePositionPatient")
    for entry in orthanc.instances_of(found):
        if entry["MainDicomTags"].get("ImagePositionPatient") == wanted:
            return str(entry["ID"])
    return None


def window_of(orthanc: OrthancRest, instance_orthanc_id: str) -> tuple[float, float] | None:
    """The source's first display window (PS3.3 C.11.2.1.2), so that all pictures are shown alike."""
    tags = orthanc.json(f"/instances/{instance_orthanc_id}/simplified-tags")
    try:
        centre, width = (float(str(tags[key]).split("\\")[0]) for key in ("WindowCenter", "WindowWidth"))
    except (KeyError, ValueError):
        return CT_WINDOW if tags.get("Modality") == "CT" else None
    return (centre, width) if width >= 1 else None


def rendered(instance_orthanc_id: str, window: tuple[float, float] | None) -> str:
    shown = {"window-center": f"{window[0]:g}", "window-width": f"{window[1]:g}"} if window else {}
    return f"../../instances/{instance_orthanc_id}/rendered?" + urlencode({**shown, "width": "512"})
