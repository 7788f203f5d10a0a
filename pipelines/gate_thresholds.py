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
