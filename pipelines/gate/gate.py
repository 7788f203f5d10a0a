"""Watches one job's results go by and judges them when they have passed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import median

from pipelines.gate import judge_benefit, judge_places, judge_source, judge_values
from pipelines.gate.exhibits import Exhibits
from pipelines.gate.measured import MeasuredSlice, Measurer
from pipelines.gate.pictures import Gallery, Picture
from pipelines.gate.verdict import Finding, Judged, Verdict, verdict_of
from pipelines.manifest import Manifest
from pipelines.volume import SliceResult

NOT_ACQUIRED = Finding(
    "WARN",
    "This image was not acquired: it was computed from another contrast. Whether it shows the lesions "
    "that are there, and no others, was checked against nothing.",
)
"""Of every translation: its values have no counterpart in the source, so no figure can speak for them."""


class Gate:
    """Of one job. Memory is a few numbers a slice, five slices, and one picture a figure."""

    def __init__(self, manifest: Manifest, *, body_part: str = "") -> None:
        """`body_part`: what the source's header says of it (Body Part Examined), if anything."""
        self._manifest, self._body_part = manifest, body_part
        self._keeps_values = manifest.task != "translate"
        self._gallery = Gallery()
        self._measurer = Measurer(manifest, self._gallery)
        self._exhibits = Exhibits(manifest, self._gallery)
        self._slices: list[MeasuredSlice] = []

    def observe(self, result: SliceResult) -> None:
        """Measure one slice; results come in the order of their slices."""
        measured = self._measurer.measure(result)
        self._exhibits.show(measured, result)
        self._slices.append(measured)

    def watch(self, results: Iterable[SliceResult]) -> Iterator[SliceResult]:
        """Hand the results on unchanged, measuring each."""
        for result in results:
            self.observe(result)
            yield result

    def verdict(self) -> Verdict:
        """The judgement on all slices observed so far; HOLD if there were none."""
        self._exhibits.end()
        return verdict_of(self._judged(), {"slices": float(len(self._slices))})

    def pictures(self) -> tuple[Picture, ...]:
        """The slice where each figure is worst, with its map."""
        return self._gallery.pictures()

    def _judged(self) -> Iterator[Judged | Finding]:
        slices, manifest, gallery = self._slices, self._manifest, self._gallery
        yield from judge_values.soundness(slices)
        yield from judge_source.source_range(slices, manifest, gallery)
        yield from judge_source.oddity(slices, manifest, gallery)
        yield from judge_source.signs(slices, manifest, gallery)
        yield from judge_source.artefacts(slices, manifest, gallery)
        yield from judge_source.continuity(slices, manifest)
        yield from judge_source.body_part(slices, manifest, self._body_part, gallery)
        yield from judge_values.unchanged(slices)
        yield from judge_places.places(slices, manifest.gate, gallery, keeps_values=self._keeps_values)
        if self._keeps_values:
            yield from judge_values.mean_shifts(slices, manifest, gallery)
            yield from judge_values.noise(slices, manifest, gallery)
            yield from judge_values.structure(slices, manifest, gallery)
            yield from judge_benefit.worth(slices, manifest.gate, gallery)
            yield from judge_places.local_changes(slices, manifest.gate, gallery)
            yield from judge_places.fourier_rings(slices, manifest.gate, gallery)
            yield from judge_places.sharpness(slices, manifest.gate, gallery)
        elif slices:
            yield NOT_ACQUIRED
        yield from self._spread()

    def _spread(self) -> Iterator[Judged]:
        """Reported only: the uncertainty series shows where."""
        spreads = [slice_.spread for slice_ in self._slices if slice_.spread is not None]
        if spreads:
            yield Judged("median_spread", median(spreads), 0.0)
