"""Is the source what the pipeline was made for: known values, known anatomy, no metal, no motion?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import median

import numpy as np

from pipelines.gate.measured import MeasuredSlice
from pipelines.gate.pictures import Gallery
from pipelines.gate.source_signs import SourceSigns
from pipelines.gate.verdict import Finding, Judged, Limits, both_sides
from pipelines.manifest import Manifest

CHEST = ("CHEST", "THORAX", "LUNG")
"""Of Body Part Examined."""
LUNG_OF_CHEST = 0.1
LEAST_SLICES = 3
"""Of a series that is held for showing no lung."""

Slices = Sequence[MeasuredSlice]


def source_range(slices: Slices, manifest: Manifest, gallery: Gallery) -> Iterator[Judged]:
    """Slices whose own range is wider than what the pipeline was validated on."""
    if not slices:
        return
    lower = median(slice_.figures.source_range[0] for slice_ in slices)
    upper = median(slice_.figures.source_range[1] for slice_ in slices)
    known, finding = manifest.inputs[0].values, None
    if known and not known[0] <= lower <= upper <= known[1]:
        found = f"{lower:.0f} to {upper:.0f}, validated for {known[0]:g} to {known[1]:g}"
        reason = f"The source's values are unlike those this pipeline knows ({found})."
        low = lower < known[0]
        beyond = (
            ("source_1st_percentile", lower, known[0]) if low else ("source_99th_percentile", upper, known[1])
        )
        finding = Finding("WARN", reason, *beyond, gallery.slice_of(beyond[0]))
    for figure, value in (("source_1st_percentile", lower), ("source_99th_percentile", upper)):
        mine = finding if finding and finding.figure == figure else None
        yield Judged(figure, value, 0.9 if mine else 0.0, mine, warn=known)


def oddity(slices: Slices, manifest: Manifest, gallery: Gallery) -> Iterator[Judged]:
    found = [slice_.oddity for slice_ in slices if slice_.oddity is not None]
    if found:
        at, limits = gallery.slice_of("out_of_distribution"), manifest.gate
        times = f"{max(found):.2f} times its bounds"
        words = f"Slice {(at or 0) + 1} looks unlike the anatomy this node knows ({times})"
        known = Limits(limits.out_of_distribution_warn, limits.out_of_distribution_hold)
        yield known.judge("out_of_distribution", max(found), words, slice_index=at)


def signs(slices: Slices, manifest: Manifest, gallery: Gallery) -> Iterator[Judged]:
    """Noise, grain, motion, metal, and where air and tissue lie."""
    limits, in_hu = manifest.gate, manifest.inputs[0].quantity == "hounsfield_units"
    found = [slice_.signs for slice_ in slices]
    unit = "hu" if in_hu else "signal"
    if (noise := _median(found, lambda each: each.noise)) is not None:
        yield Judged(f"source_noise_{unit}", noise, 0.0)
    if (grain := _median(found, lambda each: each.grain)) is not None:
        yield _kernel(grain, limits.source_grain_warn, gallery.slice_of("source_grain"))
    if (ghosts := _median(found, lambda each: each.ghosts)) is not None:
        what = "Streaks" if in_hu else "Ghosts"
        words = f"{what} show in the air around the patient ({ghosts:.1f}): motion?"
        known = Limits(limits.source_ghosts_warn, limits.source_ghosts_hold)
        yield known.judge("source_ghosts", ghosts, words, slice_index=gallery.slice_of("source_ghosts"))
    if in_hu and found:
        yield from _hounsfield(found, manifest, gallery)
    if (peak := max((each.peak for each in found if each.peak is not None), default=None)) is not None:
        words = f"Signal piles up to {peak:.2f} times the bright tissue's: metal?"
        known = Limits(limits.source_peak_warn, limits.source_peak_hold, ideal=1.0)
        at = gallery.slice_of("source_peak")
        yield known.judge("source_peak", peak, words, slice_index=at)


def artefacts(slices: Slices, manifest: Manifest, gallery: Gallery) -> Iterator[Judged]:
    """Motion and metal, as a small network sees them in the worst quarter of the slices."""
    limits, found = manifest.gate, [slice_.artefacts for slice_ in slices if slice_.artefacts is not None]
    if not found:
        return
    for figure, seen, value, known in (
        (
            "source_motion",
            "The patient seems to have moved",
            _likeness([each.motion for each in found]),
            Limits(limits.source_motion_warn, limits.source_motion_hold),
        ),
        (
            "source_metal_streaks",
            "Metal seems to have spoilt the source",
            _likeness([each.metal for each in found]),
            Limits(limits.source_metal_streaks_warn, limits.source_metal_streaks_hold),
        ),
    ):
        words = f"{seen} (likeness {value:.2f} of 1)"
        yield known.judge(figure, value, words, slice_index=gallery.slice_of(figure))


def _likeness(log_odds: Sequence[float]) -> float:
    """0 to 1: what a quarter of the slices reach."""
    return float(1 / (1 + np.exp(-np.percentile(log_odds, 75))))


def _kernel(grain: float, known: tuple[float, float] | None, at: int | None) -> Judged:
    """A kernel softer or sharper than any the pipeline was trained on."""
    soft = known is not None and grain < known[0]
    kind = "softer (or the image was smoothed before)" if soft else "sharper"
    words = f"The grain of the noise ({grain:.2f}) tells of a {kind} kernel than this pipeline knows"
    return both_sides("source_grain", grain, words, known, None, slice_index=at)


def body_part(slices: Slices, manifest: Manifest, stated: str, gallery: Gallery) -> Iterator[Judged]:
    """Whether a chest, as the header calls it, shows lungs in a quarter of its slices: the rest may be belly.

    A slice or two are never held for it: they may lie at the base of the lung.
    """
    shares = [each for slice_ in slices if (each := slice_.signs.lung_share) is not None]
    if not shares:
        return
    share = float(np.percentile(shares, 75))
    is_chest = any(name in stated.upper() for name in CHEST)
    hold = manifest.gate.lung_share_hold if len(slices) >= LEAST_SLICES else None
    known = Limits(manifest.gate.lung_share_warn, hold, ideal=LUNG_OF_CHEST)
    words = f"The header says {stated.lower()}, but hardly a slice shows more than {100 * share:.1f} % lung"
    judged = known.judge("lung_share", share, words, slice_index=gallery.slice_of("lung_share"))
    yield judged if is_chest else Judged("lung_share", share, 0.0)


def _hounsfield(found: Sequence[SourceSigns], manifest: Manifest, gallery: Gallery) -> Iterator[Judged]:
    limits = manifest.gate
    metal = 1000 * max(each.metal for each in found)
    at = gallery.slice_of("source_metal_permille")
    words = f"There is metal in the image ({metal:.2f} permille above 2500 HU): its streaks are no anatomy"
    known = Limits(limits.source_metal_warn_permille, limits.source_metal_hold_permille)
    yield known.judge("source_metal_permille", metal, words, slice_index=at)
    if (air := _median(found, lambda each: each.air_hu)) is not None:
        words = f"Air lies at {air:.0f} HU"
        at, usual = gallery.slice_of("source_air_hu"), (limits.air_warn_hu, limits.air_hold_hu)
        yield both_sides("source_air_hu", air, words, *usual, ideal=-1000.0, slice_index=at)
    without = sum(each.without_air for each in found) / len(found)
    words = "There is no air, or not even fat, in the slices: these may be no Hounsfield units"
    known = Limits(limits.without_air_warn, limits.without_air_hold)
    at = gallery.slice_of("source_without_air")
    yield known.judge("source_without_air", without, words, slice_index=at)


def continuity(slices: Slices, manifest: Manifest) -> Iterator[Judged]:
    """Whether each source slice resembles one of its neighbours."""
    likeness = [slice_.alignment.likeness if slice_.alignment else None for slice_ in slices]
    pairs = zip(likeness, [*likeness[1:], None], slices, strict=False)
    known = [
        (max(each for each in (before, after) if each is not None), slice_.figures.index)
        for before, after, slice_ in pairs
        if before is not None or after is not None
    ]
    if known:
        lowest, at = min(known)
        words = f"Slice {at + 1} resembles neither of its neighbours (correlation {lowest:.2f})"
        limits = Limits(manifest.gate.continuity_warn, manifest.gate.continuity_hold, ideal=1.0)
        yield limits.judge("source_continuity", lowest, words, slice_index=at)


def _median(found: Sequence[SourceSigns], value: Callable[[SourceSigns], float | None]) -> float | None:
    values = [known for each in found if (known := value(each)) is not None]
    return median(values) if values else None
