"""Is there reason to think that the result is worse than its source?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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

    def judged(figure: str, values: Iterable[float | None], known: Limits, words: str) -> Iterator[Judged]:
        """Nothing where no slice has the figure; `words` have a place for its median."""
        if measured := [value for value in values if value is not None]:
            typical = median(measured)
            at = gallery.slice_of(figure)
            plain = known.judge(figure, typical, words.format(typical), slice_index=at)
            yield replace(plain, strain=_strain(known, typical))

    yield from judged(
        "texture_kept",
        (each.texture_kept for each in found),
        Limits(limits.texture_kept_warn, limits.texture_kept_hold, ideal=LARGEST),
        "The noise is so strong, and so much of it was removed, that texture and faint structure may have "
        "gone with it ({:.3f} of what should be left): a scan of higher dose may look more like the source",
    )
    yield from judged(
        "lung_share_removed",
        (each.lung_share_removed for each in found),
        Limits(limits.lung_share_removed_warn, limits.lung_share_removed_hold, ideal=1.0),
        "What was removed from the lung is next to nothing against its detail ({:.2g} of it): there was "
        "hardly any noise to remove, and vessels may have lost contrast",
    )


def _strain(known: Limits, value: float) -> float:
    """A warning of these is no sign of a fault: it does not rank a study before one that has another."""
    if known.hold is not None and value < known.hold:
        return known.hold / max(value, 1e-9)
    return 0.0 if known.warn is None else AT_WARN * min(1.0, known.warn / max(value, 1e-9)) ** 4
