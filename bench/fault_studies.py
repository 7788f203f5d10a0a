"""The studies that faults are planted in: the bundled ones, and held-out patients of the shared data."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom import dcmread
from scipy import ndimage

from bench.fault_kinds import Slices, Study, Values
from dicom_templates.source import read_slice
from plugin.settings import REPOSITORY

SHARED = REPOSITORY.parent / "shared" / "data"
CRANIUM = Path("/usr/share/doc/invesalius-examples/examples/Cranium.inv3")
"""A CT head, from Debian's package invesalius-examples."""
LEAST_LUNG = 0.05
SLICES = 4
"""Of a study; a longer series makes several."""


def bundled() -> list[Study]:
    """Parts of the two demonstration studies."""
    chest = dicom_slices(REPOSITORY / "demo" / "ct_lidc_0314")
    brain = dicom_slices(REPOSITORY / "demo" / "mr_brain_pd")
    return [*parts("LIDC-0314", chest, "CT", 0.68), *parts("brain PD", brain[3:], "MR", 0.86)]


def held_out(names: frozenset[str], shared: Path = SHARED) -> list[Study]:
    """CT patients and MR patients that no model of the gate was trained on; none where the data is not."""
    if not (shared / "ct_train").is_dir():
        return []
    return [*_held_out_ct(names, shared / "ct_train"), *_held_out_mr(names, shared / "mr_train")]


def _held_out_ct(names: frozenset[str], folder: Path) -> Iterator[Study]:
    for path in sorted(folder.glob("*.npz")):
        archive = dict(np.load(path))
        for name in sorted(names & set(archive["patient"].tolist())):
            mine = archive["patient"] == name
            slices = [values.astype(np.float32) for values in archive["hu"][mine]]
            if len(slices) > SLICES:
                slices = slices[len(slices) // 4 : -len(slices) // 8]
            spacing_mm = float(archive["spacing"][mine][0][0])
            if len(slices) < SLICES:
                yield from alone(name, slices, spacing_mm)
            else:
                yield from list(parts(name, slices, "CT", spacing_mm))[::3]


def alone(name: str, slices: Slices, spacing_mm: float) -> Iterator[Study]:
    """Slices that lie centimetres apart are no series: each is a study."""
    for number, values in enumerate(slices, start=1):
        title = f"{name} {number}" if len(slices) > 1 else name
        yield Study(title, [values], "CT", spacing_mm, header_of([values], "CT"))


def header_of(slices: Slices, modality: str) -> str:
    """The shared slices have no header: a CT that shows lungs is called a chest, another is not named."""
    if modality == "MR":
        return "BRAIN"
    return "CHEST" if all(lung_of(values) > LEAST_LUNG for values in slices) else ""


def lung_of(values: Values) -> float:
    """Share of the body, its holes filled."""
    smooth = ndimage.gaussian_filter(values, 2)
    body = ndimage.binary_fill_holes(smooth > -400)
    return int(np.count_nonzero(body & (smooth < -600))) / max(int(np.count_nonzero(body)), 1)


def _held_out_mr(names: frozenset[str], folder: Path) -> Iterator[Study]:
    import nibabel

    for path in sorted(folder.glob("*.nii.gz")):
        if any(path.name.startswith(name) for name in names):
            volume = nibabel.as_closest_canonical(nibabel.load(path))
            values = np.asarray(volume.dataobj, np.float32)
            middle = values[..., values.shape[2] // 3 : values.shape[2] * 3 // 4]
            slices = [np.ascontiguousarray(middle[::-1, ::-1, at].T) for at in range(middle.shape[2])]
            name = path.name.removesuffix(".nii.gz")
            yield from list(parts(name, slices, "MR", float(volume.header.get_zooms()[0])))[1:2]


def parts(name: str, slices: Slices, modality: str, spacing_mm: float) -> Iterator[Study]:
    """Pieces of four slices; what remains is left out, unless it is all there is."""
    whole = max(len(slices) // SLICES, 1)
    for number in range(whole):
        piece = slices[number * SLICES : (number + 1) * SLICES]
        title = f"{name} {number + 1}" if whole > 1 else name
        yield Study(title, piece, modality, spacing_mm, header_of(piece, modality))


def dicom_slices(folder: Path) -> Slices:
    """In the order of the files' names."""
    return [read_slice(path.read_bytes()).values() for path in sorted(folder.glob("*.dcm"))]


def other_parts(modality: str, shared: Path = SHARED) -> list[Slices]:
    """Slices of body parts that the chest or brain studies do not show: abdomen, head or spine."""
    from pydicom.data import get_testdata_file

    if modality == "MR":
        return [[_pydicom_test_slice(str(get_testdata_file("MR_small.dcm")))]]
    found = [dicom_slices(shared / "ct_abdomen_j2k")] if (shared / "ct_abdomen_j2k").is_dir() else []
    if CRANIUM.is_file():
        found.append(_cranium(CRANIUM))
    return found or [[_pydicom_test_slice(str(get_testdata_file("CT_small.dcm")))]]


def _pydicom_test_slice(path: str) -> Values:
    dataset = dcmread(path)
    stored = dataset.pixel_array.astype(np.float32)
    slope, intercept = (float(dataset.get(f"Rescale{part}", None) or 0) for part in ("Slope", "Intercept"))
    return stored * np.float32(slope or 1) + np.float32(intercept)


def _cranium(path: Path) -> Slices:
    with tarfile.open(path) as archive:
        member = next(name for name in archive.getnames() if name.endswith("/matrix.dat"))
        stream = archive.extractfile(member)
        assert stream is not None
        volume = np.frombuffer(stream.read(), np.int16).reshape(-1, 256, 256)
    return [values.astype(np.float32) for values in volume[20:90:3]]


def other_modality(modality: str) -> list[Slices]:
    """Slices of the other modality, in its own numbers: signal taken for HU, or HU + 1024 for signal."""
    if modality == "MR":
        return [[values + 1024 for values in dicom_slices(REPOSITORY / "demo" / "ct_lidc_0314")[::4]]]
    return [dicom_slices(REPOSITORY / "demo" / "mr_brain_pd")[4:16:2]]


def with_noise(study: Study, seed: int) -> Study:
    """CT: 12 HU of the grain of a medium kernel; MR: Rician noise of 3 % of the bright signal."""
    rng = np.random.default_rng(seed)
    sources: Slices = []
    for source in study.sources:
        if study.modality == "CT":
            noise = ndimage.gaussian_filter(rng.normal(size=source.shape), 0.7)
            sources.append((source + 12 / noise.std() * noise).astype(np.float32))
        else:
            one, other = 3 * study.contrast_unit * rng.normal(size=(2, *source.shape))
            sources.append(np.hypot(source + one, other).astype(np.float32))
    return replace(study, sources=sources)
