"""Is everything where it was: nothing erased, painted in, blurred, mirrored, inverted or exchanged?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from pipelines.gate.measured import MeasuredSlice
from pipelines.gate.pictures import Gallery
from pipelines.gate.verdict import Judged, Limits
from pipelines.gate_thresholds import GateThresholds

LARGEST_FIT = 9.0
"""Figures of fit are cut here: how much worse a wrong image fits is of no interest."""
LEAST_SLICES = 3
"""Slices whose common shift along the stack is believed."""

Slices = Sequence[MeasuredSlice]


def local_changes(slices: Slices, limits: GateThresholds, gallery: Gallery) -> Iterator[Judged]:
    peaks = [slice_.local_change for slice_ in slices if slice_.local_change is not None]
    if peaks:
        where = _where(gallery, "local_change")
        words = (
            f"Something was removed or added {where}: the change there is {max(peaks):.1f} times the usual"
        )
        known = Limits(limits.local_change_warn, limits.local_change_hold)
        yield known.judge("local_change", max(peaks), words, slice_index=gallery.slice_of("local_change"))


def fourier_rings(slices: Slices, limits: GateThresholds, gallery: Gallery) -> Iterator[Judged]:
    found = [slice_.fourier_crossing for slice_ in slices if slice_.fourier_crossing is not None]
    if found:
        where = _where(gallery, "fourier_crossing")
        alike = f"alike up to {min(found):.3f} cycles a pixel only"
        words = f"Source and result differ in coarse detail {where} ({alike})"
        known = Limits(limits.fourier_crossing_warn, limits.fourier_crossing_hold, ideal=0.5)
        at, hold = gallery.slice_of("fourier_crossing"), limits.fourier_crossing_hold
        judged = known.judge("fourier_crossing", min(found), words, slice_index=at)
        yield replace(judged, strain=(hold or 0.0) / max(min(found), 1e-3))


def sharpness(slices: Slices, limits: GateThresholds, gallery: Gallery) -> Iterator[Judged]:
    kept = [slice_.edges_kept for slice_ in slices if slice_.edges_kept is not None]
    if kept:
        share = median(kept)
        words = f"Edges have {100 * share:.0f} % of their steepness: the result is {_change(share)}"
        side = (limits.edges_kept_warn, limits.edges_kept_hold)
        lower, upper = (tuple(pair and pair[place] for pair in side) for place in (0, 1))
        warn, hold = lower if share < 1 else upper
        at = gallery.slice_of("edges_kept")
        yield Limits(warn, hold, ideal=1.0).judge("edges_kept", share, words, slice_index=at)


def places(
    slices: Slices, limits: GateThresholds, gallery: Gallery, *, keeps_values: bool
) -> Iterator[Judged]:
    """Mirror images, slices in each other's place, inverted contrast."""
    found = [slice_.alignment for slice_ in slices if slice_.alignment is not None]
    correlations = [each.correlation for each in found if each.correlation is not None]
    if keeps_values and correlations:
        lowest, at = min(correlations), gallery.slice_of("correlation_with_source")
        words = (
            f"{_slice(at)} hardly resembles its source (correlation {lowest:.2f}): inverted, or another image"
        )
        known = Limits(limits.correlation_warn, limits.correlation_hold, ideal=1.0)
        yield known.judge("correlation_with_source", lowest, words, slice_index=at)
    if found:
        at = gallery.slice_of("mirrored_fit")
        words = f"{_slice(at)} fits its source better when mirrored"
        fit = min(each.mirrored for each in found)
        yield _fit("mirrored_fit", fit, words, limits.mirrored_hold, at)
        crossed = [fit for each in found for _, fit in each.exchanged]
        at = gallery.slice_of("exchanged_fit")
        if crossed:
            words = f"{_slice(at)} and one near it fit better in each other's place"
            yield _fit("exchanged_fit", min(crossed), words, limits.exchanged_hold, at)
        if (shifted := _shifted(found_pairs=[pair for each in found for pair in each.shifted])) is not None:
            words = "All results fit better one or more slices away: they are shifted along the stack"
            yield _fit("shifted_fit", shifted, words, limits.exchanged_hold, gallery.slice_of("shifted_fit"))


def _fit(figure: str, fit: float, words: str, hold: float | None, at: int | None) -> Judged:
    """Below the limit something else fits better; the strain is the limit over the fit."""
    if hold is None:
        return Judged(figure, min(fit, LARGEST_FIT), 0.0)
    judged = Limits(None, hold, ideal=LARGEST_FIT).judge(figure, min(fit, LARGEST_FIT), words, slice_index=at)
    return replace(judged, strain=min(hold / max(fit, 1e-6), 9.0))


def _shifted(found_pairs: Sequence[tuple[int, float]]) -> float | None:
    """The best fit that a whole series has at one number of slices away."""
    by_offset: dict[int, list[float]] = defaultdict(list)
    for offset, fit in found_pairs:
        by_offset[offset].append(fit)
    return min((median(fits) for fits in by_offset.values() if len(fits) >= LEAST_SLICES), default=None)


def _where(gallery: Gallery, figure: str) -> str:
    place, index = gallery.place_of(figure), gallery.slice_of(figure)
    if place is None or index is None:
        return "somewhere"
    return f"in slice {index + 1} near row {place[0]}, column {place[1]}"


def _slice(index: int | None) -> str:
    return "A slice" if index is None else f"Slice {index + 1}"


def _change(share: float) -> str:
    return "blurred" if share < 1 else "sharpened"
