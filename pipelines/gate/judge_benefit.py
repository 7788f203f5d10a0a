"""Is there reason to think that the result is worse than its source?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from pipelines.gate.benefit import LARGEST
from pipelines.gate.measured import MeasuredSlice
from pipelines.gate.pictures import Gallery
from pipelines.gate.verdict import AT_WARN, Judged, Limits
from pipelines.gate_thresholds import GateThresholds

Slices = Sequence[MeasuredSlice]


def worth(slices: Slices, limits: GateThresholds, gallery: Gallery) -> Iterator[Judged]:
    """Of a denoised series in Hounsfield units; medians over its slices."""
    found = [slice_.benefit for slice_ in slices if slice_.benefit is not None]
    kept = [each.texture_kept for each in found if each.texture_kept is not None]
    if kept:
        typical = median(kept)
        words = (
            f"So much of strong noise was removed that texture may have gone with it ({typical:.2f} of what "
            "should be left): a scan of higher dose may look more like the source than like the result"
        )
        known = Limits(limits.texture_kept_warn, limits.texture_kept_hold, ideal=LARGEST)
        judged = known.judge("texture_kept", typical, words, slice_index=gallery.slice_of("texture_kept"))
        yield replace(judged, strain=_strain(limits.texture_kept_warn, limits.texture_kept_hold, typical))
    shares = [each.lung_share_removed for each in found if each.lung_share_removed is not None]
    if shares:
        typical = median(shares)
        words = (
            f"What was removed from the lung is next to nothing against its detail ({typical:.2g} of it): "
            "there was hardly any noise to remove, and vessels may have lost contrast"
        )
        warn, hold = limits.lung_share_removed_warn, limits.lung_share_removed_hold
        at = gallery.slice_of("lung_share_removed")
        judged = Limits(warn, hold, ideal=1.0).judge("lung_share_removed", typical, words, slice_index=at)
        yield replace(judged, strain=_strain(warn, hold, typical))


def _strain(warn: float | None, hold: float | None, value: float) -> float:
    """A warning of these is no sign of a fault: it does not rank a study before one that has another."""
    if hold is not None and value < hold:
        return hold / max(value, 1e-9)
    return 0.0 if warn is None else AT_WARN * min(1.0, warn / max(value, 1e-9)) ** 4
