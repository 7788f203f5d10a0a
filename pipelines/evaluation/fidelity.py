"""Tier 1: pixel fidelity. RMSE, MAE, bias, PSNR, SSIM and MS-SSIM of result, input and baselines; how near
any method can come.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipelines.evaluation.baselines import Baselines
from pipelines.evaluation.figures import ATTAINABLE, INPUT, REFERENCE, RESULT, Quantity, Sums
from pipelines.evaluation.intensity import LearnedCurves, intensity_maps
from pipelines.evaluation.scale import SeriesScale
from pipelines.evaluation.subject import Image, Mask, Subject, Triple
from pipelines.measures.attainable import NotAttainable, attainable
from pipelines.measures.differences import mean_absolute_error, mean_difference, psnr_db, rmse
from pipelines.measures.regions import box_around
from pipelines.measures.similarity import ssim_and_ms_ssim

TIER = 1


class Fidelity:
    """Watches one series go by."""

    def __init__(
        self,
        subject: Subject,
        scale: SeriesScale,
        baselines: Baselines | None,
        curves: LearnedCurves | None = None,
    ) -> None:
        self._subject, self._scale, self._baselines = subject, scale, baselines
        self._maps = () if subject.keeps_values else intensity_maps(subject, scale, curves)
        self._sums = Sums()
        self._unattainable: dict[str, int] = {}

    def observe(self, triple: Triple, masks: Mapping[str, Mask]) -> float | None:
        """Measures a slice; returns the result's RMSE in the main mask, None where there is none."""
        main = masks.get(self._scale.main_mask)
        if main is None:
            return None
        least = self._least(triple, main)
        for name, image in self._images(triple, main):
            self._sums.add(dict(self._errors(name, image, triple.reference, masks)))
            self._sums.add(dict(self._views(name, image, triple.reference, main)))
            if least is not None:
                ratio = rmse(image, triple.reference, main) / least
                where = self._scale.main_mask
                self._sums.add({Quantity(TIER, "rmse / attainable", "", name, where, better="lower"): ratio})
        return rmse(self._compared(triple), triple.reference, main)

    def values(self) -> dict[Quantity, float]:
        """Means over the slices observed."""
        return self._sums.means()

    def notes(self) -> tuple[str, ...]:
        """In how many slices no attainable error could be told, and why."""
        return tuple(
            f"slices without an attainable error: {count} ({why})"
            for why, count in sorted(self._unattainable.items())
        )

    def _least(self, triple: Triple, main: Mask) -> float | None:
        """The attainable RMSE, of CT that is given back as CT."""
        if not (self._scale.in_hu and self._subject.keeps_values):
            return None
        try:
            found = attainable(triple.source, triple.reference, main, self._subject.spacing_mm)
        except NotAttainable as why:
            self._unattainable[why.what] = self._unattainable.get(why.what, 0) + 1
            return None
        where = self._scale.main_mask
        self._sums.add(
            {
                Quantity(TIER, "rmse", "HU", ATTAINABLE, where, better="lower"): found.rmse,
                Quantity(TIER, "noise", "HU", REFERENCE, "even soft tissue"): found.reference_noise,
            }
        )
        return found.rmse

    def _compared(self, triple: Triple) -> Image:
        return triple.result if self._scale.gain == 1.0 else triple.result * self._scale.gain

    def _images(self, triple: Triple, mask: Mask) -> Iterator[tuple[str, Image]]:
        yield RESULT, self._compared(triple)
        for curve in self._maps:
            yield curve.image, curve(triple.source)
        if self._subject.keeps_values:
            yield INPUT, triple.source
            if self._baselines is not None:
                yield from self._baselines.images(triple, mask, self._subject.spacing_mm)

    def _errors(
        self, name: str, image: Image, reference: Image, masks: Mapping[str, Mask]
    ) -> Iterator[tuple[Quantity, float]]:
        unit, scaled = self._scale.unit, self._scale.in_unit
        for where, mask in masks.items():
            rms = rmse(image, reference, mask)
            bias = mean_difference(image, reference, mask)
            yield Quantity(TIER, "rmse", unit, name, where, better="lower"), scaled(rms)
            yield Quantity(TIER, "mean difference", unit, name, where, better="near zero"), scaled(bias)
            if where == self._scale.main_mask:
                absolute = mean_absolute_error(image, reference, mask)
                yield Quantity(TIER, "mae", unit, name, where, better="lower"), scaled(absolute)

    def _views(
        self, name: str, image: Image, reference: Image, mask: Mask
    ) -> Iterator[tuple[Quantity, float]]:
        where, box = self._scale.main_mask, box_around(mask)
        for window, limits in self._scale.windows.items():
            signal_to_noise = psnr_db(image, reference, mask, limits)
            one, many = ssim_and_ms_ssim(image[box], reference[box], mask[box], limits)
            measured = (("psnr", "dB", signal_to_noise), ("ssim", "", one), ("ms-ssim", "", many))
            for figure, unit, value in measured:
                yield Quantity(TIER, figure, unit, name, where, window, "higher"), value
