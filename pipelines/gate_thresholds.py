"""The limits a manifest sets for the quality gate."""

from __future__ import annotations

from pydantic import Field

from pipelines.manifest_part import Bounds, ManifestPart


class GateThresholds(ManifestPart):
    """Beyond a warn limit the verdict is WARN, beyond a hold limit HOLD; a limit of null is not checked.

    The HU limits apply to series in hounsfield_units, the percent limits to all others.
    """

    mean_shift_warn_hu: float = Field(default=1.0, gt=0)
    """Mean of result minus source over each tissue class: air, lung, fat, soft tissue, bone."""
    mean_shift_hold_hu: float = Field(default=5.0, gt=0)
    """Also held against each slice by itself."""
    mean_shift_warn_percent: float = Field(default=2.0, gt=0)
    """Mean change of dark or bright tissue relative to its mean signal."""
    mean_shift_hold_percent: float = Field(default=10.0, gt=0)
    noise_removed_warn_hu: float | None = Field(default=None, gt=0)
    """Robust standard deviation of result minus source, median over the slices."""
    noise_removed_hold_hu: float | None = Field(default=None, gt=0)
    noise_ratio_warn: Bounds | None = None
    """Noise of the result over noise of the source in soft (bright) tissue, median over the slices."""
    noise_ratio_hold: Bounds | None = None
    structure_warn: float | None = Field(default=None, gt=0, le=1)
    """Correlation of the size of the change with the edges of the source, 0 (noise) to 1 (edges)."""
    structure_hold: float | None = Field(default=None, gt=0, le=1)
    texture_kept_warn: float | None = Field(default=None, gt=0)
    """CT: noise left over the least at which SSIM does not fall against a scan of twice the dose."""
    texture_kept_hold: float | None = Field(default=None, gt=0)
    lung_share_removed_warn: float | None = Field(default=None, gt=0, lt=1)
    """CT: power of the change over the source's variance in the lung: below, little noise was there."""
    lung_share_removed_hold: float | None = Field(default=None, gt=0, lt=1)
    local_change_warn: float | None = Field(default=9.0, gt=0)
    """Largest change over 12 x 12 pixels, as a multiple of what is usual in the slice."""
    local_change_hold: float | None = Field(default=12.0, gt=0)
    fourier_crossing_warn: float | None = Field(default=0.04, gt=0, lt=0.5)
    """Cycles a pixel up to which every patch of source and result agrees (sFRC, arXiv 2603.04673)."""
    fourier_crossing_hold: float | None = Field(default=0.015, gt=0, lt=0.5)
    edges_kept_warn: Bounds | None = (0.95, 1.15)
    """Steepness of the edges of the result over the source's, median over the slices."""
    edges_kept_hold: Bounds | None = (0.88, 1.4)
    correlation_warn: float | None = Field(default=0.95, ge=-1, lt=1)
    """Of a slice with its source, the lowest of the series."""
    correlation_hold: float | None = Field(default=0.85, ge=-1, lt=1)
    mirrored_hold: float | None = Field(default=0.9, gt=0)
    """Distance of a result to the mirrored source over that to the source: below 1 the mirror fits better."""
    exchanged_hold: float | None = Field(default=0.9, gt=0)
    """The same for two slices in each other's place, and for a whole series shifted along the stack."""
    out_of_distribution_warn: float | None = Field(default=None, gt=0)
    """How far a slice lies beyond what a VAE knows of the modality; 1 is at its bounds."""
    out_of_distribution_hold: float | None = Field(default=None, gt=0)
    source_ghosts_warn: float | None = Field(default=None, gt=0)
    """CT: unevenness of the air around the patient over its noise; MR: its bright parts, % of the signal."""
    source_ghosts_hold: float | None = Field(default=None, gt=0)
    source_motion_warn: float | None = Field(default=None, gt=0, lt=1)
    """What a small network says of motion in the source, 0 to 1, in the worst quarter of its slices."""
    source_motion_hold: float | None = Field(default=None, gt=0, lt=1)
    source_metal_streaks_warn: float | None = Field(default=None, gt=0, lt=1)
    """The same of metal: rods with streaks in CT, voids with a bright rim in MR."""
    source_metal_streaks_hold: float | None = Field(default=None, gt=0, lt=1)
    source_grain_warn: Bounds | None = None
    """Finest noise of the source over noise two pixels wide: how sharp its kernel is; 1 is white noise."""
    source_metal_warn_permille: float | None = Field(default=0.1, gt=0)
    """Pixels of a CT slice above 2500 HU."""
    source_metal_hold_permille: float | None = Field(default=1.0, gt=0)
    source_peak_warn: float | None = Field(default=1.4, gt=1)
    """Brightest thousandth of an MR slice over its brightest hundredth."""
    source_peak_hold: float | None = Field(default=2.0, gt=1)
    lung_share_warn: float | None = Field(default=0.02, ge=0, lt=0.1)
    """Of the tissue of a CT series whose header says chest, what a quarter of its slices reach."""
    lung_share_hold: float | None = Field(default=None, ge=0, lt=0.1)
    air_warn_hu: Bounds | None = (-1060.0, -930.0)
    """Where a CT series' histogram has its peak of air."""
    air_hold_hu: Bounds | None = None
    without_air_warn: float | None = Field(default=0.1, gt=0, le=1)
    """Mean over a CT series' slices: 1 for one without fat and air, a half for one without air."""
    without_air_hold: float | None = Field(default=0.8, gt=0, le=1)
    continuity_warn: float | None = Field(default=0.5, ge=-1, lt=1)
    """Correlation of a source slice with the more alike of its neighbours, the lowest of the series."""
    continuity_hold: float | None = Field(default=None, ge=-1, lt=1)
