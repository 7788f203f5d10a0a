"""MR brain volumes: reading, the patient-wise split, co-registration and brain masks.

Axial slices as DICOM shows them: (slices, rows, columns), rows to the back, columns to the left of the
patient. Sources, licences and what is aligned with what: the model cards of `mr-denoise` and `mr-t1-to-t2`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813 (its own documentation calls it so)
from scipy import ndimage

Values = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

CONTRASTS = ("T1", "T2", "FLAIR")
HEAD_SESSIONS = ("openms_p01_s1", "openms_p01_s2", "openms_p03_s2", "openms_p04_s1")
"""Whole heads, each contrast on its own grid."""
BRAIN_SESSIONS = ("openms_mni_p07", "openms_mni_p19", "tcga_du_7294", "tcga_fg_6692")
"""Brains without skull, contrasts on one grid of 1 mm."""
HELD_OUT = ("openms_p04_s1", "tcga_fg_6692")
"""One patient of either kind; nothing of them is ever trained on, nor used to choose anything."""
ATLAS = "openms_mni_p07"
PERCENTILE = 99.5
"""What both pipelines divide a series by."""
BRAIN_MEDIAN = 0.4
"""The median of the brain in a translated image: MR signal has no unit, so the scale is ours to choose."""


def read_image(folder: Path, session: str, contrast: str) -> sitk.Image:
    """As float32, axes that run the other way flipped (MNI files run from back to front)."""
    name = f"{contrast}W" if session in HEAD_SESSIONS and contrast != "FLAIR" else contrast
    image = sitk.ReadImage(str(folder / f"{session}_{name}.nii.gz"), sitk.sitkFloat32)
    flips = [bool(image.GetDirection()[4 * axis] < 0) for axis in range(3)]
    return sitk.Flip(image, flips) if any(flips) else image


def registered(
    fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform, mask: sitk.Image | None
) -> sitk.Transform:
    """`transform` moved to the best mutual information (Mattes, a fixed sample of 5 % of the voxels)."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.05, seed=1)
    if mask is not None:
        method.SetMetricFixedMask(mask)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 100)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2])
    method.SetSmoothingSigmasPerLevel([2.0, 1.0])
    method.SetInitialTransform(transform, inPlace=False)
    return method.Execute(fixed, moving)


def centred(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> sitk.Transform:
    """Geometric centres laid on each other, the middle of rotation there."""
    return sitk.CenteredTransformInitializer(
        fixed, moving, transform, sitk.CenteredTransformInitializerFilter.GEOMETRY
    )


def aligned(fixed: sitk.Image, moving: sitk.Image) -> sitk.Image:
    """`moving` of the same session, rigidly registered, interpolated (B-spline) onto the grid of `fixed`."""
    start = sitk.Euler3DTransform()
    middle = fixed.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in fixed.GetSize()])
    start.SetCenter(middle)
    rigid = registered(fixed, moving, start, None)
    return sitk.Resample(moving, fixed, rigid, sitk.sitkBSpline, 0.0)


def brain_of_head(head: sitk.Image, atlas: sitk.Image) -> Mask:
    """The atlas brain laid into `head` by an affine registration, its outermost 3 mm taken off."""
    inside = sitk.BinaryFillhole(sitk.Cast(atlas > 0, sitk.sitkUInt8))
    near = sitk.BinaryDilate(inside, (6, 6, 6))
    rigid = registered(atlas, head, centred(atlas, head, sitk.Euler3DTransform()), near)
    affine = sitk.AffineTransform(3)
    first = sitk.Euler3DTransform(sitk.CompositeTransform(rigid).GetNthTransform(0))
    affine.SetCenter(first.GetCenter())
    affine.SetMatrix(first.GetMatrix())
    affine.SetTranslation(first.GetTranslation())
    found = registered(atlas, head, affine, near)
    core = sitk.BinaryErode(inside, (3, 3, 3))
    laid = sitk.Resample(core, head, found.GetInverse(), sitk.sitkNearestNeighbor, 0)
    return sitk.GetArrayFromImage(laid) > 0


def filled(stripped: sitk.Image) -> Mask:
    """All that is not zero in a brain without skull, and the holes of each slice."""
    found = sitk.GetArrayFromImage(stripped) > 0
    return np.stack([ndimage.binary_fill_holes(slice_) for slice_ in found])


def scaled(image: sitk.Image) -> Values:
    """(slices, rows, columns) over its own `PERCENTILE`, nothing below 0."""
    values = np.clip(sitk.GetArrayFromImage(image), 0.0, None)
    return (values / np.percentile(values, PERCENTILE)).astype(np.float32)


def spacing_of(image: sitk.Image) -> tuple[float, float, float]:
    """Between slices, rows, columns in mm."""
    column, row, between = image.GetSpacing()
    return between, row, column


def prepare(folder: Path, session: str) -> dict[str, npt.NDArray[np.generic]]:
    """All a session gives: each contrast on its own grid (`native_*`) and all on that of T1 (`on_t1_*`)."""
    images = {contrast: read_image(folder, session, contrast) for contrast in CONTRASTS}
    head = session in HEAD_SESSIONS
    t1 = images["T1"]
    together = {c: aligned(t1, image) if head and c != "T1" else image for c, image in images.items()}
    brain = brain_of_head(t1, read_image(folder, ATLAS, "T1")) if head else filled(t1)
    arrays: dict[str, npt.NDArray[np.generic]] = {"brain": brain, "spacing_mm": np.array(spacing_of(t1))}
    for contrast, image in images.items():
        arrays[f"on_t1_{contrast}"] = scaled(together[contrast]).astype(np.float16)
        arrays[f"native_{contrast}"] = scaled(image).astype(np.float16)
        arrays[f"native_spacing_mm_{contrast}"] = np.array(spacing_of(image))
    return arrays


def prepare_all(folder: Path, out: Path) -> None:
    """One file per session in `out`; a session whose file exists is left alone."""
    out.mkdir(parents=True, exist_ok=True)
    for session in (*HEAD_SESSIONS, *BRAIN_SESSIONS):
        path = out / f"{session}.npz"
        if not path.exists():
            np.savez_compressed(path, **prepare(folder, session))  # type: ignore[arg-type]
            print("prepared", session, flush=True)


def target_scale(t2: Values, brain: Mask) -> float:
    """Factor that brings the median of the brain in a T2 volume to `BRAIN_MEDIAN`."""
    return BRAIN_MEDIAN / float(np.median(t2[brain]))


def training_sessions() -> tuple[str, ...]:
    """All that are not held out."""
    return tuple(s for s in (*HEAD_SESSIONS, *BRAIN_SESSIONS) if s not in HELD_OUT)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/mr_train"))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    prepare_all(options.data, options.out)


if __name__ == "__main__":
    main()
